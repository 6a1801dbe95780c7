"""A stretch of a long file: which frames and samples it holds, whatever the file is."""

from __future__ import annotations

import subprocess

import imageio_ffmpeg
import numpy as np
import pytest

from affectscope.core import media
from affectscope.core.errors import UserError
from affectscope.core.media import stretch
from tests.media_files import ffmpeg

FPS, SECONDS, BITS = 20, 75, 11
BLOCK = 8


def numbered(index: int) -> np.ndarray:
    """A picture that carries its own number: eleven blocks, white for 1."""
    bits = np.array([index >> bit & 1 for bit in range(BITS)], np.uint8) * 255
    return np.repeat(np.kron(bits[None], np.ones((6 * BLOCK, BLOCK), np.uint8))[..., None], 3, 2)


def number_in(picture: np.ndarray) -> int:
    width = picture.shape[1] / BITS
    middles = picture[picture.shape[0] // 2, [int((bit + 0.5) * width) for bit in range(BITS)], 0]
    return sum(int(value > 127) << bit for bit, value in enumerate(middles))


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    """75 s at 20 frames a second, numbered; a click of 5 ms at each whole second but the first."""
    samples = np.zeros(SECONDS * media.SAMPLE_RATE, np.float32)
    for second in range(1, SECONDS):
        samples[second * media.SAMPLE_RATE :][:80] = 0.8
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    media.encode(path, ((i / FPS, numbered(i)) for i in range(SECONDS * FPS)), media.Sound(samples, 0.0), FPS)
    return path


def made(film, kind):
    """The film in another container; each is a trap of its own."""
    out = film.with_name(f"film.{kind}")
    if out.exists():
        return out
    if kind == "recorded.webm":
        # As a browser's recorder writes: no duration, no index.
        command = [
            imageio_ffmpeg.get_ffmpeg_exe(),
            "-v",
            "error",
            "-i",
            film,
            "-c:v",
            "libvpx",
            "-deadline",
            "realtime",
            "-crf",
            "10",
        ]
        command += ["-b:v", "2M", "-g", "100", "-c:a", "libopus", "-f", "webm", "pipe:1"]
        out.write_bytes(subprocess.run([str(part) for part in command], check=True, capture_output=True).stdout)
    elif kind == "late.mkv":
        ffmpeg("-itsoffset", 7, "-i", film, "-c", "copy", out)
    elif kind == "avi":
        ffmpeg("-i", film, "-c:v", "mpeg4", "-q:v", 2, "-c:a", "pcm_s16le", out)
    else:
        ffmpeg("-i", film, "-c", "copy", out)
    return out


@pytest.mark.parametrize("kind", ["mp4", "mkv", "mov", "ts", "avi", "recorded.webm", "late.mkv"])
def test_the_stretch_holds_its_frames_and_its_sound(film, tmp_path, kind):
    path = made(film, kind)
    # Some formats keep the codec's silence before the first sample, and the file's clock begins with it.
    delay = next(media.read_frames(path))[0]
    assert delay < 0.1
    out = stretch.cut(path, tmp_path / "cut.mp4", 61.3 + delay, 64.3 + delay)
    shown = list(media.read_frames(out))
    # 61.3 s is frame 1226; 64.3 s is the first that is no longer in it.
    assert [number_in(picture) for _, picture in shown] == list(range(1226, 1286))
    np.testing.assert_allclose([time for time, _ in shown], np.arange(60) / FPS, atol=2e-3)
    sound = media.read_sound(out)
    loud = np.flatnonzero(np.abs(sound.samples) > 0.25) / media.SAMPLE_RATE + sound.start
    # The clicks of 62, 63 and 64 s.
    firsts = [loud[np.abs(loud - second) < 0.2].min(initial=9) for second in (0.7, 1.7, 2.7)]
    np.testing.assert_allclose(firsts, [0.7, 1.7, 2.7], atol=0.015)
    info = media.probe(out)
    assert (info.start, info.browser_playable) == (0.0, True)
    assert info.duration == pytest.approx(3.0, abs=0.1)


def test_sound_alone_is_cut_to_the_sample(tmp_path):
    moments = np.arange(70 * media.SAMPLE_RATE) / media.SAMPLE_RATE
    path = tmp_path / "talk.mp4"
    media.encode(
        path, [], media.Sound(np.where(moments < 66, 0, 0.5 * np.sin(2 * np.pi * 300 * moments)).astype(np.float32), 0.0)
    )
    for kind in ("m4a", "wav", "mp3", "aac"):
        other = path.with_suffix(f".{kind}")
        ffmpeg("-i", path, *(["-c", "copy"] if kind in ("m4a", "aac") else []), other)
        assert media.probe(other, 100).duration == pytest.approx(70, abs=0.2), kind
        out = stretch.cut(other, tmp_path / "cut.mp4", 65, 67.5)
        sound = media.read_sound(out)
        begins = np.flatnonzero(np.abs(sound.samples) > 0.1)[0] / media.SAMPLE_RATE + sound.start
        assert begins == pytest.approx(1.0, abs=0.08 if kind in ("aac", "mp3") else 0.03), kind
        assert media.probe(out).duration == pytest.approx(2.5, abs=0.1)


def test_a_terminals_stretch_is_kept_under_its_own_name(film, tmp_path):
    made, (note,) = stretch.of_file(film, "0:30", "33", tmp_path / "out")
    assert (made.name, len(list(media.read_frames(made)))) == ("film 0.30-0.33.mp4", 3 * FPS)
    assert note == "This is 0:30–0:33 of film.mp4, kept as film 0.30-0.33.mp4: times count from 0:30."
    with pytest.raises(UserError, match=r"^film.mp4 lasts 1:15: choose up to 60 s of it, as --start 0:30 --end 1:10\.$"):
        stretch.of_file(film, None, None, tmp_path / "out")
    assert stretch.of_file(made, None, None, tmp_path / "out") == (made, ())


def test_a_whole_minute_is_not_too_long_once_it_is_encoded(film, tmp_path):
    out = stretch.cut(film, tmp_path / "cut.mp4", 10, 70)
    assert len(list(media.read_frames(out))) == 60 * FPS
    assert media.probe(out).duration == pytest.approx(60, abs=0.2)


@pytest.mark.parametrize(
    ("start", "end", "message"),
    [
        (80, 90, "lasts 1:15"),
        (5, 5.2, "too short"),
        (9, 5, "too short"),
        (0, 61, "too long"),
        (-1, 5, "lasts"),
        (float("nan"), 5, "lasts"),
    ],
)
def test_a_stretch_that_cannot_be_is_one_sentence(film, tmp_path, start, end, message):
    with pytest.raises(UserError, match=message):
        stretch.cut(film, tmp_path / "cut.mp4", start, end)


def test_an_end_beyond_the_file_is_the_files_end(film, tmp_path):
    assert len(list(media.read_frames(stretch.cut(film, tmp_path / "cut.mp4", 74, 90)))) == FPS


@pytest.mark.parametrize("kind", ["mp4", "ts", "avi", "recorded.webm", "late.mkv"])
def test_the_strip_shows_what_lies_where(film, kind):
    path = made(film, kind)
    pictures = list(media.glimpses(path, [7.5, 37.5, 67.5], 200))
    assert len(pictures) == 3
    numbers = [number_in(picture) for picture in pictures]
    # Key frames lie at most 12.5 s apart (250 frames), and are no later than what was asked for.
    for number, moment in zip(numbers, (7.5, 37.5, 67.5), strict=True):
        assert moment - 12.6 <= number / FPS <= moment + 0.05, numbers
    assert stretch.strip(path, 75, 5, 32).shape == (32, 160, 3)


def test_the_course_of_the_sound(film):
    peaks = media.loudness(film, 300, 75.0)
    # A click at the beginning of each whole second but the first, to be seen just before or just after it; silence between.
    assert (np.maximum(peaks[3:-1:4], peaks[4::4]) > 0.4).all()
    assert max(peaks[1::4].max(), peaks[2::4].max()) < 0.1


def test_times_are_written_and_read():
    assert [stretch.clock(t) for t in (0, 59.96, 750, 750.5, 3661)] == ["0:00", "1:00", "12:30", "12:30.5", "1:01:01"]
    assert [stretch.seconds_of(t) for t in ("750", " 12:30.5", "1:01:01", "90:00")] == [750, 750.5, 3661, 5400]
    assert stretch.named((750, 790), "a.mp4") == "12:30–13:10 of a.mp4"
    for wrong in ("", "x", "-5", "1:2:3:4", "1e3", "nan"):
        with pytest.raises(UserError, match="no time"):
            stretch.seconds_of(wrong)
