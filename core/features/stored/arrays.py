"""Features made elsewhere, found by the clip's id.

    FOLDER/CLIP.npy          [T, D], frames of any shape, or [1, T, D]; optionally CLIP.times.npy beside it
    FOLDER/CLIP.npz, .pt     an array, or several: values (or features), optionally times and present
    FOLDER/CLIP/*.npy        an array per frame, in the order of the numbers in their names
    FILE.h5                  a data set CLIP, or a group CLIP with values (or features), times (or intervals) and present
    STORE                    a packed store of ``affectscope features extract``

Times are the array's own, else those of the configured rate, else evenly spaced over the clip. Object arrays are never unpickled.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from affectscope.core.cache.store import content_hash
from affectscope.core.errors import UserError
from affectscope.core.features import settings
from affectscope.core.features.frames import checked
from affectscope.core.features.settings import ArraySource
from affectscope.core.files import tensors
from affectscope.core.streams import Stream
from affectscope.core.text import shown

# Feature set -> the arrays that a plugin named in this process.
BOUND: dict[str, ArraySource] = {}
_SUFFIXES = (".npy", ".npz", ".pt", ".pth", ".h5", ".hdf5")
_HDF5 = (".h5", ".hdf5", ".csd")
_VALUES = ("values", "features", "embeddings", "x")
OVER = 0.5
"""Tolerated difference in seconds between an array and its clip: windows extend beyond the end, and durations are rounded."""
_MOST_NAMES = 3


def source_of(name: str) -> ArraySource | None:
    """The arrays that a plugin or the user's settings name for a feature set."""
    return BOUND.get(name) or settings.arrays().get(name)


def stream_of(name: str, dim: int, ids: Sequence[str], duration: Callable[[], float]) -> Stream | None:
    """A clip's stream from a set's arrays; None where no arrays are configured, or they lack the clip.

    Args:
        ids: possible names of the clip: its id in the corpus, the file's name without the extension.
        duration: the clip's seconds; 0 if unknown.

    Raises:
        UserError: when the array is invalid.
    """
    told = source_of(name)
    place = find(told, ids) if told is not None else None
    if told is None or place is None:
        return None
    loaded = _load(place, told.key)
    who = f"{name} of {shown(ids[0])} ({shown(place.file.name)})"
    values = _frames(loaded.values, dim, who)
    times, length = loaded.times, duration()
    if times is None:
        times = _times(len(values), told.rate, length, who, name)
    stream = checked(who, dim, values, times, loaded.present)
    if length and len(stream.times) and (end := float(stream.times[-1])) > length + OVER:
        why = f"at {told.rate:g} frames a second" if told.rate and loaded.times is None else "by its times"
        raise UserError(f"{who} goes on to {end:.1f} s {why}, and the clip lasts {length:.1f} s: check its rate or its file.")
    return stream


def missing(name: str, clip: str) -> str:
    """One sentence saying that a set's arrays lack the clip."""
    told = source_of(name)
    where = Path(told.path) if told else Path()
    what = f"a data set {shown(clip)}" if where.suffix in _HDF5 else f"{shown(clip)}.npy, .npz or .pt"
    return f"There are no {name} of the clip {shown(clip)}: put {what} into {shown(str(where), 200)}."


def mark_of(name: str, ids: Sequence[str]) -> str:
    """Hash of the array files behind a clip's stream, for cache keys; empty where the arrays lack the clip.

    Raises:
        UserError: when a file cannot be read.
    """
    told = source_of(name)
    place = find(told, ids) if told is not None else None
    if told is None or place is None:
        return ""
    whole = place.file.suffix in _HDF5 or _packed(place.file) is not None
    parts = [_sum(_load(place, told.key))] if whole else [content_hash(file) for file in place.files()]
    return _hash(*parts, told.rate, told.key)


def stamp_of(name: str) -> str:
    """A token that changes whenever a file of a set's arrays is added, removed or changed; empty without arrays."""
    told = source_of(name)
    if told is None:
        return ""
    path = Path(told.path)
    files = sorted(_everything(path)) if path.is_dir() else [path]
    facts = [(str(file.relative_to(path)), stat.st_size, stat.st_mtime_ns) for file in files if (stat := _stat(file))]
    return _hash(str(path), told.rate, told.key, *facts)


def width_of(told: ArraySource, name: str) -> int:
    """Features per frame of the first array.

    Raises:
        UserError: when there is none, or it cannot be read.
    """
    place = _first(Path(told.path))
    if place is None:
        raise UserError(
            f"{shown(told.path, 200)} holds no arrays of {name}: there should be CLIP.npy, CLIP.npz or CLIP.pt in it, by the "
            "clips' ids."
        )
    values = _load(place, told.key).values
    if values.ndim < 2:
        return int(values.size)
    return int(np.prod(values.shape[2 if values.ndim > 2 and len(values) == 1 else 1 :]))


