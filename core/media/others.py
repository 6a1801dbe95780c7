"""Why a file cannot be opened as media, by how it begins: what it is instead, and what to do."""

from __future__ import annotations

import re
import shlex
import struct
from pathlib import Path

from affectscope.core.text import shown

_HEAD = 512
# What players know and nobody is asked to trust here: FFmpeg's readers of these are little used, and as little looked after.
_FILMS = {
    b".RMF": "RealMedia", b"\xb7\xd8\x00\x20\x37\x49\xda\x11": "a recording of Windows Media Center", b"FWS": "Flash",
    b"CWS": "Flash", b"ZWS": "Flash", b"BIK": "Bink video", b"KB2": "Bink video", b"SMK": "Smacker video",
    b"DHAV": "a camera's own format (DAV)", b"IMKH": "a camera's own format (Hikvision)",
}  # fmt: skip
_SOUNDS = {
    b"MAC ": "Monkey's Audio", b"MPCK": "Musepack", b"MP+": "Musepack", b"ajkg": "Shorten", b"DSD ": "DSD", b"FRM8": "DSD",
    b".SoX": "SoX", b"TWIN": "TwinVQ", b"OFR ": "OptimFROG", b"STRM": "AST", b"MMMD": "SMAF", b"NIST_1A": "NIST SPHERE",
    b"ea3": "ATRAC", b"EA3": "ATRAC",
}  # fmt: skip
_PICTURES = (
    b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*", b"8BPS", b"\0\0\x01\0", b"#?RADIANCE",
)  # fmt: skip
_PACKED = (b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!")
_STILL = re.compile(rb".{4}ftyp(heic|heix|heim|heis|mif1|msf1|avif|crx )", re.DOTALL)
_SUBTITLES = re.compile(rb"\s*(\d+\s+\d\d:\d\d:\d\d[,.]\d{3} -->|WEBVTT|\[Script Info\])")
_RIFF = {
    b"WEBP": "a picture: choose a video or a sound",
    b"CDDA": "only a pointer to a CD's track: read the CD, and choose what that gives",
}
_UNFINISHED = "lacks its index (moov), as a recording or a download that was broken off: make it again"
_BLANK = b"\xef\xbb\xbf \t\r\n"


def fault_of(path: Path) -> str:
    """Why FFmpeg did not open a file, as a sentence."""
    name = shown(path.name, 200)
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError as error:
        return f"{name} cannot be read ({error.strerror or 'the disk refuses'}): check its permissions."
    known = _known(head, name) or (_UNFINISHED if head[4:8] == b"ftyp" and _lacks_index(path) else "")
    return f"{name} {known}." if known else f"{name} cannot be read as a video: it is damaged or of another kind."


def _lacks_index(path: Path) -> bool:
    """Whether an MP4 ends, or makes no sense any more, before the box that says where its frames are."""
    with path.open("rb") as file:
        size, place = path.stat().st_size, 0
        while place + 8 <= size:
            file.seek(place)
            length, kind = struct.unpack(">I4s", file.read(8))
            if kind in (b"moov", b"moof"):
                return False
            if length == 1:
                (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\0"))
            if length < 8:
                return kind == b"mdat"
            place += length
    return True


def _known(head: bytes, name: str) -> str:
    begin = head.lstrip(_BLANK)
    if not head:
        return "is empty: record or download it again"
    if not head.strip(b"\0"):
        return "begins with nothing but zeros, as a download that was broken off: download it again"
    for kinds, ending in ((_FILMS, "mp4"), (_SOUNDS, "wav")):
        if kind := next((kind for magic, kind in kinds.items() if head.startswith(magic)), ""):
            command = shlex.join(["ffmpeg", "-i", name, f"{Path(name).stem}.{ending}"])
            return f"is {kind}, which is not read: convert it first, by `{command}` for one"
    if head.startswith(b"MThd"):
        return "holds notes (MIDI) and no sound: choose a recording"
    if head.startswith(_PICTURES) or _STILL.match(head):
        return "is a picture: choose a video or a sound"
    if head.startswith(b"RIFF") and head[8:12] in _RIFF:
        return f"is {_RIFF[head[8:12]]}"
    if head.startswith(_PACKED):
        return "is an archive: unpack it, and choose the video inside"
    if begin.startswith((b"#EXTM3U", b"ffconcat", b"[playlist]")):
        return "is a list of files and none itself: choose the files that it names"
    if _SUBTITLES.match(begin):
        return "holds subtitles: choose the video that they belong to"
    if begin.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer and not the file itself: run `git lfs pull` where it came from, or download it again"
    if begin.lower().startswith((b"<!doctype", b"<html", b"<head", b"<?xml")):
        return "is a web page: download the file again, by its own address"
    return ""
