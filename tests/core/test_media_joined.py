"""Files that go on where their demuxer ends, as `cat a b` makes them, and pictures in mid-stream that no longer decode."""

import numpy as np
import pytest

from affectscope.core import media
from affectscope.core.features.extract import extract
from affectscope.core.media.joined import Without
from affectscope.core.media.stretch import of_file
from tests.media_files import clip, damaged, ffmpeg, joined, pattern, tone

H264 = ("-c", "copy")
SOUND = ("-vn", "-c:a", "pcm_s16le")


def made(folder, kind: str, *how: object, frames: int = 40):
    """A second of 20 pictures and a tone, in any container."""
    whole = clip(folder / "source.mp4", frames, sound=tone(frames / 20))
    out = folder / f"{frames}.{kind}"
    ffmpeg("-i", whole, *how, out)
    return out


def decoded(path):
    return np.array([time for time, _ in media.read_frames(path)])


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("flv", ("-c:v", "flv1", "-c:a", "mp3", "-ar", "22050")),
        ("flv", H264),
        ("ts", H264),
        ("mkv", H264),
        ("nut", H264),
        ("avi", ("-c:v", "mpeg4", "-c:a", "mp3")),
    ],
)
def test_files_joined_by_cat_are_read_whole_with_sound_in_step(tmp_path, kind, how):
    whole = joined(tmp_path / f"whole.{kind}", made(tmp_path, kind, *how, frames=40), made(tmp_path, kind, *how, frames=20))
    times = decoded(whole)
    assert len(times) == 60
    assert (np.diff(times) > 0.01).all()
    # Two seconds and one, each filled up by its codec's last frame of sound.
    assert media.probe(whole).duration == pytest.approx(3.0, abs=0.25)
    sound = media.read_sound(whole)
    assert sound is not None
    assert sound.start + len(sound.samples) / media.SAMPLE_RATE == pytest.approx(3.0, abs=0.3)
    assert media.lost_pictures(whole, times) == ()
    assert not any("Only the first" in remark for remark in media.remarks(whole))


@pytest.mark.parametrize(
    ("kind", "how"),
    [
        ("mp4", H264),
        ("mp4", (*H264, "-movflags", "frag_keyframe+empty_moov+default_base_moof")),
        ("mov", H264),
        ("m4a", ("-vn", "-c:a", "copy")),
        ("wmv", ("-c:v", "wmv2", "-c:a", "wmav2")),
        ("ogv", ("-c:v", "libtheora", "-c:a", "libvorbis")),
        ("ivf", ("-an", "-c:v", "libvpx")),
        ("wav", SOUND),
        ("w64", SOUND),
        ("aiff", ("-vn",)),
        ("caf", SOUND),
        ("tta", ("-vn",)),
        ("wv", ("-vn",)),
        ("voc", SOUND),
        ("y4m", ("-an", "-pix_fmt", "yuv420p")),
        ("apng", ("-an",)),
    ],
)
def test_what_lies_behind_the_first_of_joined_files_is_said(tmp_path, kind, how):
    first, second = made(tmp_path, kind, *how, frames=40), made(tmp_path, kind, *how, frames=20)
    assert not any("Only the first" in remark for remark in media.remarks(first))
    whole = joined(tmp_path / f"whole.{kind}", first, second)
    (remark,) = (note for note in media.remarks(whole) if "Only the first" in note)
    behind = second.stat().st_size / whole.stat().st_size
    assert remark.startswith("Only the first 2.")
    assert f"{behind:.0%}".removesuffix("%") in remark
    assert len(decoded(whole)) == len(decoded(first)) == (0 if "-vn" in how else 40)
    assert "unread" in media.reading(whole)


@pytest.mark.parametrize(("kind", "frames"), [("opus", 30), ("wma", 6)])
def test_nothing_lies_behind_a_short_recording_whose_packets_share_a_page(tmp_path, kind, frames):
    assert media.remarks(made(tmp_path, kind, "-vn", frames=frames)) == ()


def test_flac_joined_by_cat_is_heard_whole(tmp_path):
    first, second = (made(tmp_path, "flac", "-vn", frames=frames) for frames in (40, 20))
    whole = joined(tmp_path / "whole.flac", first, second)
    assert media.probe(whole).duration == pytest.approx(3.0, abs=1e-3)
    sound = media.read_sound(whole)
    parts = [media.read_sound(part) for part in (first, second)]
    assert sound is not None
    assert None not in parts
    heard = np.concatenate([part.samples for part in parts if part is not None])
    assert len(sound.samples) == len(heard) == 3 * media.SAMPLE_RATE
    # Resampled over the seam.
    assert np.abs(sound.samples - heard).max() < 0.05
    assert not any("Only the first" in remark for remark in media.remarks(whole))


