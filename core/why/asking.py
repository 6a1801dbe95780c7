"""One clip and one model as a cooperative game: the score of the explained class with only some frames present."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.errors import UserError
from affectscope.core.inference.asked import DECISION, Nearness, answers, nearness
from affectscope.core.models.base import ModelOutput, over_clip
from affectscope.core.perturbation import Perturbation, filled, padded
from affectscope.core.streams import Batch, Stream

STEP = 0.25
"""Length of a window in seconds."""
_LONGEST = 12.0
# So many frames are evaluated at once.
_CHUNK_FRAMES = 24_000
_TINY = 1e-300


@dataclass(frozen=True)
class Question:
    """Why this model predicts this class for this clip.

    Attributes:
        streams: model input (``core.models.inputs.model_streams``).
        duration: seconds.
        target: the class or attribute to explain; default: the decision's own.
        against: another class: why the one and not the other.
        change: how removed frames are imputed (method and seed); default: they are absent.
        step: window length in seconds; default: a quarter, or a multiple of it for at most 48 windows.

    Raises:
        UserError: when the model does not know the class, or ``against`` is given for attributes.
    """

    checkpoint: Checkpoint
    streams: Mapping[str, Stream]
    duration: float
    target: str = ""
    against: str = ""
    change: Perturbation | None = None
    step: float = 0.0

    def __post_init__(self) -> None:
        spec = self.checkpoint.spec
        for name in filter(None, (self.target, self.against)):
            if name not in spec.labels:
                raise UserError(f"The model knows no class {name!r}: choose one of {', '.join(spec.labels)}.")
        if self.against and spec.task == "regression":
            raise UserError("Attributes cannot be compared with each other: leave out the one to compare with.")
        if self.against and self.against == (self.target or self.explained):
            raise UserError(f"A class is explained against another one: choose another than {self.against}.")

    @cached_property
    def batch(self) -> Batch:
        """The clip alone."""
        return Batch.collate([self.streams], self.checkpoint.spec.inputs)

    @property
    def modalities(self) -> tuple[str, ...]:
        return tuple(self.checkpoint.spec.inputs)

    @property
    def imputation(self) -> str:
        """How removed frames are imputed."""
        return (self.change or Perturbation()).imputation

    @property
    def heads(self) -> tuple[str, ...]:
        """Every explained head, "decision" first."""
        return (DECISION, *self.checkpoint.spec.heads)

    @cached_property
    def _near(self) -> Nearness:
        return nearness(self.checkpoint, self.batch)

    @cached_property
    def whole(self) -> np.ndarray:
        """Each head's answer for the whole clip, [H, outputs]."""
        return self.answers(self.batch)[:, 0]

    @cached_property
    def explained(self) -> str:
        """The explained class or attribute."""
        if self.target:
            return self.target
        spec = self.checkpoint.spec
        own = np.abs(self.whole[0]) if spec.task == "regression" else self.whole[0]
        return spec.labels[int(own.argmax())]

    @cached_property
    def edges(self) -> np.ndarray:
        """[W + 1] seconds: borders of the windows. A remainder under half a window is added to the last."""
        step = self.step or STEP * max(1, int(np.ceil(self.duration / _LONGEST - 1e-9)))
        count = max(1, int(np.floor(self.duration / step + 0.5)))
        return np.append(np.arange(count) * step, max(self.duration, (count - 1) * step + step / 2))

    def windows(self, modality: str, reach: float = 0.0) -> np.ndarray:
        """[W, T] bool over the batch's frames: present frames in each window; frames beyond the clip's end are in the last.

        Args:
            reach: also include frames up to so many window lengths on either side.
        """
        stream = self.streams.get(modality)
        length = self.batch.present[modality].shape[1]
        inside = np.zeros((len(self.edges) - 1, length), bool)
        if stream is not None and len(stream.times):
            place = np.searchsorted(self.edges, stream.times + 1e-9, side="right") - 1
            place = place.clip(0, len(self.edges) - 2)
            inside[place, np.arange(len(place))] = stream.present
            room, times = reach * (self.edges[1] - self.edges[0]), stream.times + 1e-9
            about = (self.edges[:-1, None] - room <= times) & (times < self.edges[1:, None] + room)
            inside[:, : len(times)] |= about & stream.present & (reach > 0)
        return inside

    def present(self, modality: str) -> np.ndarray:
        """[T] bool over the batch's frames."""
        stream = self.streams.get(modality)
        length = self.batch.present[modality].shape[1]
        return padded(stream.present, length) if stream is not None else np.zeros(length, bool)

    def asked(self, stay: Mapping[str, np.ndarray]) -> np.ndarray:
        """The heads' answers in each of G states.

        Args:
            stay: modality -> [G, T] bool, the frames that remain; modalities that are not named stay whole.

        Returns:
            [H, G, outputs] float64: probabilities, or values.
        """
        count = len(next(iter(stay.values())))
        size = self.batch.copies_at_once(_CHUNK_FRAMES)
        parts = []
        for start in range(0, count, size):
            part = {m: torch.from_numpy(rows[start : start + size]) for m, rows in stay.items()}
            parts.append(self.answers(self._state(part)))
        return np.concatenate(parts, 1)

    def scores(self, stay: Mapping[str, np.ndarray]) -> np.ndarray:
        """[H, G]: ``score`` of ``asked``."""
        return self.score(self.asked(stay))

    @torch.inference_mode()
    def answers(self, batch: Batch) -> np.ndarray:
        """[H, B, outputs] float64 per clip: probabilities, or values."""
        model = self.checkpoint.model
        output = model(batch.to(model.prior.device))
        return np.stack([answer.cpu().numpy() for answer in self.readable(output, batch).values()])

    def readable(self, output: ModelOutput, batch: Batch) -> dict[str, Tensor]:
        """Head, "decision" first -> [B, outputs] float64 per clip: probabilities, or values."""
        spec = self.checkpoint.spec
        # Familiarity belongs to the clip, whatever was removed from it.
        heads = answers(self.checkpoint, batch, output, self._near.repeated(len(batch)))
        return {h: over_clip(spec.readable(heads[h].double()), batch) for h in self.heads}

    def score(self, answers: np.ndarray) -> np.ndarray:
        """The explained score of answers [..., outputs].

        The class's log-odds ln(p / (1 - p)); against another class, ln(p / q); for an attribute its value.
        """
        return self.score_of(torch.from_numpy(np.asarray(answers, float))).numpy()

    def score_of(self, answers: Tensor) -> Tensor:
        """``score`` of a tensor, differentiable."""
        spec = self.checkpoint.spec
        place = spec.labels.index(self.explained)
        if spec.task == "regression":
            return answers[..., place]
        # Sum the other classes: for a confident answer, 1 - p would be 0 in floating point.
        other = answers[..., spec.labels.index(self.against)] if self.against else _without(answers, place).sum(-1)
        return answers[..., place].clamp(min=_TINY).log() - other.clamp(min=_TINY).log()

    def _state(self, stay: Mapping[str, Tensor]) -> Batch:
        rows = len(next(iter(stay.values())))
        # What is whole stays one clip that is repeated: models compute it once.
        own = Batch({m: self.batch.values[m] for m in stay}, {m: self.batch.present[m] for m in stay})
        given = filled(own, stay, self.change or Perturbation(), self.checkpoint.normaliser)
        rest = {m: v.expand(rows, -1, -1) for m, v in self.batch.values.items() if m not in stay}
        there = {m: p.expand(rows, -1) for m, p in self.batch.present.items() if m not in stay}
        order = tuple(self.batch)
        values, present = {**given.values, **rest}, {**given.present, **there}
        return Batch({m: values[m] for m in order}, {m: present[m] for m in order})


def _without(values: Tensor, place: int) -> Tensor:
    return torch.cat([values[..., :place], values[..., place + 1 :]], -1)
