"""The trust of all maps of one clip, to be shown, printed and exported."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from affectscope.core.explain.face_input import faces_behind
from affectscope.core.explain.hearing import fitting_sound
from affectscope.core.explain.heatmaps import chosen, fitting
from affectscope.core.explain.methods import METHODS
from affectscope.core.explain.paths import NotApplicable
from affectscope.core.explain.sound import SOUND, sound_road
from affectscope.core.text import spreadsheet_cell
from affectscope.core.trust.changed import TITLES, Changed, Source, changes
from affectscope.core.trust.curves import interval
from affectscope.core.trust.lanes import Lanes
from affectscope.core.trust.maps import Faces, Heatmap, Subject, Untrained
from affectscope.core.trust.measure import CONTROLS, UNTRAINED, Measured, decision, measure
from affectscope.core.trust.pointing import Pointed, carried, pointed, pointed_lane
from affectscope.core.trust.prefetch import Prefetcher
from affectscope.core.trust.verdict import verdict
from affectscope.core.why.asking import Question
from affectscope.core.why.face import PICTURE, View
from affectscope.core.why.modality import by_modality

if TYPE_CHECKING:
    from affectscope.core.corpora import Truth

# Part of every cache key: raise it whenever a number changes.
TRUST_VERSION = 3
COLUMNS = ("explanation", "modality", "head", "class", "measure", "name", "value")
Progress = Callable[[str, float], None]
Row = tuple[str, str, str, str, str, str, float]


@dataclass(frozen=True)
class Trust:
    """How far the explanations of one clip can be trusted.

    Attributes:
        system: the model's name.
        measured: heatmaps, then lanes.
        skipped: explanation -> half a sentence about why it is missing.
        carrier: whether the modality with the largest Shapley value carries the emotion; None if unknown.
    """

    system: str
    duration: float
    seed: int
    measured: tuple[Measured, ...]
    skipped: Mapping[str, str] = field(default_factory=dict)
    carrier: bool | None = None

    def to_dict(self) -> dict[str, Any]:
        """All numbers, ready for JSON; None for what could not be measured."""
        found = {"system": self.system, "duration": round(self.duration, 4), "seed": self.seed, "skipped": dict(self.skipped)}
        return found | {"carrier": self.carrier, "measured": [_plain(_entry(measured)) for measured in self.measured]}

    def to_json(self) -> str:
        return json.dumps(self.to_dict(), allow_nan=False, indent=1)

    def rows(self) -> Iterator[Row]:
        """A row per number, in the order of ``COLUMNS``."""
        for measured in self.measured:
            about = measured.explanation, measured.modality, measured.head, measured.target
            for measure_name, name, value in _numbers(measured):
                if np.isfinite(value):
                    yield (*about, measure_name, name, value)

    def to_csv(self) -> str:
        """``rows`` as CSV; names cannot become formulas."""
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([cell if isinstance(cell, float) else spreadsheet_cell(cell) for cell in row] for row in self.rows())
        return out.getvalue()


@dataclass(frozen=True)
class Request:
    """What to measure about a clip.

    Attributes:
        target: the explained class; default: each head's own prediction.
        head: the head whose heatmap is tested; default: the first that uses the picture.
        methods: in ``METHODS``, for the picture; None for the default one. If several, those that do not apply are skipped.
        sounds: the same for the sound.
        lanes: whether to test contributions and attention too.
        untrained: whether to test heatmaps of an untrained network too, as the chance level.
        controls: number of random controls.
        seed: of random controls, random weights and noise.
        truth: the corpus's ground truth.
        track, clip, face: as in ``Analyzer.analyze``.
    """

    target: str = ""
    head: str = ""
    methods: tuple[str, ...] | None = None
    sounds: tuple[str, ...] | None = None
    lanes: bool = True
    untrained: bool = False
    controls: int = CONTROLS
    seed: int = 0
    truth: Truth | None = None
    track: int | None = None
    clip: str = ""
    face: int | None = None


def find_trust(
    question: Question,
    view: View | None,
    source: Source,
    request: Request,
    progress: Progress = lambda stage, share: None,
    turn: AbstractContextManager[Any] | None = None,
) -> Trust:
    """Measure the maps of a clip.

    Args:
        question: with the explained class.
        view: the visual part of the clip; None where the model's features do not lead back to pixels.
        turn: lock held during each batch of forward passes, so that other users of the model can run in between.

    Raises:
        UserError: when the only requested method does not apply to this model, or the question is invalid.
    """
    controls, seed, truth = request.controls, request.seed, request.truth
    turn = turn or nullcontext()
    measured: list[Measured] = []
    skipped: dict[str, str] = {}
    altered: list[Changed] = []
    subject = Subject(question, view, altered, seed)
    # A user's network may not be thread-safe.
    with Prefetcher(alone="plugin" in question.checkpoint.card) as ahead:
        report = ahead.resting(progress)
        with turn:
            before = decision(question)
            sees = _first_head(question, request.head) if view is not None else ""
            own = replace(subject, question=_of_head(question, sees)) if sees else subject
            faces = Faces(own, sees, ahead)
            names = _methods(faces, request.methods, skipped) if sees else ()
            lanes = Lanes(subject, _sounds(subject, request.sounds) if request.lanes else (), ahead)
            found = lanes.all() if request.lanes else []
        for name in names:
            faces.begin(name, UNTRAINED)
        if found:
            lanes.begin(UNTRAINED)
        done = iter(range(len(TITLES)))

        def told(name: str) -> None:
            report("Trust: changing the clip", 0.2 * next(done) / len(TITLES))

        altered.extend(changes(question, view, source, seed, told))
        if found:
            lanes.begin_rest()
        kinds = (Heatmap, Untrained) if request.untrained else (Heatmap,)
        shown = [(kind, name) for name in names for kind in kinds]
        count = len(shown) + len(found) / 4

        def part(begin: float, size: float) -> Progress:
            return lambda stage, share: report(stage, 0.2 + 0.8 * (begin + size * share) / max(count, 1))

        for number, (kind, name) in enumerate(shown):
            try:
                drawn = kind(faces, name)
                made = measure(drawn, controls, UNTRAINED, seed, part(number, 1), turn, before)
                measured.append(replace(made, pointed=_points(own, drawn, truth, turn)) if truth is not None else made)
            except NotApplicable as error:
                skipped[name] = str(error)
        for number, lane in enumerate(found):
            made = measure(lane, controls, UNTRAINED, seed, part(len(shown) + number / 4, 0.25), turn, before)
            if truth is not None and lane.modality == PICTURE:
                made = replace(made, pointed=pointed_lane(lane.values, lane.middles, truth))
            measured.append(made)
    carrier = None
    if truth is not None and len(question.modalities) > 1:
        with turn:
            shares = by_modality(question)
        carrier = carried(dict(zip(shares.names, shares.shapley[0], strict=True)), truth)
    progress("Trust", 1.0)
    return Trust(question.checkpoint.spec.system, question.duration, seed, tuple(measured), skipped, carrier)


def _first_head(question: Question, head: str) -> str:
    """The head whose heatmap is tested; "" where no frame is visible or no head uses the picture."""
    if PICTURE not in question.modalities or not question.present(PICTURE).any():
        return ""
    sees = [name for name in question.checkpoint.spec.heads if PICTURE in question.checkpoint.spec.modalities[name]]
    return head if head in sees else next(iter(sees), "")


def _of_head(question: Question, head: str) -> Question:
    """The question about a head's own prediction, unless a class was given."""
    if question.target:
        return question
    spec, answer = question.checkpoint.spec, question.whole[question.heads.index(head)]
    own = np.abs(answer) if spec.task == "regression" else answer
    return replace(question, target=spec.labels[int(own.argmax())])


