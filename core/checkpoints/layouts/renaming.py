"""What several layouts need to turn names of weights into ours, and to tell sizes from shapes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

from affectscope.core.checkpoints.layouts.base import State
from affectscope.core.errors import UserError

MODALITY = {"a": "audio", "v": "visual", "l": "text"}


def renamed(state: State, names: Mapping[str, Callable[[re.Match[str]], str]]) -> State:
    """New names by the first pattern that fits a key's start; bookkeeping of fairseq's encoder is dropped."""
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
    """A key with its start renamed by the first pattern that fits it; as it is where none does."""
    for pattern, name in names.items():
        new, hits = re.subn(f"^{pattern}", name, key)
        if hits:
            return new
    return key


def _over_one_frame(weight: Tensor) -> Tensor:
    """Projections are convolutions over one frame in the public code."""
    if weight.ndim == 3 and weight.shape[-1] != 1:
        raise UserError(
            f"its projections look at {weight.shape[-1]} frames at once (a kernel over 1), where the public code has a kernel of "
            "1: such a model cannot be read."
        )
    return weight.squeeze(-1)


def depth(state: State, encoder: str) -> int:
    """How many layers the file holds; counted, since a number in a key may be anything."""
    pattern = re.compile(rf"{re.escape(encoder)}\.layers\.(\d+)\.")
    numbers = {match[1] for key in state if (match := pattern.match(key))}
    if not numbers:
        raise KeyError(f"{encoder}.layers")
    return len(numbers)


def labels(state: State, last: str = "main.out.weight") -> tuple[str, ...]:
    """A name for each of the last layer's outputs, [outputs, ...]: state_dicts do not name their classes."""
    return tuple(f"class {i}" for i in range(len(state[last])))
