"""CMU's computational sequences: an HDF5 file (.csd) per kind of feature or label.

Layout: github.com/CMU-MultiComp-Lab/CMU-MultimodalSDK. The file's only group, named after the feature, contains
``data/<key>/features`` [T, D] and ``data/<key>/intervals`` [T, 2] in seconds of the video. A key is a video, or ``video[index]``
if the sequences were aligned to segments before saving.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import h5py
import numpy as np

from affectscope.core.errors import UserError

if TYPE_CHECKING:
    from affectscope.core.streams import Stream


@contextmanager
def opened(path: Path) -> Iterator[Any]:
    """The group ``data`` of a sequence.

    Raises:
        UserError: when the file is not a sequence.
    """
    try:
        with h5py.File(path, "r") as file:
            roots = [file[name] for name in file if isinstance(file[name], h5py.Group) and "data" in file[name]]
            if not roots:
                raise UserError(f"{path.name} holds no computational sequence: it has no group data.")
            yield roots[0]["data"]
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise UserError(f"{path.name} is damaged or no computational sequence: download it again.") from error


def name_of(path: Path) -> str:
    """The sequence's name in the file; "" if it is not a sequence."""
    try:
        with h5py.File(path, "r") as file:
            return next(iter(file), "")
    except (OSError, RuntimeError):
        return ""


def width(path: Path) -> int:
    """Features per frame."""
    with opened(path) as data:
        return next((int(data[key]["features"].shape[-1]) for key in data), 0)


def everything(path: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Key -> features [T, D] and intervals [T, 2]; for labels, which are short."""
    with opened(path) as data:
        return {key: _arrays(data[key]) for key in data}


def segment(path: Path, video: str, index: int, start: float, end: float, dim: int) -> Stream:
    """The frames of a segment on its own clock; frames with non-finite values are absent."""
    from affectscope.core.streams import Stream

    with opened(path) as data:
        key = next((key for key in (f"{video}[{index}]", video) if key in data), None)
        if key is None:
            return Stream.absent(dim)
        values, intervals = _arrays(data[key])
    times = intervals.mean(1)
    inside = (times >= start) & (times < end)
    values, times = values[inside], times[inside] - start
    finite = np.isfinite(values).all(1)
    # COVAREP has minus infinity in unvoiced frames.
    return Stream(np.where(finite[:, None], values, 0).astype(np.float32), times, finite)


def _arrays(group: Any) -> tuple[np.ndarray, np.ndarray]:
    values, intervals = np.asarray(group["features"], float), np.asarray(group["intervals"], float)
    if values.ndim != 2 or intervals.shape != (len(values), 2):
        raise ValueError("features and intervals do not fit")
    return values, intervals
