"""Geometry: every picture stands as a player shows it, on one size, for whoever reads it."""

import struct
from pathlib import Path

import av
import numpy as np
import pytest

from affectscope.app.serving import thumbs
from affectscope.core import media
from tests.media_files import clip, ffmpeg, joined, pattern, raw_container

# a, b, c, d of x' = a x + c y, y' = b x + d y.
EIGHT = [
    (1, 0, 0, 1), (-1, 0, 0, 1), (1, 0, 0, -1), (-1, 0, 0, -1), (0, 1, 1, 0), (0, -1, 1, 0), (0, 1, -1, 0), (0, -1, -1, 0),
]  # fmt: skip


def turned(path: Path, out: Path, matrix) -> Path:
    """An MP4 with another matrix in its picture's track header."""
    content = path.read_bytes()
    place = content.index(b"tkhd") + 44
    a, b, c, d = (round(65536 * value) for value in matrix)
    put = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    out.write_bytes(content[:place] + put + content[place + 36 :])
    return out


def seen(picture: np.ndarray, matrix) -> np.ndarray:
    """Every pixel where the matrix puts it."""
    a, b, c, d = matrix
    y, x = np.indices(picture.shape[:2])
    right, down = a * x + c * y, b * x + d * y
    right, down = right - right.min(), down - down.min()
    out = np.zeros((down.max() + 1, right.max() + 1, 3), picture.dtype)
    out[down, right] = picture
    return out


def off(picture: np.ndarray, expected: np.ndarray) -> float:
    assert picture.shape == expected.shape
    return float(np.abs(picture.astype(int) - expected.astype(int)).mean())


@pytest.mark.parametrize("matrix", EIGHT)
def test_all_eight_ways_to_lie_for_all_who_look(tmp_path, matrix):
    plain = clip(tmp_path / "a.mp4", 40, size=(48, 96))
    path = turned(plain, tmp_path / "t.mp4", matrix)
    expected = [seen(picture, matrix) for _, picture in media.read_frames(plain)]
    assert max(off(picture, whole) for (_, picture), whole in zip(media.read_frames(path), expected, strict=True)) < 1
    info = media.probe(path)
    assert (info.height, info.width) == expected[0].shape[:2]
    (glimpse,) = media.glimpses(path, [0.0], 96)
    assert off(glimpse, expected[0]) < 1
    copy = media.browser_copy(path, tmp_path / "copy.mp4")
    # Browsers turn by themselves, and do not all mirror.
    assert (copy == path) == (matrix[0] * matrix[3] - matrix[1] * matrix[2] == 1)
    assert off(next(media.read_frames(copy))[1], expected[0]) < 6
    assert thumbs.thumb(path) is not None
    with av.open(str(thumbs.thumb(path))) as picture:
        stream = picture.streams.video[0]
        assert (stream.height > stream.width) == (expected[0].shape[0] > expected[0].shape[1])


@pytest.mark.parametrize(("degrees", "nearest"), [(8, (1, 0, 0, 1)), (80, (0, 1, -1, 0)), (170, (-1, 0, 0, -1))])
def test_other_angles_count_as_the_nearest(tmp_path, degrees, nearest):
    plain, angle = clip(tmp_path / "a.mp4"), np.deg2rad(degrees)
    path = turned(plain, tmp_path / "t.mp4", (np.cos(angle), np.sin(angle), -np.sin(angle), np.cos(angle)))
    assert off(next(media.read_frames(path))[1], seen(next(media.read_frames(plain))[1], nearest)) < 1
    assert not media.probe(path).browser_playable


def test_wide_pixels_are_widened_before_they_are_turned(tmp_path):
    wide = tmp_path / "wide.mp4"
    ffmpeg("-i", clip(tmp_path / "a.mp4"), "-c", "copy", "-aspect", "8:3", wide)
    path = turned(wide, tmp_path / "t.mp4", (0, 1, -1, 0))
    assert next(media.read_frames(path))[1].shape == (128, 48, 3)


