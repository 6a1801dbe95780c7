"""Lanes that can be tested: contributions, attention, and explanations of the sound, per window of one modality."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

import numpy as np
import torch
from torch import nn

from affectscope.core.explain.hearing import sound_maps
from affectscope.core.explain.methods import METHODS
from affectscope.core.explain.paths import NotApplicable
from affectscope.core.explain.sound import SOUND, sound_road
from affectscope.core.inference.asked import DECISION
from affectscope.core.perturbation import attention_by_frame, padded
from affectscope.core.trust.changed import Changed
from affectscope.core.trust.maps import LANES, MANY, Subject
from affectscope.core.trust.prefetch import Prefetched, Prefetcher, Remembered
from affectscope.core.trust.randomised import Stage, UntrainedNetworks, cascade
from affectscope.core.why.asking import Question
from affectscope.core.why.modality import Modality, by_modality
from affectscope.core.why.moments import Asked, asked, scored

Found = Mapping[tuple[str, str], np.ndarray]
"""All lanes of a clip: (name, modality) -> [W]."""


class Lane:
    """A lane over windows of one modality; a ``Map``. Windows without frames are left out."""

    def __init__(self, lanes: Lanes, name: str, modality: str) -> None:
        self._lanes, self.name, self.modality = lanes, name, modality
        sound = name not in LANES
        self.title, self.head = (METHODS[name].title, lanes.hears) if sound else (LANES[name], DECISION)
        self.target = lanes.subject.question.explained
        self._there = lanes.subject.question.windows(modality).any(1)

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
        return self._lanes.answers(self.modality)(states)[:, question.heads.index(self.head), place]

    def randomised(self) -> Iterator[tuple[Stage, np.ndarray]]:
        for stage, found in self._lanes.randomised.value:
            yield stage, self._of(found)

    def untrained(self, number: int) -> np.ndarray:
        return self._of(self._lanes.untrained(number))

    def classes(self) -> Iterator[tuple[str, np.ndarray]]:
        for name, found in self._lanes.classes:
            yield name, self._of(found.value)

    def changed(self) -> Iterator[tuple[Changed, np.ndarray, np.ndarray]]:
        for alteration, found in self._lanes.changed:
            yield alteration, self._of(found.value), alteration.question.batch.values[self.modality][0].numpy()

    def _of(self, found: Found) -> np.ndarray:
        return found[self.name, self.modality][self._there]


@dataclass(frozen=True)
class Lanes:
    """All lanes of a clip, computed together.

    Attributes:
        sounds: the sound's explanation methods, in ``METHODS``; their maps are summed per window.
        ahead: may compute the lanes of random weights, other classes and changed clips ahead of time.
    """

    subject: Subject
    sounds: tuple[str, ...] = ()
    ahead: Prefetcher = field(default_factory=lambda: Prefetcher(alone=True))
    _untrained: dict[int, Prefetched[Found]] = field(default_factory=dict, repr=False)
    _answers: dict[str, Remembered] = field(default_factory=dict, repr=False)

    def begin(self, untrained: int) -> None:
        """Start what does not need changed clips: networks with random weights."""
        for number in range(untrained):
            self._untrained[number] = self.ahead.soon(partial(self._untaught, number))

    def begin_rest(self) -> None:
        """Start everything else that the measures of ``all`` will need, in their order."""
        _ = self.randomised, self.classes, self.changed

    @property
    def hears(self) -> str:
        """The head whose sound is explained: the first that uses sound."""
        spec = self.subject.question.checkpoint.spec
        return next((head for head in spec.heads if SOUND in spec.modalities[head]), "")

    @cached_property
    def shown(self) -> Found:
        return self._scored(self.subject.question, self._asked)

    @cached_property
    def randomised(self) -> Prefetched[list[tuple[Stage, Found]]]:
        return self.ahead.soon(self._cascade)

    def untrained(self, number: int) -> Found:
        """The lanes of an untrained network; memoised, since all lanes use them."""
        return self._untrained.setdefault(number, Prefetched(partial(self._untaught, number))).value

    @cached_property
    def classes(self) -> list[tuple[str, Prefetched[Found]]]:
        """The lanes of every other class, from the same answers."""
        return [(name, self.ahead.soon(partial(self._of_class, name, self._asked))) for name in self.subject.others]

    @cached_property
    def changed(self) -> list[tuple[Changed, Prefetched[Found]]]:
        return [(alteration, self.ahead.soon(partial(self._of_change, alteration))) for alteration in self.subject.altered]

    def answers(self, modality: str) -> Remembered:
        """Each head's answer with only these windows [G, W] of a modality: [G, heads, outputs]."""
        question = self.subject.question
        windows = question.windows(modality)
        there = windows[windows.any(1)]
        ask = Remembered(lambda states: question.asked({modality: states @ there}).swapaxes(0, 1))
        return self._answers.setdefault(modality, ask)

    def all(self) -> list[Lane]:
        """The lanes that the model and the clip have, sound before picture."""
        return [
            Lane(self, name, modality)
            for modality in self.subject.question.modalities
            for name in (*LANES, *self.sounds)
            if (name, modality) in self.shown and self.subject.question.windows(modality).any()
        ]

    @cached_property
    def _asked(self) -> _Answers:
        return _ask(self.subject.question)

    @cached_property
    def _random(self) -> UntrainedNetworks:
        return UntrainedNetworks(self.subject.question.checkpoint.model)

    def _untaught(self, number: int) -> Found:
        return self._by(self._random.drawn(self.subject.seed * MANY + 1 + number))

    def _cascade(self) -> list[tuple[Stage, Found]]:
        question = self.subject.question

        def run(network: Any) -> torch.Tensor:
            return network.decide(network(question.batch))

        # The cascade reuses one module and randomises it further, so each stage is evaluated before the next.
        return [(stage, self._by(stage.network)) for stage in cascade(question.checkpoint.model, run, self.subject.seed)]

    def _of_class(self, name: str, answers: _Answers) -> Found:
        return self._scored(replace(_with(self.subject.question), target=name), answers)

    def _of_change(self, alteration: Changed) -> Found:
        return self._of(_with(replace(alteration.question, target=self.subject.question.explained)))

    def _by(self, network: nn.Module) -> Found:
        return self._of(_with(self.subject.question, network))

    def _of(self, question: Question) -> Found:
        return self._scored(question, _ask(question))

    def _scored(self, question: Question, answers: _Answers) -> Found:
        return _lanes(question, answers) | _heard(question, self.hears, self.sounds)


