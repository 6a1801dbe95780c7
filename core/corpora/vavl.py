"""The labels and features of VAVL's and AuxFormer's repositories.

Layout: github.com/ilucasgoncalves/VAVL and .../AuxFormer. Labels are CSV files,
``labels_consensus_<what>/label[s]_consensus_<k>.csv``, k being the partition, with the columns ``FileName`` (ending in .wav),
then a column per class with its share of the votes or ``EmoAct, EmoVal, EmoDom`` (1..5), then ``SpkrID, Gender, Split_Set``
(Train, Development, Test). Beside the label folders are ``Audios/<clip>.wav`` and ``Face_features/<clip>.npy`` (VAVL: [T, 1408],
EfficientNet-B2 on the video's frames) or ``Videos/<clip>/<frame>.npy`` (AuxFormer: [50] each, EMOCA). A path may be a repository,
its ``data`` folder, one corpus in it, a folder of such files, or one file. Features have no times: frames are spread evenly over
the sound's duration, or 1/30 s apart without sound.

As in the public code, the class is the first with the largest share. ``EmoAct`` increases with arousal in these files
(MSP-IMPROV's own ``Evaluation.txt`` has the opposite direction), so it is not inverted. Attributes are rescaled from 1..5 to
-1..1.
"""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affectscope.core.corpora.base import Corpus, Given
from affectscope.core.corpora.counts import crossings, parts, speakers
from affectscope.core.corpora.lengths import length
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import columns_of, matched, media_files, numbers, once, read_table
from affectscope.core.errors import UserError
from affectscope.core.media.kinds import SOUND, VIDEO
from affectscope.core.models.labels import noun

if TYPE_CHECKING:
    from affectscope.core.streams import Stream

_ATTRIBUTES = {"EmoAct": "arousal", "EmoVal": "valence", "EmoDom": "dominance"}
_SPLITS = {"train": "train", "development": "development", "test": "test"}
_OWN = ("FileName", "SpkrID", "Gender", "Split_Set")
# Searched from a single corpus's folder up to a repository.
_PLACES = ("*.csv", *(f"{above}labels_*/*.csv" for above in ("", "*/", "*/*/", "*/*/*/", "*/*/*/*/")))
_MEDIA = ("Audios", "Videos", "Face_features", "Clips")
_FRAME_RATE = 30.0


def recognises(path: Path) -> bool:
    """A table with the columns of these repositories, or a folder that contains one at some depth."""
    return _is_table(path) if path.is_file() else bool(_tables(path, first=True))


def read(path: Path, options: Options) -> Corpus:
    """The corpus of one table of labels, with the media and features beside it.

    Raises:
        UserError: when there are several tables to choose from, or the only one is damaged.
    """
    tables = [path] if path.is_file() else _wanted(path, options)
    if len(tables) != 1:
        listed = ", ".join(str(table.relative_to(path)) for table in tables[:5])
        instead = f"{len(tables)} tables of labels ({listed})" if tables else "no such table of labels"
        raise UserError(f"{path} has {instead}: choose one by --option labels=FILE.")
    remarks: list[str] = []
    root = _root(tables[0])
    table, labels = _labels(tables[0], remarks)
    table.insert(0, "path", matched(table.index, _media(root, remarks), remarks))
    given = _given(root, table, remarks)
    return Corpus(path.stem if path.is_file() else root.name, root, table, labels, missing=tuple(remarks), given=given)


def describe(path: Path, options: Options) -> dict[str, Any] | None:
    """Descriptions of the tables, if there are several; None for a single one."""
    if path.is_file() or options["labels"] or len(tables := _wanted(path, options)) < 2:
        return None
    files, missing = {}, []
    for file in tables:
        remarks: list[str] = []
        try:
            table, labels = _labels(file, remarks)
        except UserError as error:
            missing.append(str(error))
            continue
        classes = {label: int((table["label"] == label).sum()) for label in labels}
        files[str(file.relative_to(path))] = {
            "clips": len(table),
            "speakers": speakers(table),
            "classes": classes,
            "splits": parts(table),
            **crossings(table),
        }
        missing += remarks
    apart = all(facts.get("no_speaker_in_two_sets", True) for facts in files.values())
    return {"files": files, "no_speaker_in_two_sets": apart, "missing": missing}


def _is_table(path: Path) -> bool:
    return path.suffix.lower() == ".csv" and set(_OWN) <= set(columns_of(path))


def _tables(path: Path, first: bool = False) -> list[Path]:
    tables: list[Path] = []
    for pattern in _PLACES:
        for file in sorted(path.glob(pattern)):
            if _is_table(file):
                tables.append(file)
                if first:
                    return tables
    return tables


def _wanted(path: Path, options: Options) -> list[Path]:
    tables = _tables(path)
    if options["labels"]:
        wanted = options["labels"].rstrip("/")
        tables = [t for t in tables if wanted in (str(t.relative_to(path)), t.name, t.stem, t.parent.name)] or tables[:0]
    # Partitions of one labelling have the same clips in different splits.
    if len(tables) > 1 and len({table.parent for table in tables}) == 1:
        part = options["partition"] or "1"
        numbered = [table for table in tables if re.fullmatch(rf"labels?_consensus_{re.escape(part)}", table.stem)]
        return numbered if numbered else tables
    return tables


def _root(table: Path) -> Path:
    """The corpus's folder, where its media are expected."""
    if not table.parent.name.startswith("labels_"):
        return table.parent
    above = list(table.parents)[1:4]
    return next((folder for folder in above if any((folder / name).is_dir() for name in _MEDIA)), above[0])


