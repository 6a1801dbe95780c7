"""Any folder of clips with a table: the fallback for corpora without their own reader.

The table is a CSV (commas, semicolons or tabs) with a header. One column gives the clip of each row, by name or path: clip, path,
file, filename, name, id or video. Other columns are recognised by name: label (or emotion, class), speaker (or actor, subject),
split (or set, fold, partition), valence, arousal, dominance, sentiment; the rest is kept unchanged. Other names are mapped by
options (``label=emotion_label``). If a table has neither a label nor a known attribute, the user is asked; ``label=none`` means
that it has none. Without a table the clips are unlabelled, or labelled by their folders if there are several.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.doubts import beyond_range, of_several, split_of, unread_labels
from affectscope.core.corpora.finding import places
from affectscope.core.corpora.footers import footer, left_out
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import (
    columns_of,
    matched,
    media_paths,
    numbers,
    once,
    read_table,
)
from affectscope.core.errors import UserError
from affectscope.core.media.kinds import MEDIA
from affectscope.core.models.labels import NOUNS, noun

_CLIP = ("clip", "path", "file", "filename", "file_name", "name", "id", "video", "audio")
_OTHER = {
    "label": ("label", "emotion", "class"),
    "speaker": ("speaker", "speaker_id", "actor", "subject", "participant"),
    "split": ("split", "set", "fold", "partition"),
}
_ATTRIBUTES = ("arousal", "valence", "dominance", "sentiment")
_MAPPED = ("clip", *_OTHER, *_ATTRIBUTES)
NONE = "none"
_LISTED = 20
_SUFFIXES = (".csv", ".tsv", ".txt")
_SPREADSHEETS = (".xlsx", ".xls", ".xlsm", ".ods", ".numbers")
# What programs write where there is no label.
_NOBODY_KNOWS = frozenset(("nan", "na", "n/a", "#n/a", "<na>", "null", "nat", "?", "xxx", "[]"))


def recognises(path: Path) -> bool:
    """A table, or a folder with a table of clips or with media."""
    if path.is_file():
        return path.suffix.lower() in _SUFFIXES and len(columns_of(path)) > 1
    return path.is_dir() and (
        clip_tables(path) != []
        or any(file.suffix.lower() in MEDIA for near in ("*", "*/*", "*/*/*", "*/*/*/*") for file in path.glob(near))
    )


def read(path: Path, options: Options) -> Corpus:
    """Read the clips of a folder.

    Raises:
        UserError: if it contains neither a table nor media, several tables, or a table without clips.
    """
    remarks: list[str] = []
    root = path if path.is_dir() else path.parent
    file = _wanted(path, options["table"])
    files = media_paths(root, remarks)
    mapped = {name: options[name] for name in _MAPPED if options[name]}
    if file is None and options["table"] != NONE:
        file = _unlike_ours(root, files, mapped, remarks)
    if file is None:
        table = _by_folder(files)
        remarks.append(
            "No table: the labels are the names of the folders." if table["label"].any() else "No table: nothing is labelled."
        )
    else:
        table = _of_table(file, files, remarks, mapped)
    _unite(table, remarks)
    if not table["label"].any():
        unread_labels(root, remarks)
    if "split" in table and file is None:
        remarks.append("The sets are those that the folders name.")
    of_several(table["label"], remarks)
    beyond_range(table, remarks)
    if options["names"] == "nouns":
        _say_nouns(table, remarks)
    if table.empty:
        raise UserError(f"{file or root} names no clip: write a row for each.")
    labels = tuple(sorted(set(table["label"]) - {""}))
    return Corpus(path.stem if path.is_file() else path.name, root, table, labels, missing=tuple(remarks))


def _is_table(file: Path) -> bool:
    return file.suffix.lower() in _SUFFIXES and any(name.lower() in _CLIP for name in columns_of(file))


def clip_tables(path: Path) -> list[Path]:
    """The tables in a folder that have a column of clips."""
    return [file for file in sorted(path.iterdir()) if file.is_file() and _is_table(file)]


def headings(place: str) -> list[str]:
    """The columns of the table for a folder, or for a path of a table; empty unless there is exactly one table."""
    try:
        path = Path(place).expanduser()
        tables = [path] if path.is_file() else [file for file in sorted(path.iterdir()) if file.suffix.lower() in _SUFFIXES]
    except (OSError, ValueError):
        return []
    named = [file for file in tables if _is_table(file)] or tables
    return [name for name in columns_of(named[0]) if name] if len(named) == 1 else []


def _wanted(path: Path, named: str) -> Path | None:
    if path.is_file():
        return path
    if named == NONE:
        return None
    if named:
        if not (path / named).is_file():
            raise UserError(f"{path} has no table {named}: check the option table.")
        return path / named
    tables = clip_tables(path)
    if len(tables) > 1:
        raise UserError(
            f"{path} has several tables ({', '.join(file.name for file in tables[:5])}): choose one by --option table=FILE."
        )
    return tables[0] if tables else None


def _unlike_ours(root: Path, files: list[str], mapped: Mapping[str, str], remarks: list[str]) -> Path | None:
    """The table of a folder whose column of clips has an unknown name; None where its tables are about something else.

    Raises:
        UserError: when there is a table without a column of clips, and nothing else tells what they are.
    """
    beside = [file for file in sorted(root.iterdir()) if file.is_file() and not file.name.startswith(".")]
    tables = [file for file in beside if file.suffix.lower() in (".csv", ".tsv")]
    if not files and not tables:
        return None
    read = {file: read_table(file, [], [], None) for file in tables}
    fitting = [
        file for file, raw in read.items() if (mapped["clip"] in raw if "clip" in mapped else _naming(raw, files))
    ]  # fmt: skip
    if len(fitting) == 1:
        return fitting[0]
    odd = next((file for file in beside if file.suffix.lower() in _SPREADSHEETS), None)
    if tables:
        first = (fitting or tables)[0]
        which = "is one of several tables" if len(fitting) > 1 else "has no column that names the clips"
        how = f"choose one by --option table=FILE ({len(fitting)})" if len(fitting) > 1 else _offer("clip", read[first])
        sentence = f"{first.name} {which}: {how}, or --option table={NONE} where it is of something else."
    elif odd is not None:
        sentence = f"{odd.name} is a spreadsheet, which is not read: save it as CSV, or say --option table={NONE}."
    else:
        return None
    if len({os.path.dirname(place) for place in files}) < 2:
        raise UserError(sentence)
    remarks.append(sentence)
    return None


def _naming(raw: pd.DataFrame, files: list[str]) -> str:
    """The column most of whose cells are names of existing media."""
    for column in map(str, raw.columns):
        found = places(raw[column], files)
        if len(found) and sum(map(bool, found)) > len(found) / 2 and raw[column].nunique() > len(raw) / 2:
            return column
    return ""


def _unite(table: pd.DataFrame, remarks: list[str]) -> None:
    """Merge labels that differ in case only, and clear placeholders for missing labels."""
    unknown = sorted(label for label in table["label"].unique() if label.strip().casefold() in _NOBODY_KNOWS)
    if unknown:
        table["label"] = table["label"].where(~table["label"].isin(unknown), "")
        remarks.append(f"Labels that read {', '.join(unknown)} are taken as unknown.")
    counts = table["label"].value_counts()
    spelled: dict[str, str] = {}
    for label in counts.index:
        spelled.setdefault(label.casefold(), label)
    changed = {label: spelled[label.casefold()] for label in counts.index if spelled[label.casefold()] != label}
    if changed:
        table["label"] = table["label"].replace(changed)
        united = ", ".join(f"{old} as {new}" for old, new in sorted(changed.items()))
        remarks.append(f"Labels that differ in letter case alone are one: {united}.")


def _by_folder(files: list[str]) -> pd.DataFrame:
    folders = [Path(place).parent.name for place in files]
    splits = [split_of(place) for place in files]
    parted = len({*splits} - {""}) > 1 and all(split or "/" not in place for split, place in zip(splits, files, strict=True))
    if parted:
        folders = ["" if split_of(f"{folder}/") else folder for folder in folders]
    labels = folders if len(set(folders)) > 1 else [""] * len(folders)
    table = pd.DataFrame({"path": files, "label": labels, "speaker": ""}, pd.Index(_ids(files), name="clip"))
    return table.assign(split=splits) if parted else table


def _ids(places: Sequence[str]) -> list[str]:
    """Names without suffix, with parent folders where that would be ambiguous."""
    places = [place.replace("\\", "/") for place in places]
    names = [Path(place).stem if Path(place).suffix.lower() in MEDIA else place for place in places]
    if len(set(names)) == len(names):
        return names
    return ["_".join(part for part in Path(place).with_suffix("").parts if part not in ("/", "..")) for place in places]


def _of_table(file: Path, files: list[str], remarks: list[str], mapped: Mapping[str, str]) -> pd.DataFrame:
    raw = read_table(file, [], remarks, None)
    # Rows that a spreadsheet left empty.
    raw = raw[(raw != "").any(axis=1)]
    lower = {str(name).lower(): str(name) for name in raw.columns}
    own = _columns(file, raw, lower, mapped)
    key = own.pop("clip", "")
    asked = "clip" in mapped or (key and "path" in lower)
    by_files = _naming(raw, files) if not asked and not any(places(raw[key], files) if key else ()) else ""
    if by_files:
        key = by_files
        remarks.append(f"The clips are those that column {key} names.")
    own = {name: column for name, column in own.items() if column != key}
    if not key:
        raise UserError(f"{file.name} has no column that names the clips: {_offer('clip', raw)}.")
    if "label" not in own and mapped.get("label") != NONE and _is_unclear(raw, own, key):
        raise UserError(f"{file.name} has no column called label, emotion or class: {_offer('label', raw)}.")
    _check_classes(file, raw, own.get("label", ""), mapped)
    if count := footer(list(raw[key]), list(raw[own["label"]]) if own.get("label") in raw else ()):
        remarks.append(left_out(list(raw[key])[-count:]))
        raw = raw[:-count]
    raw = once(raw, key, file, remarks)
    cells = raw[lower["path"]] if "path" in lower and lower["path"] != key else pd.Series(raw.index, raw.index)
    table = pd.DataFrame(index=pd.Index(_ids(list(raw.index)), name="clip"))
    if table.index.has_duplicates:
        raise UserError(f"{file.name} names {table.index[table.index.duplicated()][0]} twice: give each clip a name of its own.")
    unclear: list[str] = []
    named = places(cells, files, unclear)
    if unclear:
        more = f", and so may {len(unclear) - 1:,} more" if len(unclear) > 1 else ""
        remarks.append(f"{unclear[0]} may be several files{more}: write paths, as they lie beside {file.name}.")
    media = {clip: place for clip, place in zip(table.index, named, strict=True) if place}
    others = {f"{name} ": name for name in sorted(set(files) - set(named))}
    table["path"] = matched(table.index, media | others, remarks)
    for name in _OTHER:
        if name in own and own[name] in raw:
            table[name] = raw[own[name]].to_numpy()
        elif name != "split":
            remarks.append(f"{file.name} has no column {name}.")
            table[name] = ""
    for name in _ATTRIBUTES:
        if name in own:
            table[name] = numbers(raw, own[name], file).to_numpy()
    for column in map(str, raw.columns):
        name = column.lower()
        if column not in own.values() and name not in table and name not in {w for words in _OTHER.values() for w in words}:
            table[name] = raw[column].to_numpy()
    return table


def _check_classes(file: Path, raw: pd.DataFrame, column: str, mapped: Mapping[str, str]) -> None:
    """Check that the label column holds classes.

    Raises:
        UserError: when it holds measurements, such as sentiment, and the user did not declare it as a class.
    """
    if column not in raw or "label" in mapped:
        return
    values = pd.to_numeric(raw[column], errors="coerce").dropna()
    if len(values) > len(raw) / 2 and (values % 1 != 0).any():
        example = values[values % 1 != 0].iloc[0]
        raise UserError(
            f"Column {column} of {file.name} holds numbers such as {example:g}, which are no classes: say "
            f"what is measured (--map label={NONE} --map sentiment={column}, or valence, arousal, dominance), or "
            f"--map label={column}."
        )


def _columns(file: Path, raw: pd.DataFrame, lower: Mapping[str, str], mapped: Mapping[str, str]) -> dict[str, str]:
    """Corpus column -> table column, from the user's options or by name."""
    columns: dict[str, str] = {}
    for name, spellings in {"clip": _CLIP, **_OTHER, **{attribute: (attribute,) for attribute in _ATTRIBUTES}}.items():
        asked = mapped.get(name, "")
        if asked == NONE:
            continue
        if asked and asked not in raw.columns and asked.lower() not in lower:
            raise UserError(f"{file.name} has no column {asked!r}: {_offer(name, raw)}.")
        column = (asked if asked in raw.columns else lower[asked.lower()]) if asked else _known(spellings, lower, columns)
        if column:
            columns[name] = column
    return columns