@dataclass(frozen=True)
class _Answers:
    """A network's answers, for any explained class.

    Attributes:
        attention: modality -> [T].
    """

    whole: Modality
    moments: Asked
    attention: Mapping[str, np.ndarray]


def _ask(question: Question) -> _Answers:
    return _Answers(by_modality(question), asked(question), attention_by_frame(question.checkpoint, question.streams))


def _with(question: Question, network: nn.Module | None = None) -> Question:
    """The question for another network; default: for a copy."""
    checkpoint, explained = question.checkpoint, question.explained
    network = copy.deepcopy(checkpoint.model) if network is None else network
    return replace(question, checkpoint=replace(checkpoint, model=network), target=explained)  # type: ignore[arg-type]


def _lanes(question: Question, answers: _Answers) -> dict[tuple[str, str], np.ndarray]:
    modality = replace(answers.whole, scores=question.score(answers.whole.answers))
    moments = scored(question, modality, answers.moments)
    found = {("away", m): values[0] for m, values in moments.away.items()}
    found |= {("alone", m): values[0] for m, values in moments.alone.items()}
    for name, weights in answers.attention.items():
        inside = question.windows(name)
        counted = inside @ padded(weights, inside.shape[1])
        found["attention", name] = counted / inside.sum(1).clip(min=1)
    return found


def _heard(question: Question, head: str, methods: Sequence[str]) -> dict[tuple[str, str], np.ndarray]:
    """Lanes of the sound's explanation methods, of those that apply."""
    if not head or not methods or not question.present(SOUND).any():
        return {}
    place = question.checkpoint.spec.labels.index(question.explained)
    road, windows = sound_road(question.checkpoint, question.batch, {head: place}), question.windows(SOUND)
    found = {}
    for name in methods:
        with suppress(NotApplicable):
            maps = sound_maps(road, (head,), name)[head].sum(1)
            found[name, SOUND] = windows @ padded(maps, windows.shape[1])
    return found