def _sounds(subject: Subject, methods: Sequence[str] | None) -> tuple[str, ...]:
    """The sound's explanation methods, of those requested."""
    question = subject.question
    spec = question.checkpoint.spec
    head = next((name for name in spec.heads if SOUND in spec.modalities[name]), "")
    if not head or not question.present(SOUND).any():
        return ()
    road = sound_road(question.checkpoint, question.batch, {head: spec.labels.index(question.explained)})
    offered = fitting_sound(road)
    return offered[:1] if methods is None else tuple(name for name in methods if name in offered)


def _methods(faces: Faces, methods: Sequence[str] | None, skipped: dict[str, str]) -> tuple[str, ...]:
    road = faces.seen.road
    if methods is None:
        return fitting(road)[:1]
    methods = [name for name in methods if METHODS[name].maps is not None]
    if len(methods) == 1:
        return (chosen(road, methods[0])[0],)
    offered = fitting(road)
    skipped |= {name: "this model has not what it reads" for name in methods if name not in offered}
    return tuple(name for name in methods if name in offered)


def _points(subject: Subject, shown: Heatmap, truth: Truth, turn: AbstractContextManager[Any]) -> Pointed | None:
    """The pointing game on the map as in the player: every frame, on the face's box."""
    view = subject.view
    assert view is not None
    with turn:
        maps = shown.on_box()
    frames = faces_behind(subject.question.streams[PICTURE], view.faces.times, view.faces.present)
    frames = np.unique(frames) if view.looks.encoder is not None else frames
    return pointed(maps, frames, view.faces, truth)


