"""Media of many containers, changed at random, through the door of uploads: arrive, be looked at, be read from end to end."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import tempfile
from collections.abc import Callable
from importlib import import_module
from math import isfinite
from pathlib import Path
from random import Random

import numpy as np

COUNT = 500
_SIDE = 64
_BASES: dict[str, bytes] = {}
# A file outside that lists in disguise name; the system tells when anybody opens it.
_CANARY = Path(tempfile.mkdtemp(prefix="fuzz-canary-")) / "secret.mp4"
_IN_OPEN = 0x20


def prepare() -> None:
    """A second of picture and sound in every container, and a watch on what lies outside."""
    from tests.media_files import clip, ffmpeg, tone

    # Streamlit asks at its import on which system it runs; that is no doing of the file's.
    import_module("affectscope.app.own.store")
    with tempfile.TemporaryDirectory() as inside:
        folder = Path(inside)
        plain = clip(folder / "a.mp4", 20, 20, tone(1))
        _BASES["a.mp4"] = plain.read_bytes()
        shutil.copy(plain, _CANARY)
        for name, arguments in _KINDS.items():
            ffmpeg("-i", plain, *arguments.split(), folder / name)
            _BASES[name] = (folder / name).read_bytes()
    _watch()


_KINDS = {
    "b.mp4": "-c:v libx264 -bf 2 -c:a aac -movflags frag_keyframe+empty_moov", "a.mov": "-c copy", "a.3gp": "-c copy",
    "a.webm": "-c:v libvpx -c:a libopus", "b.webm": "-c:v libvpx-vp9 -c:a libvorbis", "a.mkv": "-c:v libx264 -bf 2 -c:a ac3",
    "b.mkv": "-c:v ffv1 -c:a flac", "a.avi": "-c:v mpeg4 -bf 2 -c:a pcm_s16le", "b.avi": "-c:v libx264 -bf 2 -c:a mp3",
    "c.avi": "-c:v mjpeg -c:a pcm_u8", "a.ts": "-c copy", "b.ts": "-c:v mpeg2video -c:a mp2",
    "a.mpg": "-c:v mpeg2video -c:a mp2", "a.ogv": "-c:v libtheora -c:a libvorbis", "a.flv": "-c:v flv -ar 22050 -c:a mp3",
    "a.wmv": "-c:v wmv2 -c:a wmav2", "a.wav": "-vn", "a.mp3": "-vn", "a.ogg": "-vn -c:a libvorbis", "a.opus": "-vn -c:a libopus",
    "a.flac": "-vn", "a.aac": "-vn -c copy", "a.aiff": "-vn", "a.h264": "-an -c copy", "b.h264": "-an -c:v libx264 -bf 2",
    "a.m4v": "-an -c:v mpeg4 -f m4v", "a.mjpeg": "-an -c:v mjpeg", "a.ivf": "-an -c:v libvpx", "a.nut": "-c:v mpeg4 -c:a mp2",
    "a.mxf": "-c:v mpeg2video -r 25 -c:a pcm_s16le -ar 48000", "a.m1v": "-an -c:v mpeg1video -r 25",
    "a.y4m": "-an -pix_fmt yuv420p",
    "a.gif": "-an", "a.apng": "-an", "a.tta": "-vn", "a.wv": "-vn", "a.dts": "-vn -c:a dca -strict -2 -ar 48000",
    "a.thd": "-vn -c:a truehd -strict -2 -ar 48000", "a.latm": "-vn -c copy", "a.voc": "-vn -c:a pcm_s16le",
}  # fmt: skip


def make(random: Random, folder: Path) -> tuple[str, Path]:
    """One changed file: what was done to it, and where it lies."""
    name = random.choice(sorted(_MAKERS))
    base = random.choice(sorted(_BASES))
    made = _MAKERS[name](random, base)
    path = folder / f"{Path(base).stem}{random.choice((Path(base).suffix, '.mp4', '.mkv', '.ts', '.MOV', '.json', ''))}"
    path.write_bytes(made)
    return name, path


def door(source: Path, out: Path) -> str:
    """What `PUT /own` does once a file has arrived, and then what the pages do: a strip of pictures, all frames, all sound."""
    from affectscope.app.own import store
    from affectscope.core import media
    from affectscope.core.errors import UserError

    os.environ["AFFECTSCOPE_CACHE"] = str(out)
    _opened()
    try:
        part = store.incoming()
        shutil.copyfile(source, part)
        clip = store.find(store.keep(part, source.name))
        assert clip is not None
        path, seconds = clip.original, clip.seconds
        assert isfinite(seconds)
        longest = 1800.0
        assert len(list(media.glimpses(path, [seconds * share for share in (0.1, 0.5, 0.9)], _SIDE))) <= 3
        assert np.isfinite(media.loudness(path, 100, max(seconds, 0.01))).all()
        last, shapes = -1.0, set()
        for time, picture in media.read_frames(path, _SIDE, longest):
            assert isfinite(time)
            assert time > last
            last = time
            shapes.add(picture.shape)
        assert len(shapes) <= 1
        sound = media.read_sound(path, longest)
        assert sound is None or (np.isfinite(sound.samples).all() and isfinite(sound.start))
        if not clip.long:
            store.make_playable(clip.id, path, lambda share: None)
        refusal = ""
    except UserError as error:
        refusal = str(error)
    assert not _opened(), "a file outside was opened"
    return refusal


def _watch() -> None:
    global _NOTES
    libc = ctypes.CDLL(None, use_errno=True)
    _NOTES = libc.inotify_init1(os.O_NONBLOCK)
    if _NOTES < 0 or libc.inotify_add_watch(_NOTES, os.fsencode(_CANARY), _IN_OPEN) < 0:
        raise OSError(ctypes.get_errno(), "inotify")


_NOTES = -1


def _opened() -> bool:
    """Whether the file outside was opened since this was last asked; by FFmpeg too, which Python's audit hook does not see."""
    try:
        return bool(os.read(_NOTES, 4096))
    except BlockingIOError:
        return False