def _known(spellings: Sequence[str], lower: Mapping[str, str], columns: Mapping[str, str]) -> str:
    return next((lower[word] for word in spellings if word in lower and lower[word] != columns.get("clip")), "")


def _is_unclear(raw: pd.DataFrame, own: Mapping[str, str], key: str) -> bool:
    """Whether a table without a recognised label may have one under an unknown name."""
    return not set(own) & set(_ATTRIBUTES) and bool(set(map(str, raw.columns)) - {key, *own.values()})


def _offer(name: str, raw: pd.DataFrame) -> str:
    columns = [str(column) for column in raw.columns]
    listed = ", ".join(columns[:_LISTED]) + (", …" if len(columns) > _LISTED else "")
    none = f", or --map {name}={NONE} where there is none" if name == "label" else ""
    return f"say which of its columns is it with --map {name}=COLUMN ({listed}){none}"


def _say_nouns(table: pd.DataFrame, remarks: list[str]) -> None:
    """Labels by their nouns, as the models here have them; others stay as they are."""
    known = set(NOUNS.values())
    nouns = {label: noun(label) if noun(label) in known else label for label in table["label"].unique()}
    changed = {old: new for old, new in nouns.items() if old != new}
    if changed:
        table["label"] = table["label"].map(nouns)
        changes = ", ".join(f"{old} as {new}" for old, new in sorted(changed.items()))
        remarks.append(f"Labels are read by their nouns: {changes}; --option names=written leaves them as they are.")


_OPTIONS: dict[str, tuple[str, ...]] = {"table": (), "names": ("nouns", "written"), **dict.fromkeys(_MAPPED, ())}
READERS.register("folder")(Reader(recognises, read, _OPTIONS))
