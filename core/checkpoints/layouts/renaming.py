"""Helpers for layouts: renaming keys, and inferring sizes from shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from affectscope.core.checkpoints.layouts.base import State
from affectscope.core.errors import UserError

MODALITY = {"a": "audio", "v": "visual", "l": "text"}


def renamed(state: State, names: Mapping[str, Callable[[re.Match[str]], str]]) -> State:
    """Rename each key by the first pattern that matches its start; drop the bookkeeping of fairseq's encoder."""
    found = {}
    for key, value in state.items():
        if key.endswith((".version", "._float_tensor")):
            continue
        for pattern, name in names.items():
            key, hits = re.subn(f"^{pattern}", name, key)
            if hits:
                break
        found[key] = _over_one_frame(value) if key.startswith("project.") else value
    return found


def first_fitting(key: str, names: Mapping[str, str]) -> str:
    """A key renamed by the first pattern that matches its start; unchanged if none does."""
    for pattern, name in names.items():
        new, hits = re.subn(f"^{pattern}", name, key)
        if hits:
            return new
    return key


def _over_one_frame(weight: Tensor) -> Tensor:
    """Squeeze a projection, which the public code implements as a convolution over one frame."""
    if weight.ndim == 3 and weight.shape[-1] != 1:
        raise UserError(
            f"its projections look at {weight.shape[-1]} frames at once (a kernel over 1), where the public code has a kernel of "
            "1: such a model cannot be read."
        )
    return weight.squeeze(-1)


def depth(state: State, encoder: str) -> int:
    """Number of layers in the file; counted, because indices in untrusted keys may be anything."""
    pattern = re.compile(rf"{re.escape(encoder)}\.layers\.(\d+)\.")
    numbers = {match[1] for key in state if (match := pattern.match(key))}
    if not numbers:
        raise KeyError(f"{encoder}.layers")
    return len(numbers)


def labels(state: State, last: str = "main.out.weight") -> tuple[str, ...]:
    """Placeholder names for the last layer's outputs, [outputs, ...]: state_dicts do not contain class names."""
    return tuple(f"class {i}" for i in range(len(state[last])))
