"""Finds the weights in a training script's output, wherever they are stored and however they are wrapped."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.files.pickles import Array
from affectscope.core.text import shown

# Key prefixes of DataParallel, torch.compile and Lightning.
_WRAPPERS = ("module.", "_orig_mod.", "model.")
# Key segments of FSDP, DeepSpeed, activation checkpointing and torch.compile.
_SEGMENTS = frozenset(
    {"_orig_mod", "_fsdp_wrapped_module", "_forward_module", "_checkpoint_wrapped_module", "_dp_wrapped_module"}
)
# Keys of copies that are not "the weights", such as averages, and of optimisers' states.
_COPY = re.compile(
    r"(^|[^a-z])(ema|swa|avg|averaged?|averages?|averaging|exp|shadow|teacher|target|momentum|polyak)([^a-z]|$)"
    r"|(model|net|network|weights)(ema|swa|avg)"
)
# Keys that suggest that a dict is the weights.
_NAMED = re.compile(r"(^|[^a-z])(model|module|net|network|state|weights|params|parameters)([^a-z]|$)|generator|state_?dict")
_NO_WEIGHTS = ("optim", "sched", "scaler", "rng", "amp", "grad")
# Bookkeeping of fairseq's encoder, of thop, and of extra states.
_BOOKKEEPING = (".version", "._float_tensor", "_extra_state", "total_ops", "total_params", "n_averaged")
_DEEPEST = 6
_MOST_DICTS = 2000
_MOST_PREFIXES = 50
# Limit for lists: models of an ensemble, or a state_dict's pairs.
_MOST_ITEMS = 5000
# Layers may share tensors, so a file may be smaller than their sum, but not less than a quarter.
_SHARED = 4


@dataclass(frozen=True)
class Weights:
    """A state_dict from a file.

    Attributes:
        where: path of keys to it, joined by dots; empty where the file is the state_dict.
        others: paths of other candidates.
        beside: what else the file contains, which is left out.
    """

    state: Mapping[str, Tensor]
    where: str = ""
    others: tuple[str, ...] = ()
    beside: tuple[str, ...] = field(default=())


def choose(
    content: Any, name: str, size: int, wanted: str = "", known: Callable[[Collection[str]], object] = lambda keys: None
) -> Weights:
    """The dict of tensors that holds the weights.

    Of several, in this order of preference: ``wanted``, known, not an average, named like weights, largest.

    Args:
        size: of the file in bytes, which its tensors cannot exceed.
        wanted: path of the dict, as in ``Weights.where``.
        known: whether keys are those of a layout.

    Raises:
        UserError: when there is none, or it claims more than the file holds.
    """
    states = list(_dicts(content))
    if not states:
        raise UserError(f"{name} holds no state_dict: save `model.state_dict()` and load that.")
    if wanted and wanted not in [where for where, _ in states]:
        listed = ", ".join(shown(where) or "the file itself" for where, _ in states[:8])
        raise UserError(f"{name} has no weights under {shown(wanted)}: choose one of {listed}.")
    ranks = {where: (bool(known(state)), not _is_copy(where), _is_named(where), _numbers(state)) for where, state in states}
    taken = wanted or max(ranks, key=lambda where: ranks[where])
    others = [w for w in ranks if w != taken and ranks[w][0] == ranks[taken][0] and 2 * ranks[w][3] >= ranks[taken][3]]
    state = dict(states)[taken]
    _check(state, name, size)
    return Weights(state, taken, tuple(others), tuple(key for key in _beside(content, taken) if key not in others))


def unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state without wrappers' key prefixes."""
    bare = dict(state)
    while wrapper := next((w for w in _WRAPPERS if bare and all(key.startswith(w) for key in bare)), ""):
        bare = {key.removeprefix(wrapper): value for key, value in bare.items()}
    return {key.removeprefix("module."): value for key, value in bare.items()}


def plain(key: str) -> str:
    """A key without wrappers' segments."""
    if "_" not in key:
        return key
    return ".".join(part for part in key.split(".") if part not in _SEGMENTS)


