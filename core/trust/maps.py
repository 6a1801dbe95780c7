"""What can be measured: heatmaps of a face, by method, and lanes of contributions or attention, by modality."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from torch import nn

from affectscope.core.explain.hearing import sound_maps
from affectscope.core.explain.methods import METHODS, SIDE, enlarged
from affectscope.core.explain.road import NoWay, VisualRoad
from affectscope.core.explain.sound import SOUND, sound_road
from affectscope.core.features.extractors.encoders import placed
from affectscope.core.inference.asked import DECISION
from affectscope.core.perturbation import attention_by_frame, padded
from affectscope.core.trust.changed import Changed
from affectscope.core.trust.randomised import Stage, cascade, untrained
from affectscope.core.why.asking import Question
from affectscope.core.why.face import BLUR, PICTURE, Seen, View, blurred, seen_by
from affectscope.core.why.modality import by_modality
from affectscope.core.why.moments import by_moment

PICTURES = 10
"""Faces of a clip that go through the encoder; each stands for those about it."""
LANES = {
    "away": "contributions, taken away",
    "alone": "contributions, alone",
    "attention": "attention",
}
"""Lanes by name, as people read them; see ``core.why.moments`` and ``core.explain.attention``."""


UNTRAINED = ", random weights"
"""What follows a method's name where its network was not trained."""
# So many networks of random weights belong to one seed; the first is ``Untrained``'s own.
_MANY = 1000


class Map(Protocol):
    """One map of one clip, and everything that its measures ask of it.

    Attributes:
        name: one of ``METHODS``, or of ``LANES``.
        title: as people read it.
        modality, head, target: what it is over, whose answer it explains, and which class or attribute.
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
        """[G]: the probability of the class, or the attribute's value, with only the places [G, ...] left as they are."""

    def randomised(self) -> Iterator[tuple[Stage, np.ndarray]]:
        """The map when more and more layers hold random weights."""

    def untrained(self, number: int) -> np.ndarray:
        """The map of one of many networks without a trained weight."""

    def classes(self) -> Iterator[tuple[str, np.ndarray]]:
        """The map of every other class."""

    def changed(self) -> Iterator[tuple[Changed, np.ndarray, np.ndarray]]:
        """The map of every changed clip, and what it is a map of, as the network takes it."""

    @property
    def given(self) -> np.ndarray:
        """What it is a map of, as the network takes it."""


