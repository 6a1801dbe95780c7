"""Removes frames from a clip before the forward pass: which frames, and how they are imputed.

For one clip and interactive use: every pattern is an order in which present frames are removed. So a frame that is gone at one
share is also gone at every smaller one, and the answer changes only because more is missing. ``core.evaluation.masking`` does the
same for a corpus and many draws.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np
import torch
from torch import Tensor

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.errors import UserError
from affectscope.core.explain.attention import frame_weights, stack_layers
from affectscope.core.models.base import ModelSpec
from affectscope.core.streams import Batch, Stream
from affectscope.core.wrapping.given import MEANINGS as ABSENCE_MEANINGS

Pattern = Literal["random", "burst", "tail", "attended", "drawn"]
Imputation = Literal["absent", "zeros", "mean", "noise", "forward-fill"]
Spans = tuple[tuple[float, float], ...]

PATTERNS: tuple[str, ...] = get_args(Pattern)
IMPUTATIONS: tuple[str, ...] = get_args(Imputation)
WHOLE = 100
PATTERN_TITLES = {
    "random": "random frames", "burst": "random bursts", "tail": "from the end", "attended": "most attended first",
    "drawn": "frames you draw",
}  # fmt: skip
"""Pattern -> which frames are removed, for display."""
IMPUTATION_TITLES = {
    "absent": "nothing", "zeros": "zeros", "mean": "training average", "noise": "noise", "forward-fill": "forward fill",
}  # fmt: skip
"""Imputation -> the replacement of removed frames, for display."""
IMPUTATION_MEANINGS = {
    "absent": "The model is told that these frames are missing.",
    "zeros": "All features are zero; the model takes them for real frames.",
    "mean": "The average of the training set; the model takes it for real frames.",
    "noise": "As strong as the clip's own frames vary; the model takes it for real frames.",
    "forward-fill": "The last frame that was kept is repeated; before the first one kept, frames are missing.",
}
IMPUTATIONS_IN_PLACE = {
    "absent": "", "zeros": "zeros in their place", "mean": "the training average in their place", "noise": "noise in their place",
    "forward-fill": "the last frame kept repeated",
}  # fmt: skip
"""Imputation -> one sentence about the model's input."""


def meaning(imputation: str, spec: ModelSpec) -> str:
    """One sentence about the model's input at removed frames. A plugin's network may have no notion of absence."""
    if imputation != "absent" or not spec.absence:
        return IMPUTATION_MEANINGS[imputation]
    kinds = dict.fromkeys(spec.absence.values())
    if len(kinds) == 1:
        return ABSENCE_MEANINGS[next(iter(kinds))]
    each = ", ".join(f"{absence} for {modality}" for modality, absence in spec.absence.items())
    return f"What stands for frames that are missing differs by modality: {each}."


@dataclass(frozen=True)
class Perturbation:
    """Which part of a clip is kept, and how the rest is imputed.

    Attributes:
        keep: modality -> percentage of its present frames to keep, 0 to 100; other modalities stay whole.
        pattern: frames are removed at random ("random"), in runs ("burst"), from the end ("tail"), the most attended of the whole
            clip first ("attended"), or exactly those in ``spans`` ("drawn", which ignores ``keep``).
        imputation: removed frames are marked absent ("absent"), or become zeros as from a feature extractor ("zeros"), the
            training set's mean, which is zero in normalised features ("mean"), noise around that mean with the variance of the
            clip's frames ("noise"), or the last kept frame before them ("forward-fill"; absent where there is none).
        burst: maximum length of a run in seconds.
        spans: modality -> (start, end) in seconds, the frames to remove when ``pattern`` is "drawn".
    """

    keep: Mapping[str, int] = field(default_factory=dict)
    pattern: Pattern = "random"
    imputation: Imputation = "absent"
    seed: int = 0
    burst: float = 0.4
    spans: Mapping[str, Spans] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.pattern not in PATTERNS:
            raise UserError(f"Frames are removed in one of these patterns: {', '.join(PATTERNS)}; {self.pattern!r} is none.")
        if self.imputation not in IMPUTATIONS:
            raise UserError(f"Missing frames are replaced by one of {', '.join(IMPUTATIONS)}; {self.imputation!r} is none.")
        for share in self.keep.values():
            if not 0 <= share <= WHOLE:
                raise UserError(f"The share that stays is 0 to {WHOLE} percent, not {share}.")
        if self.seed < 0:
            raise UserError(f"A seed is 0 or more, not {self.seed}.")
        if not self.burst > 0:
            raise UserError(f"A burst lasts some time, not {self.burst:g} seconds.")

    @property
    def whole(self) -> bool:
        """Whether nothing is removed."""
        if self.pattern == "drawn":
            return not any(self.spans.values())
        return all(share == WHOLE for share in self.keep.values())

    def facts(self) -> dict[str, Any]:
        """The settings that have an effect; equal for equivalent perturbations."""
        if self.whole:
            return {}
        facts: dict[str, Any] = {"pattern": self.pattern, "imputation": self.imputation}
        if self.pattern == "drawn":
            facts["spans"] = {m: [list(span) for span in spans] for m, spans in self.spans.items() if spans}
        else:
            facts["keep"] = {m: share for m, share in self.keep.items() if share < WHOLE}
        if self.pattern in ("random", "burst") or self.imputation == "noise":
            facts["seed"] = self.seed
        if self.pattern == "burst":
            facts["burst"] = self.burst
        return facts


