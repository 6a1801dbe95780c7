"""Features that were made elsewhere, found by the clip's id, in every kind of file."""

import h5py
import numpy as np
import pandas as pd
import pytest
import torch

from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.features import settings
from affectscope.core.features.base import FEATURE_SETS
from affectscope.core.features.bulk.run import extract_corpus
from affectscope.core.features.clips import load_clips
from affectscope.core.features.extract import extract
from affectscope.core.features.own import arrays
from affectscope.core.features.stored import arrays as stored
from affectscope.core.features.stored.packed import open_sets
from tests.media_files import clip, tone

VALUES = np.arange(12, dtype=np.float32).reshape(4, 3)


@pytest.fixture(autouse=True)
def registry(monkeypatch, tmp_path):
    for name in ("AFFECTSCOPE_CACHE", "AFFECTSCOPE_DATA"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("AFFECTSCOPE_CONFIG", raising=False)
    before, bound = dict(FEATURE_SETS._entries), dict(stored.BOUND)
    yield FEATURE_SETS
    for there, then in ((FEATURE_SETS._entries, before), (stored.BOUND, bound)):
        there.clear()
        there.update(then)


@pytest.fixture
def file(tmp_path):
    """20 frames of 1/20 s."""
    return clip(tmp_path / "c1.mp4", 20, 20, tone(1.0))


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "arrays").mkdir()
    return tmp_path / "arrays"


def npy(folder):
    np.save(folder / "c1.npy", VALUES)


def npz(folder):
    np.savez(folder / "c1.npz", features=VALUES)


def pt(folder):
    torch.save(torch.from_numpy(VALUES), folder / "c1.pt")


def pt_dict(folder):
    torch.save({"values": torch.from_numpy(VALUES), "label": "calm"}, folder / "c1.pt")


def frames(folder):
    (folder / "c1").mkdir()
    # Nine comes before ten, which names alone would not say.
    for number, row in zip((8, 9, 10, 11), VALUES, strict=True):
        np.save(folder / "c1" / f"frame_{number}.npy", row)


def batch_of_one(folder):
    np.save(folder / "c1.npy", VALUES[None])


def pt_gradient(folder):
    torch.save(torch.nn.Parameter(torch.from_numpy(VALUES)), folder / "c1.pt")


def pt_short(folder):
    torch.save({"features": torch.from_numpy(VALUES).bfloat16().requires_grad_()}, folder / "c1.pt")


def pt_frames(folder):
    torch.save([torch.tensor(row, requires_grad=True) for row in VALUES], folder / "c1.pt")


def beside_what_a_mac_leaves(folder):
    npy(folder)
    (folder / "._c1.npy").write_bytes(b"Mac OS X")


def frames_beside_what_a_mac_leaves(folder):
    frames(folder)
    (folder / "c1" / "._frame_8.npy").write_bytes(b"Mac OS X")


def h5(folder):
    with h5py.File(folder / "all.h5", "w") as held:
        held["c1"] = VALUES
    return folder / "all.h5"


def h5_group(folder):
    with h5py.File(folder / "all.hdf5", "w") as held:
        held["clips/data/c1/features"] = VALUES
    return folder / "all.hdf5"


@pytest.mark.parametrize("write", [
    npy, npz, pt, pt_dict, pt_gradient, pt_short, pt_frames, frames, batch_of_one, h5, h5_group, beside_what_a_mac_leaves,
    frames_beside_what_a_mac_leaves,
])  # fmt: skip
def test_arrays_of_every_kind_lie_evenly_over_the_clip(write, folder, file):
    arrays("mine", write(folder) or folder, modality="visual")
    stream = extract(file, sets={"visual": "mine"}).streams["visual"]
    np.testing.assert_array_equal(stream.values, VALUES)
    assert stream.times.tolist() == pytest.approx([0.125, 0.375, 0.625, 0.875], abs=0.01)
    assert stream.present.all()


def test_a_rate_that_was_named_and_times_of_the_arrays_own(folder, file):
    npy(folder)
    arrays("mine", folder, modality="visual", rate=10)
    assert extract(file, sets={"visual": "mine"}).streams["visual"].times.tolist() == pytest.approx([0.05, 0.15, 0.25, 0.35])
    np.save(folder / "c1.times.npy", np.array([0.1, 0.2, 0.4, 0.8]))
    assert extract(file, sets={"visual": "mine"}).streams["visual"].times.tolist() == [0.1, 0.2, 0.4, 0.8]
    np.savez(folder / "c2.npz", values=VALUES, intervals=[[0, 0.2], [0.2, 0.4], [0.4, 0.6], [0.6, 1.0]], present=[1, 0, 1, 1])
    stream = extract(file, sets={"visual": "mine"}, clip="c2").streams["visual"]
    assert stream.times.tolist() == pytest.approx([0.1, 0.3, 0.5, 0.8])
    assert stream.present.tolist() == [True, False, True, True]
    assert not stream.values[1].any()