@dataclass(frozen=True)
class Subject:
    """A clip and a model, of which maps are measured.

    Attributes:
        question: whose class is explained.
        view: what there is to see; None where no way leads to pixels.
        altered: the same clip with every change.
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


class Heatmap:
    """A heatmap by one method, of one head; a ``Map``."""

    def __init__(self, subject: Subject, head: str, method: str) -> None:
        self._subject, self._method = subject, METHODS[method]
        self.name, self.title, self.modality = method, METHODS[method].title, PICTURE
        self.head, self.target = head, subject.question.explained

    @cached_property
    def seen(self) -> Seen:
        """The way from the faces to the head's score."""
        assert self._subject.view is not None
        return self._way(self._subject.question, self._subject.view)

    @cached_property
    def values(self) -> np.ndarray:
        return self._of(self.seen.road)

    @property
    def given(self) -> np.ndarray:
        return self.seen.road.pixels.numpy()

    def on_box(self) -> np.ndarray:
        """[F, SIDE, SIDE] of every frame, on the face's box, as the player shows it."""
        view = self._subject.view
        assert view is not None
        road = self._drawn(self._way(self._subject.question, view, 0).road)
        maps, whole = self._raw(road), road.part == (0.0, 0.0, 1.0, 1.0)
        return _numbers(enlarged(maps) if whole else placed(maps, road.part, (SIDE, SIDE)))

    def ask(self, states: np.ndarray) -> np.ndarray:
        question, network = self._subject.question, self.seen.road.network
        place = question.checkpoint.spec.labels.index(self.target)
        # Where there is no encoder, features are pictures, and many clips of them are too many at once.
        size = len(states) if self.seen.encoder else 1
        parts = [states[start : start + size] for start in range(0, len(states), size)]
        answers = [_answered(question, network, [self._with(kept) for kept in part], self.head) for part in parts]
        return np.concatenate(answers)[:, place]

    def randomised(self) -> Iterator[tuple[Stage, np.ndarray]]:
        road = self.seen.road
        own = dict(road.network.named_children())
        parts = [part for part in ("model", "encoder") if any(True for _ in own[part].parameters())]
        for stage in cascade(road.network, lambda network: network(road.pixels), self._subject.seed, parts=parts):
            layers = tuple(stage.network.get_submodule(name) for name in _names(road))
            yield stage, self._map(replace(road, network=stage.network, layers=layers))

    def untrained(self, number: int) -> np.ndarray:
        return self._map(_untaught(self.seen.road, self._subject.seed * _MANY + 1 + number))

    def classes(self) -> Iterator[tuple[str, np.ndarray]]:
        view = self._subject.view
        assert view is not None
        for name in self._subject.others:
            yield name, self._of(self._way(replace(self._subject.question, target=name), view).road)

    def changed(self) -> Iterator[tuple[Changed, np.ndarray, np.ndarray]]:
        for alteration in self._subject.altered:
            if alteration.view is not None:
                road = self._way(replace(alteration.question, target=self.target), alteration.view).road
                yield alteration, self._of(road), road.pixels.numpy()

    def _way(self, question: Question, view: View, most: int | None = None) -> Seen:
        # Regions of the face are not asked about: any points do.
        points = np.zeros((len(view.faces.times), 5, 2))
        return seen_by(question, view, points, self.head, self._subject.pictures if most is None else most)

    def _drawn(self, road: VisualRoad) -> VisualRoad:
        """The road whose map is shown."""
        return road

    def _of(self, road: VisualRoad) -> np.ndarray:
        return self._map(self._drawn(road))

    def _map(self, road: VisualRoad) -> np.ndarray:
        """[P, SIDE, SIDE] on what the pictures show."""
        return _numbers(enlarged(self._raw(road)))

    def _raw(self, road: VisualRoad) -> torch.Tensor:
        draw = self._method.maps
        assert draw is not None
        return draw(road)[0]

    @cached_property
    def _soft(self) -> np.ndarray:
        left, _, right, _ = self.seen.road.part
        return np.stack([blurred(picture, BLUR / (right - left)) for picture in self.seen.pictures])

    def _with(self, stay: np.ndarray) -> torch.Tensor:
        """The pictures as the network takes them, all blurred but the cells [P, SIDE, SIDE] that stay."""
        plain = self.seen.pictures
        rows, columns = (np.arange(side) * SIDE // side for side in plain.shape[1:3])
        mask = stay[:, rows][:, :, columns]
        return self.seen.prepared(np.where(mask.reshape(*mask.shape, *[1] * (plain.ndim - 3)), plain, self._soft))


class Untrained(Heatmap):
    """The heatmap of a network without a trained weight, put to the trained one: what every measure finds by chance."""

    def __init__(self, subject: Subject, head: str, method: str) -> None:
        super().__init__(subject, head, method)
        self.name, self.title = f"{self.name}{UNTRAINED}", f"{self.title}, random weights"

    def _drawn(self, road: VisualRoad) -> VisualRoad:
        return _untaught(road, self._subject.seed * _MANY)


class Lane:
    """A lane by window of one modality; a ``Map``. Windows without a frame are left out."""

    def __init__(self, lanes: Lanes, name: str, modality: str) -> None:
        self._lanes, self.name, self.modality = lanes, name, modality
        sound = name not in LANES
        self.title, self.head = (METHODS[name].title, lanes.hears) if sound else (LANES[name], DECISION)
        self.target = lanes.subject.question.explained
        windows = lanes.subject.question.windows(modality)
        self._there = windows.any(1)
        self._windows = windows[self._there]

    @property
    def values(self) -> np.ndarray:
        return self._of(self._lanes.shown)

    @property
    def middles(self) -> np.ndarray:
        """[W] seconds."""
        edges = self._lanes.subject.question.edges
        return ((edges[1:] + edges[:-1]) / 2)[self._there]

    @property
    def given(self) -> np.ndarray:
        return self._lanes.subject.question.batch.values[self.modality][0].numpy()

    def ask(self, states: np.ndarray) -> np.ndarray:
        question = self._lanes.subject.question
        place = question.checkpoint.spec.labels.index(self.target)
        head = question.heads.index(self.head)
        return question.asked({self.modality: states @ self._windows})[head, :, place]

    def randomised(self) -> Iterator[tuple[Stage, np.ndarray]]:
        for stage, found in self._lanes.randomised:
            yield stage, self._of(found)

    def untrained(self, number: int) -> np.ndarray:
        return self._of(self._lanes.untrained(number))

    def classes(self) -> Iterator[tuple[str, np.ndarray]]:
        for name, found in self._lanes.classes:
            yield name, self._of(found)

    def changed(self) -> Iterator[tuple[Changed, np.ndarray, np.ndarray]]:
        for alteration, found in self._lanes.changed:
            yield alteration, self._of(found), alteration.question.batch.values[self.modality][0].numpy()

    def _of(self, found: Found) -> np.ndarray:
        return found[self.name, self.modality][self._there]


def _untaught(road: VisualRoad, seed: int) -> VisualRoad:
    """The road without a trained weight."""
    network = untrained(road.network, seed)
    return replace(road, network=network, layers=tuple(network.get_submodule(name) for name in _names(road)))


def _numbers(maps: torch.Tensor) -> np.ndarray:
    return maps.detach().float().cpu().numpy()


def _names(road: VisualRoad) -> list[str]:
    """What the layers that are read are called in the network."""
    names = {module: name for name, module in road.network.named_modules()}
    return [names[layer] for layer in road.layers]


Found = Mapping[tuple[str, str], np.ndarray]


@dataclass(frozen=True)
class Lanes:
    """All lanes of a clip, which are found together: (name, modality) -> [W].

    Attributes:
        sounds: the methods, of ``METHODS``, that explain the sound; of their maps each window has the sum.
    """

    subject: Subject
    sounds: tuple[str, ...] = ()
    _untrained: dict[int, Found] = field(default_factory=dict, repr=False)

    @property
    def hears(self) -> str:
        """The head whose sound is explained: the first that hears."""
        spec = self.subject.question.checkpoint.spec
        return next((head for head in spec.heads if SOUND in spec.modalities[head]), "")

    @cached_property
    def shown(self) -> Found:
        return self._of(self.subject.question)

    def _of(self, question: Question) -> Found:
        return _lanes(question) | _heard(question, self.hears, self.sounds)

    @cached_property
    def randomised(self) -> list[tuple[Stage, Found]]:
        question = self.subject.question
        found = []

        def run(network: Any) -> torch.Tensor:
            return network.decide(network(question.batch))

        for stage in cascade(question.checkpoint.model, run, self.subject.seed):
            # The module of the next stage is this one, with more of it random: its answers are wanted now.
            found.append((stage, self._by(stage.network)))
        return found

    def untrained(self, number: int) -> Found:
        """Of one of many networks without a trained weight; kept, since all lanes ask."""
        if number not in self._untrained:
            seed = self.subject.seed * _MANY + 1 + number
            self._untrained[number] = self._by(untrained(self.subject.question.checkpoint.model, seed))
        return self._untrained[number]

    def _by(self, network: nn.Module) -> Found:
        question = self.subject.question
        checkpoint = replace(question.checkpoint, model=network)  # type: ignore[arg-type]
        return self._of(replace(question, checkpoint=checkpoint, target=question.explained))

    @cached_property
    def classes(self) -> list[tuple[str, Found]]:
        return [(name, self._of(replace(self.subject.question, target=name))) for name in self.subject.others]

    @cached_property
    def changed(self) -> list[tuple[Changed, Found]]:
        explained = self.subject.question.explained
        return [(alteration, self._of(replace(alteration.question, target=explained))) for alteration in self.subject.altered]

    def all(self) -> list[Lane]:
        """Those that the model and the clip have, sound before picture."""
        return [
            Lane(self, name, modality)
            for modality in self.subject.question.modalities
            for name in (*LANES, *self.sounds)
            if (name, modality) in self.shown and self.subject.question.windows(modality).any()
        ]


def _lanes(question: Question) -> dict[tuple[str, str], np.ndarray]:
    moments = by_moment(question, by_modality(question))
    found = {("away", m): values[0] for m, values in moments.away.items()}
    found |= {("alone", m): values[0] for m, values in moments.alone.items()}
    for modality, weights in attention_by_frame(question.checkpoint, question.streams).items():
        inside = question.windows(modality)
        counted = inside @ padded(weights, inside.shape[1])
        found["attention", modality] = counted / inside.sum(1).clip(min=1)
    return found


def _heard(question: Question, head: str, methods: Sequence[str]) -> dict[tuple[str, str], np.ndarray]:
    """Lanes of the methods that explain the sound; of those that can read it."""
    if not head or not methods or not question.present(SOUND).any():
        return {}
    place = question.checkpoint.spec.labels.index(question.explained)
    road, windows = sound_road(question.checkpoint, question.batch, {head: place}), question.windows(SOUND)
    found = {}
    for name in methods:
        with suppress(NoWay):
            maps = sound_maps(road, (head,), name)[head].sum(1)
            found[name, SOUND] = windows @ padded(maps, windows.shape[1])
    return found


@torch.inference_mode()
def _answered(question: Question, network: nn.Module, versions: Sequence[torch.Tensor], head: str) -> np.ndarray:
    """[G, outputs] of one head, of versions of the pictures as the network takes them."""
    way: Any = network
    output, batch = way.output(torch.stack([way.features(pictures) for pictures in versions]))
    return question.readable(output, batch)[head].cpu().numpy()