@dataclass(frozen=True)
class Perturbed:
    """A clip with frames removed.

    Attributes:
        streams: the model's input.
        kept: modality -> [T] bool, the frames with their original content.
    """

    streams: dict[str, Stream]
    kept: dict[str, np.ndarray]


def perturb(change: Perturbation, streams: Mapping[str, Stream], checkpoint: Checkpoint) -> Perturbed:
    """Remove frames from one clip.

    Args:
        streams: model input (``core.models.inputs.model_streams``); other streams are unchanged.

    Raises:
        UserError: as ``orders`` and ``filled`` do.
    """
    ranks = orders(change, streams, checkpoint)
    own = {m: streams[m] for m in checkpoint.spec.inputs if m in streams}
    kept = {m: stays(change, m, stream, ranks.get(m)) for m, stream in own.items()}
    batch = Batch.collate([own], {m: stream.values.shape[1] for m, stream in own.items()})
    given = filled(batch, {m: torch.from_numpy(padded(k, batch.present[m].shape[1]))[None] for m, k in kept.items()}, change,
                   checkpoint.normaliser)  # fmt: skip
    changed = {
        m: Stream(given.values[m][0, : len(s.times)].numpy(), s.times, given.present[m][0, : len(s.times)].numpy())
        for m, s in own.items()
    }
    return Perturbed({**streams, **changed}, kept)


