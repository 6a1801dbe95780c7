"""Tables and lists of files as corpus owners, spreadsheets and operating systems write them.

A table may have any line endings, a byte-order mark, UTF-16, or an old Windows encoding. Everything non-standard is reported in a
remark.
"""

from __future__ import annotations

import codecs
import os
import re
import unicodedata
from collections.abc import Collection, Iterable
from io import StringIO
from pathlib import Path

import pandas as pd

from affectscope.core import media
from affectscope.core.errors import UserError
from affectscope.core.media.kinds import MEDIA, SOUND
from affectscope.core.text import shown

_SEPARATORS = ",;\t"
# What git-lfs leaves in place of a file that it did not fetch.
_POINTER, _POINTER_SIZE = b"version https://git-lfs", 1024
# UTF-32's marks begin with UTF-16's.
_BOMS = {
    codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32", codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}  # fmt: skip
_TITLES = {"cp1252": "Windows-1252", "utf-32": "UTF-32"} | dict.fromkeys(("utf-16", "utf-16-le", "utf-16-be"), "UTF-16")
_HEADING = 4096
_SEPARATOR = re.compile(r'\A\s*"?sep=."?[ \t]*\n', re.IGNORECASE)
_NAMED = 3
# How files begin that are what their names say: (place, bytes). Whatever begins otherwise, or is as small, is looked into.
_BEGINNINGS: dict[str, tuple[tuple[int, bytes], ...]] = {
    ".flv": ((0, b"FLV"),), ".avi": ((0, b"RIFF"),), ".mkv": ((0, b"\x1a\x45\xdf\xa3"),), ".webm": ((0, b"\x1a\x45\xdf\xa3"),),
    ".mp4": ((4, b"ftyp"),), ".m4v": ((4, b"ftyp"),), ".mov": ((4, b"ftyp"), (4, b"moov"), (4, b"wide"), (4, b"mdat")),
}  # fmt: skip
_SMALL = 20_000


def read_text(path: Path, remarks: list[str]) -> str:
    """The content of a text file, with line endings ``\\n``.

    Raises:
        UserError: if it can't be read, or is not text.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}): check the path and its permissions.") from error
    return decoded(raw, path.name, remarks, "put back the table that the corpus came with")


def decoded(raw: bytes, name: str, remarks: list[str], remedy: str) -> str:
    """Decode text in any of the encodings that spreadsheets write, with line endings ``\\n``.

    Args:
        name: the file's name for messages.
        remedy: what to do if it is not text, for messages.

    Raises:
        UserError: if it is not text.
    """
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
    # A heading is mostly ASCII, of which UTF-16 makes every second byte zero.
    for encoding, zeros in (("utf-16-le", raw[1:_HEADING:2]), ("utf-16-be", raw[:_HEADING:2])):
        if zeros.count(0) > 0.8 * len(zeros) > 1:
            return encoding
    return "utf-8"


def read_table(path: Path, needed: Collection[str], remarks: list[str], also: Collection[str] | None = None) -> pd.DataFrame:
    """Read a table with a header; every cell is text without surrounding spaces.

    The separator is the most frequent one in the header, because spreadsheets save a corpus's table with their own.

    Args:
        needed: required columns.
        also: optional columns to read; None reads all.

    Raises:
        UserError: if it can't be read, or a required column is missing.
    """
    text = _unmarked(read_text(path, remarks))
    heading = text.lstrip("\n").split("\n", 1)[0]
    separator = max(_SEPARATORS, key=heading.count)
    try:
        wanted = None if also is None else {*needed, *also}
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
    # A short row leaves cells that are no text.
    return table.fillna("").apply(lambda column: column.str.strip())


def columns_of(path: Path) -> list[str]:
    """The header of a table; empty if it can't be read as one."""
    try:
        with path.open("rb") as file:
            raw = file.read(65536)
    except OSError:
        return []
    text = _unmarked(raw.decode(_encoding(raw), errors="replace").replace("\r\n", "\n").replace("\r", "\n"))
    heading = text.lstrip("\n").split("\n", 1)[0]
    return [cell.strip().strip('"').strip() for cell in heading.split(max(",;\t", key=heading.count))]


def _unmarked(text: str) -> str:
    """A table without the line that tells Excel which separator it has."""
    return _SEPARATOR.sub("", text, count=1)


def folded(name: str) -> str:
    """A name, ignoring letter case and Unicode form."""
    return unicodedata.normalize("NFC", name).casefold()


def numbers(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """A column as float64; empty cells are NaN.

    Raises:
        UserError: with the first line that is not a number.
    """
    cells = table[column]
    # 0,5 is a half where no cell has a point.
    if cells.str.contains(r"\d*,\d+$").any() and not cells.str.contains(".", regex=False).any():
        cells = cells.str.replace(",", ".", regex=False)
    values = pd.to_numeric(cells.where(cells != ""), errors="coerce").astype(float)
    wrong = values.isna() & ~table[column].str.lower().isin(["", "nan", "na"])
    if wrong.any():
        place = int(wrong.to_numpy().argmax())
        raise UserError(f"{path.name} has {table[column].iloc[place]!r} for {column} in line {place + 2}: write a number.")
    return values


def once(table: pd.DataFrame, key: str, path: Path, remarks: list[str]) -> pd.DataFrame:
    """The table with one row per ``key``; duplicate rows are dropped.

    Raises:
        UserError: if rows of one ``key`` contradict each other, or a row has none.
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
    """The media under a folder, as paths relative to ``root``; without broken links, git-lfs pointers, and videos without a
    picture that have an audio file of the same name next to them.

    Args:
        skip: folders to ignore, by the beginning of their names.
    """
    places: list[str] = []
    absent: list[str] = []
    seen: set[str] = set()
    for folder, folders, files in os.walk(root, followlinks=True):
        real = os.path.realpath(folder)
        # A link may lead back to where it lies.
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
    # Where nothing else has the name, whoever reads the clip is told what is wrong with it.
    sounds = {Path(place).stem for place in places if is_sound(place)}
    hollow = hollow_videos([place for place in places if not is_sound(place) and Path(place).stem in sounds], root, remarks)
    return [place for place in places if place not in hollow]


def media_files(root: Path, remarks: list[str], suffixes: Collection[str] = MEDIA, skip: Collection[str] = ()) -> dict[str, str]:
    """``media_paths`` by file name without suffix; of two with the same name, a video, or else the first by path."""
    files: dict[str, str] = {}
    again: list[str] = []
    for place in media_paths(root, remarks, suffixes, skip):
        stem = Path(place).stem
        if stem in files:
            again.append(os.path.basename(place))
        # A video has its sound with it, as a rule; a sound never has its picture.
        if stem not in files or (is_sound(files[stem]) and not is_sound(place)):
            files[stem] = place
    if again:
        remarks.append(f"{_some(again, 'file')} lie under {root.name} more than once; of each the first was taken, videos first.")
    return files


def sounds_named(path: Path, pattern: re.Pattern[str], corpus: str, unpack: str, remarks: list[str]) -> dict[str, re.Match[str]]:
    """The audio files of a corpus whose file names contain all labels: file -> the match of the pattern.

    Args:
        corpus: the name of the corpus, and ``unpack`` what to unpack into the folder, for messages.

    Raises:
        UserError: if there are none.
    """
    media = media_files(path, remarks, SOUND)
    parsed = {media[name]: match for name in sorted(media) if (match := pattern.fullmatch(name))}
    if stray := sorted(file for file in media.values() if file not in parsed):
        remarks.append(f"{len(stray):,} files have no name of {corpus}'s and were left out ({stray[0]}).")
    if not parsed:
        raise UserError(f"{path} holds no clip of {corpus}: unpack {unpack} into it.")
    return parsed


def hollow_videos(places: Iterable[str], root: Path, remarks: list[str]) -> set[str]:
    """Those of some videos without a picture that have an audio file of the same name; adds a remark."""
    hollow = {place for place in places if _is_hollow(root / place)}
    if hollow:
        remarks.append(f"{_some(sorted(hollow), 'video')} hold no picture: the sound of the same name is used.")
    return hollow


def _is_hollow(video: Path) -> bool:
    """Whether a file that is called a video holds none: too short for a picture, or not even begun as its kind begins."""
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
    """Each clip's media, "" if there is none; adds remarks on how many there are, and on unmatched files."""
    index = pd.Index(list(ids))
    alike: dict[str, list[str]] = {}
    for name in set(files) - set(index):
        alike.setdefault(folded(name), []).append(name)
    # Letter case and Unicode's form tell clips apart where nothing else does.
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
    """Add a remark if a corpus has another number of something than its owners published."""
    if count != should:
        remarks.append(f"{count:,} {what}; the published corpus has {should:,}.")


def _some(names: Iterable[str], what: str) -> str:
    listed = [shown(str(name)) for name in names]
    first = ", ".join(listed[:_NAMED]) + (", …" if len(listed) > _NAMED else "")
    return f"{len(listed):,} {what}{'s' if len(listed) != 1 else ''} ({first})"
