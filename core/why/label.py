"""For a wrong decision: what speaks for the true label rather than the predicted class, from the same answers.

The predicted class is the reference, because ruling out a third class raises the log-odds of both.
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
    """As ``Why``, for the label against the decision's class. The face has no heatmaps, which are of the explained class."""

    modality: Modality
    moments: Moments
    groups: Groups | None = None
    face: Face | None = None


def misses(question: Question, label: str) -> bool:
    """Whether the decision is explained, and differs from the label."""
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
    """Each part's contribution to the label against the decision, from existing answers; None where the decision is right.

    Args:
        modality: of the explained class.
    """
    if not misses(question, label):
        return None
    other = replace(question, target=label, against=question.explained)
    own = replace(modality, scores=other.score(modality.answers))
    blurred = face.scored(other, replace(regions, shares={}) if regions else None)
    return ForLabel(own, moments.scored(other, own, asked), sound.scored(other, groups), blurred)
