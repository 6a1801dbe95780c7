"""Deletion and insertion curves: the answer when the places that a map marks are removed first, or inserted first.

Petsiuk et al. 2018 (RISE), section 4.2; Samek et al. 2017. The random control is the map itself, moved: the same size and shape,
by the same shift in every picture or lane. A map that follows the picture's content without knowing the model already beats
random places; whether it knows more is tested with the same method's maps for random weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

SHARES = (0.1, 0.3, 0.6)
"""Shares of all places that are removed or inserted, between 0 and 1."""
_LEVEL, _DRAWS = 0.95, 1000
# Probabilities have float32 precision.
_LITTLE = 1e-6
Ask = Callable[[np.ndarray], np.ndarray]
"""States [G, ...] bool, the places left unchanged -> the answer [G] in each."""


@dataclass(frozen=True)
class Curves:
    """The answer as places are removed and inserted, for Q shares, R random controls and U maps of random weights.

    Attributes:
        shares: [Q] of all places, from 0 to 1.
        deletion: [Q], the highest values removed.
        insertion: [Q], only the highest values present.
        random_deletion, random_insertion: [R, Q].
        untrained_deletion, untrained_insertion: [U, Q].
        seed: of the random controls.
    """

    shares: np.ndarray
    deletion: np.ndarray
    insertion: np.ndarray
    random_deletion: np.ndarray
    random_insertion: np.ndarray
    untrained_deletion: np.ndarray
    untrained_insertion: np.ndarray
    seed: int

    @cached_property
    def deletion_areas(self) -> np.ndarray:
        """[R]: area between each random deletion curve and the map's; positive if the map is better."""
        return area(self.shares, self.random_deletion - self.deletion)

    @cached_property
    def insertion_areas(self) -> np.ndarray:
        """[R]: area between the map's insertion curve and each random one; positive if the map is better."""
        return area(self.shares, self.insertion - self.random_insertion)

    @property
    def areas(self) -> np.ndarray:
        """[R]: the mean of both."""
        return (self.deletion_areas + self.insertion_areas) / 2

    @cached_property
    def learnt(self) -> np.ndarray:
        """[U]: the mean of both areas against each map of random weights."""
        deletion = area(self.shares, self.untrained_deletion - self.deletion)
        return (deletion + area(self.shares, self.insertion - self.untrained_insertion)) / 2

    @property
    def beaten(self) -> int:
        """The number of random controls that the map beats, by both areas together."""
        return int((self.areas > _LITTLE).sum())

    @property
    def p(self) -> float:
        """p-value that the method does as well with random weights: (1 + number that do) / (1 + U); 1 without any.

        An exact Monte Carlo test (Hope 1968): under the null hypothesis the map is one more map of random weights.
        """
        return (1 + int((self.learnt <= _LITTLE).sum())) / (1 + len(self.learnt))


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """95 % interval of the mean of ``values`` [N]: percentiles of 1000 bootstrap draws (Efron 1979); NaN without values."""
    values = values[np.isfinite(values)]
    if not len(values):
        return float("nan"), float("nan")
    draws = np.random.default_rng(seed).choice(values, (_DRAWS, len(values))).mean(1)
    low, high = np.quantile(draws, ((1 - _LEVEL) / 2, (1 + _LEVEL) / 2))
    return float(low), float(high)


def area(shares: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """The area under [..., Q] over its shares, by the trapezoidal rule."""
    return np.trapezoid(curve, shares, axis=-1)


def curves(
    values: np.ndarray,
    ask: Ask,
    controls: int,
    seed: int = 0,
    points: Sequence[float] = SHARES,
    untrained: Sequence[np.ndarray] = (),
) -> Curves:
    """Evaluate the curves.

    Args:
        values: [P, h, w] maps, from each of which the same share is removed, or a lane [W].
        controls: maximum number of random controls; a short lane has fewer shifts.
        points: shares between nothing and everything.
        untrained: the same map for random weights, each shaped as ``values``.
    """
    chance = np.random.default_rng(seed)
    marks = [ranks(values, chance)]
    marks += [moved(marks[0], move) for move in moves(values.shape, controls, chance)]
    known = len(marks)
    marks += [ranks(other, chance) for other in untrained]
    size = marks[0][0].size if values.ndim > 1 else len(values)
    counts = [max(1, round(share * size)) for share in points]
    ends = ask(np.stack([np.ones_like(marks[0], bool), np.zeros_like(marks[0], bool)]))
    states = np.stack([inside == (rank < count) for inside in (False, True) for rank in marks for count in counts])
    inner = ask(states).reshape(2, len(marks), len(counts))
    whole, nothing = np.full((len(marks), 1), ends[0]), np.full((len(marks), 1), ends[1])
    deletion = np.concatenate([whole, inner[0], nothing], 1)
    insertion = np.concatenate([nothing, inner[1], whole], 1)
    shares = np.array([0.0, *(count / size for count in counts), 1.0])
    random, untaught = slice(1, known), slice(known, None)
    return Curves(
        shares, deletion[0], insertion[0], deletion[random], insertion[random], deletion[untaught], insertion[untaught], seed
    )


def ranks(values: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    """The rank of each cell in its picture, or of each window in its lane, 0 for the highest value; ties are broken at random."""
    rows = values.reshape(len(values), -1) if values.ndim > 1 else values[None]
    order = np.lexsort((chance.random(rows.shape), -rows), axis=-1)
    found = np.empty_like(order)
    np.put_along_axis(found, order, np.broadcast_to(np.arange(rows.shape[1]), rows.shape), -1)
    return found.reshape(values.shape)


Move = tuple[tuple[int, ...], bool]


def moves(shape: tuple[int, ...], count: int, chance: np.random.Generator) -> list[Move]:
    """At most ``count`` distinct ways to move a map: a circular shift along each axis, and a reflection."""
    sides = shape[1:] if len(shape) > 1 else shape
    every = int(np.prod(sides)) * 2
    drawn = chance.permutation(np.arange(1, every))[:count]
    return [(tuple(int(i) for i in np.unravel_index(number // 2, sides)), bool(number % 2)) for number in drawn]


def moved(rank: np.ndarray, move: Move) -> np.ndarray:
    """[P, h, w] or [W], moved."""
    steps, mirrored = move
    axes = tuple(range(-len(steps), 0))
    return np.roll(rank[..., ::-1] if mirrored else rank, steps, axes)
