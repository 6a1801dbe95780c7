"""Where in the face: each region's contribution when its pixels are blurred, and its share of the heatmap."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor

from affectscope.core.cache.store import FeatureStore
from affectscope.core.explain import face_input
from affectscope.core.explain.heatmaps import chosen, heatmaps
from affectscope.core.explain.paths import NotApplicable, VisualPath
from affectscope.core.features.extract import Extraction, points_of
from affectscope.core.features.extractors.faces import FaceTrack
from affectscope.core.features.extractors.landmarks import REGIONS, found, regions
from affectscope.core.models.inputs import on_its_reference
from affectscope.core.streams import Stream
from affectscope.core.why.asking import Question

PICTURE = "visual"
BLUR = 0.12
"""Width of a blur that leaves no expression, in sides of the face's box."""
# Heatmaps have few cells, so a cell's overlap with a region is counted on a finer raster.
_FINE = 4
REST = "rest of the crop"
"""What belongs to no region: hair, ears, neck, what is beside the face, and whatever is overlaid on it."""
NAMES = (*REGIONS, REST)


@dataclass(frozen=True)
class View:
    """The visual part of a clip.

    Attributes:
        looks: how the model sees faces.
        crops: returns the face crops for its encoder, [F, H, W] or [F, H, W, 3] uint8; not called without an encoder.
        faces: the face track, on the video's frames.
        points: returns [F, 5, 2], see ``core.features.extractors.landmarks``.
        raw: the visual stream as extracted, for models that take pixels.
        explanation: heatmap method; default: as in the player.
    """

    looks: face_input.FaceInput
    crops: Callable[[], np.ndarray]
    faces: FaceTrack
    points: Callable[[], np.ndarray]
    raw: Stream
    explanation: str | None = None

    @classmethod
    def of(
        cls,
        looks: face_input.FaceInput,
        crops: Callable[[], np.ndarray],
        media: Path,
        extraction: Extraction,
        store: FeatureStore,
        explanation: str | None = None,
    ) -> View:
        """The view of an extracted file."""
        faces = extraction.faces
        return cls(looks, crops, faces, lambda: points_of(media, faces, store), extraction.streams[PICTURE], explanation)


@dataclass(frozen=True)
class Face:
    """Each face region's contribution to the explained score.

    Attributes:
        names: [R].
        area: [R], the region's mean share of the face's box, that is of a uniform heatmap. The last is everything outside the
            regions, so that a mark beside the face is found too.
        away: [H, R], how much the score falls when the region is blurred in every frame.
        shares: head -> [R], the region's share of the heatmap; they sum to 1, or are all 0.
        seen: whether landmarks were detected, or an average face was assumed.
    """

    names: tuple[str, ...]
    area: np.ndarray
    away: np.ndarray
    shares: Mapping[str, np.ndarray]
    seen: bool


@dataclass(frozen=True)
class Asked:
    """The heads' answers with each region blurred, for any explained class.

    Attributes:
        answers: [H, 1 + R, outputs], of the original face and then without each region.
        shares: of heatmaps of the explained class; the others as in ``Face``.
    """

    area: np.ndarray
    answers: np.ndarray
    shares: Mapping[str, np.ndarray]
    seen: bool


def by_region(question: Question, view: View) -> Face | None:
    """Each region's contribution by blurring it in every frame; None where no face is visible."""
    return scored(question, asked(question, view))


def scored(question: Question, answers: Asked | None) -> Face | None:
    """Each region's contribution to the question's class, from answers that hold for any class."""
    if answers is None:
        return None
    scores = question.score(answers.answers)
    return Face(NAMES, answers.area, scores[:, :1] - scores[:, 1:], answers.shares, answers.seen)


def asked(question: Question, view: View) -> Asked | None:
    """The answers that ``by_region`` needs."""
    if PICTURE not in question.modalities or not question.present(PICTURE).any():
        return None
    there = view.faces.present
    if not there.any():
        return None
    points = view.points()
    seen = seen_by(question, view, points)
    shares = {head: shares_of(maps, seen.points) for head, maps in _maps(question, view, seen.road).items()}
    with torch.inference_mode():
        answers = np.concatenate(list(_answers(question, seen)), 1)
    area = whole_of(points[there], 64, 64).mean((0, 2, 3))
    return Asked(area, answers, shares, found(points))


def shares_of(maps: np.ndarray, points: np.ndarray) -> np.ndarray:
    """[R]: the share of maps [P, h, w] in each of ``NAMES``, for faces with landmarks [P, 5, 2]; zeros for an empty map."""
    height, width = maps.shape[1:]
    fine = whole_of(points, height * _FINE, width * _FINE)
    cover = fine.reshape(len(maps), len(NAMES), height, _FINE, width, _FINE).mean((3, 5))
    total = float(maps.sum())
    return (cover * maps[:, None]).sum((0, 2, 3)) / total if total > 0 else np.zeros(len(NAMES))


