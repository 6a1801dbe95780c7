import numpy as np
import pytest

from affectscope.core import media
from affectscope.core.errors import UserError
from tests.media_files import clip, ffmpeg, malformed, pattern, raw_container, tone


def times_of(path):
    return [time for time, _ in media.read_frames(path)]


def test_what_is_encoded_comes_back_on_the_same_clock(tmp_path):
    path = clip(tmp_path / "a.mp4", 20, 20, tone(1))
    info = media.probe(path)
    assert (info.width, info.height, info.browser_playable) == (64, 48, True)
    assert (info.video_codec, info.sound_codec) == ("h264", "aac")
    np.testing.assert_allclose(times_of(path), np.arange(20) / 20, atol=1e-4)
    difference = np.abs(next(media.read_frames(path))[1].astype(int) - pattern(0).astype(int))
    assert difference.mean() < 12
    sound = media.read_sound(path)
    assert sound is not None
    assert len(sound.samples) / media.SAMPLE_RATE == pytest.approx(1.0, abs=0.1)
    assert np.abs(sound.samples).max() == pytest.approx(0.3, abs=0.05)


def test_variable_frame_rate_keeps_true_times(tmp_path):
    times = [0.0, 0.04, 0.2, 0.21, 0.5, 0.9]
    np.testing.assert_allclose(times_of(raw_container(tmp_path / "v.mkv", "libx264", times)), times, atol=1e-3)


@pytest.mark.parametrize("degrees", [90, 180, 270])
def test_a_rotated_phone_video_stands_upright(tmp_path, degrees):
    plain, rotated = clip(tmp_path / "a.mp4"), tmp_path / "r.mp4"
    ffmpeg("-display_rotation", degrees, "-i", plain, "-c", "copy", rotated)
    upright = next(media.read_frames(rotated))[1]
    # The display matrix turns counter-clockwise; so does rot90.
    expected = np.rot90(next(media.read_frames(plain))[1], degrees // 90)
    assert upright.shape == expected.shape
    assert np.abs(upright.astype(int) - expected.astype(int)).mean() < 2
    info = media.probe(rotated)
    assert (info.height, info.width) == expected.shape[:2]


def test_an_edit_list_starts_the_clock_where_the_player_does(tmp_path):
    plain, cut = clip(tmp_path / "a.mp4", 40, 20), tmp_path / "cut.mp4"
    # Cutting between key frames without encoding leaves frames before the start, hidden by an edit list.
    ffmpeg("-ss", 0.5, "-i", plain, "-c", "copy", cut)
    times = times_of(cut)
    assert times[0] == pytest.approx(0.0, abs=0.051)
    assert min(times) >= 0
    assert media.probe(cut).duration == pytest.approx(1.5, abs=0.06)
    assert len(times) == pytest.approx(30, abs=1)


def test_odd_sizes_and_wide_pixels(tmp_path):
    odd = raw_container(tmp_path / "odd.mkv", "ffv1", [0, 0.04], "bgr0", (47, 63))
    assert next(media.read_frames(odd))[1].shape == (47, 63, 3)
    assert media.browser_copy(odd, tmp_path / "copy.mp4") == tmp_path / "copy.mp4"
    assert media.probe(tmp_path / "copy.mp4").browser_playable
    wide = tmp_path / "wide.mp4"
    ffmpeg("-i", clip(tmp_path / "a.mp4"), "-c", "copy", "-aspect", "8:3", wide)
    assert next(media.read_frames(wide))[1].shape == (48, 128, 3)


@pytest.mark.parametrize(
    ("name", "codec"), [("a.webm", "libvpx"), ("a.avi", "mpeg4"), ("a.mov", "libx264"), ("a.mkv", "libx264")]
)
def test_any_container(tmp_path, name, codec):
    path = raw_container(tmp_path / name, codec, [0, 0.04, 0.08])
    assert len(times_of(path)) == 3
    copy = media.browser_copy(path, tmp_path / "copy.mp4")
    np.testing.assert_allclose(times_of(copy), times_of(path), atol=2e-3)
    assert media.probe(copy).browser_playable


def test_no_sound_track_is_none_and_a_late_one_keeps_its_start(tmp_path):
    assert media.read_sound(clip(tmp_path / "mute.mp4")) is None
    late = tmp_path / "late.mp4"
    picture, voice = clip(tmp_path / "a.mp4"), clip(tmp_path / "b.mp4", sound=tone(1))
    ffmpeg("-i", picture, "-itsoffset", 0.5, "-i", voice, "-map", "0:v", "-map", "1:a", "-c", "copy", late)
    sound = media.read_sound(late)
    assert sound is not None
    first = np.flatnonzero(np.abs(sound.samples) > 0.1)[0] / media.SAMPLE_RATE + sound.start
    assert first == pytest.approx(0.5, abs=0.1)


def test_a_truncated_file_gives_what_it_has(tmp_path):
    path = raw_container(tmp_path / "t.mkv", "libx264", [i / 25 for i in range(200)], size=(144, 192))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 10 < len(times_of(path)) < 200
    assert media.probe(path).width == 192


def test_ten_malformed_files_are_one_sentence_each(tmp_path):
    files = malformed(tmp_path)
    assert len(files) == 10
    for name, path in files.items():
        with pytest.raises(UserError, match=name.split(".")[0]) as caught:
            media.probe(path)
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="There is no file"):
        media.probe(tmp_path / "nowhere.mp4")


def test_too_long_is_refused_before_it_is_decoded(tmp_path):
    long = clip(tmp_path / "long.mp4", frames=62, fps=1)
    with pytest.raises(UserError, match="lasts 62 s: cut it to 60 s"):
        media.probe(long)
    assert media.probe(long, longest=70).duration == pytest.approx(62, abs=1)
    assert len(list(media.read_frames(long))) == 61
    assert len(list(media.read_frames(long, longest=70))) == 62
