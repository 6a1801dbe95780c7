"""One clip's answers for every combination of kept audio and visual shares, precomputed for the browser."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import torch
from torch import Tensor

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.inference.asked import Nearness, ask, nearness
from affectscope.core.models.base import ModelSpec
from affectscope.core.perturbation import Perturbation, attention_by_frame, filled, orders, padded, perturb, stays
from affectscope.core.streams import Batch, Stream

# Part of every cache key: raise it whenever a grid changes.
GRID_VERSION = 5
# 1 percent is included because almost nothing differs from nothing.
SHARES = (0, 1, 5, *range(10, 101, 10))
# For models that take pixels, which are a hundred times as slow.
COARSE = (0, 1, 25, 50, 75, 100)
_PIXELS = 1000
DECISION = "decision"
# So many frames are evaluated at once: the work shows its progress, and a long clip fits into memory.
_CHUNK_FRAMES = 16_000


@dataclass(frozen=True)
class Strip:
    """One modality of the clip: its present frames, and the order of their removal.

    Attributes:
        times: [T] seconds.
        rank: [T], order of removal, 0 first; -1 for absent frames.
        weight: [T], the attention to it in the whole clip, relative to the maximum; empty without attention.
    """

    times: np.ndarray
    rank: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Grid:
    """Predictions for every combination of shares.

    Attributes:
        modalities: in the order of the axes; the last one varies fastest.
        shares: percent kept, increasing; node (i, j) is at row i * len(shares) + j.
        answers: head, "decision" first -> [N, outputs]: probabilities, or values.
        evidence: head -> [N] bool.
        strips: modality -> its frames.
    """

    modalities: tuple[str, ...]
    shares: tuple[int, ...]
    task: str
    labels: tuple[str, ...]
    heads: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, np.ndarray]
    evidence: Mapping[str, np.ndarray]
    strips: Mapping[str, Strip]
    duration: float

    def to_json(self) -> str:
        """JSON for the browser; numbers have single precision."""
        return json.dumps(
            {
                "modalities": self.modalities, "shares": self.shares, "task": self.task, "labels": self.labels,
                "heads": self.heads, "duration": round(self.duration, 4),
                "answers": {h: np.round(v.astype(float), 7).ravel().tolist() for h, v in self.answers.items()},
                "evidence": {h: v.astype(int).tolist() for h, v in self.evidence.items()},
                "strips": {
                    m: {"times": np.round(s.times, 4).tolist(), "rank": s.rank.tolist(), "weight": np.round(s.weight, 3).tolist()}
                    for m, s in self.strips.items()
                },
            },
            allow_nan=False,
        )  # fmt: skip


def shares_for(spec: ModelSpec) -> tuple[int, ...]:
    """The shares that can be computed in an acceptable time."""
    return COARSE if max(spec.inputs.values()) > _PIXELS else SHARES


@torch.inference_mode()
def response_grid(
    checkpoint: Checkpoint,
    streams: Mapping[str, Stream],
    duration: float,
    change: Perturbation,
    shares: tuple[int, ...] | None = None,
    progress: Callable[[float], None] = lambda share: None,
) -> Grid:
    """Evaluate one clip at all combinations of ``shares`` of its modalities.

    Args:
        streams: model input.
        shares: percentages kept; default: ``shares_for``.
        change: pattern, imputation, seed and burst; its own shares are ignored. Drawn spans have no order: their frames are
            removed at random.

    Raises:
        UserError: as ``core.perturbation.filled`` and ``orders`` do.
    """
    if change.pattern == "drawn":
        change = replace(change, pattern="random")
    spec = checkpoint.spec
    shares = shares or shares_for(spec)
    names = tuple(spec.inputs)
    ranks = orders(change, streams, checkpoint)
    batch = Batch.collate([streams], spec.inputs)
    near = nearness(checkpoint, batch)
    by_share = {m: _at_shares(change, m, streams.get(m), ranks.get(m), shares, batch.present[m].shape[1]) for m in names}
    nodes = torch.tensor(list(product(range(len(shares)), repeat=len(names))))
    size = batch.copies_at_once(_CHUNK_FRAMES)
    answers: dict[str, list[Tensor]] = {}
    evidence: dict[str, list[Tensor]] = {}
    for start in range(0, len(nodes), size):
        progress(start / len(nodes))
        part = nodes[start : start + size]
        rows = filled(batch, {m: by_share[m][part[:, i]] for i, m in enumerate(names)}, change, checkpoint.normaliser)
        for found, by_head in zip((answers, evidence), answer(checkpoint, rows, near), strict=True):
            for head, values in by_head.items():
                found.setdefault(head, []).append(values)
    weights = attention_by_frame(checkpoint, streams)
    return Grid(
        names, shares, spec.task, tuple(spec.labels), {h: spec.modalities[h] for h in spec.heads},
        {h: torch.cat(v).numpy() for h, v in answers.items()}, {h: torch.cat(v).numpy() for h, v in evidence.items()},
        {m: _strip(streams.get(m), ranks.get(m), weights.get(m)) for m in names}, duration,
    )  # fmt: skip


@torch.inference_mode()
def answer(checkpoint: Checkpoint, batch: Batch, near: Nearness | None = None) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """By head, "decision" first: probabilities or values [B, outputs] per clip, and evidence [B].

    Args:
        near: familiarity of the whole clip, for batches of its perturbed versions.
    """
    spec = checkpoint.spec
    batch = batch.to(checkpoint.model.prior.device)
    answered = ask(checkpoint, batch, near=near.repeated(len(batch)) if near else None)
    by_head, seen = answered.readable(checkpoint, batch), {h: answered.output.evidence[h] for h in spec.heads}
    return (
        {h: by_head[h].cpu() for h in (DECISION, *spec.heads)},
        {h: rows.cpu() for h, rows in {DECISION: torch.stack([seen[h] for h in spec.decision]).any(0), **seen}.items()},
    )


def answer_to(checkpoint: Checkpoint, streams: Mapping[str, Stream], change: Perturbation) -> dict[str, list[float]]:
    """Each head's answer with exactly these frames removed, head -> [outputs]."""
    given = perturb(change, streams, checkpoint).streams
    near = nearness(checkpoint, Batch.collate([streams], checkpoint.spec.inputs))
    by_head, _ = answer(checkpoint, Batch.collate([given], checkpoint.spec.inputs), near)
    return {head: rows[0].tolist() for head, rows in by_head.items()}


def _at_shares(
    change: Perturbation, modality: str, stream: Stream | None, rank: np.ndarray | None, shares: tuple[int, ...], length: int
) -> Tensor:
    """[shares, T] bool: the frames of a modality kept at each share."""
    if stream is None:
        return torch.zeros(len(shares), length, dtype=torch.bool)
    at = [stays(replace(change, keep={modality: share}), modality, stream, rank) for share in shares]
    return torch.from_numpy(np.stack([padded(mask, length) for mask in at]))


def _strip(stream: Stream | None, rank: np.ndarray | None, weight: np.ndarray | None) -> Strip:
    if stream is None or rank is None:
        return Strip(np.zeros(0), np.zeros(0, int), np.zeros(0))
    shown = np.zeros(0) if weight is None else np.where(stream.present, weight / max(float(weight.max()), 1e-12), 0)
    return Strip(stream.times, rank, shown)