def whole_of(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Which pixels of a face's box belong to each of ``NAMES``, [F, R, height, width] bool: a partition."""
    masks = regions(points, height, width)
    return np.concatenate([masks, ~masks.any(1, keepdims=True)], 1)


@dataclass(frozen=True)
class Seen:
    """The path from pictures to scores.

    Attributes:
        pictures: [P, H, W] or [P, H, W, C], before preprocessing.
        points: [P, 5, 2], in fractions of the face's box, of which the pictures show ``road.part``.
        prepared: pictures -> input of the road's network.
        encoder: whether the network begins with an encoder of single pictures.
    """

    road: VisualPath
    pictures: np.ndarray
    points: np.ndarray
    prepared: Callable[[np.ndarray], Tensor]
    encoder: bool


def seen_by(question: Question, view: View, points: np.ndarray, head: str = "", most: int = 0) -> Seen:
    """The path from a clip's faces to the explained scores, of one head or of all that use the picture.

    Args:
        points: [F, 5, 2], as in ``View``.
        most: number of pictures to encode, evenly spaced, each standing for its neighbours; 0 for all.
    """
    checkpoint, stream = question.checkpoint, question.streams[PICTURE]
    frames = face_input.faces_behind(stream, view.faces.times, view.faces.present)
    if most and view.looks.encoder is not None:
        frames = _thinned(frames, most)
    place = checkpoint.spec.labels.index(question.explained)
    heads = (head,) if head else [name for name in checkpoint.spec.heads if PICTURE in checkpoint.spec.modalities[name]]
    targets = dict.fromkeys(heads, place)
    if (encoder := view.looks.encoder) is not None:
        crops, looked = view.crops(), np.unique(frames)
        road = face_input.through_encoder(view.looks, checkpoint, crops, frames, stream, question.batch, targets)
        return Seen(road, crops[looked], points[looked], encoder.prepare, True)  # type: ignore[arg-type]
    spec, given = checkpoint.spec, {**question.streams, PICTURE: view.raw}
    raw = replace(on_its_reference(given, spec)[PICTURE], present=stream.present)
    road = face_input.on_pixels(view.looks, checkpoint, raw, question.batch, targets)
    pictures = np.ascontiguousarray(road.pixels.movedim(1, -1).numpy())
    return Seen(road, pictures, points[frames], lambda given: torch.from_numpy(given).movedim(-1, 1), False)


def _thinned(frames: np.ndarray, most: int) -> np.ndarray:
    """[P] frame indices, each replaced by the nearest of at most ``most`` of them."""
    every = np.unique(frames)
    count = min(most, len(every))
    kept = every[((np.arange(count) + 0.5) * len(every) / count).astype(int)]
    return kept[np.abs(frames[:, None] - kept).argmin(1)]


def _maps(question: Question, view: View, road: VisualPath) -> dict[str, np.ndarray]:
    """Head -> heatmaps [P, h, w]; empty where no method applies."""
    spec = question.checkpoint.spec
    heads = tuple(head for head in spec.heads if PICTURE in spec.modalities[head])
    try:
        method, _ = chosen(road, view.explanation)
        return heatmaps(road, heads, method)
    except NotApplicable:
        return {}


def _answers(question: Question, seen: Seen) -> Iterator[np.ndarray]:
    """The heads' answers [H, G, outputs], for the original clip and then without each region.

    Yields one array where an encoder reduces pictures to small features, else one state at a time.
    """
    plain, network = seen.pictures, seen.road.network
    left, top, right, bottom = seen.road.part
    points = (seen.points - (left, top)) / (right - left, bottom - top)
    masks = whole_of(points, *plain.shape[1:3])
    soft = np.stack([blurred(picture, BLUR / (right - left)) for picture in plain])
    gone = [masks[:, number].reshape(*plain.shape[:3], *[1] * (plain.ndim - 3)) for number in range(len(NAMES))]
    states = (plain, *(np.where(mask, soft, plain) for mask in gone))
    encoded: Iterator[Tensor] = (network.features(seen.prepared(state)) for state in states)  # type: ignore[operator]
    if seen.encoder:
        yield _answered(question, seen, torch.stack(list(encoded)))
        return
    for features in encoded:
        yield _answered(question, seen, features[None])


def _answered(question: Question, seen: Seen, features: Tensor) -> np.ndarray:
    network: Any = seen.road.network
    output, batch = network.output(features)
    return np.stack([answer.cpu().numpy() for answer in question.readable(output, batch).values()])


def blurred(picture: np.ndarray, width: float) -> np.ndarray:
    """A picture [H, W] or [H, W, C] with its features blurred; ``width`` of the blur in sides of the picture."""
    soft = cv2.GaussianBlur(picture, (0, 0), width * picture.shape[1], borderType=cv2.BORDER_REPLICATE)
    return soft.reshape(picture.shape)