def orders(change: Perturbation, streams: Mapping[str, Stream], checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    """Modality -> [T] int: each frame's place in the order of removal, 0 first; -1 for absent frames. Empty for "drawn".

    Raises:
        UserError: for "attended" with a model that does not return attention.
    """
    if change.pattern == "drawn":
        return {}
    weights = attention_by_frame(checkpoint, streams) if change.pattern == "attended" else {}
    if change.pattern == "attended" and not weights:
        raise UserError(f"The model {checkpoint.spec.system} returns no attention: choose another pattern.")
    return {m: _order(change, m, streams[m], weights.get(m)) for m in checkpoint.spec.inputs if m in streams}


def stays(change: Perturbation, modality: str, stream: Stream, rank: np.ndarray | None) -> np.ndarray:
    """[T] bool: the present frames to keep; floor(n * share / 100 + 1/2) of n."""
    if change.pattern == "drawn" or rank is None:
        left = np.ones(len(stream.times), bool)
        for start, end in change.spans.get(modality, ()):
            left &= ~((start <= stream.times) & (stream.times < end))
        return left & stream.present
    count = int(stream.present.sum())
    return rank >= count - left_of(count, change.keep.get(modality, WHOLE))


def left_of(count: int, share: int) -> int:
    """How many of ``count`` frames are kept. The browser computes the same."""
    return int(np.floor(count * share / WHOLE + 0.5))


def filled(batch: Batch, stay: Mapping[str, Tensor], change: Perturbation, normaliser: Normaliser) -> Batch:
    """One clip in many states.

    Args:
        batch: the clip alone, as model input.
        stay: modality -> [G, T] bool, the frames to keep in each of G states.

    Returns:
        G rows; modalities not in ``stay`` are whole.

    Raises:
        UserError: where the training set's mean is requested and the checkpoint lacks it.
    """
    states = len(next(iter(stay.values())))
    values = {m: v.expand(states, -1, -1) for m, v in batch.values.items()}
    present = {m: p.expand(states, -1) for m, p in batch.present.items()}
    if change.imputation == "absent":
        return Batch(values, present).masked(**stay)
    new_values, new_present = dict(values), dict(present)
    for m, rows in stay.items():
        left = rows & present[m]
        if bool((left == present[m]).all()):
            continue
        if change.imputation == "forward-fill":
            place = torch.where(left, torch.arange(left.shape[1]), -1).cummax(1).values
            new_present[m] = present[m] & (place >= 0)
            imputed = batch.values[m][0][place.clamp(min=0)]
        else:
            imputed = _blank(change, m, batch.values[m][0], batch.present[m][0], normaliser)
        there = new_present[m][..., None]
        new_values[m] = torch.where(left[..., None], values[m], torch.where(there, imputed, imputed.new_zeros(())))
    return Batch(new_values, new_present)


@torch.inference_mode()
def attention_by_frame(checkpoint: Checkpoint, streams: Mapping[str, Stream]) -> dict[str, np.ndarray]:
    """Modality -> [T]: the attention to each frame of the whole clip, averaged over all maps, layers and heads.

    Modalities that are absent or not attended to are left out.
    """
    spec = checkpoint.spec
    if not spec.attention:
        return {}
    batch = Batch.collate([streams], spec.inputs)
    output = checkpoint.model(batch.to(checkpoint.model.prior.device), attention=True)
    maps: dict[str, list[np.ndarray]] = {}
    for declared in spec.attention:
        if declared.key in streams and streams[declared.key].any:
            weights = frame_weights(stack_layers(output.attention, declared.name).cpu(), batch.present[declared.query][0])
            maps.setdefault(declared.key, []).append(weights.mean((0, 1))[: len(streams[declared.key].times)].numpy())
    return {m: np.mean(layers, 0) for m, layers in maps.items()}


def gaps(stream: Stream, kept: np.ndarray) -> list[tuple[float, float]]:
    """Removed spans in seconds: frames no longer present, extended half-way to their neighbours."""
    gone = np.flatnonzero(stream.present & ~kept)
    if not len(gone):
        return []
    times = stream.times
    step = float(np.median(np.diff(times))) if len(times) > 1 else 0.04
    edges = np.concatenate([[times[0] - step / 2], (times[1:] + times[:-1]) / 2, [times[-1] + step / 2]]).clip(min=0)
    runs = np.split(gone, np.flatnonzero(np.diff(gone) > 1) + 1)
    return [(float(edges[run[0]]), float(edges[run[-1] + 1])) for run in runs]


def padded(mask: np.ndarray, length: int) -> np.ndarray:
    """[T] bool padded to the batch's length with False."""
    return np.pad(mask, (0, length - len(mask)))


def _order(change: Perturbation, modality: str, stream: Stream, weights: np.ndarray | None) -> np.ndarray:
    places = np.flatnonzero(stream.present)
    chance = np.random.default_rng([change.seed, zlib.crc32(modality.encode())])
    if change.pattern == "tail":
        goes = np.arange(len(places))[::-1]
    elif change.pattern == "attended" and weights is not None:
        goes = np.argsort(-weights[places], kind="stable")
    elif change.pattern == "burst":
        goes = _in_runs(len(places), _frames(change.burst, stream), chance)
    else:
        goes = chance.permutation(len(places))
    rank = np.full(len(stream.times), -1)
    rank[places[goes]] = np.arange(len(places))
    return rank


def _frames(seconds: float, stream: Stream) -> int:
    step = float(np.median(np.diff(stream.times))) if len(stream.times) > 1 else seconds
    return max(1, round(seconds / step))


def _in_runs(count: int, length: int, chance: np.random.Generator) -> np.ndarray:
    """The indices 0..count cut into runs of ``length`` at a random offset, concatenated in random order."""
    cuts = np.arange(int(chance.integers(length)) or length, count, length)
    runs = np.split(np.arange(count), cuts)
    return np.concatenate([runs[i] for i in chance.permutation(len(runs))])


def _blank(change: Perturbation, modality: str, values: Tensor, present: Tensor, normaliser: Normaliser) -> Tensor:
    """[T, D] or [D], the normalised values for removed frames."""
    if change.imputation == "zeros":
        return normaliser(modality, torch.zeros_like(values[0]))
    if modality not in normaliser.mean:
        raise UserError(f"The checkpoint does not hold the training mean of its {modality} input: fill in something else.")
    if change.imputation == "mean":
        return torch.zeros_like(values[0])
    if change.imputation != "noise":
        raise ValueError(f"nobody says what stands in place of frames by {change.imputation}")
    shown = values[present]
    spread = shown.std(0, correction=0) if len(shown) else torch.zeros_like(values[0])
    chance = np.random.default_rng([change.seed, zlib.crc32(modality.encode()), 1])
    return torch.from_numpy(chance.standard_normal(tuple(values.shape), np.float32)) * spread