class Place:
    """The location of a clip's array: a file, and the name inside it."""

    def __init__(self, file: Path, inside: str = "") -> None:
        self.file, self.inside = file, inside

    def files(self) -> list[Path]:
        """All files that contain it."""
        if self.file.is_dir():
            return _in_order(self.file)
        beside = self.file.with_name(f"{self.file.stem}.times.npy")
        return [self.file, *([beside] if self.file.suffix == ".npy" and beside.is_file() else [])]


class _Loaded:
    def __init__(self, values: np.ndarray, times: np.ndarray | None = None, present: np.ndarray | None = None) -> None:
        self.values, self.times, self.present = values, times, present


def find(told: ArraySource, ids: Sequence[str]) -> Place | None:
    """The location of a clip's array; None where there is none.

    Raises:
        UserError: when the folder is gone, or the file is not HDF5.
    """
    path = Path(told.path)
    if not path.exists():
        raise UserError(f"The arrays that were named are gone: there is no {shown(told.path, 200)}; name the folder again.")
    for name in ids:
        if path.is_file():
            if inside := _inside(path, name):
                return Place(path, inside)
        elif _packed(path) is not None:
            if name in _packed(path):  # type: ignore[operator]
                return Place(path, name)
        else:
            for suffix in (*_SUFFIXES, ""):
                file = Path(os.path.normpath(path / f"{name}{suffix}"))
                # A clip's id comes from a table, so it must not lead out of this folder.
                inside_folder = name and file != path and file.is_relative_to(path)
                if inside_folder and (os.path.isfile(file) if suffix else os.path.isdir(file) and _in_order(file)):
                    return Place(file)
    return None


def _load(place: Place, key: str) -> _Loaded:
    file = place.file
    try:
        if (packed := _packed(file)) is not None:
            stream = packed.stream(place.inside)
            return _Loaded(stream.values, stream.times, stream.present)
        if file.is_dir():
            return _Loaded(np.stack([_plain(path).ravel() for path in _in_order(file)]))
        if file.suffix == ".npy":
            beside = place.files()[1:]
            return _Loaded(_plain(file), _plain(beside[0]).ravel() if beside else None)
        if file.suffix == ".npz":
            with np.load(file, allow_pickle=False) as held:
                return _chosen({name: held[name] for name in held.files}, key, file.name)
        if file.suffix in _HDF5:
            return _of_hdf5(place, key)
        content = tensors.load(file)
        parts = content if isinstance(content, Mapping) else {"values": content}
        return _chosen({str(name): part for name, part in parts.items()}, key, file.name)
    except UserError:
        raise
    except (pickle.UnpicklingError, _Objects) as error:
        raise UserError(
            f"{shown(file.name)} cannot be read: it holds objects, which are never unpickled; save numbers alone, as an array "
            "with np.save, or as a tensor with torch.save."
        ) from error
    # A malformed file can make its reader raise anything.
    except Exception as error:
        raise UserError(f"{shown(file.name)} cannot be read as an array: {shown(str(error), 120) or 'it is damaged'}.") from error


class _Objects(ValueError):
    """NumPy's error for files that need unpickling, without its advice to allow it."""


def _plain(file: Path) -> np.ndarray:
    try:
        return np.asarray(np.load(file, allow_pickle=False))
    except ValueError as error:
        if "pickle" not in str(error):
            raise
        with file.open("rb") as held:
            objects = held.read(6) == b"\x93NUMPY"
        raise (_Objects() if objects else ValueError("it is damaged")) from error


def _array(part: Any) -> np.ndarray:
    """A tensor as saved, with gradient or in bfloat16 (which NumPy lacks), or an array, as an array."""
    if isinstance(part, list | tuple) and part and all(hasattr(item, "detach") for item in part):
        return np.stack([_array(item) for item in part])
    if hasattr(part, "detach"):
        part = part.detach().cpu()
        part = part.float() if part.is_floating_point() and part.element_size() < 4 else part
    return np.asarray(part)


def _chosen(parts: Mapping[str, Any], key: str, name: str) -> _Loaded:
    arrays = {item: _array(part) for item, part in parts.items() if hasattr(part, "shape") or isinstance(part, list | tuple)}
    rest = [item for item in arrays if item not in ("times", "intervals", "present")]
    known = [item for item in _VALUES if item in arrays]
    wanted = key or (known or rest or [""])[0]
    if wanted not in arrays or (not key and not known and len(rest) > 1):
        listed = ", ".join(map(shown, rest[:_MOST_NAMES])) or "none"
        raise UserError(f"{shown(name)} holds several arrays ({listed}): say which with `key`.")
    times = arrays.get("times", arrays.get("intervals"))
    if times is not None and times.ndim == 2 and times.shape[1] == 2:
        # Intervals: the start and end of each frame.
        times = times.mean(1)
    return _Loaded(arrays[wanted], None if times is None else times.ravel(), arrays.get("present"))


