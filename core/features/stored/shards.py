"""Shards: the features of several clips in one memory-mapped safetensors file.

A shard has ``values`` [sum of T, D], ``times`` and ``present`` [sum of T], and for each of its n clips ``ends`` [n] (the end of
its frames), ``duration`` [n] in seconds, ``content`` [n, 32] (SHA-256 of its file) and ``broken`` [n]. The bytes do not depend on
when or in what order it was made.

``sums`` [n] are the CRC-32 of each clip's values, checked on first read; ``head`` [1] is that of all the rest, checked on
opening.
"""

from __future__ import annotations

import json
import mmap
import os
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from safetensors.numpy import save

from affectscope.core.cache.store import Arrays, write_atomically
from affectscope.core.errors import UserError

UNREAD = "0" * 64
"""The content hash of a clip whose file cannot be read."""
_KINDS = {"F64": np.float64, "F32": np.float32, "I64": np.int64, "U8": np.uint8, "BOOL": np.bool_, "U32": np.uint32}
_HEAD = ("times", "present", "ends", "duration", "content", "broken", "sums")


@dataclass(frozen=True)
class Row:
    """The features of one clip.

    Attributes:
        values: [T, D] float32, or uint8 for pixels.
        times, present: [T], as in ``Stream``.
        content: SHA-256 of the clip's file, in hexadecimal.
        broken: True where nothing could be read; the row then has no frames.
    """

    values: np.ndarray
    times: np.ndarray
    present: np.ndarray
    duration: float
    content: str
    broken: bool = False


class Reading(NamedTuple):
    """The arguments of ``os.preadv``, its expected result, and the shard and clip that it reads."""

    file: int
    into: list[memoryview]
    begin: int
    size: int
    shard: Shard
    place: int


class Shard:
    """A memory-mapped shard; its arrays are views of the file.

    Attributes:
        counts: frames of each clip.
        whole: whether all frames of a clip are present.
    """

    def __init__(self, path: Path) -> None:
        """Open a shard.

        Raises:
            ValueError: when the file is not a complete shard, or damaged anywhere but in its values.
            OSError: when it cannot be read.
        """
        self.path = path
        self._file = path.open("rb", buffering=0)
        # Mapping an empty file raises ValueError.
        self._descriptor = self._file.fileno()
        mapped = mmap.mmap(self._descriptor, 0, access=mmap.ACCESS_READ)
        try:
            arrays = _arrays(mapped)
            if _sum_of_head(arrays) != int(arrays["head"][0]):
                raise ValueError(f"{path} is damaged")
            self.values, self.times, self.present = arrays["values"], arrays["times"], arrays["present"]
            self.ends, self.durations, self.broken = arrays["ends"], arrays["duration"], arrays["broken"]
            self.content = [bytes(digest).hex() for digest in arrays["content"]]
            self._sums = arrays["sums"].tolist()
        # A malformed header can raise any of these.
        except (KeyError, IndexError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"{path} is no shard") from error
        if len(self.ends) and self.ends[-1] != len(self.values):
            raise ValueError(f"{path} does not hold all its frames")
        self._ends = [0, *self.ends.tolist()]
        self.counts = np.diff(self._ends).tolist()
        absent = np.concatenate([[0], np.cumsum(~self.present)])[self._ends]
        self.whole = (np.diff(absent) == 0).tolist()
        # File offsets: the start of each clip's values, and the end of the last.
        first, frame = self.values.ctypes.data - np.frombuffer(mapped, np.uint8).ctypes.data, self.values[:1].nbytes
        self._begins = [first + end * frame for end in self._ends]
        self._known = bytearray(len(self.ends))

    def __len__(self) -> int:
        return len(self.ends)

    def row(self, place: int) -> Row:
        """The stored row of a clip.

        Raises:
            UserError: when it is damaged.
        """
        frames = self.frames(place)
        self.check(place, self.values[frames])
        return Row(
            self.values[frames], self.times[frames], self.present[frames],
            float(self.durations[place]), self.content[place], bool(self.broken[place]),
        )  # fmt: skip

    def frames(self, place: int) -> slice:
        """The slice of a clip's frames."""
        return slice(self._ends[place], self._ends[place + 1])

    def reading(self, place: int, out: np.ndarray) -> Reading:
        """How to read a clip's values into ``out`` [T, D], contiguous. Mapped pages would count as the process's memory."""
        into = [out.data.cast("B")] if out.size else []
        return Reading(self._descriptor, into, self._begins[place], out.nbytes, self, place)

    def check(self, place: int, values: np.ndarray | memoryview | bytes) -> None:
        """Verify a clip's checksum; only once, because it takes as long as reading.

        Raises:
            UserError: when it differs.
        """
        if not self._known[place]:
            if zlib.crc32(values) != self._sums[place]:  # type: ignore[arg-type]
                raise UserError(f"{self.path} is damaged: run `affectscope features extract` again.")
            self._known[place] = 1

    def whole_row(self, place: int) -> bool:
        """Whether a stored clip is intact."""
        return _sum_of(self.values[self.frames(place)]) == self._sums[place]

    def expect(self, place: int) -> None:
        """Ask the system to prefetch a clip."""
        if hasattr(os, "posix_fadvise"):
            begin, end = self._begins[place], self._begins[place + 1]
            os.posix_fadvise(self._descriptor, begin, end - begin, os.POSIX_FADV_WILLNEED)


