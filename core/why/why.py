"""The full answer about one clip and one class, to be shown, printed and exported."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np

from affectscope.core.errors import UserError
from affectscope.core.why import face as faces
from affectscope.core.why import moments as times
from affectscope.core.why import sound as sounds
from affectscope.core.why.asking import Question
from affectscope.core.why.face import Face, View
from affectscope.core.why.flip import Flip, smallest_flip
from affectscope.core.why.label import ForLabel, for_label
from affectscope.core.why.modality import Modality, by_modality
from affectscope.core.why.moments import Moments
from affectscope.core.why.rows import Row, csv_of, rows
from affectscope.core.why.sound import Groups, Spectrum, by_frequency, in_windows
from affectscope.core.why.words import sentence

# Part of every cache key: raise it whenever a number changes.
WHY_VERSION = 6
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Why:
    """Why a model predicts what it predicts for one clip.

    H heads, the decision first; scores are log-odds, or an attribute's values.

    Attributes:
        system: the model's name.
        task, labels, heads: as the model declares them; heads begin with "decision".
        target: the explained class or attribute.
        against: the class that it is compared with, or "".
        imputation: how removed frames are imputed.
        label: the clip's label in its corpus, or "".
        groups: descriptor groups, for models that take LLDs.
        spectrum: gradients over time and frequency, for models that take a spectrum or samples, with their sums per window [W].
        for_label: what speaks for the label against the decision, if the decision is explained and wrong.
    """

    system: str
    task: str
    labels: tuple[str, ...]
    heads: tuple[str, ...]
    target: str
    against: str
    imputation: str
    label: str
    duration: float
    modality: Modality
    moments: Moments
    groups: Groups | None = None
    spectrum: Spectrum | None = None
    spectrum_windows: np.ndarray | None = None
    face: Face | None = None
    flip: Flip | None = None
    for_label: ForLabel | None = None

    @property
    def answers(self) -> np.ndarray:
        """[H, outputs] for the whole clip: probabilities, or values."""
        return self.modality.answers[:, -1]

    @property
    def says(self) -> str:
        """The decision's class; for attributes, the explained one."""
        return self.target if self.task == "regression" else self.labels[int(self.answers[0].argmax())]

    @property
    def unit(self) -> str:
        """The unit of a score."""
        if self.task == "regression":
            return self.target
        return f"log-odds of {self.target}" + (f" against {self.against}" if self.against else "")

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON."""
        found: dict[str, Any] = {
            "system": self.system, "task": self.task, "labels": list(self.labels), "heads": list(self.heads),
            "target": self.target, "against": self.against, "unit": self.unit, "imputation": self.imputation,
            "label": self.label, "duration": round(self.duration, 4), "answers": self.answers.tolist(), "says": self.says,
            **_parts(self.modality, self.moments, self.groups, self.face),
        }  # fmt: skip
        if self.spectrum is not None and self.spectrum_windows is not None:
            found["spectrum"] = {
                "times": self.spectrum.times.tolist(), "frequencies": self.spectrum.frequencies.tolist(),
                "windows": self.spectrum_windows.tolist(), "gap": self.spectrum.gap, "values": self.spectrum.values.tolist(),
            }  # fmt: skip
        if self.flip is not None:
            flip = self.flip
            found["flip"] = {
                "windows": [[m, int(w)] for m, w in flip.windows], "before": flip.before.tolist(),
                "after": flip.after.tolist(), "smallest": flip.smallest, "asked": flip.asked,
            }  # fmt: skip
        if self.for_label is not None:
            of = self.for_label
            found["for_label"] = _parts(of.modality, of.moments, of.groups, of.face)
        found["sentence"] = [
            {
                "kind": clause.kind,
                "lead": clause.lead,
                "text": clause.text,
                "rests": [{"path": list(path), "value": value} for path, value in clause.rests],
            }
            for clause in sentence(self)
        ]
        return found

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), allow_nan=False, indent=1)

    def rows(self) -> Iterator[Row]:
        """A row per number, in the order of ``COLUMNS``; see ``core.why.rows``."""
        return rows(self)

    def to_csv(self) -> str:
        """``rows`` as CSV; names cannot become formulas."""
        return csv_of(self)


def explain(
    question: Question,
    view: View | None = None,
    label: str = "",
    quick: bool = False,
    progress: Progress = lambda stage, share: None,
    turn: AbstractContextManager[Any] | None = None,
) -> Why:
    """Compute all parts of the answer.

    Args:
        view: the visual part of the clip; without it, the face is skipped.
        label: the clip's label in its corpus.
        quick: modalities, moments and descriptor groups only, which take a tenth of the time.
        turn: lock held during each part's forward passes, so that other users of the model can run in between.

    Raises:
        UserError: as ``by_modality``, when the imputation is unavailable, and when the answer is not a number.
    """
    spec, turn = question.checkpoint.spec, turn or nullcontext()
    progress("Why: the modalities", 0.0)
    with turn:
        modality = by_modality(question)
    if not np.isfinite(modality.answers).all():
        raise UserError("The model's answer to this clip is not a number: its features or weights are damaged.")
    progress("Why: the moments", 0.1)
    with turn:
        moments = times.asked(question)
    progress("Why: the sound", 0.3)
    spectrum, windows, regions, flip = None, None, None, None
    with turn:
        groups = sounds.asked(question)
        if groups is None and not quick and (spectrum := by_frequency(question)) is not None:
            windows = in_windows(question, spectrum.values)
    if not quick:
        progress("Why: the face, and what would change the answer", 0.5)
        regions, flip = _long_ones(question, view, turn)
    progress("Why", 1.0)
    return Why(
        spec.system, spec.task, tuple(spec.labels), question.heads, question.explained, question.against,
        question.imputation, label, question.duration, modality, times.scored(question, modality, moments),
        sounds.scored(question, groups), spectrum, windows, faces.scored(question, regions), flip,
        for_label(question, label, modality, moments, groups, regions),
    )  # fmt: skip


def _long_ones(
    question: Question, view: View | None, turn: AbstractContextManager[Any]
) -> tuple[faces.Asked | None, Flip | None]:
    """The two slow parts, in parallel where one runs an encoder and the other the model, which share nothing."""
    if view is None or view.looks.encoder is None:
        with turn:
            regions = faces.asked(question, view) if view is not None else None
        return regions, smallest_flip(question, turn=turn)
    with ThreadPoolExecutor(1) as pool:
        looked = pool.submit(faces.asked, question, view)
        flip = smallest_flip(question, turn=turn)
        return looked.result(), flip


def _parts(modality: Modality, moments: Moments, groups: Groups | None, face: Face | None) -> dict[str, Any]:
    """The numbers of one class."""
    found: dict[str, Any] = {"modality": _modality(modality), "moments": _moments(moments)}
    if groups is not None:
        found["groups"] = {
            "names": list(groups.names), "sizes": list(groups.sizes), "stands": groups.stands,
            "shapley": groups.shapley.tolist(), "away": groups.away.tolist(), "scores": groups.scores.tolist(),
            "total": groups.total.tolist(),
        }  # fmt: skip
    if face is not None:
        found["face"] = {
            "names": list(face.names), "area": face.area.tolist(), "away": face.away.tolist(),
            "shares": {head: values.tolist() for head, values in face.shares.items()}, "seen": face.seen,
        }  # fmt: skip
    return found


def _modality(modality: Modality) -> dict[str, Any]:
    return {
        "names": list(modality.names), "present": list(modality.present),
        "scores": modality.scores.tolist(), "answers": modality.answers.tolist(),
        "shapley": modality.shapley.tolist(), "alone": modality.alone.tolist(),
        "together": {"+".join(names): values.tolist() for names, values in modality.together.items()},
        "shares": [[float(v) if np.isfinite(v) else None for v in row] for row in modality.shares],
    }  # fmt: skip


def _moments(moments: Moments) -> dict[str, Any]:
    by_name = {"frames": moments.frames, "away": moments.away, "alone": moments.alone}
    return {"edges": moments.edges.tolist()} | {k: {m: v.tolist() for m, v in found.items()} for k, found in by_name.items()}
