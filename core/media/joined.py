"""Handles concatenated files, as made by `cat a b`: the bytes may continue where a demuxer stops.

Of FLV, FLAC and NUT the headers inside are left out, which makes one stream of all parts. Of other formats it is told how much
was not read.
"""

from __future__ import annotations

import io
import mmap
import os
import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

# "FLV", version 1, flags, header size, and the size of the previous tag, which is 0.
_FLV, _FLV_FLAGS, _FLV_REST = b"FLV\x01", b"\x00\x01\x04\x05", b"\x00\x00\x00\x09\x00\x00\x00\x00"
_FLV_SIZE = 13
# "fLaC" and its first metadata block, which is 34 bytes long.
_FLAC = re.compile(rb"fLaC[\x00\x80]\x00\x00\x22")
_FLAC_MARK, _FLAC_BLOCK = 4, 4
# What a file begins with, and nothing else in it: read as frames, it makes two that are none.
_NUT = b"nut/multimedia container\0"
# What stands behind the last packet besides: indices, tags, covers.
_USUAL = 0.25
# Magic bytes of the formats whose demuxers may stop early.
_BEGINNINGS = {
    "mp4": re.compile(rb"\0\0[\0\1].ftyp[ -~]{4}", re.DOTALL),
    "asf": re.compile(re.escape(bytes.fromhex("3026b2758e66cf11a6d900aa0062ce6c"))),
    "ogg": re.compile(rb"OggS\0[\2\3]\0{8}"),
    "wav": re.compile(rb"(RIFF|RIFX|RF64).{4}WAVE", re.DOTALL),
    "w64": re.compile(rb"riff\x2e\x91\xcf\x11"),
    "aiff": re.compile(rb"FORM.{4}AIF[FC]", re.DOTALL),
    "caf": re.compile(rb"caff\0[\1\2]\0\0desc"),
    "ivf": re.compile(rb"DKIF\0\0\x20\0"),
    "tta": re.compile(rb"TTA1[\1\3]\0"),
    # Every block begins like this; a file's first block counts from 0.
    "wv": re.compile(rb"wvpk.{12}\0{4}", re.DOTALL),
    "voc": re.compile(rb"Creative Voice File\x1a"),
    "yuv4mpegpipe": re.compile(rb"YUV4MPEG2 "),
    "apng": re.compile(rb"\x89PNG\r\n\x1a\n"),
}


class Without(io.RawIOBase):
    """A file read as if some ranges of bytes did not exist.

    Args:
        gaps: (begin, end) of each, ascending.
    """

    def __init__(self, path: Path, gaps: tuple[tuple[int, int], ...]) -> None:
        self.file = path.open("rb")
        edges = [0, *(edge for gap in gaps for edge in gap), os.fstat(self.file.fileno()).st_size]
        self.kept = [(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True) if end > begin]
        self.size, self.place = sum(end - begin for begin, end in self.kept), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.place = max(0, offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.place, io.SEEK_END: self.size}[whence])
        return self.place

    def read(self, count: int = -1) -> bytes:
        wanted = self.size - self.place if count < 0 else count
        parts, passed = [], 0
        for begin, end in self.kept:
            first = self.place - passed
            if wanted > 0 and 0 <= first < end - begin:
                self.file.seek(begin + first)
                parts.append(self.file.read(min(wanted, end - begin - first)))
                self.place += len(parts[-1])
                wanted -= len(parts[-1])
            passed += end - begin
        return b"".join(parts)

    def close(self) -> None:
        self.file.close()
        super().close()


def inner_headers(path: Path, formats: set[str]) -> tuple[tuple[int, int], ...]:
    """(begin, end) in bytes of inner headers of the same format; empty for formats without a recognisable start.

    Args:
        formats: FFmpeg's names of the format.
    """
    stat, ours = os.stat(path), formats & _HEADERS.keys()
    return _inner_headers(str(path), min(ours), stat.st_ino, stat.st_size, stat.st_mtime_ns) if ours else ()


@lru_cache(maxsize=64)
def _inner_headers(name: str, kind: str, inode: int, size: int, changed: int) -> tuple[tuple[int, int], ...]:
    with open(name, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return tuple(_HEADERS[kind](content))


def _flv_headers(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    place = content.find(_FLV, 1)
    while place > 0:
        if content[place + 4 : place + 5] in _FLV_FLAGS and content[place + 5 : place + _FLV_SIZE] == _FLV_REST:
            yield place, place + _FLV_SIZE
        place = content.find(_FLV, place + 1)


def _flac_headers(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    for found in _FLAC.finditer(content, 1):
        end, last = found.start() + _FLAC_MARK, False
        while not last and end + _FLAC_BLOCK <= len(content):
            last = bool(content[end] & 0x80)
            end += _FLAC_BLOCK + int.from_bytes(content[end + 1 : end + _FLAC_BLOCK], "big")
        if last and end <= len(content):
            yield found.start(), end


def _nut_headers(content: mmap.mmap) -> Iterator[tuple[int, int]]:
    place = content.find(_NUT, 1)
    while place > 0:
        yield place, place + len(_NUT)
        place = content.find(_NUT, place + 1)


_HEADERS = {"flv": _flv_headers, "flac": _flac_headers, "nut": _nut_headers}


def unread(path: Path, formats: set[str], last: int) -> float:
    """The share of a file's bytes, 0..1, after the part that its demuxer reads; 0 where that is normal.

    Args:
        formats: FFmpeg's names of the format.
        last: the end of the last packet in bytes, if known.
    """
    size = path.stat().st_size
    # IVF reads an inner header as a frame that lasts to the file's end.
    begin = 1 if "ivf" in formats else last
    if not 0 < begin < size:
        return 0.0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        for name in formats & _BEGINNINGS.keys():
            if beginning := _BEGINNINGS[name].search(content, begin):
                return 1 - beginning.start() / size
    share = 1 - last / size
    # In mp4 and matroska, unread tracks, covers and fonts may be most of the file. In ogg and asf, a packet's position is that of
    # its page.
    return share if share > _USUAL and not formats & {"mp4", "matroska", "ogg", "asf"} else 0.0
