"""The demo corpus: plans, a tiny build, its truth, and who is held out."""

import importlib.util
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from affectscope.core.corpora.demo import recorded
from affectscope.core.corpora.demo.corpus import build, make_clip
from affectscope.core.corpora.demo.identities import people, roster
from affectscope.core.corpora.demo.read import read_demo
from affectscope.core.corpora.demo.script import EMOTIONS, SENTENCES, plan
from affectscope.core.corpora.demo.truth import Truth
from affectscope.core.errors import UserError

BUNDLED = Path(__file__).parents[3] / "core" / "corpora" / "demo" / "bundled"
MISSING = [name for name in ("pyvista", "anny", "espeakng_loader", "pyworld") if importlib.util.find_spec(name) is None]
if not recorded.complete():
    MISSING.append("recorded voices")
needs_tools = pytest.mark.skipif(bool(MISSING), reason=f"building the demo corpus needs {', '.join(MISSING)}")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Six clips: one speaker's six emotions, drawn coarsely for the sake of time."""
    from affectscope.core.corpora.demo import render

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(render, "DRAWN", 128)
        yield build(tmp_path_factory.mktemp("demo"), 6, seed=3, workers=1)


def test_roster_has_both_sexes_and_many_people() -> None:
    assert len(roster()) >= 24
    assert len({person.name for person in roster()}) == len(roster())
    for group in ("train", "held-out"):
        assert {person.sex for person in people(group)} == {"female", "male"}
    assert len({person.ancestry for person in people("held-out")}) >= 3
    assert max(person.age for person in roster()) - min(person.age for person in roster()) > 40


def test_groups_and_their_voices_are_disjoint() -> None:
    train, held_out = ({person.name for person in people(group)} for group in ("train", "held-out"))
    assert not train & held_out
    assert len({person.voice for person in roster()}) == len(roster())


def test_plans_follow_from_seed_and_index_alone() -> None:
    plans = [plan(5, index, "train") for index in range(60)]
    assert plans == [plan(5, index, "train") for index in range(60)]
    assert plans != [plan(6, index, "train") for index in range(60)]
    assert len(SENTENCES) == 12
    assert {planned.label for planned in plans} == set(EMOTIONS)
    for planned in plans:
        assert 0 <= planned.onset < planned.apex_start < planned.apex_end < planned.offset <= 1
        assert (planned.carrier == "audio") <= (planned.visual_emotion == "neutral")
        assert (planned.carrier == "visual") <= (planned.audio_emotion == "neutral")
        assert (planned.carrier == "conflict") <= (planned.audio_emotion != planned.visual_emotion == planned.label)


def test_emotions_and_intensities_are_balanced() -> None:
    plans = [plan(1, index, "held-out") for index in range(48)]
    for emotion in EMOTIONS:
        mine = [planned for planned in plans if planned.label == emotion]
        assert len(mine) == 8
        assert len({planned.speaker for planned in mine}) == 8
        assert {planned.intensity for planned in mine} == {"low", "medium", "high"}


@needs_tools
def test_corpus_holds_clips_labels_and_truth(corpus: Path) -> None:
    import av

    table = pd.read_csv(corpus / "labels.csv", keep_default_na=False)
    assert len(table) == 6
    assert (corpus / "manifest.json").is_file()
    for _, row in table.iterrows():
        truth = Truth.load(corpus / "truth" / f"{row['clip']}.npz")
        with av.open(str(corpus / row.path)) as container:
            video, audio = container.streams.video[0], container.streams.audio[0]
            assert (video.width, video.height, video.average_rate) == (320, 320, 25)
            assert video.codec_context.name == "h264"
            assert video.codec_context.pix_fmt == "yuv420p"
            assert audio.codec_context.name == "aac"
            assert audio.rate >= 16_000
            assert audio.channels == 1
            assert sum(1 for _ in container.decode(video=0)) == len(truth.times)


