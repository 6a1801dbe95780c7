"""Signals on a common clock, with presence masks: the types that all other packages use.

A missing modality is data, not an error: its row of ``present`` is all False.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Float32 values in half a gigabyte.
_MOST_NUMBERS = 1 << 27


@dataclass(frozen=True)
class Stream:
    """One modality of one clip.

    Attributes:
        values: [T, D] float32.
        times: [T] float64, frame centres in seconds on the clip's clock.
        present: [T] bool; False where the frame holds nothing (no face, silence, no track).
    """

    values: np.ndarray
    times: np.ndarray
    present: np.ndarray

    def __post_init__(self) -> None:
        if self.values.ndim != 2:
            raise ValueError(f"a stream's values are [T, D], not {self.values.shape}")
        if self.times.shape != self.present.shape or self.times.shape != self.values.shape[:1]:
            raise ValueError("a stream needs one time and one presence flag for every frame")

    @classmethod
    def absent(cls, dim: int) -> Stream:
        """A modality that the clip does not have: no frames, ``dim`` features."""
        return cls(np.zeros((0, dim), np.float32), np.zeros(0), np.zeros(0, bool))

    @property
    def any(self) -> bool:
        return bool(self.present.any())

    def masked(self, keep: np.ndarray) -> Stream:
        """The stream with frames marked absent where ``keep`` [T] is False."""
        return replace(self, present=self.present & keep)

    def resampled(self, times: np.ndarray) -> Stream:
        """The stream resampled to ``times``: the nearest frame each, absent where none is within one frame's distance."""
        if not len(self.times) or not len(times):
            return Stream(np.zeros((len(times), self.values.shape[1]), np.float32), times, np.zeros(len(times), bool))
        after = np.searchsorted(self.times, times).clip(1, max(1, len(self.times) - 1))
        before = after - 1
        after = after.clip(max=len(self.times) - 1)
        nearest = np.where(times - self.times[before] <= self.times[after] - times, before, after)
        step = max((float(np.median(np.diff(t))) for t in (self.times, times) if len(t) > 1), default=np.inf)
        near = np.abs(self.times[nearest] - times) <= step
        return Stream(self.values[nearest], times, self.present[nearest] & near)

    def pooled(self, step: float) -> Stream:
        """The mean of the present frames in each ``step`` seconds, counted from the first frame."""
        if not len(self.times):
            return self
        place = np.floor((self.times - self.times[0]) / step + 1e-6).astype(int)
        count = place[-1] + 1
        weight = np.bincount(place, self.present, count)
        total = np.zeros((count, self.values.shape[1]))
        np.add.at(total, place[self.present], self.values[self.present])
        times = np.bincount(place, self.times, count) / np.maximum(np.bincount(place, minlength=count), 1)
        return Stream((total / np.maximum(weight, 1)[:, None]).astype(np.float32), times, weight > 0)


@dataclass(frozen=True)
class Clip:
    """The streams of one clip, by modality, and its corpus's annotations.

    Attributes:
        annotations: attribute (arousal, valence) -> continuous annotation [T, 1], absent where it was not labelled.
    """

    id: str
    streams: Mapping[str, Stream]
    duration: float
    labels: Mapping[str, str | float] = field(default_factory=dict)
    annotations: Mapping[str, Stream] = field(default_factory=dict)


def reference_times(streams: Mapping[str, Stream], reference: str) -> np.ndarray:
    """[T] frame times in seconds of ``modality``, or of the first modality that has frames if it has none; [0] if none has."""
    clocks = (streams[name].times for name in (reference, *streams) if len(streams[name].times))
    return next(clocks, np.zeros(0))


def on_reference(streams: Mapping[str, Stream], reference: str) -> dict[str, Stream]:
    """All streams resampled to the frames of one modality (``reference_times``)."""
    times = reference_times(streams, reference)
    if not len(times):
        return dict(streams)
    return {name: stream if stream.times is times else stream.resampled(times) for name, stream in streams.items()}


