"""The protocol of maps that can be tested, and heatmaps of a face by method; ``lanes`` has those over time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from affectscope.core.explain.methods import METHODS, SIDE, enlarged
from affectscope.core.explain.paths import VisualPath
from affectscope.core.features.extractors.encoders import placed
from affectscope.core.trust.changed import Changed
from affectscope.core.trust.prefetch import Prefetched, Prefetcher, Remembered
from affectscope.core.trust.randomised import Stage, UntrainedNetworks, cascade, untrained
from affectscope.core.why.asking import Question
from affectscope.core.why.face import BLUR, PICTURE, Seen, View, blurred, seen_by

PICTURES = 10
"""Maximum number of a clip's faces to encode; each stands for its neighbours."""
LANES = {
    "away": "contributions, taken away",
    "alone": "contributions, alone",
    "attention": "attention",
}
"""Lanes by name, as shown to users; see ``core.why.moments`` and ``core.explain.attention``."""


UNTRAINED = ", random weights"
"""Suffix of a method's name for an untrained network."""
MANY = 1000
"""Number of networks of random weights per seed; the first is ``Untrained``'s."""


class Map(Protocol):
    """One map of one clip, with everything that the tests need.

    Attributes:
        name: one of ``METHODS``, or of ``LANES``.
        title: display name.
        modality, head, target: what the map covers, whose answer it explains, and for which class or attribute.
    """

    name: str
    title: str
    modality: str
    head: str
    target: str

    @property
    def values(self) -> np.ndarray:
        """The map: [P, SIDE, SIDE] of pictures, or a lane [W]."""

    def ask(self, states: np.ndarray) -> np.ndarray:
        """[G]: the class's probability, or the attribute's value, with only the places in ``states`` [G, ...] unchanged."""

    def randomised(self) -> Iterator[tuple[Stage, np.ndarray]]:
        """The map as more and more layers get random weights."""

    def untrained(self, number: int) -> np.ndarray:
        """The map of an untrained network; ``number`` selects one of many."""

    def classes(self) -> Iterator[tuple[str, np.ndarray]]:
        """The map of every other class."""

    def changed(self) -> Iterator[tuple[Changed, np.ndarray, np.ndarray]]:
        """The map of every changed clip, and the network's input for it."""

    @property
    def given(self) -> np.ndarray:
        """The network's input for this map."""


@dataclass(frozen=True)
class Subject:
    """A clip and a model whose maps are tested.

    Attributes:
        question: with the explained class.
        view: the visual part of the clip; None where the model's features do not lead back to pixels.
        altered: the clip with every change.
        seed: of random weights.
        pictures: see ``PICTURES``.
    """

    question: Question
    view: View | None
    altered: Sequence[Changed] = ()
    seed: int = 0
    pictures: int = PICTURES

    @property
    def others(self) -> tuple[str, ...]:
        """The classes that are not explained."""
        return tuple(name for name in self.question.checkpoint.spec.labels if name != self.question.explained)


