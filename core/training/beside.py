"""Adds recordings of people to a trained model without training the network: fits a linear classifier beside each head.

A few hundred clips of few speakers teach a network less than they teach logistic regression, and fine-tuning forgets the rendered
clips (docs/real-people.md, "Corpora that join"). So the network is frozen, and a linear term is fitted beside it
(``core.models.blocks.linear_adapter``): a convex problem, without seeds and epochs. It is the linear probe of Kumar et al.
(2022), but on the network's input, not its features.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from affectscope.core.checkpoints import saved
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import Corpus
from affectscope.core.models.base import AVModel
from affectscope.core.models.blocks.linear_adapter import REACH, LinearAdapter, statistics_of
from affectscope.core.models.inputs import Normaliser
from affectscope.core.streams import Clip
from affectscope.core.training.batches import Batches
from affectscope.core.training.joined import balanced_weights

# Its name on a card, among those of strategies.
NAME = "roads beside"
# L2 penalty, relative to the summed loss of the joining clips: scikit-learn's C = 0.1, the middle of the values tried. On
# EMO-DB's speakers 3 and 30 give the same within 2 points of recall (docs/real-people.md).
PENALTY = 10.0
# Bias of a gate that is always open: used where the first corpus has no clip with a head's modalities.
_OPEN = 20.0
_STEPS = 200


def beginning(system: str, preset: str, corpora: Sequence[Corpus], changes: Mapping[str, Any], sets: Mapping[str, str]) -> str:
    """The name of the shipped checkpoint that corpora can join without training; "" if there is none.

    It has the same system, preset, sizes, labels and feature sets, has linear terms beside its heads, and was trained on rendered
    people, like the first corpus.

    Args:
        changes, sets: as from ``presets.adapt_preset``.
    """
    if len(corpora) < 2 or not corpora[0].synthetic or "cue" in corpora[0].table:
        return ""
    for name, path in saved.shipped().items():
        model, card = saved.peek(path)
        if (model.spec.system, card.get("preset")) != (system, preset) or not card.get("synthetic_training"):
            continue
        config = vars(model.config)
        same = all(config.get(key) == value for key, value in changes.items())
        if same and "beside" in config and dict(card.get("features", {})) == dict(sets):
            return name
    return ""


def with_roads(model: AVModel) -> AVModel:
    """The model with linear terms beside its heads, initialised to zero."""
    made: AVModel = type(model)(replace(model.config, beside=True))  # type: ignore[type-var, call-arg, assignment]
    made.load_state_dict(made.state_dict() | dict(model.state_dict()))
    return made.eval()


def fit_roads(model: AVModel, normaliser: Normaliser, clips: Sequence[Clip], origins: Sequence[str], first: str) -> list[str]:
    """Fit, in place, the linear term beside each head for which joining clips have evidence.

    Every corpus has the same weight, and every class within it. The gate learns to separate joining clips from the first
    corpus's; then the term is fitted on top of the network's logits, to the clips that have all modalities of a head.

    Args:
        model: from ``with_roads``.
        origins: the corpus of each clip; ``first``: the first one's name.

    Returns:
        The fitted heads; the terms of all others stay zero.
    """
    roads = _roads(model)
    for road in roads.values():
        road.shut()
    seen = _seen(model, normaliser, clips)
    fitted = []
    for head, road in roads.items():
        statistics, logits, target, there = seen[head]
        own = [i for i in range(len(clips)) if bool(there[i])]
        joined = torch.tensor([origins[i] != first for i in own], dtype=torch.bool)
        if not joined.any():
            continue
        weights = torch.tensor(balanced_weights([origins[i] for i in own], [str(int(target[i])) for i in own]))
        _fit(road, statistics[own], logits[own], target[own], weights.double(), joined)
        fitted.append(head)
    return fitted


def _roads(model: AVModel) -> dict[str, LinearAdapter]:
    """Head -> the term beside it."""
    found = model.get_submodule("beside")
    return {head: road for head, road in found.named_children() if isinstance(road, LinearAdapter)}


@torch.no_grad()
def _seen(model: AVModel, normaliser: Normaliser, clips: Sequence[Clip]) -> dict[str, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Head -> statistics [N, 2D], the network's logits [N, C], targets [N] and whether all its modalities are present [N]."""
    rows: dict[str, list[tuple[Tensor, ...]]] = {head: [] for head in model.spec.heads}
    for batch, target in Batches(clips, model.spec, normaliser):
        batch = batch.completed(model.spec.inputs)
        predictions = model(batch).predictions
        for head, modalities in model.spec.modalities.items():
            there = torch.stack([batch.present[m].any(1) for m in modalities]).all(0)
            rows[head].append((statistics_of(batch, modalities).double(), predictions[head].double(), target, there))
    return {head: tuple(map(torch.cat, zip(*found, strict=True))) for head, found in rows.items()}  # type: ignore[misc]


