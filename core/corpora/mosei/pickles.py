"""Reads the pickles in which CMU-MOSEI (and CMU-MOSI) is distributed. They are parsed by ``picklefiles``, never run.

The content is cached as plain arrays, from which single segments can be read.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of
from affectscope.core.corpora.base import Given
from affectscope.core.corpora.picklefiles import read_pickle
from affectscope.core.errors import UserError

if TYPE_CHECKING:
    from affectscope.core.streams import Stream

_PARTS = {"train": "train", "valid": "development", "dev": "development", "test": "test"}
_MODALITIES = {"audio": "audio", "vision": "visual", "text": "text"}
_SETS = {("audio", 74): "covarep", ("visual", 35): "facet", ("visual", 713): "openface", ("text", 300): "glove"}
_EMOTIONS = ("happiness", "sadness", "anger", "surprise", "disgust", "fear")
# Assumed seconds per frame where the duration is unknown: frames are words, or averages of about that length.
_STEP = 1 / 3
_VERSION = 2


def read(file: Path, remarks: list[str]) -> tuple[pd.DataFrame, dict[str, Given]]:
    """The segments in a pickle with their sentiment, and its features by modality.

    Raises:
        UserError: when it contains code, or has another layout.
    """
    folder = _unpacked(file)
    try:
        content = sealed.read(folder / "segments.json")
        if content is None:
            raise ValueError("it is gone or damaged")
        table = pd.read_json(io.BytesIO(content), orient="split", dtype={"speaker": str}, convert_axes=False)
    except ValueError as error:
        raise UserError(f"{folder} is damaged: delete it, and {file.name} is read again.") from error
    table.index = pd.Index([str(name) for name in table.index], name="clip")
    given = {}
    for modality in _MODALITIES.values():
        arrays = sorted(folder.glob(f"*.{modality}.npy"))
        if arrays:
            dim = int(np.load(arrays[0], mmap_mode="r").shape[-1])
            name = _SETS.get((modality, dim), f"{file.stem}-{modality}")
            given[modality] = Given(name, dim, partial(_stream, str(folder), modality, dim))
    if not given:
        remarks.append(f"{file.name} has labels but no features.")
    return table, given


def _unpacked(file: Path) -> Path:
    stat = file.stat()
    folder = cache_root() / "pickles" / key_of(_VERSION, str(file.resolve()), stat.st_size, stat.st_mtime_ns)
    if sealed.is_intact(folder / "segments.json") and all(map(sealed.is_intact, folder.glob("*.npy"))):
        return folder
    content = read_pickle(file)
    if not isinstance(content, dict) or not (parts := [name for name in _PARTS if isinstance(content.get(name), dict)]):
        raise UserError(
            f"{file.name} has no parts train, valid and test: choose a pickle of MulT's, MultiBench's or MMSA's layout."
        )
    tables = []
    for part in parts:
        own = content[part]
        tables.append(_segments(own, part, file))
        for name, modality in _MODALITIES.items():
            values = own.get(name)
            if values is None:
                continue
            if (
                not isinstance(values, np.ndarray)
                or values.ndim != 3
                or values.dtype.kind not in "fiu"
                or len(values) != len(tables[-1])
            ):
                raise UserError(
                    f"{file.name} has {name} of {part} that is no array [segments, frames, features]: export it again."
                )
            sealed.fill(folder / f"{part}.{modality}.npy", partial(_save, values))
    table = pd.concat(tables)
    if table.index.has_duplicates:
        raise UserError(f"{file.name} has segment {table.index[table.index.duplicated()][0]} twice: export it again.")
    # Written last, as a mark that the folder is complete.
    sealed.write(folder / "segments.json", table.to_json(orient="split").encode())
    return folder


def _save(values: np.ndarray, part: Path) -> None:
    with part.open("wb") as out:
        np.save(out, values.astype(np.float32), allow_pickle=False)


def _segments(own: dict[str, Any], part: str, file: Path) -> pd.DataFrame:
    told = next((own[name] for name in ("regression_labels", "labels") if name in own), None)
    if not isinstance(told, np.ndarray) or told.dtype.kind not in "fiu" or told.ndim < 1:
        raise UserError(f"{file.name} has no labels of {part}: export it again.")
    told = told.reshape(len(told), math.prod(told.shape[1:])).astype(float)
    names = own.get("id", own.get("ids"))
    names = list(range(len(told))) if names is None else list(names)
    if len(names) != len(told):
        raise UserError(f"{file.name} has {len(names)} ids and {len(told)} labels of {part}: export it again.")
    rows = [_named(name, part, place) for place, name in enumerate(names)]
    table = pd.DataFrame(rows, columns=None if rows else ["clip", "speaker"]).set_index("clip")
    table["sentiment"] = told[:, 0]
    if told.shape[1] == 7:
        table[list(_EMOTIONS)] = told[:, 1:]
    lengths = {m: np.asarray(own[f"{m}_lengths"]).reshape(-1) for m in _MODALITIES if f"{m}_lengths" in own}
    for name, values in lengths.items():
        if len(values) == len(table):
            table[f"{_MODALITIES[name]} frames"] = values.astype(int)
    return table.assign(split=_PARTS[part], part=part, place=np.arange(len(table)))


def _named(name: Any, part: str, place: int) -> dict[str, Any]:
    """Parse an id: (video, start, end), ``video$_$index``, ``video[index]``, or just a number."""
    cells = [_text(cell) for cell in np.asarray(name, object).ravel()]
    if len(cells) >= 3:
        start, end = _number(cells[1]), _number(cells[2])
        clip = f"{cells[0]}|{cells[1]}|{cells[2]}" if not np.isnan(start) else "_".join(cells)
        return {"clip": clip, "speaker": cells[0], "start": start, "end": end, "duration": end - start}
    word = cells[0] if cells else str(place)
    match = re.fullmatch(r"(.+)(?:\$_\$|_(?=\d+$))(\d+)|(.+)\[(\d+)\]", word)
    if match:
        video, index = match[1] or match[3], match[2] or match[4]
        return {"clip": f"{video}_{index}", "speaker": video}
    # A bare number does not identify the speaker.
    return {"clip": f"{part}_{word}", "speaker": ""} if word.isdigit() else {"clip": word, "speaker": word}


def _text(cell: Any) -> str:
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")


def _stream(folder: str, modality: str, dim: int, root: Path, row: pd.Series) -> Stream:
    """A segment's frames, without padding; frames of zeros or non-finite values are absent."""
    from affectscope.core.streams import Stream

    arrays = _arrays(Path(folder), str(row["part"]), int(row["place"]))
    if modality not in arrays:
        return Stream.absent(dim)
    values = arrays[modality]
    # Aligned modalities share one grid of words: zeros in one may be a word in which that modality is silent, not padding.
    together = arrays if _aligned(arrays, row) else {modality: values}
    first, last = _span(together, row.get(f"{modality} frames"))
    values = values[first:last]
    present = np.isfinite(values).all(1)
    values = np.where(present[:, None], values, 0)
    present &= values.any(1)
    if not present.any():
        return Stream.absent(dim)
    seconds = float(row.get("duration", np.nan))
    step = seconds / len(values) if seconds > 0 else _STEP
    return Stream(values.astype(np.float32), (np.arange(len(values)) + 0.5) * step, present)