class Faces:
    """Shared by the heatmaps of one head: the path to its score, its answers for blurred faces, and maps of random weights."""

    def __init__(self, subject: Subject, head: str, ahead: Prefetcher | None = None) -> None:
        """Nothing is computed yet.

        Args:
            ahead: may compute maps of random weights ahead of time.
        """
        self.subject, self.head = subject, head
        self._ahead = ahead or Prefetcher(alone=True)
        self._untrained: dict[tuple[str, int], Prefetched[np.ndarray]] = {}
        self._cascades: dict[str, Prefetched[list[tuple[Stage, np.ndarray]]]] = {}
        self.answers = Remembered(self._ask)

    def begin(self, method: str, untrained: int) -> None:
        """Start what the measures of a method will need."""
        for number in range(untrained):
            self._untrained[method, number] = self._ahead.soon(partial(self._untaught, method, number))
        self._cascades[method] = self._ahead.soon(partial(self._cascade, method))

    @cached_property
    def seen(self) -> Seen:
        """The path from the faces to the head's score."""
        return self.way(self.subject.question, self._view)

    def every(self) -> VisualPath:
        """The path that includes every frame."""
        return self.way(self.subject.question, self._view, 0).road

    def untrained(self, method: str, number: int) -> np.ndarray:
        """The map of an untrained network; memoised."""
        return self._untrained.setdefault((method, number), Prefetched(partial(self._untaught, method, number))).value

    def randomised(self, method: str) -> list[tuple[Stage, np.ndarray]]:
        """The map as more and more layers get random weights; memoised."""
        return self._cascades.setdefault(method, Prefetched(partial(self._cascade, method))).value

    def of_class(self, name: str) -> VisualPath:
        """The path to another class's score."""
        return self.way(replace(self.subject.question, target=name), self._view).road

    def way(self, question: Question, view: View, most: int | None = None) -> Seen:
        """The path from a clip's faces to the head's score, with at most ``most`` pictures."""
        # Regions of the face are not evaluated: any points do.
        points = np.zeros((len(view.faces.times), 5, 2))
        return seen_by(question, view, points, self.head, self.subject.pictures if most is None else most)

    @property
    def _view(self) -> View:
        assert self.subject.view is not None
        return self.subject.view

    @cached_property
    def _random(self) -> UntrainedNetworks:
        return UntrainedNetworks(self.seen.road.network)

    def _untaught(self, method: str, number: int) -> np.ndarray:
        return drawn(method, _of(self.seen.road, self._random.drawn(self.subject.seed * MANY + 1 + number)))

    def _cascade(self, method: str) -> list[tuple[Stage, np.ndarray]]:
        road = self.seen.road
        own = dict(road.network.named_children())
        parts = [part for part in ("model", "encoder") if any(True for _ in own[part].parameters())]
        stages = cascade(road.network, lambda network: network(road.pixels), self.subject.seed, parts=parts)
        # The cascade reuses one module and randomises it further, so each map is drawn before the next stage.
        return [(stage, drawn(method, _of(road, stage.network))) for stage in stages]

    def _ask(self, states: np.ndarray) -> np.ndarray:
        """The head's answers [G, outputs], with only the cells [G, P, SIDE, SIDE] unblurred."""
        question, network = self.subject.question, self.seen.road.network
        # Without an encoder, features are pictures, and many clips of them would not fit into memory.
        size = len(states) if self.seen.encoder else 1
        parts = [states[start : start + size] for start in range(0, len(states), size)]
        return np.concatenate([_said(question, network, [self._with(kept) for kept in part], self.head) for part in parts])

    @cached_property
    def _soft(self) -> np.ndarray:
        left, _, right, _ = self.seen.road.part
        return np.stack([blurred(picture, BLUR / (right - left)) for picture in self.seen.pictures])

    def _with(self, stay: np.ndarray) -> torch.Tensor:
        """The network's input with all but the cells [P, SIDE, SIDE] blurred."""
        plain = self.seen.pictures
        rows, columns = (np.arange(side) * SIDE // side for side in plain.shape[1:3])
        mask = stay[:, rows][:, :, columns]
        return self.seen.prepared(np.where(mask.reshape(*mask.shape, *[1] * (plain.ndim - 3)), plain, self._soft))


class Heatmap:
    """A heatmap by one method, for one head; a ``Map``."""

    def __init__(self, faces: Faces, method: str) -> None:
        self._faces, self._method = faces, method
        self.name, self.title, self.modality = method, METHODS[method].title, PICTURE
        self.head, self.target = faces.head, faces.subject.question.explained

    @cached_property
    def values(self) -> np.ndarray:
        return self._of(self._faces.seen.road)

    @property
    def given(self) -> np.ndarray:
        return self._faces.seen.road.pixels.numpy()

    def on_box(self) -> np.ndarray:
        """[F, SIDE, SIDE] of every frame, on the face's box, as in the player."""
        road = self._drawn(self._faces.every())
        maps, whole = _raw(self._method, road), road.part == (0.0, 0.0, 1.0, 1.0)
        return _numbers(enlarged(maps) if whole else placed(maps, road.part, (SIDE, SIDE)))

    def ask(self, states: np.ndarray) -> np.ndarray:
        return self._faces.answers(states)[:, self._faces.subject.question.checkpoint.spec.labels.index(self.target)]

    def randomised(self) -> Iterator[tuple[Stage, np.ndarray]]:
        yield from self._faces.randomised(self._method)

    def untrained(self, number: int) -> np.ndarray:
        return self._faces.untrained(self._method, number)

    def classes(self) -> Iterator[tuple[str, np.ndarray]]:
        for name in self._faces.subject.others:
            yield name, self._of(self._faces.of_class(name))

    def changed(self) -> Iterator[tuple[Changed, np.ndarray, np.ndarray]]:
        for alteration in self._faces.subject.altered:
            if alteration.view is not None:
                road = self._faces.way(replace(alteration.question, target=self.target), alteration.view).road
                yield alteration, self._of(road), road.pixels.numpy()

    def _drawn(self, road: VisualPath) -> VisualPath:
        """The road whose map is shown."""
        return road

    def _of(self, road: VisualPath) -> np.ndarray:
        return drawn(self._method, self._drawn(road))


class Untrained(Heatmap):
    """The heatmap of an untrained network, tested on the trained one: the chance level of every measure."""

    def __init__(self, faces: Faces, method: str) -> None:
        super().__init__(faces, method)
        self.name, self.title = f"{self.name}{UNTRAINED}", f"{self.title}, random weights"

    def _drawn(self, road: VisualPath) -> VisualPath:
        return _of(road, untrained(road.network, self._faces.subject.seed * MANY))


def drawn(method: str, road: VisualPath) -> np.ndarray:
    """The heatmap [P, SIDE, SIDE] of a road by one of ``METHODS``, on the pictures' area."""
    return _numbers(enlarged(_raw(method, road)))


def _raw(method: str, road: VisualPath) -> torch.Tensor:
    draw = METHODS[method].maps
    assert draw is not None
    return draw(road)[0]


def _of(road: VisualPath, network: nn.Module) -> VisualPath:
    """The road through a copy of its network."""
    names = {module: name for name, module in road.network.named_modules()}
    return replace(road, network=network, layers=tuple(network.get_submodule(names[layer]) for layer in road.layers))


def _numbers(maps: torch.Tensor) -> np.ndarray:
    return maps.detach().float().cpu().numpy()


@torch.inference_mode()
def _said(question: Question, network: nn.Module, versions: Sequence[torch.Tensor], head: str) -> np.ndarray:
    """One head's answers [G, outputs], for versions of the network's input."""
    way: Any = network
    output, batch = way.output(torch.stack([way.features(pictures) for pictures in versions]))
    return question.readable(output, batch)[head].cpu().numpy()
