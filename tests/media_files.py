"""Small media files, good and bad, made by the tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from typing import IO

import av
import imageio_ffmpeg
import numpy as np

from affectscope.core import media


def pattern(index: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A picture that is red on top, blue below, with a white bar that moves to the right."""
    picture = np.zeros((height, width, 3), np.uint8)
    picture[: height // 2, :, 0] = 200
    picture[height // 2 :, :, 2] = 200
    picture[:, (4 * index) % width : (4 * index) % width + 6] = 255
    return picture


def tone(seconds: float, level: float = 0.3, start: float = 0.0) -> media.Sound:
    moments = np.arange(round(seconds * media.SAMPLE_RATE)) / media.SAMPLE_RATE
    return media.Sound((level * np.sin(2 * np.pi * 220 * moments)).astype(np.float32), start)


def clip(path: Path, frames: int = 20, fps: float = 20, sound: media.Sound | None = None, size=(48, 64)) -> Path:
    media.encode(path, ((i / fps, pattern(i, *size)) for i in range(frames)), sound, fps)
    return path


def ffmpeg(*arguments: object, out: IO[bytes] | int = subprocess.PIPE) -> None:
    """Args:
    out: where what goes to ``pipe:1`` is written.
    """
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-y", *map(str, arguments)]
    subprocess.run(command, check=True, stdout=out, stderr=subprocess.PIPE)


def joined(out: Path, *parts: Path) -> Path:
    """One file's bytes after the other's."""
    out.write_bytes(b"".join(part.read_bytes() for part in parts))
    return out


def two_tracks(path: Path, first: media.Sound, second: media.Sound) -> Path:
    """A video with two sound tracks."""
    ffmpeg(
        "-i", clip(path.with_name("p.mp4")), "-i", clip(path.with_name("1.mp4"), sound=first),
        "-i", clip(path.with_name("2.mp4"), sound=second), "-map", "0:v", "-map", "1:a", "-map", "2:a", "-c", "copy", path,
    )  # fmt: skip
    return path


def raw_container(path: Path, codec: str, times: list[float], pixels: str = "yuv420p", size=(48, 64)) -> Path:
    """Frames at any times in any container, by PyAV directly."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=25)
        stream.height, stream.width, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = Fraction(1, 1000)
        for i, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(pattern(i, *size), format="rgb24")
            frame.pts, frame.time_base = round(time * 1000), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def damaged(path: Path, frames: int, lost: Iterable[int]) -> Path:
    """Motion JPEG at 25 pictures a second, some of which are zeros: each stands alone, and none of these decodes."""
    raw_container(path, "mjpeg", [i / 25 for i in range(frames)], "yuvj420p")
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        places = [(packet.pos, packet.size) for packet in container.demux() if packet.size]
    for start, size in (places[number] for number in lost):
        # A chunk's name and length stand before its picture.
        begin = content.index(b"\xff\xd8", start)
        content[begin : begin + size] = bytes(size)
    path.write_bytes(content)
    return path


def malformed(folder: Path) -> dict[str, Path]:
    """Ten files that are no playable media, each in its own way."""
    good = clip(folder / "good.mp4", sound=tone(1)).read_bytes()
    contents = {
        "empty.mp4": b"",
        "text.mp4": b"this is not a film\n" * 100,
        "noise.mkv": np.random.default_rng(0).bytes(50_000),
        "no_index.mp4": good[: len(good) // 8],
        "zeros.webm": b"\0" * 20_000,
        "header_only.avi": b"RIFF\xff\xff\xff\x7fAVI LIST",
        "playlist.mp4": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/etc/passwd\n",
        "concat.mov": b"ffconcat version 1.0\nfile '/etc/passwd'\n",
        "scrambled.mp4": good[:64] + bytes(255 - b for b in good[64:]),
        "page.mp4": b"<html><script>alert(1)</script></html>",
    }
    paths = {}
    for name, content in contents.items():
        paths[name] = folder / name
        paths[name].write_bytes(content)
    return paths