def test_mxf_joined_by_cat_whose_clock_stands_still(tmp_path):
    """The second part's packets all have the first one's last time."""
    how = ("-c:v", "mpeg2video", "-r", "25", "-c:a", "pcm_s16le", "-ar", "48000")
    part = made(tmp_path, "mxf", *how)
    whole = joined(tmp_path / "whole.mxf", part, part)
    np.testing.assert_allclose(decoded(whole), np.arange(100) / 25, atol=2e-3)
    assert media.probe(whole).duration == pytest.approx(4.0, abs=0.05)
    sound = media.read_sound(whole)
    assert sound is not None
    assert len(sound.samples) == pytest.approx(4.0 * media.SAMPLE_RATE, abs=0.05 * media.SAMPLE_RATE)


def test_headers_inside_joined_ogg_are_no_pictures(tmp_path):
    part = made(tmp_path, "ogv", "-c:v", "libtheora", "-c:a", "libvorbis")
    whole = joined(tmp_path / "whole.ogv", part, part)
    times = decoded(whole)
    assert len(media.frame_times(whole)) == len(times)
    assert media.lost_pictures(whole, times) == ()


def test_what_cannot_be_read_behind_a_file_is_said_whatever_it_is(tmp_path):
    first = made(tmp_path, "flv", *H264)
    other = tmp_path / "noise.bin"
    other.write_bytes(np.random.default_rng(3).bytes(first.stat().st_size))
    whole = joined(tmp_path / "whole.flv", first, other)
    assert len(decoded(whole)) == 40
    assert "50" in next(remark for remark in media.remarks(whole) if "Only the first 2." in remark)


def test_a_file_without_some_of_its_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"0123456789")
    with Without(tmp_path / "a", ((2, 4), (6, 9))) as file:
        assert file.read() == b"01459"
        assert file.seek(-3, 2) == 2
        assert (file.read(2), file.tell(), file.read(9), file.read(9)) == (b"45", 4, b"9", b"")
        assert file.seek(1) == 1
        assert file.read(2) == b"14"


def test_damaged_pictures_are_counted_and_have_their_times(tmp_path):
    """Motion JPEG: each picture stands alone, and one without its beginning is none. 12 to 15 and 20 of 30 are lost."""
    path = damaged(tmp_path / "a.avi", 30, (12, 13, 14, 15, 20))
    times = decoded(path)
    assert len(times) == 25
    (lost,) = media.lost_pictures(path, times)
    assert "5 of 30 pictures, at 0.48 to 0.60 s and 0.80 s." in lost
    assert lost in extract(path).notices
    _, notes = of_file(path, "0.52", "1.04", tmp_path / "out")
    assert "4 of 13 pictures, at 0.52 to 0.60 s and 0.80 s." in notes[1]
    assert "1 of 13 pictures, at 0.48 s." in of_file(path, "0", "0.5", tmp_path / "out")[1][1]


def test_pictures_behind_a_change_of_codec_are_said(tmp_path):
    """MPEG-TS joined by `cat`: 50 pictures of H.264, then 50 of MPEG-2, which the first one's codec cannot read."""
    parts = [tmp_path / "a.ts", tmp_path / "b.ts"]
    plain = clip(tmp_path / "plain.mp4", 50, fps=25)
    for part, codec in zip(parts, ("libx264", "mpeg2video"), strict=True):
        ffmpeg("-i", plain, "-c:v", codec, "-f", "mpegts", part)
    whole = joined(tmp_path / "whole.ts", *parts)
    times = decoded(whole)
    count = len(media.frame_times(whole))
    # The first codec's parser may take two of the second's packets for one.
    assert count == pytest.approx(100, abs=2)
    (lost,) = media.lost_pictures(whole, times)
    assert f"{count - len(times)} of {count} pictures" in lost


def test_nothing_is_said_of_a_file_that_decodes(tmp_path):
    path = clip(tmp_path / "a.mp4", 30, sound=tone(1.5))
    assert media.lost_pictures(path, decoded(path)) == ()
    assert media.remarks(path) == ()
    longer = tmp_path / "long.mp4"
    media.encode(longer, ((float(i), pattern(i)) for i in range(70)), None, 1)
    assert media.lost_pictures(longer, np.array([time for time, _ in media.read_frames(longer)])) == ()
