"""Reads tables and lists files as left by owners, spreadsheets and other systems.

A table may have any line ends, a byte-order mark, UTF-16, or an old Windows encoding. Deviations are reported as remarks.
"""

from __future__ import annotations

import codecs
import csv
import os
import re
import unicodedata
import warnings
from collections.abc import Collection, Iterable
from io import StringIO
from pathlib import Path

import pandas as pd

from affectscope.core import media
from affectscope.core.corpora.headers import above, cells, delimiter, have_names
from affectscope.core.errors import UserError
from affectscope.core.files.kinds import HEAD, is_something_else
from affectscope.core.media.kinds import MEDIA, SOUND
from affectscope.core.text import shown

# What git-lfs leaves in place of a file that it did not fetch.
_POINTER, _POINTER_SIZE = b"version https://git-lfs", 1024
# Order matters: UTF-32's marks begin with UTF-16's.
_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_TITLES = {"cp1252": "Windows-1252", "utf-32": "UTF-32"} | dict.fromkeys(("utf-16", "utf-16-le", "utf-16-be"), "UTF-16")
_HEADING = 4096
_SEPARATOR = re.compile(r'\A\s*"?sep=."?[ \t]*\n', re.IGNORECASE)
_NAMED = 3
# Magic bytes of media: (position, bytes). Files without them, or very small ones, are inspected.
_BEGINNINGS: dict[str, tuple[tuple[int, bytes], ...]] = {
    ".flv": ((0, b"FLV"),), ".avi": ((0, b"RIFF"),), ".mkv": ((0, b"\x1a\x45\xdf\xa3"),), ".webm": ((0, b"\x1a\x45\xdf\xa3"),),
    ".mp4": ((4, b"ftyp"),), ".m4v": ((4, b"ftyp"),), ".mov": ((4, b"ftyp"), (4, b"moov"), (4, b"wide"), (4, b"mdat")),
}  # fmt: skip
_SMALL = 20_000


