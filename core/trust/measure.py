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
    """The map when a network's layers from the top down to this one hold random weights, against the shown one.

    Attributes:
        name: the lowest random layer.
        random, layers: how many are random, of how many.
        part: ``model``, ``encoder``, or "" where there is but one.
        last: whether nothing of that part is left.
        spearman, ssim: 1 for the same map; ssim is NaN of lanes.
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
    """The map of another class, against the shown one."""

    name: str
    spearman: float
    ssim: float


@dataclass(frozen=True)
class Change:
    """The map of a changed clip, against the shown one.

    Attributes:
        name: one of ``changed.TITLES``.
        sensitivity: ‖difference‖ / ‖map‖, see ``similarity.sensitivity``.
        lipschitz: ‖difference‖ / ‖change of what the network takes‖; NaN where they have other sizes.
        moved: how far the explained score (log-odds, or the attribute's value) of the decision moved.
        same: whether the decision stayed.
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
    """What is known of one map.

    Attributes:
        explanation, title, modality, head, target: see ``maps.Map``.
        curves: deletion and insertion.
        untrained: [U] rank correlation with the map of each network of random weights.
        untrained_chance: mean rank correlation of any two of those with each other.
        layers: the cascade, from the first stage to the last.
        pointed: where and when it points, on clips whose truth is known.
        is_lane: whether it is a lane over windows, and not pictures.
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
        """Mean rank correlation with maps of random weights; NaN where there are none."""
        return float(self.untrained.mean()) if len(self.untrained) else _NONE

    @property
    def headless(self) -> float:
        """Rank correlation where only the model is random, and the encoder in front of it is not."""
        return next((layer.spearman for layer in self.layers if layer.last), _NONE)

    @property
    def any_class(self) -> float:
        """Mean rank correlation with the maps of other classes."""
        return float(np.mean([other.spearman for other in self.classes])) if self.classes else _NONE

    @property
    def stable(self) -> float:
        """Mean rank correlation with the maps of changed clips whose decision stayed; NaN where none did."""
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
    """Measure a map.

    Args:
        controls, untrained: see ``CONTROLS`` and ``UNTRAINED``.
        seed: of random marks.
        turn: held while the model is asked, part by part.
        before: the explained score and the decision of the clip as it is; without them no change can be judged.
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
        # Where places are few, as a lane's are, many marks are the same.
        each, which = np.unique(states.reshape(len(states), -1), axis=0, return_inverse=True)
        each, repeated = each.reshape(-1, *states.shape[1:]), len(states) / len(each)
        # Others who wait for the model have their turn in between; pictures take longer than windows.
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
    """The explained score of the decision, and what it names."""
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
    """Each map against the next: as many independent pairs as can be had cheaply."""
    return float(np.mean([spearman(a, b) for a, b in pairwise(maps)])) if len(maps) > 1 else _NONE


def _alike(first: np.ndarray, second: np.ndarray) -> float:
    return ssim(by_largest(first), by_largest(second)) if first.ndim == 3 else _NONE