@needs_tools
def test_truth_is_consistent(corpus: Path) -> None:
    table = pd.read_csv(corpus / "labels.csv", keep_default_na=False)
    for _, row in table.iterrows():
        truth = Truth.load(corpus / "truth" / f"{row['clip']}.npz")
        frames = len(truth.times)
        assert truth.onset < truth.apex_start < truth.apex_end < truth.offset <= truth.times[-1] + 0.1
        assert truth.blendshapes.shape == (frames, 52)
        assert truth.blendshapes.dtype == np.float32
        assert truth.blendshapes.min() >= 0
        assert truth.blendshapes.max() <= 1
        assert truth.mask.shape == (frames, 64, 64)
        assert truth.head_box.shape == (frames, 4)
        assert len(truth.phonemes) == len(truth.phoneme_starts) == len(truth.phoneme_ends) > 5
        assert (truth.phoneme_starts <= truth.phoneme_ends).all()
        assert truth.carrier == row.carrier
        apex = (truth.times > truth.apex_start) & (truth.times < truth.apex_end)
        if row.visual_emotion == "neutral" and row.carrier != "blend":
            assert not truth.mask.any()
        else:
            assert truth.mask[apex].any((1, 2)).all()
            assert not truth.mask[truth.times < truth.onset].any()
            # It lies on the face.
            rows, columns = np.nonzero(truth.mask[apex].any(0))
            left, top, right, bottom = truth.head_box.mean(0) * 64
            assert left - 6 < columns.mean() < right + 6
            assert top - 6 < rows.mean() < bottom + 6


@needs_tools
def test_same_seed_gives_the_same_clip(corpus: Path, tmp_path: Path) -> None:
    for folder in ("clips", "truth"):
        (tmp_path / folder).mkdir()
    # Another clip goes first: what a process made before must leave no trace.
    make_clip(tmp_path, plan(4, 7, "train"), max_frames=2)
    item = plan(3, 5, "train")
    make_clip(tmp_path, item)
    for name in (f"clips/{item.clip}.mp4", f"truth/{item.clip}.npz"):
        assert (tmp_path / name).read_bytes() == (corpus / name).read_bytes(), name


@needs_tools
def test_a_build_goes_on_where_it_stopped(corpus: Path) -> None:
    clips = sorted((corpus / "clips").iterdir())
    clips[2].unlink()
    before = {path: path.stat().st_mtime_ns for path in clips if path.exists()}
    seen: list[tuple[int, int]] = []
    build(corpus, 6, seed=3, workers=1, progress=lambda done, total: seen.append((done, total)))
    assert {path: path.stat().st_mtime_ns for path in before} == before
    assert clips[2].exists()
    assert seen == [(5, 6), (6, 6)]


@needs_tools
def test_one_identity_can_play_any_emotion_at_any_moment(tmp_path: Path) -> None:
    item = replace(plan(1, 0, "train"), speaker="h03", clip="guest")
    for folder in ("clips", "truth"):
        (tmp_path / folder).mkdir()
    assert make_clip(tmp_path, item, max_frames=3) == "guest"
    assert len(Truth.load(tmp_path / "truth" / "guest.npz").times) == 3


def test_a_broken_truth_file_is_one_clear_error(tmp_path: Path) -> None:
    broken = tmp_path / "x.npz"
    broken.write_bytes(b"PK\x03\x04 no")
    with pytest.raises(UserError, match="truth file"):
        Truth.load(broken)


@pytest.mark.skipif(not BUNDLED.is_dir(), reason="the bundled set has not been built")
def test_bundled_set_is_held_out_balanced_and_small() -> None:
    table = pd.read_csv(BUNDLED / "labels.csv", keep_default_na=False)
    assert len(table) >= 48
    assert table["label"].value_counts().nunique() == 1
    assert set(table["speaker"]) == {person.name for person in people("held-out")}
    assert set(table["intensity"]) == {"low", "medium", "high"}
    assert sum(path.stat().st_size for path in BUNDLED.rglob("*") if path.is_file()) <= 12e6
    for clip in table["clip"]:
        assert (BUNDLED / "clips" / f"{clip}.mp4").is_file()
        assert Truth.load(BUNDLED / "truth" / f"{clip}.npz").times.size


@pytest.mark.parametrize("content", ["{", "3", "[1]", "\udcff"])
def test_a_damaged_manifest_is_one_sentence(tmp_path, content):
    (tmp_path / "labels.csv").write_text("clip,path,label,speaker\na,a.mp4,anger,s\n")
    (tmp_path / "manifest.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=r"manifest\.json is damaged"):
        read_demo(tmp_path)