def _media(root: Path, remarks: list[str]) -> dict[str, str]:
    folders = [name for name in ("Clips", "Videos", "Audios") if (root / name).is_dir()]
    media: dict[str, str] = {}
    for name in folders:
        # AuxFormer's Videos contains a folder of features per clip, but no video.
        if any(file.suffix.lower() in VIDEO | SOUND for file in (root / name).iterdir()):
            inside = media_files(root / name, remarks, VIDEO | SOUND)
            media = {**{clip: f"{name}/{file}" for clip, file in inside.items()}, **media}
    return media


def _labels(file: Path, remarks: list[str]) -> tuple[pd.DataFrame, tuple[str, ...]]:
    raw = once(read_table(file, _OWN, remarks), "FileName", file, remarks)
    raw.index = pd.Index([name.rsplit(".", 1)[0] if "." in name else name for name in raw.index], name="clip")
    if raw.index.has_duplicates:
        raise UserError(f"{file.name} names {raw.index[raw.index.duplicated()][0]} twice: keep one of its rows.")
    split = raw["Split_Set"].str.lower().map(_SPLITS)
    if split.isna().any():
        line = int(split.isna().to_numpy().argmax())
        raise UserError(
            f"{file.name} has the part {raw['Split_Set'].iloc[line]!r} in line {line + 2}: write Train, Development or Test."
        )
    # MSP-IMPROV numbers its women and its men separately.
    sex = raw["Gender"].str.lower()
    short = raw["SpkrID"].str.fullmatch(r"\d{1,2}")
    speaker = raw["SpkrID"].where(~short, raw["Gender"].str[:1].str.upper() + raw["SpkrID"].str.zfill(2))
    table = pd.DataFrame({"speaker": speaker, "sex": sex, "split": split})
    classes = [column for column in raw if column not in _OWN and column not in _ATTRIBUTES and column]
    for column, attribute in _ATTRIBUTES.items():
        if column in raw:
            table[attribute] = (numbers(raw, column, file) - 3) / 2
    if not classes:
        return table.assign(label=""), ()
    values = np.stack([numbers(raw, column, file) for column in classes], 1)
    labels = tuple(map(noun, classes))
    table["label"] = [labels[place] for place in np.nan_to_num(values).argmax(1)]
    for place, label in enumerate(labels):
        table[f"share {label}"] = values[:, place]
    return table, labels


def _given(root: Path, table: pd.DataFrame, remarks: list[str]) -> dict[str, Given]:
    """The face features beside the labels."""
    faces, frames = root / "Face_features", root / "Videos"
    for folder, name, stream in ((faces, "efficientnet-b2", _of_array), (frames, "emoca", _of_frames)):
        clips = [clip for clip in table.index if _is_there(folder, str(clip))] if folder.is_dir() else []
        if clips:
            if len(clips) < len(table):
                remarks.append(f"{len(table) - len(clips):,} clips have no features in {folder.name}.")
            dim = _width(folder, str(clips[0]))
            return {"visual": Given(name, dim, partial(stream, folder.name, dim))}
    return {}


def _is_there(folder: Path, clip: str) -> bool:
    return (folder / f"{clip}.npy").is_file() if folder.name == "Face_features" else (folder / clip).is_dir()


def _width(folder: Path, clip: str) -> int:
    file = folder / f"{clip}.npy"
    return int(_load(file if file.is_file() else min((folder / clip).glob("*.npy"), default=file)).shape[-1])


def _of_array(folder: str, dim: int, root: Path, row: pd.Series) -> Stream:
    from affectscope.core.streams import Stream

    file = root / folder / f"{row.name}.npy"
    if not file.is_file():
        return Stream.absent(dim)
    values = _load(file)
    return _spread(np.atleast_2d(values), file, dim, root, row)


def _of_frames(folder: str, dim: int, root: Path, row: pd.Series) -> Stream:
    from affectscope.core.streams import Stream

    files = sorted((root / folder / str(row.name)).glob("*.npy"), key=_number)
    if not files:
        return Stream.absent(dim)
    values = np.stack([_load(file).reshape(-1) for file in files])
    return _spread(values, files[0].parent, dim, root, row)


def _number(file: Path) -> tuple[int, str]:
    # Sort by the numbers in the names; the public code reads frames in the disk's arbitrary order.
    digits = re.findall(r"\d+", file.stem)
    return int(digits[-1]) if digits else 0, file.stem


def _load(file: Path) -> np.ndarray:
    """Load a numeric array; objects are never unpickled."""
    try:
        values = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise UserError(f"{file.name} holds no array of numbers: extract its features again.") from error
    if values.dtype.kind not in "fiu":
        raise UserError(f"{file.name} holds no numbers: extract its features again.")
    return values.astype(np.float32)


def _spread(values: np.ndarray, file: Path, dim: int, root: Path, row: pd.Series) -> Stream:
    """A stream whose frames are spread evenly over the clip."""
    from affectscope.core.streams import Stream

    if values.ndim != 2 or values.shape[1] != dim:
        raise UserError(f"{file.name} is [{', '.join(map(str, values.shape))}], where other clips have {dim} features a frame.")
    seconds = length(root / row["path"]) if row["path"] else None
    step = seconds / len(values) if seconds and len(values) else 1 / _FRAME_RATE
    finite = np.isfinite(values).all(1)
    values = np.where(finite[:, None], values, 0).astype(np.float32)
    return Stream(values, (np.arange(len(values)) + 0.5) * step, finite)


_READER = Reader(recognises, read, {"labels": (), "partition": ()}, describe)
READERS.register("vavl")(_READER)
READERS.register("auxformer")(_READER)