def test_frames_of_any_shape(folder, file):
    np.save(folder / "c1.npy", np.ones((5, 2, 4), np.float64))
    arrays("pictures", folder, modality="visual", shape=(2, 4))
    assert FEATURE_SETS["pictures"].shape == (2, 4)
    assert extract(file, sets={"visual": "pictures"}).streams["visual"].values.shape == (5, 8)


def test_what_cannot_be_used_is_one_sentence(folder, file):
    npy(folder)
    arrays("mine", folder, modality="visual", rate=10)
    wrong = {
        "wide": (np.ones((4, 5)), "4 x 5, and a frame has 3 features"),
        "turned": (np.ones((3, 7)), "seems to be"),
        "nan": (np.full((4, 3), np.nan), "NaN or infinity in 4 of 4 frames"),
        "long": (np.ones((40, 3)), r"goes on to 4\.0 s at 10 frames a second, and the clip lasts 1\.0 s"),
        "words": (np.array([["a", "b", "c"]]), "holds no numbers"),
    }
    for name, (values, message) in wrong.items():
        np.save(folder / f"{name}.npy", values)
        with pytest.raises(UserError, match=message) as raised:
            extract(file, sets={"visual": "mine"}, clip=name)
        assert f"{name}.npy" in str(raised.value)
    (folder / "damaged.npy").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"damaged\.npy cannot be read as an array"):
        extract(file, sets={"visual": "mine"}, clip="damaged")
    np.save(folder / "objects.npy", np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(UserError, match=r"objects\.npy cannot be read"):
        extract(file, sets={"visual": "mine"}, clip="objects")
    torch.save(VALUES, folder / "array.pt")
    with pytest.raises(UserError, match=r"array\.pt cannot be read: it holds objects, .* np\.save") as raised:
        extract(file, sets={"visual": "mine"}, clip="array")
    assert "load" not in str(raised.value)
    (folder / "c1.npy").unlink()
    with pytest.raises(UserError, match=r"There are no mine of the clip lost: put lost\.npy"):
        extract(file, sets={"visual": "mine"}, clip="lost")


def test_a_clips_id_leads_nowhere_else(tmp_path, folder, file):
    npy(folder)
    np.save(tmp_path / "secret.npy", VALUES)
    arrays("mine", folder, modality="visual")
    told = stored.source_of("mine")
    for name in ("../secret", str(tmp_path / "secret"), "", ".", "a" * 5000):
        assert stored.find(told, [name]) is None


def test_what_a_folder_of_arrays_needs_to_be(tmp_path, folder):
    with pytest.raises(UserError, match="There is no folder"):
        arrays("mine", tmp_path / "nowhere", modality="visual")
    with pytest.raises(UserError, match="holds no arrays of mine"):
        arrays("mine", folder, modality="visual")
    npy(folder)
    with pytest.raises(UserError, match="of audio, visual or another modality"):
        arrays("mine", folder)
    with pytest.raises(UserError, match="3 features a frame, and mine has 4"):
        arrays("mine", folder, modality="visual", dim=4)
    with pytest.raises(UserError, match="3 features a frame, and vgg-face has 4096"):
        arrays("vgg-face", folder)
    with pytest.raises(UserError, match="frames a second, and -1 is none"):
        arrays("mine", folder, modality="visual", rate=-1)


def test_arrays_go_before_extraction_and_stand_in_for_weights(folder, file, monkeypatch, tmp_path):
    monkeypatch.setenv("AFFECTSCOPE_WEIGHTS", str(tmp_path))
    np.save(folder / "c1.npy", np.full((2, 4096), 0.5, np.float32))
    with pytest.raises(UserError, match=r"vgg_face_dag\.pth"):
        FEATURE_SETS["vgg-face"].check(None)
    arrays("vgg-face", folder)
    assert FEATURE_SETS["vgg-face"].check(None) is None
    assert (extract(file, sets={"visual": "vgg-face"}).streams["visual"].values == 0.5).all()
    with pytest.raises(UserError, match="There are no vgg-face of the clip c2"):
        extract(clip(tmp_path / "c2.mp4", 5), sets={"visual": "vgg-face"})
    # Also of the features that every clip is read into.
    np.save(folder / "c1.npy", np.full((2, 130), 0.25, np.float32))
    arrays("llds", folder)
    assert (extract(file, sets={"audio": "llds"}).streams["audio"].values == 0.25).all()


def corpus_of(tmp_path, media: bool) -> Corpus:
    folder = tmp_path / "clips"
    folder.mkdir()
    for i in range(2):
        clip(folder / f"f{i}.mp4", 10 + 2 * i, 10, tone(0.2 + i))
    paths = ["f0.mp4", "f1.mp4"] if media else ["", ""]
    table = pd.DataFrame({"path": paths, "label": "calm", "speaker": "s", "duration": [2.0, 4.0]}, index=["c0", "c1"])
    return Corpus("two", folder, table, ("calm",))


def test_a_corpus_without_media_lives_of_its_arrays(tmp_path, folder):
    np.save(folder / "c0.npy", VALUES)
    np.save(folder / "f1.npy", VALUES)
    arrays("mine", folder, modality="text")
    clips, broken = load_clips(corpus_of(tmp_path, media=False), workers=1, sets={"text": "mine"})
    assert [clip_.id for clip_ in clips] == ["c0"]
    assert clips[0].streams["text"].times.tolist() == [0.25, 0.75, 1.25, 1.75]
    assert clips[0].duration == 2.0
    assert broken == [f"c1: There are no mine of the clip c1: put c1.npy, .npz or .pt into {folder}."]


def test_arrays_in_bulk_are_those_of_one_clip(tmp_path, folder):
    # One by the corpus's id, one by the file's name.
    np.save(folder / "c0.npy", VALUES)
    np.save(folder / "f1.npy", VALUES + 1)
    arrays("mine", folder, modality="visual", rate=4)
    corpus = corpus_of(tmp_path, media=True)
    extract_corpus(corpus, ["mine"], tmp_path / "store", workers=1)
    (kept,) = open_sets(tmp_path / "store")
    clips, broken = load_clips(corpus, workers=1, sets={"visual": "mine"})
    assert not broken
    for clip_, added in zip(clips, (0, 1), strict=True):
        np.testing.assert_array_equal(clip_.streams["visual"].values, VALUES + added)
        np.testing.assert_array_equal(kept.stream(clip_.id).values, VALUES + added)
        assert kept.stream(clip_.id).times.tolist() == clip_.streams["visual"].times.tolist() == [0.125, 0.375, 0.625, 0.875]
    # A packed store is a source of arrays itself.
    arrays("again", kept.folder, modality="visual")
    clips, _ = load_clips(corpus, workers=1, sets={"visual": "again"})
    np.testing.assert_array_equal(clips[1].streams["visual"].values, VALUES + 1)


def test_keys_follow_the_arrays(tmp_path, folder):
    npy(folder)
    arrays("mine", folder, modality="visual")
    before = stored.mark_of("mine", ["c1"]), stored.stamp_of("mine"), FEATURE_SETS["mine"].settings(None)
    assert before == (stored.mark_of("mine", ["c1"]), stored.stamp_of("mine"), FEATURE_SETS["mine"].settings(None))
    np.save(folder / "c1.npy", VALUES[:3])
    after = stored.mark_of("mine", ["c1"]), stored.stamp_of("mine"), FEATURE_SETS["mine"].settings(None)
    assert all(old != other for old, other in zip(before, after, strict=True))
    assert stored.mark_of("mine", ["c2"]) == ""
    arrays("mine", folder, modality="visual", rate=3)
    assert stored.mark_of("mine", ["c1"]) != after[0]
    held = h5(folder)
    arrays("held", held, modality="visual")
    first = stored.mark_of("held", ["c1"])
    with h5py.File(held, "a") as more:
        more["c2"] = VALUES
    assert stored.mark_of("held", ["c1"]) == first


def test_arrays_that_a_person_named_once_are_a_set(folder, file):
    npy(folder)
    settings.tell_arrays("kept", settings.ArraySource(str(folder), "visual", 3, 10.0))
    assert "kept" in list(FEATURE_SETS)
    assert FEATURE_SETS["kept"].dim == 3
    assert extract(file, sets={"visual": "kept"}).streams["visual"].values.shape == (4, 3)
    settings.tell_arrays("kept", None)
    with pytest.raises(UserError, match="no feature set called 'kept'"):
        FEATURE_SETS["kept"]