def growing(path: Path, sizes, codec="libvpx") -> Path:
    """A WebM whose pictures change their size, ten of each."""
    parts = []
    for number, (height, width) in enumerate(sizes):
        parts.append(raw_container(path.with_name(f"{number}.webm"), codec, [i / 20 for i in range(10)], size=(height, width)))
    with av.open(str(path), "w") as out, av.open(str(parts[0])) as first:
        stream = out.add_stream_from_template(first.streams.video[0])
        for number, part in enumerate(parts):
            with av.open(str(part)) as container:
                for packet in container.demux(container.streams.video[0]):
                    if packet.dts is not None:
                        packet.pts += round(0.5 * number / packet.time_base)
                        packet.dts = packet.pts
                        packet.stream = stream
                        out.mux(packet)
    return path


@pytest.mark.parametrize("sizes", [[(48, 64), (96, 128)], [(96, 128), (48, 64)], [(48, 64), (96, 128), (24, 32)]])
def test_pictures_that_change_their_size_come_on_one(tmp_path, sizes):
    path = growing(tmp_path / "g.webm", sizes)
    pictures = [picture for _, picture in media.read_frames(path)]
    assert len(pictures) == 10 * len(sizes)
    assert {picture.shape for picture in pictures} == {(96, 128, 3)}
    info = media.probe(path)
    assert (info.width, info.height) == (128, 96)
    # Red on top and blue below, from edge to edge, whatever size it was encoded in.
    for picture in pictures:
        assert picture[4, :, 0].mean() > 150
        assert picture[-4, :, 2].mean() > 150
    small = [picture for _, picture in media.read_frames(path, max_side=64)]
    assert {picture.shape for picture in small} == {(48, 64, 3)}
    copy = media.browser_copy(path, tmp_path / "copy.mp4")
    assert len(list(media.read_frames(copy))) == 10 * len(sizes)


def test_a_picture_of_another_shape_lies_in_the_middle_and_is_not_stretched(tmp_path):
    pictures = [picture for _, picture in media.read_frames(growing(tmp_path / "g.webm", [(48, 96), (48, 24)]))]
    assert {picture.shape for picture in pictures} == {(48, 96, 3)}
    upright = pictures[-1]
    assert upright[:, :35].mean() < 12
    assert upright[:, 61:].mean() < 12
    assert upright[4, 38:58, 0].mean() > 150


@pytest.mark.parametrize("kind", ["ts", "h264"])
def test_other_containers_that_change_their_size(tmp_path, kind):
    parts = []
    for number, size in enumerate([(48, 64), (96, 128)]):
        part = tmp_path / f"{number}.{kind}"
        ffmpeg("-i", clip(tmp_path / f"{number}.mp4", size=size), "-c", "copy", part)
        parts.append(part)
    pictures = [picture for _, picture in media.read_frames(joined(tmp_path / f"g.{kind}", *parts))]
    assert len(pictures) == 40
    assert {picture.shape for picture in pictures} == {(96, 128, 3)}
    assert off(pictures[0], pattern(0, 96, 128)) < 20


def test_a_thumbnail_in_a_track_of_its_own_is_not_the_film(tmp_path):
    thumb, film, both = tmp_path / "t.mp4", tmp_path / "f.mp4", tmp_path / "both.mov"
    clip(thumb, 1)
    clip(film, 20)
    ffmpeg("-i", thumb, "-i", film, "-map", "0:v", "-map", "1:v", "-c", "copy", both)
    assert len(list(media.read_frames(both))) == len(media.frame_times(both)) == 20
    assert media.remarks(both) == ("The file has 2 tracks of pictures: number 2 is read.",)
    assert not media.probe(both).browser_playable
    assert media.reading(both) != media.reading(film)
    assert media.remarks(thumb) == media.remarks(film) == ()
    assert len(list(media.read_frames(thumb))) == 1