def prefixes(keys: Collection[str], marks: Sequence[str]) -> list[str]:
    """Possible prefixes of a layout's keys, the likeliest first: every mark occurs after each."""
    first = f".{marks[0]}"
    candidates = {key[:at] for key in keys if (at := f".{key}".find(first)) >= 0}
    few = sorted(candidates, key=lambda prefix: (_is_copy(prefix), len(prefix), prefix))[:_MOST_PREFIXES]
    return [p for p in few if all(any(key.startswith(p + mark) for key in keys) for mark in marks)]


def is_bookkeeping(key: str) -> bool:
    return key.endswith(_BOOKKEEPING)


def _dicts(content: Any) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """Every dict of tensors (or arrays) with its path of keys; optimisers are skipped."""
    waiting: list[tuple[str, Any, int]] = [("", content, 0)]
    for _ in range(_MOST_DICTS):
        if not waiting:
            return
        where, part, depth = waiting.pop(0)
        entries = _entries(part)
        tensors = {k: t for k, v in entries if isinstance(k, str) and (t := _tensor(v)) is not None}
        # Counters and scores beside the weights may be tensors too.
        if any(_shape(t) for t in tensors.values()):
            yield where, tensors
        if depth < _DEEPEST:
            inner = ((str(k), v) for k, v in entries if isinstance(v, Mapping | list | tuple))
            fitting = ((k, v) for k, v in inner if not k.lower().startswith(_NO_WEIGHTS))
            waiting.extend((f"{where}.{k}" if where else k, v, depth + 1) for k, v in fitting)


def _entries(part: Any) -> list[tuple[str | int, Any]]:
    """A dict's entries under text and number keys, or a list's by index; (name, tensor) pairs count as a dict."""
    if isinstance(part, Mapping):
        return [(k, v) for k, v in part.items() if type(k) in (str, int)]
    if not isinstance(part, list | tuple) or len(part) > _MOST_ITEMS:
        return []
    pairs = [item for item in part if isinstance(item, tuple) and len(item) == 2 and isinstance(item[0], str)]
    if len(pairs) == len(part):
        return [(k, v) for k, v in pairs if _tensor(v) is not None]
    return list(enumerate(part))


def _tensor(value: Any) -> Tensor | None:
    if isinstance(value, Array):
        return value.tensor()
    return value if isinstance(value, Tensor) else None


def _shape(tensor: Tensor) -> bool:
    return tensor.is_nested or tensor.ndim > 0


def _numbers(state: Mapping[str, Tensor]) -> int:
    return sum(t.numel() for t in state.values() if not t.is_nested)


def _is_copy(where: str) -> bool:
    return bool(_COPY.search(where.lower()))


def _is_named(where: str) -> bool:
    return not where or bool(_NAMED.search(where.lower()))


def _beside(content: Any, taken: str) -> Iterator[str]:
    """The non-tensor content beside and in the chosen dict."""
    part, left, where = content, taken, ""
    while entries := _entries(part):
        at = next((k for k, _ in entries if left and (left == str(k) or left.startswith(f"{k}."))), None)
        if at is None:
            yield from (shown(f"{where}{k}") for k, v in entries if _tensor(v) is None)
            return
        yield from (shown(f"{where}{k}") for k, _ in entries if k != at)
        part, left, where = dict(entries)[at], left[len(str(at)) :].removeprefix("."), f"{where}{at}."


def _check(state: Mapping[str, Tensor], name: str, size: int) -> None:
    if any(t.layout != torch.strided or t.is_meta or t.is_quantized or t.is_nested for t in state.values()):
        raise UserError(f"{name} holds tensors without plain numbers: save the state_dict of the model in float32.")
    sizes = [t.numel() * t.element_size() for t in state.values()]
    if any(claimed > size for claimed in sizes) or sum(sizes) > _SHARED * size:
        raise UserError(f"{name} claims larger tensors than it holds: save the model's state_dict again.")
