"""Checks of attention, and of the gradients behind heatmaps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from affectscope.core.checking.findings import Found, NotApplicable, broken, within, written
from affectscope.core.checking.promises import TOLERANCE
from affectscope.core.checking.questions import Subject, moved
from affectscope.core.errors import UserError
from affectscope.core.explain.face_input import DEFAULT_VISUAL, FaceInput, face_input_of, on_pixels, through_encoder
from affectscope.core.explain.paths import VisualPath
from affectscope.core.features.base import NO_CROPS
from affectscope.core.features.extractors.faces import CropKind
from affectscope.core.features.sets import FEATURE_SETS, FeatureSet
from affectscope.core.models.base import AttentionMap, over_clip
from affectscope.core.streams import Batch, Stream

_FRAMES = 24
# Step sizes for finite differences along the gradient, relative to the pixels' variation.
_STEPS = (1e-1, 3e-2, 1e-2, 3e-3)
# Rounding error of outputs: a hundred times the resolution of float32.
_ROUNDING = 100 * torch.finfo(torch.float32).eps
# Relative tolerance of a slope, because networks with kinks are not locally linear.
_SLOPE = 0.1


def sums(subject: Subject) -> Found:
    """Each frame's attention sums to 1 over all frames that it can attend to."""
    worst, count = 0.0, 0
    for attention, query, key in _maps(subject):
        asked = query & key.any(1, keepdim=True)
        weights = attention.weights[:, :, : query.shape[1]]
        if not torch.isfinite(weights).all() or weights.min() < -TOLERANCE:
            return broken(f"The attention {attention.name} has weights below 0, or that are no numbers.")
        totals = weights.sum(-1).transpose(1, 2)[asked]
        worst, count = max(worst, float((totals - 1).abs().max())), count + totals.numel()
    return within(worst, TOLERANCE, f"{count:,} rows sum to 1, but for {{}}")


def attended(subject: Subject) -> Found:
    """Absent frames, and those after a clip's end, receive no attention."""
    worst = 0.0
    for attention, query, key in _maps(subject):
        weights = attention.weights[:, :, : query.shape[1]].clone()
        # Frames that a model adds for padding modalities to one length are absent too.
        weights[..., : key.shape[1]] = weights[..., : key.shape[1]].masked_fill(key[:, None, None], 0)
        asked = (query & key.any(1, keepdim=True))[:, None, :, None]
        worst = max(worst, float((weights * asked).abs().max()))
    return within(worst, TOLERANCE, "An absent frame gets {} at most")


def asked(subject: Subject) -> Found:
    """The output is the same with and without attention."""
    if not subject.spec.attention:
        raise NotApplicable("It returns no attention.")
    batch = _holey(subject)
    without, with_it = subject.ask(batch), subject.ask(batch, attention=True)
    if without.attention:
        return broken("It returns its attention without being asked, which costs every page time and memory.")
    return within(moved(without, with_it), TOLERANCE, "Asking for it moves the answer by {}")


def gradients(subject: Subject) -> Found:
    """The gradient of the scores on the pixels agrees with finite differences."""
    if "visual" not in subject.spec.inputs:
        raise NotApplicable("It sees nothing.")
    road, whence = _road(subject)
    pixels = road.pixels.detach().clone().requires_grad_(True)
    with torch.enable_grad():
        scores = road.network(pixels)
    if not scores.requires_grad:
        return broken("The answer has no gradient at all: something in the model detaches it, or runs without gradients.")
    slopes = [torch.autograd.grad(score, pixels, retain_graph=True, allow_unused=True)[0] for score in scores]
    heads = [head for head in subject.spec.heads if "visual" in subject.spec.modalities[head]]
    if unreached := [head for head, slope in zip(heads, slopes, strict=True) if slope is None or not bool((slope != 0).any())]:
        return broken(
            f"{whence}, no gradient of the head {unreached[0]} arrives: its heatmaps would be empty. Where it "
            "draws on other modalities, say so with heads=."
        )
    slope = torch.stack([slope for slope in slopes if slope is not None]).sum(0)
    if not torch.isfinite(slope).all():
        return broken(f"{whence}, the gradient is not a number.")
    steepest, score = float(slope.norm()), float(scores.detach().sum())
    reached = f"{whence}, they reach {int((slope != 0).flatten(1).any(1).sum())} of {len(pixels)} frames"
    spread = float(pixels.detach().std())
    if 2 * _STEPS[0] * spread * steepest < _ROUNDING * max(1.0, abs(score)):
        return Found(f"{reached}, with a slope of {written(steepest)}: too little for two answers to confirm it.")
    away = float("inf")
    for step in _STEPS:
        away = min(away, abs(_told(road, slope, step * spread) / steepest - 1))
        if away <= _SLOPE:
            break
    what = f"{reached}; two answers along them differ from their slope of {written(steepest)} by {{}} of it"
    return within(away, _SLOPE, what)


