"""What speaks for the true label against the answer, where the decision is wrong: the same numbers, from the same answers.

Against the answer, as what rules out a third class raises the log-odds of both.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from affectscope.core.why import face, moments, sound
from affectscope.core.why.asking import Question
from affectscope.core.why.face import Face
from affectscope.core.why.modality import Modality
from affectscope.core.why.moments import Moments
from affectscope.core.why.sound import Groups


@dataclass(frozen=True)
class ForLabel:
    """As of ``Why``, of the label against the decision's class; the face has no heatmaps, which are of the explained class."""

    modality: Modality
    moments: Moments
    groups: Groups | None = None
    face: Face | None = None


def misses(question: Question, label: str) -> bool:
    """Whether the decision is another class than the label, and it is the decision that is explained."""
    spec = question.checkpoint.spec
    if spec.task != "classification" or question.against or label not in spec.labels:
        return False
    says = spec.labels[int(question.whole[0].argmax())]
    return says == question.explained != label


def for_label(
    question: Question,
    label: str,
    modality: Modality,
    asked: moments.Asked,
    groups: sound.Asked | None,
    regions: face.Asked | None,
) -> ForLabel | None:
    """What each part contributes to the label against the decision, of what was asked already; None where the decision is right.

    Args:
        modality: of the explained class.
    """
    if not misses(question, label):
        return None
    other = replace(question, target=label, against=question.explained)
    own = replace(modality, scores=other.score(modality.answers))
    blurred = face.scored(other, replace(regions, shares={}) if regions else None)
    return ForLabel(own, moments.scored(other, own, asked), sound.scored(other, groups), blurred)