def _entry(measured: Measured) -> dict[str, Any]:
    found, rated = measured.curves, verdict(measured)
    low, high = interval(found.areas, found.seed)
    return {
        "explanation": measured.explanation, "title": measured.title, "modality": measured.modality,
        "head": measured.head, "class": measured.target,
        "level": rated.level, "reasons": rated.reasons, "grades": rated.grades,
        "p": found.p, "learnt": _mean(found.learnt), "beaten": found.beaten, "controls": len(found.areas),
        "area": _mean(found.areas), "area_low": low, "area_high": high, "shares": found.shares.tolist(),
        "deletion": found.deletion.tolist(), "insertion": found.insertion.tolist(),
        "random_deletion": found.random_deletion.tolist(), "random_insertion": found.random_insertion.tolist(),
        "untrained_deletion": found.untrained_deletion.tolist(), "untrained_insertion": found.untrained_insertion.tolist(),
        "random_weights": measured.random_weights, "random_weights_chance": measured.untrained_chance,
        "random_model": measured.headless, "layers": [asdict(layer) for layer in measured.layers],
        "other_classes": measured.any_class, "classes": [asdict(other) for other in measured.classes],
        "stable": measured.stable, "max_sensitivity": measured.max_sensitivity, "lipschitz": measured.max_lipschitz,
        "changes": [asdict(change) for change in measured.changes],
        "pointed": asdict(measured.pointed) if measured.pointed else None,
    }  # fmt: skip


def _numbers(measured: Measured) -> Iterator[tuple[str, str, float]]:
    found, rated = measured.curves, verdict(measured)
    yield "level", rated.level, float({"low": 0, "medium": 1, "high": 2}[rated.level])
    yield "p", "", found.p
    yield "area between curves", "both, against random weights", _mean(found.learnt)
    yield "random weights, rank correlation", "", measured.random_weights
    yield "random weights, rank correlation", "of two with each other", measured.untrained_chance
    yield "better than random marks", f"of {len(found.areas)}", float(found.beaten)
    for name, areas in (("deletion", found.deletion_areas), ("insertion", found.insertion_areas), ("both", found.areas)):
        low, high = interval(areas, found.seed)
        yield "area between curves", name, _mean(areas)
        yield "area between curves", f"{name}, low", low
        yield "area between curves", f"{name}, high", high
    for name in ("deletion", "insertion"):
        own, random, untaught = (getattr(found, f"{kind}{name}") for kind in ("", "random_", "untrained_"))
        for place, share in enumerate(found.shares):
            yield name, f"{share:.3f}", float(own[place])
            yield f"{name}, random marks", f"{share:.3f}", _mean(random[:, place])
            yield f"{name}, random weights", f"{share:.3f}", _mean(untaught[:, place])
    for layer in measured.layers:
        yield f"{layer.random} of {layer.layers} layers random, rank correlation", layer.name, layer.spearman
        yield f"{layer.random} of {layer.layers} layers random, SSIM", layer.name, layer.ssim
    for other in measured.classes:
        yield "other class, rank correlation", other.name, other.spearman
        yield "other class, SSIM", other.name, other.ssim
    for change in measured.changes:
        for measure_name in ("spearman", "ssim", "sensitivity", "lipschitz", "moved", "same"):
            yield f"changed clip, {measure_name}", change.name, float(getattr(change, measure_name))
    if measured.pointed is not None:
        yield "pointing", "place", measured.pointed.place
        yield "pointing", "place by chance", measured.pointed.place_chance
        if measured.pointed.time is not None:
            yield "pointing", "time", float(measured.pointed.time)
            yield "pointing", "time by chance", measured.pointed.time_chance


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _plain(value: Any) -> Any:
    """Replace numbers that JSON cannot represent by None."""
    if isinstance(value, dict):
        return {name: _plain(inner) for name, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    return None if isinstance(value, float) and not np.isfinite(value) else value
