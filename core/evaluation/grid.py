"""One clip's answers at every share of sound and picture, computed at once, so that a page can follow a hand without asking."""

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

# Part of every key: raise it whenever a grid changes.
GRID_VERSION = 5
# Nearly nothing is another thing than nothing: the share of 1 percent keeps the two apart.
SHARES = (0, 1, 5, *range(10, 101, 10))
# For models that are given pixels: they think a hundred times as long about a clip.
COARSE = (0, 1, 25, 50, 75, 100)
_PIXELS = 1000
DECISION = "decision"
# So many frames are evaluated at once: the work shows its progress, and a long clip fits into memory.
_CHUNK_FRAMES = 16_000


@dataclass(frozen=True)
class Strip:
    """One modality of the clip: its present frames, and in which order they go.

    Attributes:
        times: [T] seconds.
        rank: [T], when a frame goes, 0 first; -1 where nothing is present.
        weight: [T], how much the untouched pass attended to it, 1 for the most; empty where the model does not say.
    """

    times: np.ndarray
    rank: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True)
class Grid:
    """Predictions at every combination of shares.

    Attributes:
        modalities: in the order of the axes; the last one moves fastest.
        shares: percent that stays, rising; node (i, j) is at row i * len(shares) + j.
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
        """What the browser reads; numbers as near as single precision has them."""
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
    """As many as a person can wait for."""
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
    """Ask about one clip at all combinations of ``shares`` of its modalities.

    Args:
        streams: as the model wants them.
        shares: percents that stay; ``shares_for`` where None.
        change: pattern, imputation, seed and burst; its own shares do not matter. Drawn frames have no shares: they go at random.

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
    """By head, "decision" first: probabilities or values [B, outputs] over the clip, and whether there was evidence [B].

    Args:
        near: how near the clip is whose frames were taken away, of which all rows are.
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
    """What each head says of the clip with exactly these frames gone, head -> [outputs]."""
    given = perturb(change, streams, checkpoint).streams
    near = nearness(checkpoint, Batch.collate([streams], checkpoint.spec.inputs))
    by_head, _ = answer(checkpoint, Batch.collate([given], checkpoint.spec.inputs), near)
    return {head: rows[0].tolist() for head, rows in by_head.items()}


def _at_shares(
    change: Perturbation, modality: str, stream: Stream | None, rank: np.ndarray | None, shares: tuple[int, ...], length: int
) -> Tensor:
    """[shares, T] bool: what is left of a modality at each share."""
    if stream is None:
        return torch.zeros(len(shares), length, dtype=torch.bool)
    at = [stays(replace(change, keep={modality: share}), modality, stream, rank) for share in shares]
    return torch.from_numpy(np.stack([padded(mask, length) for mask in at]))


def _strip(stream: Stream | None, rank: np.ndarray | None, weight: np.ndarray | None) -> Strip:
    if stream is None or rank is None:
        return Strip(np.zeros(0), np.zeros(0, int), np.zeros(0))
    shown = np.zeros(0) if weight is None else np.where(stream.present, weight / max(float(weight.max()), 1e-12), 0)
    return Strip(stream.times, rank, shown)
