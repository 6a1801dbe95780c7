"""A person's own feature sets: functions of a clip. Files are written by the tests."""

import numpy as np
import pandas as pd
import pytest

from affectscope.core import media
from affectscope.core.corpora import Corpus, bundled
from affectscope.core.errors import UserError
from affectscope.core.features.base import FEATURE_SETS
from affectscope.core.features.bulk.run import extract_corpus
from affectscope.core.features.clipfile import ClipFile
from affectscope.core.features.clips import load_clips
from affectscope.core.features.extract import extract
from affectscope.core.features.own import feature_set
from affectscope.core.features.stored.packed import open_sets
from tests.media_files import clip, ffmpeg, tone


@pytest.fixture(autouse=True)
def registry(monkeypatch, tmp_path):
    for name in ("AFFECTSCOPE_CACHE", "AFFECTSCOPE_DATA"):
        monkeypatch.setenv(name, str(tmp_path / name))
    before = dict(FEATURE_SETS._entries)
    yield FEATURE_SETS
    FEATURE_SETS._entries.clear()
    FEATURE_SETS._entries.update(before)


def test_a_function_of_the_sound_is_a_stream(tmp_path):
    @feature_set("level", modality="audio", dim=2, rate=10)
    def level(clip):
        parts = clip.sound[: len(clip.sound) // 1600 * 1600].reshape(-1, 1600)
        values = np.stack([np.abs(parts).max(1), np.full(len(parts), float(clip.id == "c7"))], 1)
        return values, clip.sound_start + (np.arange(len(parts)) + 0.5) / 10

    file = clip(tmp_path / "a.mp4", 20, 20, tone(1.0, 0.4))
    stream = extract(file, sets={"audio": "level"}, clip="c7").streams["audio"]
    assert stream.values.shape[1] == 2
    assert stream.values[4, 0] == pytest.approx(0.4, abs=0.03)
    # The corpus's name of the clip, not the file's.
    assert (stream.values[:, 1] == 1).all()
    assert (extract(file, sets={"audio": "level"}).streams["audio"].values[:, 1] == 0).all()


def test_frames_that_are_not_there_are_absent_and_hold_zeros(tmp_path):
    @feature_set("some", modality="visual", shape=(2, 3))
    def some(clip):
        values = np.ones((len(clip.times), 2, 3))
        values[3] = np.nan
        return values, clip.times, np.arange(len(clip.times)) != 3

    assert FEATURE_SETS["some"].dim == 6
    stream = extract(clip(tmp_path / "a.mp4", 10), sets={"visual": "some"}).streams["visual"]
    assert stream.present.tolist() == [True] * 3 + [False] + [True] * 6
    assert not stream.values[3].any()


def test_the_clip_gives_faces_and_frames_of_any_size():
    corpus = bundled()
    clip_file = ClipFile(corpus.media(corpus.table.index[0]))
    assert clip_file.id == corpus.table.index[0]
    crops = clip_file.faces(40)
    assert crops.shape == (len(clip_file.times), 40, 40, 3)
    assert clip_file.faces(24, "grey").shape == (len(clip_file.times), 24, 24)
    assert clip_file.face_present.all()
    assert clip_file.face_boxes.shape == (len(clip_file.times), 4)
    times, pictures = zip(*clip_file.frames(100), strict=True)
    assert list(times) == clip_file.times.tolist()
    assert max(pictures[0].shape[:2]) == 100
    assert clip_file.duration == pytest.approx(media.probe(clip_file.path).duration)
    with pytest.raises(UserError, match="pixels wide"):
        clip_file.faces(3)
    with pytest.raises(UserError, match="rgb or grey"):
        clip_file.faces(40, "lab")


def test_the_sound_as_it_was_recorded(tmp_path):
    moments = np.arange(22050) / 22050
    left, right = np.sin(2 * np.pi * 9000 * moments), 0.5 * np.sin(2 * np.pi * 300 * moments)
    raw = tmp_path / "raw"
    raw.write_bytes((np.stack([left, right], 1) * 0.5).astype("<f4").tobytes())
    ffmpeg("-f", "f32le", "-ar", 22050, "-ac", 2, "-i", raw, "-c:a", "pcm_f32le", tmp_path / "a.wav")
    found = ClipFile(tmp_path / "a.wav").recorded
    assert (found.rate, found.start) == (22050, 0.0)
    # 9 kHz, which 16 kHz cannot hold, and each channel apart.
    np.testing.assert_allclose(found.samples, np.stack([left, right]) * 0.5, atol=1e-6)
    silent = ClipFile(clip(tmp_path / "b.mp4")).recorded
    assert (silent.samples.shape, silent.rate) == ((0, 0), 0)


def test_what_a_function_does_wrong_is_one_sentence_with_its_line(tmp_path):
    file = clip(tmp_path / "a.mp4", 5)
    wrong = {
        "fails": (lambda clip: clip.nothing, r"failed at clip a: AttributeError.*nothing.* \(test_own.py, line \d+\)"),
        "alone": (lambda clip: np.zeros((5, 3)), "gave ndarray: return"),
        "wide": (lambda clip: (np.zeros((5, 4)), np.arange(5)), r"shape \(5, 4\): they should be \[T, 3\]"),
        "uneven": (lambda clip: (np.zeros((5, 3)), np.arange(4)), "5 frames with 4 times"),
        "nan": (lambda clip: (np.full((5, 3), np.nan), np.arange(5)), "NaN or infinity in 5 of 5 frames"),
        "back": (lambda clip: (np.zeros((2, 3)), [1.0, 0.0]), "times that do not rise"),
        "words": (lambda clip: (["x"], [0.0]), "gave no numbers"),
    }
    for name, (fn, message) in wrong.items():
        feature_set(name, modality="visual", dim=3)(fn)
        with pytest.raises(UserError, match=message) as raised:
            extract(file, sets={"visual": name})
        assert name in str(raised.value)
        assert "\n" not in str(raised.value)


def test_names_and_sizes_that_cannot_be(tmp_path):
    with pytest.raises(UserError, match="cannot be a feature set's name"):
        feature_set("../up", modality="audio", dim=3)
    with pytest.raises(UserError, match="give either dim or shape"):
        feature_set("mine", modality="audio")
    with pytest.raises(UserError, match="give either dim or shape"):
        feature_set("mine", modality="audio", dim=3, shape=(3,))
    for taken in ("vgg-face", "log-mel-64"):
        with pytest.raises(UserError, match=f"already a feature set called {taken}"):
            feature_set(taken, modality="audio", dim=64)(lambda clip: None)


def test_the_same_function_may_be_registered_again(tmp_path):
    for _ in range(2):

        @feature_set("again", modality="audio", dim=1)
        def again(clip):
            return np.ones((1, 1)), [0.0]

    with pytest.raises(UserError, match="already"):
        feature_set("again", modality="audio", dim=1)(lambda clip: None)


def test_a_changed_version_is_extracted_again(tmp_path):
    file, calls = clip(tmp_path / "a.mp4", 5), []

    def counted(clip):
        calls.append(clip.id)
        return np.ones((1, 1)), [0.0]

    for version in (1, 1, 2):
        feature_set("counted", modality="audio", dim=1, version=version)(counted)
        extract(file, sets={"audio": "counted"})
    assert calls == ["a", "a"]


def test_own_sets_in_bulk_and_in_training_are_those_of_one_clip(tmp_path):
    @feature_set("id", modality="audio", dim=1, needs="faces")
    def named(clip):
        return np.full((2, 1), int(clip.id[1:]) + clip.sound_start + len(clip.times) / 100), [0.1, 0.2]

    folder = tmp_path / "clips"
    folder.mkdir()
    for i in range(2):
        clip(folder / f"{i}.mp4", 4 + i, sound=tone(0.2))
    table = pd.DataFrame({"path": ["0.mp4", "1.mp4"], "label": "calm", "speaker": "s"}, index=["c0", "c1"])
    corpus = Corpus("two", folder, table, ("calm",))
    extract_corpus(corpus, ["id"], tmp_path / "store", workers=1)
    (kept,) = open_sets(tmp_path / "store")
    clips, broken = load_clips(corpus, workers=1, sets={"audio": "id"})
    assert not broken
    for i, made in enumerate(clips):
        np.testing.assert_array_equal(made.streams["audio"].values, kept.stream(f"c{i}").values)
        assert made.streams["audio"].values[0, 0] == pytest.approx(i + (4 + i) / 100, abs=1e-3)