def _road(subject: Subject) -> tuple[VisualPath, str]:
    """The path from synthetic faces to the strongest class's score of every head that uses the picture.

    It starts at the visual features if these do not lead back to pixels. Also returns the name of its input, for messages.
    """
    spec, name = subject.spec, subject.checkpoint.sets.get("visual", DEFAULT_VISUAL)
    drawn = subject.draw([subject.alike(_FRAMES)])
    values = {m: subject.checkpoint.normaliser(m, v) for m, v in drawn.values.items()}
    batch = Batch(values, drawn.present)
    predictions = subject.ask(batch).predictions
    heads = [head for head in spec.heads if "visual" in spec.modalities[head]]
    targets = {head: int(over_clip(predictions[head], batch)[0].abs().argmax()) for head in heads}
    seen = Stream(drawn.values["visual"][0].numpy(), np.arange(_FRAMES) / 30, np.ones(_FRAMES, bool))
    looks, why = _sight(subject, name)
    crops = _faces(looks.features.needs) if looks is not None and looks.encoder is not None else None
    if looks is not None and crops is not None:
        road = through_encoder(looks, subject.checkpoint, crops, np.arange(_FRAMES), seen, batch, targets)
        return road, f"From the pixels through {name}"
    if looks is not None and looks.encoder is None:
        return on_pixels(looks, subject.checkpoint, seen, batch, targets), "From the pixels"
    # The features as a picture with one row.
    width = spec.inputs["visual"]
    row = FaceInput(FeatureSet("features", "visual", width, 0, "arrays", "", shape=(1, 1, width)), None)
    return on_pixels(row, subject.checkpoint, seen, batch, targets), f"From the visual features ({why})"


def _sight(subject: Subject, name: str) -> tuple[FaceInput | None, str]:
    """How the model sees faces; if it does not, why."""
    features = FEATURE_SETS.get(name)
    if features is None or features.dim != subject.spec.inputs["visual"]:
        return None, "no way leads on to pixels"
    try:
        return face_input_of(name), f"no way leads from {name} to pixels"
    except UserError:
        return None, f"{name} cannot be made here"


def _faces(needs: str) -> np.ndarray | None:
    """Noise instead of crops of a kind, such as ``rgb-224`` [F, 224, 224, 3]; None for other kinds."""
    if needs in NO_CROPS:
        return None
    kind = CropKind.of(needs)
    colours = (3,) if kind.colour else ()
    return np.random.default_rng(0).integers(0, 256, (_FRAMES, kind.side, kind.side, *colours), np.uint8)


def _told(road: VisualPath, slope: Tensor, step: float) -> float:
    """The slope along the gradient, by central differences."""
    way = slope / slope.norm() * step
    with torch.no_grad():
        above, below = (float(road.network(road.pixels + sign * way).double().sum()) for sign in (1, -1))
    return (above - below) / (2 * step)


def _holey(subject: Subject) -> Batch:
    """Clips of several lengths, with the third frame absent."""
    batch = subject.draw([subject.alike(20), subject.alike(5), subject.alike(11)])
    return batch.masked(**{name: torch.arange(mask.shape[1]) != 2 for name, mask in batch.present.items()})


def _maps(subject: Subject) -> Iterator[tuple[AttentionMap, Tensor, Tensor]]:
    """Each attention map with the presence of its queries and keys."""
    if not subject.spec.attention:
        raise NotApplicable("It returns no attention.")
    batch = _holey(subject)
    for attention in subject.ask(batch, attention=True).attention:
        yield attention, batch.present[attention.query], batch.present[attention.key]
