"""The player's content: pictures, lanes and events on the clip's clock. It is independent of models.

A Timeline is sent to the browser as one binary message, so that arrays are not converted to text:

    bytes 0..3    "AFT1"
    bytes 4..7    length N of the header, uint32 little endian
    next N bytes  the header, JSON: the fields below, each array replaced by {"dtype", "shape", "offset"}
    then          the arrays, each aligned to 8 bytes; offsets count from the first aligned byte after the header

The same bytes are cached on disk and exported by the command line.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

MAGIC = b"AFT1"
_ALIGN = 8
_DTYPES = ("uint8", "float32")
NOBODY = np.zeros((0, 0, 4), np.float32)

LaneKind = Literal["wave", "probability", "weights", "evidence", "contribution", "map", "truth", "line"]
_ZERO, _REACH = 128, 127


@dataclass(frozen=True)
class Lane:
    """Series that share one strip under the video.

    Attributes:
        id: short and unique, e.g. ``"attention.audio.fusion"``.
        title: the strip's caption.
        kind: ``wave`` (series: minimum and maximum of each bin), ``probability`` (series: one per class, stacked to 1),
            ``weights`` (series: layer by layer, head by head, each summing to 1 over the present frames), ``evidence`` (one
            series: the maxima of a heatmap's frames, relative to the median frame), ``contribution`` (how much a score falls
            without each window, and 1 where the window belongs to the smallest change that flips the prediction), ``map`` (series
            are rows, lowest first: for, or below 0 against), ``truth`` (series in 0..1), ``line`` (anything else).
        times: [T] seconds, frame centres.
        values: [K, T] float32; NaN where there is nothing.
        series: K names.
        group: lanes of one group are alternatives or belong together ("audio", "visual", "prediction", "truth"); where two models
            are compared it starts with the model ("A.audio").
        note: one sentence for the lane's tooltip: what exactly is drawn.
        under: [K, T] float32 in 0..1, drawn below a ``map`` in shades of grey; None for nothing.
        layers, heads: for ``weights``: K = layers * heads, series index = layer * heads + head.
    """

    id: str
    title: str
    kind: LaneKind
    times: np.ndarray
    values: np.ndarray
    series: tuple[str, ...]
    group: str
    note: str = ""
    layers: int = 0
    heads: int = 0
    under: np.ndarray | None = None


@dataclass(frozen=True)
class Heatmap:
    """Where a head looked, frame by frame, inside the face box.

    Attributes:
        id: the model's head ("av", "visual").
        title: caption, with the explained class.
        values: [F, h*w] uint8, on the timeline's frame times; 255 is the frame's maximum.
        height, width: of one map; row-major, top left first, to be stretched over ``Timeline.boxes``.
        label: its entry in menus; "" for the player's default.
        signed: a difference: 128 is zero, and each sign has its own colour.
        peaks: [F] float32, the frames' maxima (signed: maximum absolute value) in units of the clip's strong value; NaN where
            there is no map. Default: all 1.
    """

    id: str
    title: str
    values: np.ndarray
    height: int
    width: int
    label: str = ""
    signed: bool = False
    peaks: np.ndarray = None  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if self.peaks is None:
            object.__setattr__(self, "peaks", np.ones(len(self.values), np.float32))

    @classmethod
    def of(cls, id: str, title: str, maps: np.ndarray, label: str = "", signed: bool = False) -> Heatmap:
        """Make a heatmap of linear maps [F, h, w] in units of the clip's strong value; frames of NaN have no map."""
        peaks = np.abs(maps).max((1, 2)).astype(np.float32)
        shares = np.nan_to_num(maps / np.where(peaks > 0, peaks, 1)[:, None, None]).reshape(len(maps), -1)
        values = np.round(_ZERO + _REACH * shares if signed else 255 * shares).astype(np.uint8)
        _, height, width = maps.shape
        return cls(id, title, values, height, width, label, signed, peaks)

    @property
    def shares(self) -> np.ndarray:
        """[F, h*w] float32, each value relative to its frame's maximum, 0..1."""
        values = self.values.astype(np.float32)
        return np.abs(values - _ZERO).clip(max=_REACH) / _REACH if self.signed else values / 255

    @property
    def linear(self) -> np.ndarray:
        """[F, h, w] float32 in units of the clip's strong value; 0 where there is no map."""
        sign = np.sign(self.values.astype(np.float32) - _ZERO) if self.signed else 1
        maps = sign * self.shares * np.nan_to_num(self.peaks)[:, None]
        return maps.reshape(-1, self.height, self.width).astype(np.float32)


