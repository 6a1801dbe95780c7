"""Thumbnails of clips, made on first request."""

from __future__ import annotations

from itertools import islice
from math import inf
from pathlib import Path

from affectscope.core import media
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of
from affectscope.core.errors import UserError

SIDE = 96
_FRAME = 30  # Faces are at rest in the first frames of a clip.


def thumb(path: Path) -> Path | None:
    """Path of a sealed JPEG of the clip, or None where it has no picture."""
    out = place(path)
    if sealed.is_intact(out):
        return out
    try:
        media.probe(path, longest=inf)
        frames = list(islice(media.read_frames(path, max_side=2 * SIDE), _FRAME + 1))
    except UserError:
        return None
    if not frames:
        return None
    sealed.write_cached(out, media.frame_jpeg(frames[-1][1], SIDE))
    return out


def place(path: Path) -> Path:
    """Path of a clip's thumbnail. Not by content hash, because thousands of clips are listed without being read."""
    facts = path.stat()
    return cache_root() / "thumbs" / f"{key_of(str(path.resolve()), facts.st_size, facts.st_mtime_ns)}.jpg"