def read_text(path: Path, remarks: list[str]) -> str:
    r"""A text file's content, with lines ended by ``\n``.

    Raises:
        UserError: when it cannot be read, or is not text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}): check the path and its permissions.") from error
    return decoded(raw, path.name, remarks, "put back the table that the corpus came with")


def decoded(raw: bytes, name: str, remarks: list[str], remedy: str) -> str:
    r"""Text in any encoding that spreadsheets write, with lines ended by ``\n``.

    Args:
        name: the file's original name.
        remedy: advice if it is not text.

    Raises:
        UserError: when it is not text.
    """
    if what := is_something_else(raw[:HEAD]):
        raise UserError(f"{name} {what}.")
    encoding = _encoding(raw)
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        encoding = "cp1252"
        text = raw.decode(encoding, errors="replace")
    if "\0" in text:
        raise UserError(f"{name} is no text file: {remedy}.")
    if encoding in _TITLES:
        remarks.append(f"{name} is not in UTF-8; it was read as {_TITLES[encoding]}.")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _encoding(raw: bytes) -> str:
    marked = next((name for bom, name in _BOMS.items() if raw.startswith(bom)), "")
    if marked:
        return marked
    # A header is mostly ASCII, in which every second byte of UTF-16 is zero.
    for encoding, zeros in (("utf-16-le", raw[1:_HEADING:2]), ("utf-16-be", raw[:_HEADING:2])):
        if zeros.count(0) > 0.8 * len(zeros) > 1:
            return encoding
    return "utf-8"


def read_table(path: Path, needed: Collection[str], remarks: list[str], also: Collection[str] | None = None) -> pd.DataFrame:
    """A table with a header; every cell is text, stripped of blanks.

    The delimiter is the most frequent candidate in the header, since a spreadsheet may have saved a corpus's table with its own.

    Args:
        needed: required columns.
        also: further columns to read if present; None reads all.

    Raises:
        UserError: when it cannot be read, or a required column is missing.
    """
    titles, text = above(_unmarked(read_text(path, remarks)))
    if titles:
        remarks.append(f"What stands above the heading of {path.name} was left out: {shown(titles[0])}.")
    separator = delimiter(text.partition("\n")[0])
    text = _whole(text, separator, path.name, remarks)
    try:
        wanted = None if also is None else {*needed, *also}
        with warnings.catch_warnings():
            # Of rows that are too long, which a remark tells of.
            warnings.simplefilter("ignore", pd.errors.ParserWarning)
            table = pd.read_csv(
                StringIO(text), sep=separator, dtype=str, keep_default_na=False, skipinitialspace=True, index_col=False,
                usecols=None if wanted is None else lambda name: str(name).strip() in wanted,
            )  # fmt: skip
    except (ValueError, pd.errors.ParserError) as error:
        what = "it is empty" if not text.strip() else str(error).strip().splitlines()[0].rstrip(".")
        raise UserError(f"{path.name} cannot be read as a table ({what}): put back the one that the corpus came with.") from error
    table.columns = [str(name).strip() for name in table.columns]
    missing = [name for name in needed if name not in table.columns]
    if missing:
        raise UserError(f"{path.name} has no column {missing[0]!r}: put back the table that the corpus came with.")
    # Rows that are too short have missing cells.
    return table.fillna("").apply(lambda column: column.str.strip())


def _whole(text: str, separator: str, name: str, remarks: list[str]) -> str:
    """A table whose row names have a heading too; says which rows have more cells than it has columns."""
    try:
        heading, *rows = cells(text, separator) if text.strip() else [[]]
        named = have_names(len(heading), rows)
        long = [n for n, row in enumerate(rows, 2) if any(cell.strip() for cell in row[len(heading) + named :])]
    except csv.Error:
        # Whoever reads it next says what is wrong.
        return text
    if long:
        remarks.append(
            f"{name} has more cells than columns in line {long[0]}{f' and {len(long) - 1:,} others' if long[1:] else ''}: "
            "what lies beyond was left out. Put a cell that holds a separator into quotes."
        )
    return f'""{separator}{text}' if named else text


def columns_of(path: Path) -> list[str]:
    """The headings of a table; empty if it cannot be read as one."""
    try:
        with path.open("rb") as file:
            raw = file.read(65536)
    except OSError:
        return []
    text = _unmarked(raw.decode(_encoding(raw), errors="replace").replace("\r\n", "\n").replace("\r", "\n"))
    try:
        heading = above(text.lstrip("\n"))[1].partition("\n")[0]
        separator = delimiter(heading)
        # A line of a text has blanks too: of a table, its headings are in quotes.
        separator = "," if separator == " " and heading[:1] not in ("'", '"') else separator
        return [cell.strip() for cell in next(cells(heading, separator), [])]
    except csv.Error:
        return []


def _unmarked(text: str) -> str:
    """A table without the line that tells Excel which separator it has, and without blank ones before its heading."""
    return _SEPARATOR.sub("", text, count=1).lstrip("\n")


def folded(name: str) -> str:
    """A name, case-folded and Unicode-normalised."""
    return unicodedata.normalize("NFC", name).casefold()


def numbers(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """A column as float64; empty cells are NaN.

    Raises:
        UserError: with the first line that is not a number.
    """
    cells = table[column]
    # A decimal comma, if no cell has a point.
    if cells.str.contains(r"\d*,\d+$").any() and not cells.str.contains(".", regex=False).any():
        cells = cells.str.replace(",", ".", regex=False)
    values = pd.to_numeric(cells.where(cells != ""), errors="coerce").astype(float)
    wrong = values.isna() & ~table[column].str.lower().isin(["", "nan", "na"])
    if wrong.any():
        place = int(wrong.to_numpy().argmax())
        raise UserError(f"{path.name} has {table[column].iloc[place]!r} for {column} in line {place + 2}: write a number.")
    return values


def once(table: pd.DataFrame, key: str, path: Path, remarks: list[str]) -> pd.DataFrame:
    """The table indexed by ``key``. Duplicate rows are dropped.

    Raises:
        UserError: when two rows of one ``key`` differ, or a row has none.
    """
    if (table[key] == "").any():
        raise UserError(
            f"{path.name} has no {key} in line {int((table[key] == '').to_numpy().argmax()) + 2}: write or delete it."
        )
    kept = table.drop_duplicates()
    twice = kept[key].duplicated()
    if twice.any():
        raise UserError(f"{path.name} says different things of {kept[key][twice].iloc[0]}: keep one of its rows.")
    if len(kept) < len(table):
        again = table[key][table.duplicated()].unique()
        remarks.append(f"{path.name} has {_some(again, 'row')} more than once; one each was kept.")
    return kept.set_index(key)


def is_sound(place: str) -> bool:
    return os.path.splitext(place)[1].lower() in SOUND


def media_paths(root: Path, remarks: list[str], suffixes: Collection[str] = MEDIA, skip: Collection[str] = ()) -> list[str]:
    """The media under a folder, as paths relative to ``root``.

    Left out are broken links, files that git-lfs did not fetch, and videos without a picture if there is a sound of the same
    name.

    Args:
        skip: folders to skip, by prefixes of their names.
    """
    places: list[str] = []
    absent: list[str] = []
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        # A link may form a cycle.
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = sorted(name for name in folders if not name.startswith((".", *skip)))
        for name in sorted(files):
            if os.path.splitext(name)[1].lower() in suffixes and not name.startswith("."):
                place = os.path.join(folder, name)
                (places if _is_there(place) else absent).append(os.path.relpath(place, root))
    if absent:
        remarks.append(f"{_some(absent, 'file')} are links without content: fetch it (git lfs pull, git annex get).")
    # Without another file of that name, the error is reported when the clip is read.
    sounds = {Path(place).stem for place in places if is_sound(place)}
    hollow = hollow_videos([place for place in places if not is_sound(place) and Path(place).stem in sounds], root, remarks)
    return [place for place in places if place not in hollow]


def media_files(root: Path, remarks: list[str], suffixes: Collection[str] = MEDIA, skip: Collection[str] = ()) -> dict[str, str]:
    """``media_paths`` by name without suffix; for duplicates a video, or the first by path."""
    files: dict[str, str] = {}
    again: list[str] = []
    for place in media_paths(root, remarks, suffixes, skip):
        stem = Path(place).stem
        if stem in files:
            again.append(os.path.basename(place))
        # A video normally includes its sound.
        if stem not in files or (is_sound(files[stem]) and not is_sound(place)):
            files[stem] = place
    if again:
        remarks.append(f"{_some(again, 'file')} lie under {root.name} more than once; of each the first was taken, videos first.")
    return files


def sounds_named(path: Path, pattern: re.Pattern[str], corpus: str, unpack: str, remarks: list[str]) -> dict[str, re.Match[str]]:
    """Sound files in a folder whose names contain all metadata: file -> match of ``pattern``.

    Args:
        corpus: its display name; ``unpack``: what to put into the folder if there is none.

    Raises:
        UserError: when there is none.
    """
    media = media_files(path, remarks, SOUND)
    parsed = {media[name]: match for name in sorted(media) if (match := pattern.fullmatch(name))}
    if stray := sorted(file for file in media.values() if file not in parsed):
        remarks.append(f"{len(stray):,} files have no name of {corpus}'s and were left out ({stray[0]}).")
    if not parsed:
        raise UserError(f"{path} holds no clip of {corpus}: unpack {unpack} into it.")
    return parsed


def hollow_videos(places: Iterable[str], root: Path, remarks: list[str]) -> set[str]:
    """The videos, of those with a sound of the same name, that contain no picture; these are reported."""
    hollow = {place for place in places if _is_hollow(root / place)}
    if hollow:
        remarks.append(f"{_some(sorted(hollow), 'video')} hold no picture: the sound of the same name is used.")
    return hollow


def _is_hollow(video: Path) -> bool:
    """Whether a video file contains no video: too small for a picture, or with the wrong magic bytes."""
    try:
        size = video.stat().st_size
        with video.open("rb") as file:
            head = file.read(16)
    except OSError:
        return False
    begins = _BEGINNINGS.get(video.suffix.lower(), ((0, b""),))
    if size > _SMALL and any(head[at : at + len(mark)] == mark for at, mark in begins):
        return False
    return not _has_picture(video)


def _has_picture(video: Path) -> bool:
    try:
        return media.probe(video, float("inf")).width > 0
    except (UserError, OSError):
        return False


def _is_there(place: str) -> bool:
    try:
        if os.stat(place).st_size > _POINTER_SIZE:
            return True
        with open(place, "rb") as file:
            return not file.read(len(_POINTER)).startswith(_POINTER)
    except OSError:
        return False


def matched(ids: Iterable[str], files: dict[str, str], remarks: list[str]) -> pd.Series:
    """Each clip's media file, "" where there is none; reports the counts, and files that match no clip."""
    index = pd.Index(list(ids))
    alike: dict[str, list[str]] = {}
    for name in set(files) - set(index):
        alike.setdefault(folded(name), []).append(name)
    # Ignore case and Unicode normalisation where that is unambiguous.
    respelled = {clip: found[0] for clip in set(index) - set(files) if len(found := alike.get(folded(str(clip)), [])) == 1}
    files = {name: place for name, place in files.items() if name not in respelled.values()} | {
        clip: files[name] for clip, name in respelled.items()
    }
    paths = pd.Series(index.map(lambda clip: files.get(clip, "")), index, dtype=object)
    without = index[(paths == "").to_numpy()]
    if len(without) == len(index):
        remarks.append("No media: labels alone are read.")
    elif len(without):
        remarks.append(f"{_some(without, 'clip')} have no media.")
    stray = sorted(set(files) - set(index))
    if stray:
        remarks.append(f"{_some([files[name] for name in stray], 'file')} belong to no clip of the corpus and were left out.")
    return paths


def expect(count: int, should: int, what: str, remarks: list[str]) -> None:
    """Report a count that differs from the one that the owners published."""
    if count != should:
        remarks.append(f"{count:,} {what}; the published corpus has {should:,}.")


def _some(names: Iterable[str], what: str) -> str:
    listed = [shown(str(name)) for name in names]
    first = ", ".join(listed[:_NAMED]) + (", …" if len(listed) > _NAMED else "")
    return f"{len(listed):,} {what}{'s' if len(listed) != 1 else ''} ({first})"
