"""Explanations of a model's heads for the player: heatmaps of faces, and the sound's evidence as lanes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.explain import face_input
from affectscope.core.explain.hearing import chosen_sound, sound_maps
from affectscope.core.explain.heatmaps import chosen, heatmaps, on_video
from affectscope.core.explain.methods import METHODS
from affectscope.core.explain.paths import NotApplicable
from affectscope.core.explain.sound import SOUND, frequencies, sound_road
from affectscope.core.features.extract import Extraction
from affectscope.core.features.extractors.descriptors import columns
from affectscope.core.features.stored.arrays import source_of
from affectscope.core.models.base import ModelSpec, over_clip
from affectscope.core.models.inputs import on_its_reference
from affectscope.core.streams import Batch, Stream
from affectscope.core.timeline.lanes import head_title
from affectscope.core.timeline.timeline import Heatmap, Lane

PICTURE = "visual"
# More would not fit on a screen.
_MOST_COLUMNS, _MOST_ROWS = 600, 64


@dataclass(frozen=True)
class Drawn:
    """The heatmaps, the explained class per head, and the methods that apply; or why there are no heatmaps."""

    heatmaps: tuple[Heatmap, ...] = ()
    explained: Mapping[str, str] = field(default_factory=dict)
    explanations: tuple[str, ...] = ()
    blind: str = ""


@dataclass(frozen=True)
class Heard:
    """The sound's evidence, a lane per head, and the methods that apply; or why there is none, as half a sentence."""

    lanes: tuple[Lane, ...] = ()
    explanations: tuple[str, ...] = ()
    deaf: str = ""


def targets_of(
    spec: ModelSpec, heads: Sequence[str], predictions: Mapping[str, torch.Tensor], batch: Batch, explain: str | None
) -> dict[str, int]:
    """Head -> which output is explained: the class that was asked for, or each head's own answer."""
    # Over frames as the answer is: the mean of what is read, not of logits.
    strongest = {h: over_clip(spec.readable(predictions[h]), batch)[0] for h in heads}
    if spec.task == "regression":
        strongest = {h: values.abs() for h, values in strongest.items()}
    return {h: spec.labels.index(explain) if explain else int(strongest[h].argmax()) for h in heads}


def faces(
    checkpoint: Checkpoint,
    looks: face_input.FaceInput | None,
    crops: np.ndarray,
    extraction: Extraction,
    seen: Stream,
    batch: Batch,
    predictions: Mapping[str, torch.Tensor],
    explain: str | None,
    explanation: str | None,
) -> Drawn:
    """Heatmaps of every head that uses the picture.

    Args:
        seen: the visual stream after the perturbation.
        batch: the clip alone, normalised.
        explain, explanation: as in ``Analyzer.analyze``.
    """
    spec, track = checkpoint.spec, extraction.faces
    heads = [h for h in spec.heads if looks and seen.any and PICTURE in spec.modalities[h]]
    if not looks or not heads:
        return Drawn()
    targets = targets_of(spec, heads, predictions, batch, explain)
    frames = face_input.faces_behind(seen, track.times, track.present)
    if looks.encoder is not None:
        road = face_input.through_encoder(looks, checkpoint, crops, frames, seen, batch, targets)
        frames = np.unique(frames)
    else:
        raw = on_its_reference(extraction.streams, spec)[PICTURE]
        road = face_input.on_pixels(looks, checkpoint, replace(raw, present=seen.present), batch, targets)
    try:
        method, offered = chosen(road, explanation)
        maps = on_video(heatmaps(road, tuple(heads), method), frames, len(track.times))
    except NotApplicable as error:
        return Drawn(blind=str(error))
    explained = {head: spec.labels[target] for head, target in targets.items()}
    how = f", {METHODS[explanation].title}" if explanation else ""
    drawn = [Heatmap.of(head, f"{head_title(head)} head: why {explained[head]}{how}", own) for head, own in maps.items()]
    return Drawn(tuple(drawn), explained, offered)


def blind(
    checkpoint: Checkpoint, looks: face_input.FaceInput | None, extraction: Extraction, seen: bool, lost: str
) -> dict[str, str]:
    """Head -> why it has no heatmap."""
    spec = checkpoint.spec
    there = "no frame with a face is left" if extraction.faces.present.any() else "no face was found in this clip"
    reasons = {}
    for head in spec.heads:
        if PICTURE not in spec.modalities[head]:
            title = head_title(head).lower()
            reasons[head] = f"the {f'head of {title}' if ' ' in title else f'{title} head'} looks at nothing"
        elif looks is None:
            made = "arrays that were made elsewhere, " if source_of(checkpoint.sets[PICTURE]) else ""
            reasons[head] = f"nothing leads from its features ({made}{checkpoint.sets[PICTURE]}) back to the picture"
        elif not seen or lost:
            reasons[head] = lost or there
    return reasons


