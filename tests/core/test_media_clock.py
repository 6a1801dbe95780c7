"""Times: no frame lost, in the order in which it is seen, sound and picture in step, and lengths that were measured."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from affectscope.core import media
from tests.media_files import clip, ffmpeg, joined, raw_container, tone


def times_of(path):
    return np.array([time for time, _ in media.read_frames(path)])


def cue(path: Path, offset: float = 0, container: str = "mpegts", codec: tuple = ("-c", "copy")) -> Path:
    """A second at 20 frames a second, with B-frames: after 0.5 s, white and loud."""
    plain = path.with_suffix(".plain.mp4")
    dark, light = np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 255, np.uint8)
    sound = media.Sound(np.concatenate([np.zeros(8000), tone(0.5).samples]).astype(np.float32), 0.0)
    media.encode(plain, ((i / 20, dark if i < 10 else light) for i in range(20)), sound, 20)
    ffmpeg("-i", plain, *codec, "-output_ts_offset", offset, "-muxdelay", 0, "-f", container, path)
    return path


def cues(path: Path) -> list[tuple[float, float]]:
    """When it gets light, and when loud, as often as it does."""
    light = [(time, picture.mean() > 128) for time, picture in media.read_frames(path)]
    seen = [time for (time, on), (_, before) in zip(light[1:], light, strict=False) if on and not before]
    sound = media.read_sound(path)
    step = media.SAMPLE_RATE // 100
    loud = np.abs(sound.samples[: len(sound.samples) // step * step].reshape(-1, step)).max(1) > 0.1
    # A gap of a few hundredths inside the tone is no new one.
    starts = [i for i in np.flatnonzero(loud) if not loud[max(0, i - 20) : i].any()]
    return list(zip(seen, [sound.start + i / 100 for i in starts], strict=True))


@pytest.mark.parametrize("offsets", [(0, 0), (100, 0), (0, 100), (0, 3), (0, 0, 0), (5, 0, 50, 5)])
def test_clocks_that_start_again_or_jump_run_on_and_stay_in_step(tmp_path, offsets):
    parts = [cue(tmp_path / f"{i}.ts", offset) for i, offset in enumerate(offsets)]
    whole = joined(tmp_path / "whole.ts", *parts)
    times = times_of(whole)
    assert len(times) == 20 * len(parts)
    assert np.diff(times).min() > 0.01
    assert np.diff(times).max() < 0.2
    # Codecs fill up their last frame, so each part may last a little longer than its second.
    assert media.probe(whole).duration == pytest.approx(len(parts), abs=0.15 * len(parts))
    found = cues(whole)
    assert len(found) == len(parts)
    for seen, heard in found:
        assert seen == pytest.approx(heard, abs=0.05)


@pytest.mark.parametrize("kind", ["picture", "sound"])
def test_one_track_alone_that_starts_again(tmp_path, kind):
    part = tmp_path / "part.ts"
    ffmpeg("-i", cue(tmp_path / "a.ts"), "-vn" if kind == "sound" else "-an", "-c", "copy", part)
    whole = joined(tmp_path / "whole.ts", part, part)
    assert media.probe(whole).duration == pytest.approx(2, abs=0.2)
    assert len(times_of(whole)) == (40 if kind == "picture" else 0)


def test_a_part_without_sound_between_others(tmp_path):
    first, mute = cue(tmp_path / "a.ts"), tmp_path / "mute.ts"
    ffmpeg("-i", first, "-an", "-c", "copy", "-muxdelay", 0, mute)
    found = joined(tmp_path / "whole.ts", first, mute, first)
    assert len(times_of(found)) == 60
    sound = media.read_sound(found)
    heard = [sound.start + i / media.SAMPLE_RATE for i in np.flatnonzero(np.abs(sound.samples) > 0.1)[[0, -1]]]
    assert heard == pytest.approx([0.5, 3.0], abs=0.15)


def test_a_clock_that_wraps_round(tmp_path):
    # 33 bits at 90 kHz end after 95,443.7 s.
    path = cue(tmp_path / "a.ts", 95443.2)
    assert times_of(path) == pytest.approx(times_of(path)[0] + np.arange(20) / 20, abs=1e-3)
    ((seen, heard),) = cues(path)
    assert seen == pytest.approx(heard, abs=0.05)


@pytest.mark.parametrize(("container", "codec"), [("avi", "libx264"), ("avi", "mpeg4"), ("h264", "libx264"), ("m4v", "mpeg4")])
def test_containers_that_do_not_know_when_frames_are_shown(tmp_path, container, codec):
    path = cue(tmp_path / "a", container=container, codec=("-an", "-c:v", codec, "-bf", 2, "-g", 12))
    np.testing.assert_allclose(times_of(path), np.arange(20) / 20, atol=1e-6)
    light = [picture.mean() > 128 for _, picture in media.read_frames(path)]
    assert light == [False] * 10 + [True] * 10
    assert media.probe(path).duration == pytest.approx(1, abs=0.01)
    copy = media.browser_copy(path, tmp_path / "copy.mp4")
    np.testing.assert_allclose(times_of(copy), np.arange(20) / 20, atol=1e-3)


def test_a_raw_stream_has_the_rate_of_its_own_header(tmp_path):
    path = tmp_path / "a.h264"
    ffmpeg("-i", clip(tmp_path / "a.mp4", 50, 50), "-c:v", "libx264", "-bf", 2, path)
    assert media.probe(path).fps == 50
    np.testing.assert_allclose(times_of(path), np.arange(50) / 50, atol=1e-6)


@pytest.mark.parametrize(("kind", "codec"), [("m1v", "mpeg1video"), ("m2v", "mpeg2video"), ("mjpeg", "mjpeg")])
@pytest.mark.parametrize("between", [0, 2])
def test_bare_streams_count_their_frames(tmp_path, kind, codec, between):
    path = tmp_path / f"a.{kind}"
    many = ("-bf", between) if between and codec != "mjpeg" else ()
    ffmpeg("-i", clip(tmp_path / "a.mp4", 50, 25), "-pix_fmt", "yuvj420p" if codec == "mjpeg" else "yuv420p",
           "-c:v", codec, *many, path)  # fmt: skip
    np.testing.assert_allclose(times_of(path), np.arange(50) / 25, atol=1e-6)
    assert media.probe(path).duration == pytest.approx(2, abs=1e-3)


def test_two_frames_in_one_packet_of_avi(tmp_path):
    """DivX packs a frame with the one that is shown before it, and puts a packet without a picture where that one would lie."""
    path = tmp_path / "packed.avi"
    ffmpeg("-i", clip(tmp_path / "a.mp4", 60, 25), "-c:v", "libxvid", "-bf", 2, path)
    with av.open(str(path)) as container:
        sizes = [packet.size for packet in container.demux(video=0) if packet.size]
    assert min(sizes) < 8
    times = times_of(path)
    assert len(times) == len(sizes)
    # The encoder leaves a pause behind the first frame.
    np.testing.assert_allclose(np.diff(times[1:]), 0.04, atol=1e-3)


def test_frames_at_one_time_are_spread(tmp_path):
    path = raw_container(tmp_path / "a.mkv", "ffv1", [0, 0.04, 0.04, 0.08, 0.08, 0.08, 0.2], "bgr0")
    np.testing.assert_allclose(times_of(path), [0, 0.04, 0.06, 0.08, 0.12, 0.16, 0.2], atol=1e-6)
    np.testing.assert_allclose(media.frame_times(path), times_of(path), atol=1e-9)


def test_the_times_of_frames_without_decoding_them(tmp_path):
    path = raw_container(tmp_path / "v.mkv", "libx264", [0.5, 0.54, 0.7, 0.71, 1.0, 1.4])
    np.testing.assert_allclose(media.frame_times(path), times_of(path), atol=1e-9)
    assert len(media.frame_times(cue(tmp_path / "a.ts"))) == 20


def test_a_recording_without_a_duration_is_measured(tmp_path):
    path = tmp_path / "recorded.webm"
    with path.open("wb") as out:
        ffmpeg("-i", cue(tmp_path / "a.ts"), "-c:v", "libvpx", "-c:a", "libopus", "-f", "webm", "pipe:1", out=out)
    assert media.told_duration(path) is None
    assert media.probe(path).duration == pytest.approx(1.03, abs=0.05)
    assert len(times_of(path)) == 20


@pytest.mark.parametrize("kind", ["aac", "mp3", "latm", "thd"])
def test_lengths_that_formats_guess_are_measured(tmp_path, kind):
    # Silence takes few bits, noise many: by the beginning's rate this would be minutes.
    noise = (0.3 * np.random.default_rng(0).standard_normal(8 * media.SAMPLE_RATE)).astype(np.float32)
    sound = media.Sound(np.concatenate([np.zeros(2 * media.SAMPLE_RATE, np.float32), noise]), 0.0)
    plain, path = tmp_path / "a.mp4", tmp_path / f"a.{kind}"
    media.encode(plain, [], sound)
    how = {"mp3": ("-c:a", "libmp3lame", "-q:a", 2, "-write_xing", 0), "thd": ("-c:a", "truehd", "-ar", 48000, "-strict", -2)}
    ffmpeg("-i", plain, *how.get(kind, ("-c", "copy")), path)
    assert media.probe(path).duration == pytest.approx(10, abs=0.15)


@pytest.mark.parametrize("claimed", [0.2, 40.0])
def test_a_header_that_errs_is_not_believed_and_it_is_said(tmp_path, claimed):
    path = raw_container(tmp_path / "a.mkv", "libx264", [i / 20 for i in range(20)])
    content = path.read_bytes()
    # The Duration of a Matroska file is a double, in milliseconds.
    place = content.index(b"\x44\x89\x88") + 3
    path.write_bytes(content[:place] + struct.pack(">d", 1000 * claimed) + content[place + 8 :])
    assert media.told_duration(path) == pytest.approx(claimed)
    assert media.probe(path).duration == pytest.approx(1, abs=0.06)
    (remark,) = media.remarks(path)
    assert f"says that it lasts {claimed:.1f} s" in remark


def test_a_plain_file_is_read_as_ever(tmp_path):
    assert media.reading(clip(tmp_path / "a.mp4", sound=tone(1))) == ()
    assert media.reading(cue(tmp_path / "a.ts")) != media.reading(tmp_path / "a.mp4")
    assert media.remarks(tmp_path / "a.mp4") == ()


def test_pictures_behind_the_end_that_the_header_tells_make_the_file_longer(tmp_path):
    """A part that is copied by packets ends with a picture that others, left behind, would have come before."""
    whole = tmp_path / "whole.mp4"
    dark = ((i / 25, np.full((48, 64, 3), i, np.uint8)) for i in range(50))
    media.encode(tmp_path / "plain.mp4", dark, tone(2), 25)
    ffmpeg(
        "-i", tmp_path / "plain.mp4", "-c:v", "libx264", "-bf", 3, "-x264-params", "b-adapt=0:b-pyramid=none:scenecut=0", whole
    )
    part = tmp_path / "part.mp4"
    ffmpeg("-i", whole, "-c", "copy", "-t", 1.5, part)
    times = times_of(part)
    assert media.probe(part).duration >= times[-1] + 0.03
    assert len(times) == len(media.frame_times(part))
