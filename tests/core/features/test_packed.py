import os

import numpy as np
import pandas as pd
import pytest
import torch

from affectscope.core.checkpoints.saved import Normaliser
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.features.clips import packed_clips
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored import packing
from affectscope.core.features.stored.packed import PackedSet, choose_sets, open_sets, read
from affectscope.core.features.stored.packing import Packing, shard_clips
from affectscope.core.features.stored.shards import UNREAD, Row, Shard, write_shard
from affectscope.core.models.base import ModelSpec
from affectscope.core.streams import Clip, Stream
from affectscope.core.training.batches import Batches, fit_normaliser

LABELS = ("calm", "cross")


def content(number: int) -> str:
    # Nothing but zeros is a clip that cannot be read.
    return f"{number + 1:064x}"


def arrays(number: int, dim: int = 130, dtype=np.float32) -> dict[str, np.ndarray]:
    """``number`` + 1 frames of the value ``number``; the first frame is absent."""
    frames = number + 1
    present = np.arange(frames) > 0
    values = np.full((frames, dim), number, dtype)
    return {"values": values, "times": np.arange(frames) / 10, "present": present, "duration": np.array(frames / 10)}


def pack(folder, count: int, name: str = "llds", order=None, dim: int = 130, **settings) -> Packing:
    order = order or {f"c{i}": content(i) for i in range(count)}
    packing = Packing(folder, FEATURE_SETS[name], {"set": name, **settings}, order)
    for clip_hash in packing.missing:
        packing.put(clip_hash, arrays(int(clip_hash, 16) - 1, dim, np.uint8 if FEATURE_SETS[name].pixels else np.float32))
    packing.finish({})
    return packing


@pytest.fixture(autouse=True)
def two_clips_a_shard(monkeypatch):
    monkeypatch.setattr(packing, "MOST_CLIPS", 2)