def write_shard(path: Path, rows: Sequence[Row]) -> None:
    """Write rows of one width and dtype atomically. The same rows give the same bytes."""
    tensors = {
        "values": np.concatenate([row.values for row in rows]),
        "times": np.concatenate([row.times for row in rows]).astype(np.float64),
        "present": np.concatenate([row.present for row in rows]).astype(bool),
        "ends": np.cumsum([len(row.times) for row in rows], dtype=np.int64),
        "duration": np.array([row.duration for row in rows], np.float64),
        "content": np.array([list(bytes.fromhex(row.content)) for row in rows], np.uint8),
        "broken": np.array([row.broken for row in rows], bool),
        "sums": np.array([_sum_of(row.values) for row in rows], np.uint32),
    }
    tensors["head"] = np.array([_sum_of_head(tensors)], np.uint32)
    # safetensors writes raw memory, whatever its strides.
    content = save({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()})
    write_atomically(path, lambda part: part.write_bytes(content))


def _sum_of(array: np.ndarray, before: int = 0) -> int:
    return zlib.crc32(np.ascontiguousarray(array), before)  # type: ignore[arg-type]


def _sum_of_head(arrays: Mapping[str, np.ndarray]) -> int:
    """CRC-32 of everything but the values themselves; their dtype and shape are included."""
    checksum = zlib.crc32(repr([(name, arrays[name].dtype.str, arrays[name].shape) for name in ("values", *_HEAD)]).encode())
    for name in _HEAD:
        checksum = _sum_of(arrays[name], checksum)
    return checksum


def mapped_arrays(path: Path) -> Arrays:
    """The arrays of any safetensors file, memory-mapped."""
    with path.open("rb") as file:
        return _arrays(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))


def _arrays(content: mmap.mmap) -> Arrays:
    size = int.from_bytes(content[:8], "little")
    if not 0 < size <= len(content) - 8:
        raise ValueError("the file ends within its header")
    header = json.loads(content[8 : 8 + size])
    arrays = {}
    for name, entry in header.items():
        if name != "__metadata__":
            begin, end = entry["data_offsets"]
            kind = np.dtype(_KINDS[entry["dtype"]])
            count = (end - begin) // kind.itemsize
            # frombuffer rejects empty buffers.
            flat = np.frombuffer(content, kind, count, 8 + size + begin) if count else np.zeros(0, kind)
            arrays[name] = flat.reshape(entry["shape"])
    return arrays
