"""Chooses explanation methods for a clip's sound, and computes their maps."""

from __future__ import annotations

import numpy as np
import torch

from affectscope.core.explain.methods import METHODS, take
from affectscope.core.explain.paths import NotApplicable
from affectscope.core.explain.sound import AudioPath

_FIRST = ("integrated-gradients", "occlusion")
_NEEDS = {
    "layer": "a layer of the sound's network to read, and this model names none",
    "attention": "attention to the sound, and this model has none",
    "rollout": "several layers of attention among the sound's own frames, and this model has none",
}


def fitting_sound(road: AudioPath) -> tuple[str, ...]:
    """The methods that apply to this model, the default first: Integrated Gradients."""
    can = {"values": True, "layer": road.layer is not None, "attention": road.attention is not None, "rollout": road.deep}
    names = [name for name in METHODS if METHODS[name].sounds is not None and can[METHODS[name].hears]]
    first = next(name for name in _FIRST if name in names)
    return first, *(name for name in names if name != first)


def chosen_sound(road: AudioPath, explanation: str | None) -> tuple[str, tuple[str, ...]]:
    """The chosen explanation method for sound, and all that apply.

    Raises:
        UserError: when the method is unknown, or does not apply to this model.
    """
    offered = fitting_sound(road)
    needs = {name: _NEEDS.get(METHODS[name].hears, "") for name in METHODS if METHODS[name].sounds is not None}
    return take(offered, explanation, "the picture, not the sound", needs), offered


def sound_maps(road: AudioPath, heads: tuple[str, ...], explanation: str | None = None) -> dict[str, np.ndarray]:
    """How much each frame and column speaks for or against each head's class: [T, D] or [T, 1] float32.

    Args:
        heads: the heads of the road's scores.
        explanation: one of ``fitting_sound``; default: the first, or occlusion if no gradient reaches the sound.

    Raises:
        NotApplicable: when no method applies.
    """
    name = explanation or fitting_sound(road)[0]
    try:
        found = _drawn(road, name)
    except NotApplicable:
        if explanation:
            raise
        found = _drawn(road, "occlusion")
    return {head: drawn.detach().float().cpu().numpy() for head, drawn in zip(heads, found, strict=True)}


def _drawn(road: AudioPath, name: str) -> torch.Tensor:
    draw = METHODS[name].sounds
    assert draw is not None
    return draw(road)
