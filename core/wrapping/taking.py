"""Captures attention weights and vectors from a running network, by hooks that do not change its output.

Hooks stay registered. They do nothing unless the calling thread is recording, because several threads may use one model.
"""

from __future__ import annotations

import inspect
import math
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

# Tolerance for rows that should sum to one: half precision, dropout left on.
_NEAR_ONE = 1e-2
Take = Callable[[Any], Tensor]


@dataclass
class Tape:
    """What was captured in one forward pass.

    Attributes:
        attention: whether to capture weights.
        weights: attention's name -> the weights of each call, in order.
        outputs: embedding's name -> the tensors of each call of its module.
        inside: a stack of the attentions whose modules are running, with the number of weights each had on entry. One module may
            serve several attentions, such as one for each pair of modalities.
    """

    attention: bool
    weights: dict[str, list[Tensor]] = field(default_factory=lambda: defaultdict(list))
    outputs: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    inside: list[tuple[str, int]] = field(default_factory=list)
    forced: list[tuple[bool, bool]] = field(default_factory=list)


_HERE = threading.local()


def _tape() -> Tape | None:
    return getattr(_HERE, "tape", None)


@contextmanager
def recording(attention: bool) -> Iterator[Tape]:
    """Record what the hooks capture in this block, in this thread."""
    before, tape = _tape(), Tape(attention)
    _HERE.tape = tape
    try:
        if attention:
            with _Watch(tape):
                yield tape
        else:
            yield tape
    finally:
        _HERE.tape = before


class _Watch(TorchFunctionMode):
    """Intercepts ``scaled_dot_product_attention`` in this thread, under whatever name it was imported."""

    def __init__(self, tape: Tape) -> None:
        super().__init__()
        self.tape = tape

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is F.scaled_dot_product_attention and self.tape.inside:
            weights = _sdpa_weights(*args, **kwargs)
            for name in dict.fromkeys(name for name, _ in self.tape.inside):
                self.tape.weights[name].append(weights)
        return func(*args, **kwargs)


def _sdpa_weights(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """The weights [..., Tq, Tk] of ``scaled_dot_product_attention``, by the formula in PyTorch's documentation."""
    if enable_gqa:
        key = key.repeat_interleave(query.shape[-3] // key.shape[-3], -3)
    scores = query @ key.transpose(-2, -1) * (1 / math.sqrt(query.shape[-1]) if scale is None else scale)
    if is_causal:
        ahead = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).triu(1)
        scores = scores.masked_fill(ahead, -math.inf)
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -math.inf) if attn_mask.dtype == torch.bool else scores + attn_mask
    return scores.softmax(-1).nan_to_num(0)


def watch_attention(name: str, module: nn.Module, take: Take | None) -> None:
    """Capture the weights of a module.

    The module may be or contain an ``nn.MultiheadAttention``, call ``scaled_dot_product_attention``, or return its weights.

    Args:
        take: function that extracts the weights from the module's output; default: the tensor whose rows sum to one.
    """
    if isinstance(module, nn.MultiheadAttention):
        _watch_multihead(name, module, take)
        return
    if take is None:
        for inner in module.modules():
            if isinstance(inner, nn.MultiheadAttention):
                _watch_multihead(name, inner, None)
    module.register_forward_pre_hook(_Enter(name))
    module.register_forward_hook(_Leave(name, take))


def watch_output(name: str, module: nn.Module, of: str) -> None:
    """Capture a module's ``output``, or its first ``input``."""
    module.register_forward_hook(_Keep(name, of))


# Hooks are instances of classes, not closures, so that a hooked network can be copied and sent to another process.
@dataclass(frozen=True)
class _Enter:
    name: str

    def __call__(self, module: nn.Module, args: Any) -> None:
        if (tape := _tape()) is not None and tape.attention:
            tape.inside.append((self.name, len(tape.weights[self.name])))


@dataclass(frozen=True)
class _Leave:
    name: str
    take: Take | None

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        tape = _tape()
        if tape is None or not tape.attention:
            return
        # Leave hooks run in the order of the enter hooks, so the first attention on a module leaves first.
        last = max(place for place, (name, _) in enumerate(tape.inside) if name == self.name)
        _, before = tape.inside.pop(last)
        if self.take is not None:
            # Weights that ``take`` returns replace those captured from submodules.
            tape.weights[self.name][before:] = [self.take(output)]
        elif len(tape.weights[self.name]) == before and (weights := weights_in(output)) is not None:
            tape.weights[self.name].append(weights)


@dataclass(frozen=True)
class _Keep:
    name: str
    of: str

    def __call__(self, module: nn.Module, args: Any, output: Any) -> None:
        if (tape := _tape()) is not None:
            tape.outputs[self.name].append(args[0] if self.of == "input" else output)


def _watch_multihead(name: str, module: nn.MultiheadAttention, take: Take | None) -> None:
    module.register_forward_pre_hook(_Force(), with_kwargs=True)
    module.register_forward_hook(_Release(name, take), with_kwargs=True)


@dataclass(frozen=True)
class _Force:
    """Make ``nn.MultiheadAttention`` return weights per head, whatever its caller asked for."""

    def __call__(self, module: nn.Module, args: Any, kwargs: Any) -> tuple[Any, Any] | None:
        tape = _tape()
        if tape is None or not tape.attention:
            return None
        bound = inspect.signature(nn.MultiheadAttention.forward).bind(module, *args, **kwargs)
        bound.apply_defaults()
        given = dict(bound.arguments)
        given.pop("self")
        tape.forced.append((given["need_weights"], given["average_attn_weights"]))
        return (), given | {"need_weights": True, "average_attn_weights": False}


@dataclass(frozen=True)
class _Release:
    """Store the weights, and return what the caller asked for."""

    name: str
    take: Take | None

    def __call__(self, module: nn.Module, args: Any, kwargs: Any, output: Any) -> Any:
        tape = _tape()
        if tape is None or not tape.attention:
            return None
        answer, weights = output
        needed, averaged = tape.forced.pop()
        tape.weights[self.name].append(weights if self.take is None else self.take((answer, weights)))
        return answer, (weights.mean(-3) if averaged else weights) if needed else None


def weights_in(output: Any) -> Tensor | None:
    """The tensor in a module's output whose rows sum to one, the last if there are several; None if there is none."""
    candidates = [tensor for tensor in _tensors(output) if _sums_to_one(tensor)]
    return candidates[-1] if candidates else None


def _tensors(output: Any) -> Iterator[Tensor]:
    if isinstance(output, Tensor):
        yield output
    elif isinstance(output, Mapping):
        for item in output.values():
            yield from _tensors(item)
    elif isinstance(output, tuple | list):
        for item in output:
            yield from _tensors(item)


def _sums_to_one(tensor: Tensor) -> bool:
    if not tensor.is_floating_point() or not 1 <= tensor.ndim <= 4 or not tensor.numel() or bool((tensor < 0).any()):
        return False
    return _near(tensor.sum(-1)) or (tensor.ndim in (2, 3) and tensor.shape[-1] == 1 and _near(tensor.sum(-2)))


def _near(sums: Tensor) -> bool:
    return bool(((sums - 1).abs() < _NEAR_ONE).all())