@dataclass(frozen=True)
class Batch:
    """Clips padded to one length per modality.

    Attributes:
        values: modality -> [B, T, D] float32. Absent frames are always zero.
        present: modality -> [B, T] bool.
    """

    values: Mapping[str, Tensor]
    present: Mapping[str, Tensor]

    @classmethod
    def of(cls, *, present: Mapping[str, object] | None = None, **values: object) -> Batch:
        """Make a batch of arrays [B, T, D] by modality. All frames are present unless ``present`` [B, T] says otherwise.

        >>> Batch.of(audio=np.ones((2, 5, 130))).present["audio"].shape
        torch.Size([2, 5])
        """
        tensors = {name: torch.as_tensor(array, dtype=torch.float32) for name, array in values.items()}
        sizes = {len(tensor) for tensor in tensors.values()}
        if len(sizes) != 1 or any(tensor.ndim != 3 for tensor in tensors.values()):
            raise ValueError("every modality of a batch is [B, T, D], with the same B")
        masks = {}
        for name, tensor in tensors.items():
            given = (present or {}).get(name)
            mask = torch.ones(tensor.shape[:2]) if given is None else torch.as_tensor(given)
            masks[name] = mask.to(device=tensor.device, dtype=torch.bool)
            if masks[name].shape != tensor.shape[:2]:
                raise ValueError(f"the presence mask of {name} is [B, T] = {tuple(tensor.shape[:2])}")
        return cls(_zero_absent(tensors, masks), masks)

    @classmethod
    def collate(cls, clips: Sequence[Mapping[str, Stream]], dims: Mapping[str, int]) -> Batch:
        """Pad the streams of several clips. A modality in ``dims`` that a clip lacks becomes an absent row."""
        values, masks = {}, {}
        for name, dim in dims.items():
            streams = [clip.get(name) or Stream.absent(dim) for clip in clips]
            wrong = {s.values.shape[1] for s in streams} - {dim}
            if wrong:
                raise ValueError(f"the {name} stream has {wrong.pop()} features a frame where the model expects {dim}")
            length = max([1, *(len(stream.times) for stream in streams)])
            value, mask = np.zeros((len(streams), length, dim), np.float32), np.zeros((len(streams), length), bool)
            for row, stream in enumerate(streams):
                value[row, : len(stream.times)], mask[row, : len(stream.times)] = stream.values, stream.present
            value[~mask] = 0
            values[name], masks[name] = torch.from_numpy(value), torch.from_numpy(mask)
        return cls(values, masks)

    def __len__(self) -> int:
        return len(next(iter(self.values.values())))

    def __iter__(self) -> Iterator[str]:
        return iter(self.values)

    def to(self, device: torch.device | str) -> Batch:
        return Batch({k: v.to(device) for k, v in self.values.items()}, {k: v.to(device) for k, v in self.present.items()})

    def masked(self, **keep: Tensor) -> Batch:
        """The batch with frames marked absent where ``keep[modality]`` (broadcast to [B, T]) is False."""
        present = {k: v & keep[k].to(v.device) if k in keep else v for k, v in self.present.items()}
        return Batch(_zero_absent(self.values, present), present)

    def zeroed(self, **keep: Tensor) -> Batch:
        """The batch with frames set to zero, but still present, where ``keep[modality]`` (broadcast to [B, T]) is False."""
        values = {k: torch.where(keep[k].to(v.device).unsqueeze(-1), v, v.new_zeros(())) if k in keep else v
                  for k, v in self.values.items()}  # fmt: skip
        return Batch(values, self.present)

    def completed(self, dims: Mapping[str, int]) -> Batch:
        """The batch with an absent row for each modality in ``dims`` that it lacks."""
        missing = {name: dim for name, dim in dims.items() if name not in self.values}
        if not missing:
            return self
        some = next(iter(self.values.values()))
        values = {name: some.new_zeros(len(some), 1, dim) for name, dim in missing.items()}
        present = {name: torch.zeros(len(some), 1, dtype=torch.bool, device=some.device) for name in missing}
        return Batch({**self.values, **values}, {**self.present, **present})

    def synchronous(self) -> Batch:
        """The batch with all modalities padded with absent frames to the longest one."""
        length = max(v.shape[1] for v in self.values.values())
        values = {k: F.pad(v, (0, 0, 0, length - v.shape[1])) for k, v in self.values.items()}
        present = {k: F.pad(v, (0, length - v.shape[1])) for k, v in self.present.items()}
        return Batch(values, present)

    def copies_at_once(self, frames: int) -> int:
        """How many copies of the first row fit in one forward pass, at least 1.

        Limited to ``frames`` frames of the longest modality in all, and by memory: a minute of pixels has to fit.
        """
        longest = max(mask.shape[1] for mask in self.present.values())
        numbers = sum(value[0].numel() for value in self.values.values())
        return max(1, min(frames // longest, _MOST_NUMBERS // numbers))

    def without(self, modality: str) -> Batch:
        """The batch with one modality absent throughout."""
        return self.masked(**{modality: torch.zeros(1, dtype=torch.bool)})


def _zero_absent(values: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> dict[str, Tensor]:
    # torch.where, not a product: NaN times zero is NaN.
    return {k: torch.where(present[k].unsqueeze(-1), v, v.new_zeros(())) for k, v in values.items()}
