"""The answer of each explanation method for one clip with a planted cue; ``core.evaluation.planted`` scores it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import binary_dilation, gaussian_filter1d

from affectscope.core.corpora.base import Cue, Truth
from affectscope.core.evaluation.pointing import region_in_crop
from affectscope.core.explain.hearing import fitting_sound, sound_maps
from affectscope.core.explain.heatmaps import fitting, heatmaps
from affectscope.core.explain.methods import SIDE
from affectscope.core.explain.paths import NotApplicable
from affectscope.core.explain.sound import sound_road
from affectscope.core.features.extractors.descriptors import columns
from affectscope.core.why import Question, View
from affectscope.core.why.face import NAMES, PICTURE, by_region, seen_by, shares_of, whole_of
from affectscope.core.why.modality import Modality, by_modality
from affectscope.core.why.moments import by_moment, span
from affectscope.core.why.sound import SOUND, by_group

# Seconds over which frames are averaged, because single frames are noisy.
_SMOOTH = 0.1
# Share of a heatmap cell that a cue must cover for the cell to count as the cue's.
_COVERED = 0.25


@dataclass(frozen=True)
class Answer:
    """One method's answer to one question about one clip.

    Attributes:
        cue, modality: the cue's kind, and its modality.
        given: the name of the modality, region or group; seconds; a cell of the heatmap; None without an answer.
        true: the name; start and end in seconds; [SIDE, SIDE] bool, the cells of the cue.
    """

    question: str
    method: str
    cue: str
    modality: str
    given: Any
    true: Any


def answers_to(question: Question, view: View | None, truth: Truth, cue: Cue, methods: Sequence[str] | None) -> Iterator[Answer]:
    """The answers of all methods to all questions that apply to them."""
    modality = by_modality(question)
    for name, values in _modalities(modality).items():
        yield Answer("modality", name, cue.kind, cue.modality, _name(modality.names, values), cue.modality)
    when = (cue.start, cue.end)
    lasts = cue.end - cue.start < 0.9 * question.duration
    if lasts:
        for name, edges, values in moments(question, modality, cue.modality):
            yield Answer("time", name, cue.kind, cue.modality, middle(edges, values), when)
    if cue.kind == "pitch" and (groups := by_group(question)) is not None:
        for name, row in (("Shapley value", groups.shapley[0]), ("taken away", groups.away[0])):
            yield Answer("descriptors", name, cue.kind, cue.modality, _name(groups.names, row), cue.kind)
    if cue.modality == SOUND:
        yield from _heard(question, cue, methods, lasts)
    if cue.modality == PICTURE and view is not None:
        yield from _seen(question, view, truth, cue, methods, lasts)


def _modalities(modality: Modality) -> dict[str, np.ndarray]:
    """Method -> [N]: each modality's contribution to the decision."""
    scores = modality.scores[0]
    away = np.array([scores[-1] - scores[modality.without(name)] for name in modality.names])
    return {"Shapley value": modality.shapley[0], "alone": modality.alone[0], "taken away": away}