def _arrays(folder: Path, part: str, place: int) -> dict[str, np.ndarray]:
    """Modality -> [T, D] of a segment, with padding.

    Raises:
        UserError: when a file was damaged after the corpus was opened.
    """
    files = {modality: folder / f"{part}.{modality}.npy" for modality in _MODALITIES.values()}
    if damaged := [file for file in files.values() if file.is_file() and not sealed.is_intact(file)]:
        raise UserError(f"{damaged[0]} is damaged: open the corpus again, and its pickle is read again.")
    return {modality: np.array(np.load(file, mmap_mode="r")[place]) for modality, file in files.items() if file.is_file()}


def _aligned(arrays: Mapping[str, np.ndarray], row: pd.Series) -> bool:
    """Whether all modalities are on one grid: equal lengths, and no indication to the contrary."""
    told = [row.get(f"{modality} frames") for modality in arrays]
    lengths = {int(length) for length in told if pd.notna(length)}
    return len(arrays) > 1 and len({len(values) for values in arrays.values()}) == 1 and len(lengths) < 2


def _span(arrays: Mapping[str, np.ndarray], length: float | None) -> tuple[int, int]:
    """From the first to the last frame that is non-zero in any modality; ``length`` frames if given."""
    total = len(next(iter(arrays.values())))
    filled = np.zeros(total, bool)
    for values in arrays.values():
        filled |= (np.nan_to_num(values) != 0).any(1)
    there = np.flatnonzero(filled)
    if not len(there):
        return 0, 0
    first, last = int(there[0]), int(there[-1]) + 1
    if length is None or pd.isna(length) or not last - first <= int(length) <= total:
        return first, last
    # Padding is normally at the end, unless that would cut off frames.
    return (
        (0, int(length))
        if last <= int(length)
        else (total - int(length), total)
        if first >= total - int(length)
        else (first, last)
    )
