"""The test on planted cues: does an explanation find the planted cue of a clip, its modality, time and face region?

Every explanation method is tested on every question that it can answer: the values of ``core.why``, and each entry of
``METHODS``. The explained class is that of the cue. Each share is compared with the chance level: how often the same outputs
would be correct for the other clips' cues, over all pairs, so that a constant output scores no better than chance. A clip is
used only if the cue made the prediction: the cue's class is predicted, but not for the same clip without the cue or, if there
is no such clip, not for most
    clips
of the same person without a cue.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from affectscope.core.corpora import Corpus
from affectscope.core.corpora.base import Cue
from affectscope.core.evaluation.answering import Answer, answers_to
from affectscope.core.explain.methods import METHODS
from affectscope.core.metrics.intervals import wilson
from affectscope.core.why import Question, View

NEAR = 0.15
"""Seconds that the middle of what is named may lie from the middle of the cue."""
TARGETS = {"modality": 0.95, "time": 0.90, "region": 0.80, "shortcut": 0.95}
SHORTCUTS = ("mark", "beep")
Asked = Callable[[str, str], tuple[Question, View | None]]


@dataclass(frozen=True)
class Row:
    """How one way answered one question.

    Attributes:
        question: "modality", "time", "region", "place", "descriptors", or "shortcut".
        cues: the modality of the cues, or "all".
        low, high: of ``share``, 95 % (Wilson).
        chance: share of right answers where each is compared with the cues of all other clips.
    """

    question: str
    method: str
    cues: str
    clips: int
    share: float
    low: float
    high: float
    chance: float


@dataclass(frozen=True)
class Use:
    """Whether the model uses a cue: how often it names the cue's class with it, and of the clips without a cue of that class."""

    cue: str
    clips: int
    with_cue: float
    others: int
    without_cue: float


@dataclass(frozen=True)
class Exam:
    """The results. Of ``clips`` clips with a cue, the cue made the prediction in ``asked`` clips, which were evaluated."""

    rows: tuple[Row, ...]
    uses: tuple[Use, ...]
    asked: int
    clips: int

    def best(self, question: str, cues: str = "all") -> Row | None:
        """The way that answered a question best."""
        of = [row for row in self.rows if (row.question, row.cues) == (question, cues)]
        return max(of, key=lambda row: (row.share, -row.chance), default=None)