def _of_hdf5(place: Place, key: str) -> _Loaded:
    import h5py

    if not place.inside:
        raise UserError(f"{shown(place.file.name)} is one clip's: name the folder that it lies in, or say which array is meant.")
    with h5py.File(place.file, "r") as file:
        held = file[place.inside]
        if isinstance(held, h5py.Dataset):
            return _Loaded(held[()])
        return _chosen({name: held[name][()] for name in held if isinstance(held[name], h5py.Dataset)}, key, place.file.name)


def _inside(path: Path, name: str) -> str:
    """The path of a clip in an HDF5 file: at the top level, or one or two groups down, as in CMU's files."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            tops = [top for top in file if isinstance(file[top], h5py.Group)]
            for inside in (name, *(f"{top}/{name}" for top in tops), *(f"{top}/data/{name}" for top in tops)):
                if name and inside in file:
                    return inside
    except OSError as error:
        raise UserError(f"{shown(path.name)} is no HDF5 file: name a folder of arrays, or an HDF5 file.") from error
    return ""


def _first(path: Path) -> Place | None:
    if path.is_file():
        return Place(path, _first_inside(path))
    if (packed := _packed(path)) is not None:
        return Place(path, next(iter(packed.content), ""))
    for file in sorted(path.iterdir()):
        if file.name.startswith("."):
            continue
        if (file.suffix in _SUFFIXES and not file.name.endswith(".times.npy")) or (file.is_dir() and _in_order(file)):
            return Place(file)
    return None


def _first_inside(path: Path) -> str:
    import h5py

    try:
        with h5py.File(path, "r") as file:
            datasets: list[str] = []
            file.visititems(lambda name, held: datasets.append(name) if isinstance(held, h5py.Dataset) else None)
    except OSError as error:
        raise UserError(f"{shown(path.name)} is no HDF5 file: name a folder of arrays, or an HDF5 file.") from error
    wanted = [name for name in datasets if name.rsplit("/", 1)[-1] not in ("times", "intervals", "present")]
    return wanted[0] if wanted else ""


def _packed(path: Path) -> Any:
    """The packed set in a folder, or the only one of a store; None if it is neither."""
    return _opened(path, _changed(path)) if path.is_dir() else None


@lru_cache(maxsize=32)
def _opened(path: Path, _: object) -> Any:
    from affectscope.core.features.stored.packed import CLIPS, PackedSet

    folders = [path] if (path / CLIPS).is_file() else [file.parent for file in path.glob(f"*/{CLIPS}")]
    if len(folders) > 1:
        names = ", ".join(shown(folder.name) for folder in folders[:_MOST_NAMES])
        raise UserError(f"{shown(str(path), 200)} is a store of several feature sets: name the folder of one ({names}).")
    return PackedSet(folders[0]) if folders else None


def _frames(values: np.ndarray, dim: int, who: str) -> np.ndarray:
    """[dim], [1, T, dim] or [T, *shape] as [T, dim]."""
    if values.dtype.kind not in "fiub":
        raise UserError(f"{who} holds no numbers: give an array [T, {dim}].")
    if values.ndim == 1 and values.size == dim:
        return values[None]
    if values.ndim > 2 and len(values) == 1 and values[0, 0].size == dim:
        values = values[0]
    flat = values.reshape(len(values), -1) if values.ndim > 1 and len(values) else values
    if flat.ndim != 2 or flat.shape[1] != dim:
        turned = ": it seems to be [D, T], turn it" if values.ndim == 2 and len(values) == dim else ""
        raise UserError(
            f"{who} is {' x '.join(map(str, values.shape))}, and a frame has {dim} features: give [T, {dim}]{turned}."
        )
    return flat


def _times(count: int, rate: float, duration: float, who: str, name: str) -> np.ndarray:
    if rate:
        return (np.arange(count) + 0.5) / rate
    if not duration:
        raise UserError(f"{who} has no times, and the clip's duration is unknown: give the rate of {name}.")
    return (np.arange(count) + 0.5) * duration / max(1, count)


def _in_order(folder: Path) -> list[Path]:
    """A folder's files in the order of the numbers in their names."""
    frames = [file for file in folder.iterdir() if file.suffix == ".npy" and not file.name.startswith(".")]
    return sorted(frames, key=lambda file: ([int(digits) for digits in re.findall(r"\d+", file.stem)], file.stem))


def _everything(path: Path) -> Iterator[Path]:
    for root, _, files in os.walk(path):
        yield from (Path(root) / file for file in files)


def _stat(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None


def _changed(path: Path) -> int:
    return path.stat().st_mtime_ns


def _sum(loaded: _Loaded) -> str:
    return _hash(*(array.tobytes() for array in (loaded.values, loaded.times, loaded.present) if array is not None))


def _hash(*parts: object) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part if isinstance(part, bytes) else repr(part).encode())
        digest.update(b"\0")
    return digest.hexdigest()[:32]