def _flipped(random: Random, base: str) -> bytes:
    content = bytearray(_BASES[base])
    for _ in range(random.choice((1, 2, 8, 64, 512))):
        near = random.choice((len(content), min(512, len(content))))
        at = random.randrange(near)
        content[at if random.random() < 0.7 else -1 - at] ^= 1 << random.randrange(8)
    return bytes(content)


def _bytes_set(random: Random, base: str) -> bytes:
    """Numbers of headers, made extreme."""
    content = bytearray(_BASES[base])
    for _ in range(random.choice((1, 2, 4, 16))):
        width = random.choice((1, 2, 4, 8))
        at = random.randrange(max(1, min(len(content) - width, random.choice((64, 1024, len(content))))))
        content[at : at + width] = random.choice(
            (b"\0" * width, b"\xff" * width, b"\x7f" + b"\xff" * (width - 1), b"\x80" * width)
        )
    return bytes(content)


def _truncated(random: Random, base: str) -> bytes:
    content = _BASES[base]
    return content[: random.choice((0, 1, 4, 11, 12, random.randrange(400), random.randrange(len(content)), len(content) - 1))]


def _holed(random: Random, base: str) -> bytes:
    content = _BASES[base]
    at, size = random.randrange(len(content)), random.choice((1, 3, 188, 1000, 5000))
    return content[:at] + random.choice((b"", b"\0" * size)) + content[at + size :]


def _joined(random: Random, base: str) -> bytes:
    parts = [base, *(random.choice((base, *sorted(_BASES))) for _ in range(random.randrange(1, 4)))]
    return b"".join(_BASES[part] for part in parts)


def _swapped(random: Random, base: str) -> bytes:
    other, content = _BASES[random.choice(sorted(_BASES))], _BASES[base]
    at = random.choice((4, 8, 12, 64, 512, random.randrange(len(content))))
    return other[:at] + content[at:]


def _repeated(random: Random, base: str) -> bytes:
    """A part of the file over and over."""
    content = _BASES[base]
    begin = random.randrange(len(content))
    part = content[begin : begin + random.choice((188, 1000, 10_000))]
    return content[:begin] + part * random.choice((2, 10, 100)) + content[begin:]


_BOXES = (
    b"mvhd",
    b"tkhd",
    b"mdhd",
    b"stts",
    b"ctts",
    b"stsz",
    b"stsc",
    b"stco",
    b"elst",
    b"stsd",
    b"dref",
    b"trun",
    b"tfdt",
    b"avcC",
)


