"""All measures of one map."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from affectscope.core.trust.curves import Curves, curves
from affectscope.core.trust.maps import Map
from affectscope.core.trust.pointing import Pointed
from affectscope.core.trust.similarity import by_largest, lipschitz, sensitivity, spearman, ssim

CONTROLS = 9
"""Random marks that a map is compared with."""
UNTRAINED = 19
"""Networks of random weights whose maps it is compared with: better than all of them has p = 0.05."""
# States that are evaluated in one turn.
_WINDOWS_AT_ONCE, _PICTURES_AT_ONCE = 32, 8
_NONE = float("nan")
Report = Callable[[str, float], None]


@dataclass(frozen=True)
class Layer:
    """Similarity to the map with the network's layers randomised from the top down to this one.

    Attributes:
        name: the lowest random layer.
        random, layers: number of random layers, and of all.
        part: ``model``, ``encoder``, or "" if there is only one.
        last: whether all of that part is random.
        spearman, ssim: 1 for the same map; ssim is NaN for lanes.
    """

    name: str
    random: int
    layers: int
    part: str
    last: bool
    spearman: float
    ssim: float


@dataclass(frozen=True)
class Other:
    """Similarity to the map of another class."""

    name: str
    spearman: float
    ssim: float


@dataclass(frozen=True)
class Change:
    """Comparison with the map of a changed clip.

    Attributes:
        name: one of ``changed.TITLES``.
        sensitivity: ‖difference‖ / ‖map‖, see ``similarity.sensitivity``.
        lipschitz: ‖difference‖ / ‖change of the network's input‖; NaN where sizes differ.
        moved: change of the decision's explained score (log-odds, or the attribute's value).
        same: whether the decision is unchanged.
    """

    name: str
    spearman: float
    ssim: float
    sensitivity: float
    lipschitz: float
    moved: float
    same: bool


@dataclass(frozen=True)
class Measured:
    """All measures of one map.

    Attributes:
        explanation, title, modality, head, target: see ``maps.Map``.
        curves: deletion and insertion.
        untrained: [U] rank correlation with the map of each network of random weights.
        untrained_chance: mean rank correlation between those maps.
        layers: the cascade, from the first stage to the last.
        pointed: pointing game, for clips with ground truth.
        is_lane: whether it is a lane over windows, not pictures.
    """

    explanation: str
    title: str
    modality: str
    head: str
    target: str
    curves: Curves
    untrained: np.ndarray
    untrained_chance: float
    layers: tuple[Layer, ...] = ()
    classes: tuple[Other, ...] = ()
    changes: tuple[Change, ...] = ()
    pointed: Pointed | None = None
    is_lane: bool = False

    @property
    def random_weights(self) -> float:
        """Mean rank correlation with maps of random weights; NaN without any."""
        return float(self.untrained.mean()) if len(self.untrained) else _NONE

    @property
    def headless(self) -> float:
        """Rank correlation where only the model is random, not the encoder in front of it."""
        return next((layer.spearman for layer in self.layers if layer.last), _NONE)

    @property
    def any_class(self) -> float:
        """Mean rank correlation with the maps of other classes."""
        return float(np.mean([other.spearman for other in self.classes])) if self.classes else _NONE

    @property
    def stable(self) -> float:
        """Mean rank correlation with the maps of changed clips with the same decision; NaN without any."""
        kept = [change.spearman for change in self.changes if change.same]
        return float(np.mean(kept)) if kept else _NONE

    @property
    def max_sensitivity(self) -> float:
        """Max-Sensitivity (Yeh et al. 2019) over the changes."""
        return max((change.sensitivity for change in self.changes), default=_NONE)

    @property
    def max_lipschitz(self) -> float:
        """Local Lipschitz estimate (Alvarez-Melis and Jaakkola 2018) over the changes."""
        found = [change.lipschitz for change in self.changes if np.isfinite(change.lipschitz)]
        return max(found, default=_NONE)


def measure(
    found: Map,
    controls: int = CONTROLS,
    untrained: int = UNTRAINED,
    seed: int = 0,
    report: Report = lambda stage, share: None,
    turn: AbstractContextManager[Any] | None = None,
    before: tuple[float, str] | None = None,
) -> Measured:
    """Compute all measures of a map.

    Args:
        controls, untrained: see ``CONTROLS`` and ``UNTRAINED``.
        seed: of random controls.
        turn: lock held during each batch of forward passes.
        before: the explained score and the decision of the unchanged clip; without them, changes are skipped.
    """
    turn = turn or nullcontext()
    with turn:
        shown = found.values
    others: list[np.ndarray] = []
    for number in range(untrained):
        report("Trust: random weights", 0.15 * number / untrained)
        with turn:
            others.append(found.untrained(number))
    asked, states_at_all = 0.0, 6 * (1 + controls + untrained) + 2

    def ask(states: np.ndarray) -> np.ndarray:
        nonlocal asked
        answers = []
        # With few places, as in a lane, many states are equal.
        each, which = np.unique(states.reshape(len(states), -1), axis=0, return_inverse=True)
        each, repeated = each.reshape(-1, *states.shape[1:]), len(states) / len(each)
        # Other users of the model can run in between. Pictures take longer than windows.
        for part in np.array_split(each, max(1, len(each) // (_WINDOWS_AT_ONCE if shown.ndim == 1 else _PICTURES_AT_ONCE))):
            report("Trust: deletion and insertion", min(0.6, 0.15 + 0.45 * asked / states_at_all))
            with turn:
                answers.append(found.ask(part))
            asked += len(part) * repeated
        return np.concatenate(answers)[which.reshape(-1)]

    drawn = curves(shown, ask, controls, seed, untrained=others)
    alike = np.array([spearman(shown, other) for other in others])
    report("Trust: layer by layer", 0.6)
    layers = []
    with turn:
        for stage, other in found.randomised():
            about = stage.name, stage.layers, stage.count, stage.part, stage.last
            layers.append(Layer(*about, spearman(shown, other), _alike(shown, other)))
    report("Trust: other classes", 0.8)
    with turn:
        classes = [Other(name, spearman(shown, other), _alike(shown, other)) for name, other in found.classes()]
    report("Trust: changed clips", 0.9)
    with turn:
        changes = [_change(found, *altered, before) for altered in found.changed()] if before else []
    report("Trust", 1.0)
    return Measured(
        found.name,
        found.title,
        found.modality,
        found.head,
        found.target,
        drawn,
        alike,
        _each_other(others),
        tuple(layers),
        tuple(classes),
        tuple(changes),
        is_lane=shown.ndim == 1,
    )


def decision(question: Any) -> tuple[float, str]:
    """The decision's explained score, and its class."""
    spec, answers = question.checkpoint.spec, question.whole[0]
    return float(question.score(answers)), "" if spec.task == "regression" else spec.labels[int(answers.argmax())]


def _change(found: Map, alteration: Any, values: np.ndarray, given: np.ndarray, before: tuple[float, str]) -> Change:
    shown = found.values
    score, named = decision(alteration.question)
    apart = lipschitz(shown, values, found.given, given) if given.shape == found.given.shape else _NONE
    return Change(
        alteration.name, spearman(shown, values), _alike(shown, values), sensitivity(shown, values), apart,
        abs(score - before[0]), named == before[1],
    )  # fmt: skip


def _each_other(maps: Sequence[np.ndarray]) -> float:
    """Similarity of consecutive maps: the independent pairs that are cheap to get."""
    return float(np.mean([spearman(a, b) for a, b in pairwise(maps)])) if len(maps) > 1 else _NONE


def _alike(first: np.ndarray, second: np.ndarray) -> float:
    return ssim(by_largest(first), by_largest(second)) if first.ndim == 3 else _NONE