def moments(question: Question, modality: Modality, name: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Method, borders [W + 1] in seconds and each window's contribution [W] to the decision."""
    found = by_moment(question, modality)
    yield "window taken away", found.edges, found.away[name][0]
    yield "window alone", found.edges, found.alone[name][0]


def _heard(question: Question, cue: Cue, methods: Sequence[str] | None, lasts: bool) -> Iterator[Answer]:
    """Times and descriptors in the sound, by every method that applies."""
    checkpoint, times = question.checkpoint, question.streams[SOUND].times
    heads = tuple(head for head in checkpoint.spec.heads if SOUND in checkpoint.spec.modalities[head])
    place = checkpoint.spec.labels.index(question.explained)
    road = sound_road(checkpoint, question.batch, dict.fromkeys(heads, place))
    groups = columns(checkpoint.sets[SOUND], road.values.shape[1])
    for name in fitting_sound(road):
        if methods is not None and name not in methods:
            continue
        try:
            values = sound_maps(road, heads, name)[heads[0]][: len(times)]
        except NotApplicable:
            continue
        if lasts:
            found = middle(*frames(times, values.sum(1)))
            yield Answer("time", name, cue.kind, cue.modality, found, (cue.start, cue.end))
        if cue.kind == "pitch" and groups and values.shape[1] > 1:
            sums = np.array([values[:, own].sum() for own in groups.values()])
            yield Answer("descriptors", name, cue.kind, cue.modality, _name(tuple(groups), sums), cue.kind)


def _seen(question: Question, view: View, truth: Truth, cue: Cue, methods: Sequence[str] | None, lasts: bool) -> Iterator[Answer]:
    """Regions, times and places in the picture."""
    points = view.points()
    true = cue.region or _most_of(truth, view, points)
    if (face := by_region(question, view)) is not None:
        yield Answer("region", "region blurred", cue.kind, cue.modality, _name(face.names, face.away[0]), true)
    seen = seen_by(question, view, points)
    spec = question.checkpoint.spec
    heads = tuple(head for head in spec.heads if PICTURE in spec.modalities[head])
    looked = view.faces.times[_looked(question, view)]
    inside = (looked >= cue.start) & (looked <= cue.end)
    cells = cells_of(truth, view, cue)
    for name in fitting(seen.road):
        if methods is not None and name not in methods:
            continue
        try:
            maps = heatmaps(seen.road, heads, name)[heads[0]]
        except NotApplicable:
            continue
        yield Answer("region", name, cue.kind, cue.modality, region(maps, seen.points), true)
        if lasts:
            yield Answer("time", name, cue.kind, cue.modality, middle(*frames(looked, maps.sum((1, 2)))), (cue.start, cue.end))
        total = maps[inside].mean(0) if inside.any() else maps.mean(0)
        yield Answer("place", name, cue.kind, cue.modality, int(total.argmax()) if total.any() else None, cells)


def _most_of(truth: Truth, view: View, points: np.ndarray) -> str | None:
    """The region with the largest overlap with a mark."""
    there = view.faces.present
    inside = region_in_crop(np.asarray(truth.mask.any(0)), view.faces.boxes[there].mean(0), 64, 64)
    return _name(NAMES, (whole_of(points[there], 64, 64) * inside).mean((0, 2, 3)))


def _looked(question: Question, view: View) -> np.ndarray:
    """Indices of the video frames that the road's pictures show."""
    from affectscope.core.explain.face_input import faces_behind

    stream = question.streams[PICTURE]
    behind = faces_behind(stream, view.faces.times, view.faces.present)
    return np.unique(behind) if view.looks.encoder is not None else behind


def cells_of(truth: Truth, view: View, cue: Cue) -> np.ndarray:
    """[SIDE, SIDE] bool: heatmap cells that the cue covers while it is visible, and their neighbours."""
    during = (truth.times >= cue.start) & (truth.times <= cue.end)
    seen = (view.faces.times >= cue.start) & (view.faces.times <= cue.end) & view.faces.present
    if not during.any() or not seen.any():
        return np.zeros((SIDE, SIDE), bool)
    mask = truth.mask[during].mean(0) >= 0.5
    box = view.faces.boxes[seen].mean(0)
    return binary_dilation(region_in_crop(mask, box, SIDE, SIDE) >= _COVERED, np.ones((3, 3)))


def region(maps: np.ndarray, points: np.ndarray) -> str | None:
    """The face region with the highest density of a heatmap [P, h, w]; None for an empty map."""
    shares = shares_of(maps, points)
    area = whole_of(points, 64, 64).mean((0, 2, 3))
    return _name(NAMES, np.divide(shares, area, out=np.zeros(len(shares)), where=area > 0))


def middle(edges: np.ndarray, values: np.ndarray) -> float | None:
    """The middle, in seconds, of the span that the sentence of why would name: see ``core.why.moments.span``."""
    found = span(edges, values)
    return None if found is None else float(edges[found[0]] + edges[found[1]]) / 2


def frames(times: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Per-frame values [T] as windows around the frames, smoothed; borders [T + 1]."""
    if len(times) < 2:
        return np.array([*times, *times]), values
    step = float(np.median(np.diff(times)))
    edges = np.concatenate([[times[0] - step / 2], (times[1:] + times[:-1]) / 2, [times[-1] + step / 2]])
    return edges, gaussian_filter1d(values.astype(float), _SMOOTH / step, mode="nearest")


def _name(names: Sequence[str], values: np.ndarray) -> str | None:
    """The name of the largest value; None where none is above 0."""
    return names[int(np.argmax(values))] if len(values) and np.max(values) > 0 else None
