"""Explanations of a clip's audio: which methods are available, and their maps."""

from __future__ import annotations

import numpy as np
import torch

from affectscope.core.explain.methods import METHODS, take
from affectscope.core.explain.road import NoWay
from affectscope.core.explain.sound import SoundRoad

_FIRST = ("integrated-gradients", "occlusion")
_NEEDS = {
    "layer": "a layer of the sound's network to read, and this model names none",
    "attention": "attention to the sound, and this model has none",
    "rollout": "several layers of attention among the sound's own frames, and this model has none",
}


def fitting_sound(road: SoundRoad) -> tuple[str, ...]:
    """The methods available for a road, the default first: Integrated Gradients."""
    can = {"values": True, "layer": road.layer is not None, "attention": road.attention is not None, "rollout": road.deep}
    names = [name for name in METHODS if METHODS[name].sounds is not None and can[METHODS[name].hears]]
    first = next(name for name in _FIRST if name in names)
    return first, *(name for name in names if name != first)


def chosen_sound(road: SoundRoad, explanation: str | None) -> tuple[str, tuple[str, ...]]:
    """The method for the audio, and all available methods.

    Raises:
        UserError: if there is no such method, or the road does not provide what it needs.
    """
    offered = fitting_sound(road)
    needs = {name: _NEEDS.get(METHODS[name].hears, "") for name in METHODS if METHODS[name].sounds is not None}
    return take(offered, explanation, "the picture, not the sound", needs), offered


def sound_maps(road: SoundRoad, heads: tuple[str, ...], explanation: str | None = None) -> dict[str, np.ndarray]:
    """How much each frame and column supports each head's class, or opposes it (negative): [T, D] or [T, 1] float32.

    Args:
        heads: the road's scores.
        explanation: one of ``fitting_sound``; the default is replaced by occlusion if no gradient reaches the audio.

    Raises:
        NoWay: if the road does not support the method.
    """
    name = explanation or fitting_sound(road)[0]
    try:
        found = _drawn(road, name)
    except NoWay:
        if explanation:
            raise
        found = _drawn(road, "occlusion")
    return {head: drawn.detach().float().cpu().numpy() for head, drawn in zip(heads, found, strict=True)}


def _drawn(road: SoundRoad, name: str) -> torch.Tensor:
    draw = METHODS[name].sounds
    assert draw is not None
    return draw(road)
