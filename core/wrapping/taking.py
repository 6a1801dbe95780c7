"""Attention and vectors taken out of a user's network as it runs, by hooks that change no number of its answer.

Hooks stay on a network for good and do nothing, unless the thread that calls it is recording: several threads may ask one model.
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

# Rows of what is taken for weights may miss one by so much: half precision, dropout left on.
_NEAR_ONE = 1e-2
Take = Callable[[Any], Tensor]


@dataclass
class Tape:
    """What one call of a network left behind.

    Attributes:
        attention: whether weights are wanted.
        weights: attention's name -> the weights of each call, in order.
        outputs: embedding's name -> what its module gave, at each call.
        inside: names of the attentions whose modules are running, and how many weights each has had. One module may be that of
            several: of tokens of two modalities each pair is an attention.
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
    """Record what the hooks of a network see while it is called in this block, in this thread."""
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
    """Sees every call of scaled_dot_product_attention, whatever name it was imported under, in this thread alone."""

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
    """The weights [..., Tq, Tk] that PyTorch's own function multiplies the values with, as its documentation has them."""
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
    """Have an attention's weights taken from a module: an ``nn.MultiheadAttention``, one that holds some, one that calls
    ``scaled_dot_product_attention``, or one that returns its weights.

    Args:
        take: what picks the weights out of the module's output; told by their rows, which sum to one, if left out.
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
    """Have a vector taken from a module's ``output``, or from its first ``input``."""
    module.register_forward_hook(_Keep(name, of))


# Hooks are objects of classes, so that a network with hooks can be copied and sent to another process.
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
        # Of several attentions in one module the first is also left first.
        last = max(place for place, (name, _) in enumerate(tape.inside) if name == self.name)
        _, before = tape.inside.pop(last)
        if self.take is not None:
            # What its inner parts did is not what was asked for.
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
    """Ask for the weights, head by head, whatever the network asks for."""

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
    """Keep the weights, and give the network what it asked for."""

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
    """The tensor among what a module returned whose rows sum to one: the last of several; None where there is none."""
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