def _box(random: Random, base: str) -> bytes:
    """A box of an MP4 that says something else."""
    content = bytearray(_BASES[random.choice([name for name in sorted(_BASES) if name.endswith((".mp4", ".mov", ".3gp"))])])
    name = random.choice([box for box in _BOXES if box in content])
    at = content.index(name)
    change = random.randrange(4)
    if change == 0:
        content[at - 4 : at] = struct.pack(">I", random.choice((0, 1, 7, 8, 2**31, 2**32 - 1, len(content))))
    elif change == 1:
        content[at : at + 4] = random.choice((*_BOXES, b"free", b"moov", b"\0\0\0\0"))
    else:
        for _ in range(random.choice((1, 4))):
            place = at + 8 + 4 * random.randrange(10)
            content[place : place + 4] = struct.pack(">I", random.choice((0, 1, 2, 2**16, 2**31 - 1, 2**31, 2**32 - 1)))
    return bytes(content)


def _list(random: Random, base: str) -> bytes:
    """What names another file, in one of the languages that FFmpeg knows."""
    name = str(_CANARY)
    url = random.choice((name, f"file:{name}", f"file://{name}", f"subfile,,start,0,end,9,,:{name}", f"concat:{name}|{name}"))
    texts = (
        f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{url}\n#EXT-X-ENDLIST\n", f"ffconcat version 1.0\nfile '{url}'\n",
        f"<?xml version='1.0'?><MPD xmlns='urn:mpeg:dash:schema:mpd:2011'><BaseURL>{url}</BaseURL></MPD>",
        f"v=0\no=- 0 0 IN IP4 127.0.0.1\nm=video 5004 RTP/AVP 96\na=control:{url}\n", f"[playlist]\nFile1={url}\n",
        f"# VobSub index file, v7\n{url}", f"RTSPtext\n{url}\n", f"<smil><video src='{url}'/></smil>",
    )  # fmt: skip
    return random.choice(texts).encode() + random.choice((b"", _BASES[base]))


def _reference(random: Random, base: str) -> bytes:
    """An MP4 whose pictures lie in another file; the boxes about the reference are as large as they say."""
    content = _BASES["a.mp4"]
    at = content.index(b"url ") - 4
    named = random.choice((str(_CANARY), f"file:{_CANARY}", f"file://{_CANARY}")).encode() + b"\0"
    named += bytes(len(named) % 2)
    # QuickTime's alias: volume and names of fixed lengths, then what is told by type: 2 is a path, 18 a POSIX path.
    path = struct.pack(">HH", random.choice((2, 18)), len(named)) + named
    alias = bytes(150) + path + struct.pack(">HH", 0xFFFF, 0)
    body = random.choice((b"alis" + bytes(4) + alias, b"url " + bytes(4) + named, b"urn " + bytes(4) + named))
    box = struct.pack(">I", 4 + len(body)) + body
    made = bytearray(content[:at] + box + content[at + 12 :])
    place, size = 0, len(content)
    # Down the tree, from box to box, to the one that was replaced.
    while place < at:
        (size,) = struct.unpack(">I", content[place : place + 4])
        if place + size <= at:
            place += size
            continue
        made[place : place + 4] = struct.pack(">I", size + len(box) - 12)
        place += 16 if content[place + 4 : place + 8] == b"dref" else 8
    return bytes(made)


def _noise(random: Random, base: str) -> bytes:
    magic = (
        b"RIFF\xff\xff\xff\x7fAVI LIST",
        b"\x1aE\xdf\xa3",
        b"OggS",
        b"FLV\x01\x05",
        b"\x47" * 4,
        b"\0\0\0\x18ftypisom",
        b"ID3",
        b"",
    )
    return random.choice(magic) + random.randbytes(random.choice((10, 1000, 100_000)))


_MAKERS: dict[str, Callable[[Random, str], bytes]] = {
    "bits flipped": _flipped,
    "numbers made extreme": _bytes_set,
    "cut short": _truncated,
    "a hole": _holed,
    "files joined": _joined,
    "one file's head on another": _swapped,
    "a part repeated": _repeated,
    "MP4 boxes edited": _box,
    "lists of other files": _list,
    "references to other files": _reference,
    "noise": _noise,
}
