"""Which files the cells of a table mean."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from affectscope.core.corpora.tables import folded, is_sound
from affectscope.core.media.kinds import MEDIA

_WHOLE = re.compile(r"(\d{1,18})(?:\.0+)?")
# No file is called so.
_NUMBER = "\0number "
_UPLOAD, _UPLOADED = re.compile(r"[0-9a-f]{8}-."), 9


def places(cells: Iterable[str], files: list[str], unclear: list[str] | None = None) -> list[str]:
    """The file that each cell means, "" where there is none: a path by its end, a name wherever it lies, videos first.

    Letter case and Unicode's form tell files apart where nothing else does.

    Args:
        unclear: takes the cells that several files may be meant by.
    """
    whole, keys = set(files), _ends(files)
    found_at = []
    for cell in (cell.replace("\\", "/").removeprefix("./") for cell in cells):
        found = [cell] if cell in whole else _meant(cell, keys)
        kind = [place for place in found if is_sound(place) == is_sound(found[0])]
        several = len({os.path.dirname(place) for place in kind}) > 1
        if several and unclear is not None:
            unclear.append(cell)
        found_at.append(found[0] if found and not several else "")
    return found_at


def _ends(files: list[str]) -> dict[str, list[str]]:
    """Whatever files may be called by: the ends of their paths, as written and folded, with and without the file's ending."""
    keys: dict[str, list[str]] = {}
    for place in sorted(files, key=is_sound):
        parts = place.split("/")
        for end in ("/".join(parts[at:]) for at in range(len(parts))):
            stem = end.removesuffix(Path(end).suffix)
            for key in {end, stem, folded(end), folded(stem)}:
                keys.setdefault(key, []).append(place)
        if (stem := Path(place).stem).isdecimal():
            keys.setdefault(f"{_NUMBER}{int(stem)}", []).append(place)
    return keys


def _meant(cell: str, keys: Mapping[str, list[str]]) -> list[str]:
    """The files that a name or path may mean, by the longest of its ends that any has."""
    bare = cell.removesuffix(Path(cell).suffix) if Path(cell).suffix.lower() in MEDIA else cell
    for name in (cell, bare, folded(cell), folded(bare)):
        # A path from elsewhere begins with folders that are not here.
        parts = name.split("/")
        for at in range(max(1, len(parts) - 1)):
            if found := keys.get("/".join(parts[at:])):
                return found
        alone = keys.get(parts[-1], [])
        if len(alone) == 1 and "/" not in alone[0]:
            return alone
    # What spreadsheets make of 007, and Label Studio of an upload's name.
    if number := _WHOLE.fullmatch(cell):
        return keys.get(f"{_NUMBER}{int(number[1])}", [])
    name = cell.rpartition("/")[2]
    return _meant(name[_UPLOADED:], keys) if _UPLOAD.match(name) else []