def _fit(road: LinearAdapter, statistics: Tensor, logits: Tensor, target: Tensor, weights: Tensor, joined: Tensor) -> None:
    """Fit one head. ``weights`` [N] as ``balanced_weights``; ``joined`` [N], whether a clip is of a joining corpus."""
    weights = weights / weights[joined].sum()
    own = weights[joined, None]
    centre = (own * statistics[joined]).sum(0)
    spread = (own * (statistics[joined] - centre).square()).sum(0).sqrt()
    # Constant statistics must not be divided by zero.
    spread = torch.where(spread > 1e-6, spread, torch.ones_like(spread))
    z = ((statistics - centre) / spread).clamp(-REACH, REACH)
    decay = PENALTY / int(joined.sum())
    if joined.all():
        gate, gate_bias, opened = z.new_zeros(1, z.shape[1]), z.new_full((1,), _OPEN), z.new_ones(len(z), 1)
    else:
        of_joined = joined.double()

        def tell(weight: Tensor, bias: Tensor) -> Tensor:
            answers = F.linear(z, weight, bias)[:, 0]
            return (weights * F.binary_cross_entropy_with_logits(answers, of_joined, reduction="none")).sum() / 2

        gate, gate_bias = _least(tell, 1, z, decay)
        opened = F.linear(z, gate, gate_bias).sigmoid()

    def answer(weight: Tensor, bias: Tensor) -> Tensor:
        added = opened * F.linear(z, weight, bias)
        return (weights * F.cross_entropy(logits + added, target, reduction="none")).sum()

    weight, bias = _least(answer, logits.shape[1], z, decay)
    with torch.no_grad():
        found = (centre, spread, weight, bias, gate, gate_bias)
        places = (road.centre, road.spread, road.answer.weight, road.answer.bias, road.gate.weight, road.gate.bias)
        for place, value in zip(places, found, strict=True):
            place.copy_(value)


def _least(loss: Callable[[Tensor, Tensor], Tensor], outputs: int, z: Tensor, decay: float) -> tuple[Tensor, Tensor]:
    """Weight [outputs, D] and bias [outputs] that minimise the loss plus half ``decay`` times the squared weights."""
    weight = z.new_zeros(outputs, z.shape[1]).requires_grad_()
    bias = z.new_zeros(outputs).requires_grad_()
    search = torch.optim.LBFGS([weight, bias], max_iter=_STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        search.zero_grad()
        total = loss(weight, bias) + decay / 2 * weight.square().sum()
        total.backward()
        return total

    search.step(closure)  # type: ignore[arg-type]
    return weight.detach(), bias.detach()


def started(name: str) -> tuple[str, Checkpoint]:
    """A shipped checkpoint by its name."""
    return name, saved.load(saved.shipped()[name])


def sentence(name: str) -> str:
    """The description of a checkpoint that corpora joined this way."""
    return (
        f"Extended the included {name}: its weights stay, and next to each head with clips in the added corpora a linear "
        "branch (road) was fitted to them. --scratch trains a network from scratch instead."
    )