def sound(
    checkpoint: Checkpoint,
    streams: Mapping[str, Stream],
    batch: Batch,
    predictions: Mapping[str, torch.Tensor],
    explain: str | None,
    method: str | None,
) -> Heard:
    """How much each moment and part of the sound speaks for each head's prediction.

    Args:
        streams: the model's input, after the perturbation.
        method: one of ``core.explain.methods.METHODS``; default: the first that applies.

    Raises:
        UserError: when the method is unknown, or does not apply to this model.
    """
    spec = checkpoint.spec
    if SOUND not in spec.inputs or not bool(batch.present[SOUND].any()):
        return Heard()
    heads = tuple(h for h in spec.heads if SOUND in spec.modalities[h])
    targets = targets_of(spec, heads, predictions, batch, explain)
    road = sound_road(checkpoint, batch, targets)
    name, offered = chosen_sound(road, method)
    try:
        maps = sound_maps(road, heads, name if method else None)
        # Where there is sound, an empty place would be read as silence.
        if not all(np.isfinite(drawn[: len(streams[SOUND].times)][streams[SOUND].present]).all() for drawn in maps.values()):
            raise NotApplicable("what the sound does to the answer is no number: its features may be too large for the network")
    except NotApplicable as error:
        return Heard((), offered, str(error))
    stream, rows = streams[SOUND], _rows(checkpoint.sets[SOUND], spec.inputs[SOUND])
    lanes = [_lane(head, spec.labels[targets[head]], METHODS[name].title, stream, drawn, rows) for head, drawn in maps.items()]
    return Heard(tuple(lanes), offered)


@dataclass(frozen=True)
class _Rows:
    """Groups of columns [K] to sum over, lowest first; ``spectrum``: whether they are frequencies."""

    names: tuple[str, ...]
    columns: tuple[np.ndarray, ...]
    what: str
    spectrum: bool = False


def _rows(feature_set: str, dim: int) -> _Rows:
    if groups := columns(feature_set, dim):
        return _Rows(tuple(groups), tuple(groups.values()), "each group of descriptors")
    if len(hertz := frequencies(feature_set, dim)):
        parts = tuple(np.array_split(np.arange(dim), min(dim, _MOST_ROWS)))
        return _Rows(tuple(f"{hertz[part].mean():.0f} Hz" for part in parts), parts, "each frequency", spectrum=True)
    return _Rows(("all columns",), (np.arange(dim),), "each frame")


def _lane(head: str, label: str, method: str, stream: Stream, values: np.ndarray, rows: _Rows) -> Lane:
    """One head's map [T, D], or [T, 1], as a lane."""
    if values.shape[1] == 1:
        rows = _Rows(("frame",), (np.arange(1),), "each frame")
    length = len(stream.times)
    added = np.stack([values[:length, own].sum(1) for own in rows.columns])
    added[:, ~stream.present] = np.nan
    spectrum = np.stack([stream.values[:, own].mean(1) for own in rows.columns]) if rows.spectrum else None
    bins = np.array_split(np.arange(length), min(length, _MOST_COLUMNS))
    note = (
        f"How much {rows.what} of the sound speaks for {label} at each moment, or against it, to the {head_title(head).lower()} "
        f"head; {method}. Strongest colours are the lane's largest value."
    )
    return Lane(
        f"sound.{head}", f"Sound evidence, {head_title(head).lower()} head", "map", _binned(stream.times[None], bins)[0],
        _binned(added, bins).astype(np.float32), rows.names, SOUND, note,
        under=None if spectrum is None else _shades(_binned(spectrum, bins)),
    )  # fmt: skip


def _binned(values: np.ndarray, bins: Sequence[np.ndarray]) -> np.ndarray:
    """Means of [K, T] over each bin, [K, B]; NaN where any value is NaN."""
    return np.stack([values[:, own].mean(1) for own in bins], 1) if bins else values


def _shades(values: np.ndarray) -> np.ndarray:
    """[K, T] scaled to 0..1 between the 2nd and the 98th percentile."""
    low, high = np.percentile(values, (2, 98)) if values.size else (0.0, 1.0)
    return ((values - low) / max(high - low, 1e-9)).clip(0, 1).astype(np.float32)