@dataclass(frozen=True)
class Pair:
    """Two heatmaps, by id, shown side by side over the same picture."""

    id: str
    title: str
    left: str
    right: str


@dataclass(frozen=True)
class Matrix:
    """Cross-modal attention: queries of one modality (rows) against keys of the other (columns).

    Attributes:
        id: short and unique.
        title: caption.
        query_times, key_times: [Q] and [K] seconds.
        values: [layers*heads, Q*K] uint8; 255 is that map's maximum.
        query, key: modality names.
    """

    id: str
    title: str
    query_times: np.ndarray
    key_times: np.ndarray
    values: np.ndarray
    query: str
    key: str
    layers: int
    heads: int


@dataclass(frozen=True)
class Event:
    """A named span, or a moment if start equals end. ``lane`` groups events into one strip (phonemes, emotion)."""

    lane: str
    name: str
    start: float
    end: float


@dataclass(frozen=True)
class Timeline:
    """Everything that the player shows for one clip and one model.

    Attributes:
        duration: seconds.
        frame_times: [F] seconds, presentation time of each video frame.
        boxes: [F, 4] float32, the face crop's left, top, right, bottom as fractions of the picture; NaN where no face.
        people: [P, F, 4] boxes of all people where there are several, in order of size and time on screen; else [0, 0, 4].
        face: which of them ``boxes`` is, counted from 1.
        pairs: heatmaps to show side by side; the player opens with the first pair.
        blind: head -> why it has no heatmap, as half a sentence.
    """

    duration: float
    frame_times: np.ndarray
    boxes: np.ndarray
    heatmaps: tuple[Heatmap, ...] = ()
    lanes: tuple[Lane, ...] = ()
    matrices: tuple[Matrix, ...] = ()
    events: tuple[Event, ...] = ()
    title: str = ""
    classes: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    pairs: tuple[Pair, ...] = ()
    blind: dict[str, str] = field(default_factory=dict)
    people: np.ndarray = field(default_factory=lambda: NOBODY)
    face: int = 1

    def to_bytes(self) -> bytes:
        chunks: list[bytes] = []
        header = json.dumps(_strip(self, chunks), allow_nan=False).encode()
        start = len(MAGIC) + 4 + len(header)
        return b"".join([MAGIC, struct.pack("<I", len(header)), header, b"\0" * (-start % _ALIGN), *chunks])

    @classmethod
    def from_bytes(cls, data: bytes) -> Timeline:
        """Read a timeline. Raises ValueError when the bytes are not one, or one of another version."""
        if data[:4] != MAGIC or len(data) < 8:
            raise ValueError("not a timeline: the first four bytes are wrong")
        (length,) = struct.unpack_from("<I", data, 4)
        header = json.loads(data[8 : 8 + length])
        start = 8 + length + (-(8 + length) % _ALIGN)
        try:
            fields = {k: _restore(v, data, start) for k, v in header.items()}
            for name, kind in _CHILDREN.items():
                fields[name] = tuple(kind(**{k: _tuple(v) for k, v in child.items()}) for child in fields.get(name, ()))
            return cls(**{k: _tuple(v) for k, v in fields.items()})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"not a timeline of this version: {error}") from error


_CHILDREN: dict[str, type] = {"heatmaps": Heatmap, "lanes": Lane, "matrices": Matrix, "events": Event, "pairs": Pair}


def _strip(value: Any, chunks: list[bytes]) -> Any:
    """Replace every array in ``value`` by its description, and append its bytes to ``chunks``."""
    if dataclasses.is_dataclass(value):
        return {f.name: _strip(getattr(value, f.name), chunks) for f in dataclasses.fields(value)}
    if isinstance(value, (list, tuple)):
        return [_strip(item, chunks) for item in value]
    if not isinstance(value, np.ndarray):
        return value
    array = np.ascontiguousarray(value, dtype="uint8" if value.dtype == np.uint8 else "<f4")
    offset = sum(map(len, chunks))
    chunks.append(array.tobytes() + b"\0" * (-array.nbytes % _ALIGN))
    return {"dtype": "uint8" if array.dtype == np.uint8 else "float32", "shape": list(array.shape), "offset": offset}


def _restore(value: Any, data: bytes, start: int) -> Any:
    if isinstance(value, list):
        return [_restore(item, data, start) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() != {"dtype", "shape", "offset"}:
        return {k: _restore(v, data, start) for k, v in value.items()}
    if value["dtype"] not in _DTYPES:
        raise ValueError(f"a timeline holds {' and '.join(_DTYPES)}, not {value['dtype']}")
    count = int(np.prod(value["shape"]))
    return np.frombuffer(data, value["dtype"], count, start + value["offset"]).reshape(value["shape"])


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