def files(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_a_shard_gives_back_what_was_put_in(tmp_path):
    # As openSMILE leaves them, column after column: what lies in memory is not what the array says.
    turned = np.asfortranarray(np.arange(6, dtype=np.float32).reshape(3, 2))
    rows = [
        Row(turned, np.arange(3) * 0.1, np.array([True, False, True]), 0.3, content(1)),
        Row(np.zeros((0, 2), np.float32), np.zeros(0), np.zeros(0, bool), 0.0, content(2), broken=True),
    ]
    write_shard(tmp_path / "0.safetensors", rows)
    shard = Shard(tmp_path / "0.safetensors")
    assert shard.row(0).values.tolist() == [[0, 1], [2, 3], [4, 5]]
    assert shard.row(0).present.tolist() == [True, False, True]
    assert (shard.row(0).duration, shard.row(0).content, shard.row(0).broken) == (0.3, content(1), False)
    assert (len(shard.row(1).times), shard.row(1).broken) == (0, True)
    out = np.empty((3, 2), np.float32)
    read([shard.reading(0, out)])
    assert out.tolist() == [[0, 1], [2, 3], [4, 5]]


@pytest.mark.parametrize("cut", [0, 4, 100, -1])
def test_a_cut_shard_is_no_shard(tmp_path, cut):
    path = tmp_path / "0.safetensors"
    write_shard(path, [Row(np.ones((5, 2), np.float32), np.arange(5.0), np.ones(5, bool), 1.0, content(1))])
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises((ValueError, KeyError)):
        Shard(path)


def test_the_order_in_which_clips_are_done_leaves_no_trace(tmp_path):
    pack(tmp_path / "a", 5)
    order = {f"c{i}": content(i) for i in range(5)}
    late = Packing(tmp_path / "b", FEATURE_SETS["llds"], {"set": "llds"}, order)
    for number in (4, 1, 3, 0):
        late.put(content(number), arrays(number))
    # Stopped here; another goes on. Two shards are whole, and clip 3 is a part.
    assert sorted(p.name for p in late.folder.glob("*.safetensors")) == ["00000.safetensors", "00002.safetensors"]
    again = Packing(tmp_path / "b", FEATURE_SETS["llds"], {"set": "llds"}, order)
    assert (again.missing, again.kept) == ([content(2)], 4)
    again.put(content(2), arrays(2))
    again.finish({})
    assert files(tmp_path / "a") == files(tmp_path / "b")
    assert len(list(again.folder.glob("*.safetensors"))) == 3


def test_clips_that_came_and_went_cost_no_extraction(tmp_path):
    pack(tmp_path / "store", 5)
    # c1 is gone, x is new at the front, and d has the bytes of c4.
    order = {"x": content(9), "c0": content(0), "c2": content(2), "c3": content(3), "c4": content(4), "d": content(4)}
    changed = Packing(tmp_path / "store", FEATURE_SETS["llds"], {"set": "llds"}, order)
    assert changed.missing == [content(9)]
    changed.put(content(9), arrays(9))
    changed.finish({})
    pack(tmp_path / "fresh", 0, order=order)
    assert files(tmp_path / "store") == files(tmp_path / "fresh")
    (kept,) = open_sets(tmp_path / "store")
    assert kept.stream("d").values[0, 0] == 4


def test_a_set_is_not_open_before_it_is_finished(tmp_path):
    order = {"c0": content(0)}
    packing = Packing(tmp_path, FEATURE_SETS["llds"], {}, order)
    packing.put(content(0), arrays(0))
    with pytest.raises(UserError, match="features extract"):
        open_sets(tmp_path)


def test_broken_clips_have_no_frame_and_are_tried_again(tmp_path):
    order = {"c0": content(0), "bad": content(7), "gone": UNREAD, "c3": content(3)}
    packing = Packing(tmp_path, FEATURE_SETS["llds"], {}, order)
    assert packing.missing == [content(0), content(7), content(3)]
    packing.put(content(0), arrays(0))
    packing.fail(content(7))
    packing.put(content(3), arrays(3))
    packing.finish({"bad": "It is\nbad.", "gone": "It is gone."})
    packed = PackedSet(packing.folder)
    assert packed.broken == {"bad": "It is\nbad.", "gone": "It is gone."}
    assert packed.stream("bad").values.shape == (0, 130)
    again = Packing(tmp_path, FEATURE_SETS["llds"], {}, order)
    assert (again.missing, again.kept) == ([content(7)], 2)
    again.put(content(7), arrays(7))
    again.finish({"gone": "It is gone."})
    assert len(PackedSet(packing.folder).stream("bad").times) == 8


def test_a_damaged_shard_is_extracted_again(tmp_path):
    packing = pack(tmp_path, 4)
    before = files(tmp_path)
    shard = packing.folder / "00001.safetensors"
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(UserError, match="damaged"):
        PackedSet(packing.folder).stream("c2")
    assert Packing(tmp_path, FEATURE_SETS["llds"], {"set": "llds"}, {f"c{i}": content(i) for i in range(4)}).missing == [
        content(2), content(3),
    ]  # fmt: skip
    pack(tmp_path, 4)
    assert files(tmp_path) == before


def test_other_settings_are_other_features(tmp_path):
    pack(tmp_path, 2)
    second = pack(tmp_path, 2, weights="other")
    with pytest.raises(UserError, match=r"Say which audio .* llds-.*, llds-"):
        choose_sets(tmp_path, {})
    assert choose_sets(tmp_path, {"audio": second.folder.name})["audio"].settings["weights"] == "other"
    with pytest.raises(UserError, match="has none"):
        choose_sets(tmp_path, {"audio": second.folder.name, "visual": "vgg-face"})


def test_pixels_are_read_between_minus_one_and_one(tmp_path):
    pack(tmp_path, 0, "faces-48", {"dark": content(0), "light": content(255)}, dim=48 * 48)
    (kept,) = open_sets(tmp_path)
    assert kept.row("light").values.dtype == np.uint8
    assert kept.stream("dark").values[0, 0] == -1
    assert kept.stream("light").values[0, 0] == 1


def test_shards_have_about_64_mb():
    features = FEATURE_SETS["vgg-face"]
    # 4096 floats, 30 times a second, three seconds: 1.47 MB.
    assert packing.SHARD_BYTES // (4096 * 4 * 90) == 45
    assert shard_clips(features) == 2  # what the fixture allows


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    pack(tmp_path / "store", 6)
    order = {f"c{i}": content(i) for i in range(5)}
    packing = Packing(tmp_path / "store", FEATURE_SETS["face-maps"], {}, order)
    for clip_hash in packing.missing:
        packing.put(clip_hash, arrays(int(clip_hash, 16) - 1, 135))
    packing.finish({"c1": "It is broken."})
    table = pd.DataFrame({"label": [LABELS[i % 2] for i in range(6)], "speaker": "s"}, index=[f"c{i}" for i in range(6)])
    return Corpus("tiny", tmp_path, table, LABELS)


def test_clips_of_a_store_are_those_that_all_sets_have(corpus):
    clips, broken = packed_clips(corpus, choose_sets(corpus.root / "store", {}))
    assert [clip.id for clip in clips] == ["c0", "c2", "c3", "c4"]
    assert clips[1].labels == {"label": "calm", "speaker": "s"}
    assert clips[3].duration == 0.5
    assert [why.split(":")[0] for why in broken] == ["c1", "c5"]
    assert not clips[0].annotations


@pytest.mark.parametrize("reference", [None, "visual"])
def test_batches_from_a_store_are_those_from_memory(corpus, reference):
    packed, _ = packed_clips(corpus, choose_sets(corpus.root / "store", {}))
    held = [Clip(c.id, dict(c.streams), c.duration, c.labels) for c in packed]
    spec = ModelSpec(
        "none", {"audio": 130, "visual": 135}, LABELS, ("av",), {"av": ("audio", "visual")}, ("av",), reference=reference
    )  # fmt: skip
    normaliser = fit_normaliser(packed)
    seen = []
    for clips in (packed, held):
        torch.manual_seed(0)
        batches = Batches(clips, spec, normaliser, 3, shuffle=True)
        assert len(batches) == 2
        seen.append(list(batches))
    for (batch, target), (other, other_target) in zip(*seen, strict=True):
        assert target.equal(other_target)
        for name in spec.inputs:
            assert batch.present[name].equal(other.present[name])
            assert batch.values[name].equal(other.values[name])
    # All frames but the first of each clip: 0 + 2 + 3 + 4.
    assert sum(int(batch.present["audio"].sum()) for batch, _ in seen[0]) == 9


def test_features_of_another_width_are_not_read_as_if_they_fitted(corpus):
    packed, _ = packed_clips(corpus, choose_sets(corpus.root / "store", {}))
    spec = ModelSpec("none", {"audio": 65}, LABELS, ("a",), {"a": ("audio",)}, ("a",))
    with pytest.raises(ValueError, match="130 a frame where the model expects 65"):
        Batches(packed, spec, Normaliser())


def test_a_file_that_is_cut_while_it_is_read_is_told_of(tmp_path):
    row = Row(np.ones((3, 2), np.float32), np.arange(3.0), np.ones(3, bool), 0.3, content(1))
    write_shard(tmp_path / "0.safetensors", [row])
    reading = (shard := Shard(tmp_path / "0.safetensors")).reading(0, np.empty((3, 2), np.float32))
    os.truncate(tmp_path / "0.safetensors", 100)
    with pytest.raises(UserError, match="damaged"):
        read([reading])
    del shard


def test_statistics_clip_by_clip_are_those_of_all_frames():
    make = np.random.default_rng(0)

    def clip(frames: int) -> Clip:
        values = make.normal(1000, 2, (frames, 3)).astype(np.float32)
        return Clip("c", {"audio": Stream(values, np.arange(float(frames)), make.random(frames) > 0.3)}, 1.0)

    clips = [clip(frames) for frames in (50, 0, 1, 200)]
    frames = np.concatenate([c.streams["audio"].values[c.streams["audio"].present] for c in clips]).astype(np.float64)
    normaliser = fit_normaliser(clips)
    np.testing.assert_allclose(normaliser.mean["audio"], frames.mean(0), rtol=1e-6)
    np.testing.assert_allclose(normaliser.std["audio"], frames.std(0), rtol=1e-6)
