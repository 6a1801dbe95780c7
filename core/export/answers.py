"""A model's answers for display: by head, with the model's name, version and warnings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.familiarity.words import Familiar
from affectscope.core.models.base import ModelSpec
from affectscope.core.text import percent
from affectscope.core.timeline.lanes import head_title

FAMILIAR = Familiar()
CAUTION = "This model was trained on rendered faces and synthetic voices; it has never seen a person."


@dataclass(frozen=True)
class HeadPrediction:
    """One head's answer.

    Attributes:
        label: a class, or the values of attributes as text.
        share: the class's probability; None for attributes.
        evidence: False where the clip had no modality that the head uses.
        near: how close the clip is to the training data, in words; empty if unknown.
    """

    title: str
    label: str
    share: float | None = None
    evidence: bool = True
    near: str = ""

    @property
    def text(self) -> str:
        if not self.evidence:
            return "no evidence"
        return self.label if self.share is None else f"{self.label} {percent(self.share)}"

    def right(self, truth: str | None) -> bool | None:
        """Whether it is the true label; None if unknown."""
        return None if truth is None or self.share is None or not self.evidence else self.label == truth


@dataclass(frozen=True)
class Predictions:
    """A model's answers for one clip, the decision first.

    Attributes:
        version: identifies the model's file.
        caution: a warning about it, a sentence; empty if none.
    """

    model: str
    heads: tuple[HeadPrediction, ...]
    version: str = ""
    caution: str = ""


def answers(
    model: str,
    spec: ModelSpec,
    predictions: Mapping[str, Mapping[str, float]],
    evidence: Mapping[str, bool],
    *,
    digest: str = "",
    synthetic: bool = False,
    familiar: Familiar = FAMILIAR,
) -> Predictions:
    """Prepare an analysis's answers for display.

    Args:
        predictions: head -> class -> probability, or attribute -> value; "decision" is the system's own.
        evidence: head -> whether the clip had anything for it.
        digest: of the checkpoint's file.
        synthetic: whether it was trained on rendered faces.
        familiar: how close the clip is to the training data.
    """

    def predicted(head: str, seen: bool) -> HeadPrediction:
        outputs = predictions.get(head) or next(iter(predictions.values()))
        near = familiar.of_decision if head == "decision" else familiar.of(spec.modalities.get(head, ()))
        if spec.task == "regression":
            values = ", ".join(f"{name} {value:+.2f}" for name, value in outputs.items())
            return HeadPrediction(head_title(head), values, None, seen, near)
        label, share = max(outputs.items(), key=lambda pair: pair[1])
        return HeadPrediction(head_title(head), label, share, seen, near if seen else "")

    heads = (predicted("decision", any(evidence.values())), *(predicted(head, evidence.get(head, True)) for head in spec.heads))
    return Predictions(model, heads, f"version {digest[:8]}" if digest else "", CAUTION if synthetic else "")


def answers_of(
    checkpoint: Checkpoint,
    predictions: Mapping[str, Mapping[str, float]],
    evidence: Mapping[str, bool],
    familiar: Familiar = FAMILIAR,
) -> Predictions:
    """``answers`` of a checkpoint, with its version and warnings."""
    return answers(
        checkpoint.name,
        checkpoint.spec,
        predictions,
        evidence,
        digest=checkpoint.digest,
        synthetic=checkpoint.card.get("synthetic_training") is True,
        familiar=familiar,
    )