def examine(
    asked: Asked,
    corpus: Corpus,
    methods: Sequence[str] | None = None,
    every: bool = False,
    most: int | None = None,
    slow: int | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> Exam:
    """Examine every way to explain on a corpus with planted truth.

    Args:
        asked: clip, class that is explained ("": the model's own) -> the clip as ``core.why`` takes it.
        methods: of ``METHODS``; all that can read the model, if left out.
        every: ask of the cue's class even where the cue did not make it, as of a model that has learnt nothing.
        most: of the clips with a cue that are evaluated, at most this many.
        slow: slow methods (``Method.slow``) are evaluated on at most this many.
    """
    answers, named_cues, count = [], [], 0
    clips = [str(clip) for clip in corpus.table.index]
    without = _without(corpus)

    @cache
    def named(clip: str) -> str:
        question = asked(clip, "")[0]
        return question.checkpoint.spec.labels[int(question.whole[0].argmax())]

    for done, clip in enumerate(clips):
        progress("Examining", done / len(clips))
        truth = corpus.truth(clip)
        cue = truth.cue if truth is not None else None
        named_cues.append((cue, named(clip)))
        if cue is None or truth is None or (most is not None and count >= most):
            continue
        # What is said without the cue too may rest on something else: on who speaks, say.
        anyway = [named(other) == cue.label for other in without.get(clip, ())]
        made = named(clip) == cue.label and 2 * sum(anyway) <= len(anyway)
        if not (every or made):
            continue
        question, view = asked(clip, cue.label)
        count += 1
        chosen = methods
        if slow is not None and count > slow:
            chosen = [name for name in (methods or METHODS) if not METHODS[name].slow]
        answers += [(clip, answer) for answer in answers_to(question, view, truth, cue, chosen)]
    every_clip = sum(cue is not None for cue, _ in named_cues)
    return Exam(tuple(table(answers)), tuple(uses(named_cues)), count, every_clip)


def _without(corpus: Corpus) -> dict[str, list[str]]:
    """Clip -> the same clip without a cue (column ``of``), or, of corpora that have no such, its speaker's clips without one."""
    table = corpus.table
    if "cue" not in table:
        return {}
    same = table["of" if "of" in table else "speaker"]
    plain: dict[str, list[str]] = defaultdict(list)
    for clip in table.index[table["cue"] == "none"]:
        plain[same[clip]].append(str(clip))
    return {str(clip): plain[same[clip]] for clip in table.index if table.at[clip, "cue"] != "none"}


def table(answers: Sequence[tuple[str, Answer]]) -> Iterator[Row]:
    """A row for each question and way: by the cues' modality, and of all where a way answers of several."""
    groups: dict[tuple[str, str, str], list[Answer]] = defaultdict(list)
    for _, answer in [*answers, *_shortcuts(answers)]:
        if answer.question not in ("modality", "shortcut"):
            groups[answer.question, answer.method, answer.modality].append(answer)
        groups[answer.question, answer.method, "all"].append(answer)
    for (question, method, cues), own in groups.items():
        right = sum(hit(question, answer.given, answer.true) for answer in own)
        yield Row(question, method, cues, len(own), right / len(own), *wilson(right, len(own)), chance(own))


def hit(question: str, given: Any, true: Any) -> bool:
    """Whether an answer is right; None, which says nothing, is not."""
    if given is None:
        return False
    if question == "time":
        return bool(abs(given - sum(true) / 2) <= NEAR + 1e-9)
    if question == "place":
        return bool(true.flat[given])
    if question == "shortcut":
        return all(hit(part, answer, of) for part, answer, of in zip(("modality", true[2]), given, true[:2], strict=True))
    return bool(given == true)


def chance(answers: Sequence[Answer]) -> float:
    """How often each answer would be right of each other clip's truth; NaN of a single one."""
    pairs = [
        hit(answer.question, answer.given, other.true)
        for i, answer in enumerate(answers)
        for j, other in enumerate(answers)
        if i != j and (answer.question != "shortcut" or answer.true[2] == other.true[2])
    ]
    return float(np.mean(pairs)) if pairs else float("nan")


def uses(found: Iterable[tuple[Cue | None, str]]) -> Iterator[Use]:
    """For each kind of cue, how often its class is named with it, and without any cue of that class."""
    found = list(found)
    for kind in dict.fromkeys(cue.kind for cue, _ in found if cue is not None):
        own = [(cue, name) for cue, name in found if cue is not None and cue.kind == kind]
        label = own[0][0].label
        rest = [name for cue, name in found if cue is None or cue.label != label]
        share = float(np.mean([name == label for name in rest])) if rest else float("nan")
        yield Use(kind, len(own), float(np.mean([name == cue.label for cue, name in own])), len(rest), share)


def _shortcuts(answers: Sequence[tuple[str, Answer]]) -> Iterator[tuple[str, Answer]]:
    """A shortcut is found where the modality is right (Shapley value) and, of a mark, its place, of a beep, its time."""
    modality = {clip: answer for clip, answer in answers if answer.question == "modality" and answer.method == "Shapley value"}
    for clip, answer in answers:
        wanted = {"mark": "place", "beep": "time"}.get(answer.cue)
        if answer.question == wanted and clip in modality:
            whose = modality[clip]
            true = (whose.true, answer.true, wanted)
            yield clip, Answer("shortcut", answer.method, answer.cue, answer.modality, (whose.given, answer.given), true)
