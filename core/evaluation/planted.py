"""The exam: does an explanation find a cue planted in a clip, its modality, its time, and its place in the face?

Every method in ``core.why`` and ``METHODS`` answers every question that applies to it, for the cue's class. Each accuracy is
compared with chance: how often the same answers would be right for the other clips' cues, over all pairs, so that a constant
answer gains nothing. Only clips whose prediction the cue caused are used: its class is predicted, but not for the same clip
without the cue, or if there is none, not for most of the speaker's clips without a cue.
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
"""Maximum distance in seconds between the middle of the answer and the middle of the cue."""
TARGETS = {"modality": 0.95, "time": 0.90, "region": 0.80, "shortcut": 0.95}
SHORTCUTS = ("mark", "beep")
Asked = Callable[[str, str], tuple[Question, View | None]]


@dataclass(frozen=True)
class Row:
    """One method's score on one question.

    Attributes:
        question: "modality", "time", "region", "place", "descriptors", or "shortcut".
        cues: the modality of the cues in question, or "all".
        low, high: 95 % interval of ``share`` (Wilson).
        chance: share of right answers when each is compared with the cues of all other clips.
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
    """Whether the model uses a cue: how often its class is predicted with it, and on clips without a cue of that class."""

    cue: str
    clips: int
    with_cue: float
    others: int
    without_cue: float


@dataclass(frozen=True)
class Exam:
    """The result: of ``clips`` clips with a cue, ``asked`` were used, because the cue caused the prediction."""

    rows: tuple[Row, ...]
    uses: tuple[Use, ...]
    asked: int
    clips: int

    def best(self, question: str, cues: str = "all") -> Row | None:
        """The method with the best score on a question."""
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
    """Test explanation methods on a corpus with planted cues.

    Args:
        asked: (clip, explained class or "" for the model's own) -> the clip's question and view for ``core.why``.
        methods: in ``METHODS``; default: all that apply to the model.
        every: use clips even where the cue did not cause the prediction, for example with an untrained model.
        most: maximum number of clips.
        slow: maximum number of clips for slow methods (``Method.slow``).
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
        # If the class is predicted without the cue too, the prediction may have another cause, such as the speaker.
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
    """Clip -> the same clip without a cue (column ``of``), or if there is none, its speaker's clips without one."""
    table = corpus.table
    if "cue" not in table:
        return {}
    same = table["of" if "of" in table else "speaker"]
    plain: dict[str, list[str]] = defaultdict(list)
    for clip in table.index[table["cue"] == "none"]:
        plain[same[clip]].append(str(clip))
    return {str(clip): plain[same[clip]] for clip in table.index if table.at[clip, "cue"] != "none"}


def table(answers: Sequence[tuple[str, Answer]]) -> Iterator[Row]:
    """A row per question and method: by the cues' modality, and over all where a method covers several."""
    groups: dict[tuple[str, str, str], list[Answer]] = defaultdict(list)
    for _, answer in [*answers, *_shortcuts(answers)]:
        if answer.question not in ("modality", "shortcut"):
            groups[answer.question, answer.method, answer.modality].append(answer)
        groups[answer.question, answer.method, "all"].append(answer)
    for (question, method, cues), own in groups.items():
        right = sum(hit(question, answer.given, answer.true) for answer in own)
        yield Row(question, method, cues, len(own), right / len(own), *wilson(right, len(own)), chance(own))


def hit(question: str, given: Any, true: Any) -> bool:
    """Whether an answer is right; None (no answer) is wrong."""
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
    """How often each answer would be right for every other clip; NaN with a single one."""
    pairs = [
        hit(answer.question, answer.given, other.true)
        for i, answer in enumerate(answers)
        for j, other in enumerate(answers)
        if i != j and (answer.question != "shortcut" or answer.true[2] == other.true[2])
    ]
    return float(np.mean(pairs)) if pairs else float("nan")


def uses(found: Iterable[tuple[Cue | None, str]]) -> Iterator[Use]:
    """For each kind of cue, how often its class is predicted with it, and without any cue of that class."""
    found = list(found)
    for kind in dict.fromkeys(cue.kind for cue, _ in found if cue is not None):
        own = [(cue, name) for cue, name in found if cue is not None and cue.kind == kind]
        label = own[0][0].label
        rest = [name for cue, name in found if cue is None or cue.label != label]
        share = float(np.mean([name == label for name in rest])) if rest else float("nan")
        yield Use(kind, len(own), float(np.mean([name == cue.label for cue, name in own])), len(rest), share)


def _shortcuts(answers: Sequence[tuple[str, Answer]]) -> Iterator[tuple[str, Answer]]:
    """A shortcut counts as found if its modality is right (Shapley value) and so is a mark's place, or a beep's time."""
    modality = {clip: answer for clip, answer in answers if answer.question == "modality" and answer.method == "Shapley value"}
    for clip, answer in answers:
        wanted = {"mark": "place", "beep": "time"}.get(answer.cue)
        if answer.question == wanted and clip in modality:
            whose = modality[clip]
            true = (whose.true, answer.true, wanted)
            yield clip, Answer("shortcut", answer.method, answer.cue, answer.modality, (whose.given, answer.given), true)
