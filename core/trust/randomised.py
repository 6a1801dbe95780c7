"""Cascading randomisation of weights from the top: the sanity check of Adebayo et al. 2018, section 3.1."""

from __future__ import annotations

import copy
import math
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

MOST = 3
"""Stages per part of a network; if there are more layers, neighbours share one."""

# Larger than any network's number of modules.
_FAR = 100_000


@dataclass(frozen=True)
class Stage:
    """A network with its layers randomised from the top down to this one.

    Attributes:
        layers: number of random layers, of ``count`` layers with weights.
        name: the lowest of them.
        part: the part that contains it, or "".
        last: whether all of that part is random.
    """

    network: nn.Module
    layers: int
    count: int
    name: str
    part: str = ""
    last: bool = False


def cascade(
    network: nn.Module,
    run: Callable[[nn.Module], Tensor],
    seed: int = 0,
    most: int = MOST,
    parts: Sequence[str] = (),
) -> Iterator[Stage]:
    """The network with more and more layers randomised, the last to run first; the same module object each time.

    Args:
        run: network -> its output, of any shape. Used to find the order of the layers, and which of them affect the output.
        most: maximum stages per part; after the last stage no trained weight is left.
        parts: names of modules to randomise one after the other; default: the whole network at once.
    """
    changed = copy.deepcopy(network)
    names = top_down(changed, run)
    modules = dict(changed.named_modules())
    done = 0
    for part in parts or ("",):
        stages = _stages([name for name in names if not part or f"{name}.".startswith(f"{part}.")], most)
        for number, stage in enumerate(stages):
            for name in stage:
                randomise(modules[name], seed)
            done += len(stage)
            yield Stage(changed, done, len(names), stage[-1], part, number + 1 == len(stages))


def top_down(network: nn.Module, run: Callable[[nn.Module], Tensor]) -> list[str]:
    """The names of the layers (modules with their own parameters) that affect the output, last to run first.

    Layers that are never called as modules, such as the output projection of PyTorch's attention, come first.
    """
    layers = {name: module for name, module in network.named_modules() if _own(module)}
    called: dict[str, None] = {}

    def note(name: str) -> Callable[..., None]:
        def keep(module: nn.Module, given: object) -> None:
            called.pop(name, None)
            called[name] = None

        return keep

    hooks = [module.register_forward_pre_hook(note(name)) for name, module in layers.items()]
    try:
        used = _used(layers, network, run)
    finally:
        for hook in hooks:
            hook.remove()
    never = [name for name in layers if name not in called]
    return [name for name in (*reversed(never), *reversed(called)) if name in used]


def _used(layers: Mapping[str, nn.Module], network: nn.Module, run: Callable[[nn.Module], Tensor]) -> set[str]:
    """The layers with a parameter in the output's graph; all, if it has no graph."""
    own = {values: name for name, layer in layers.items() for values in _own(layer).values()}
    before = [values.requires_grad for values in own]
    try:
        for values in own:
            values.requires_grad_(True)
        with torch.enable_grad():
            waiting: list[Any] = [run(network).grad_fn]
    finally:
        for values, needs in zip(own, before, strict=True):
            values.requires_grad_(needs)
    seen: set[Any] = set()
    used: set[str] = set()
    while waiting:
        node = waiting.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        # The leaves of the graph are the parameters.
        if (leaf := getattr(node, "variable", None)) is not None and leaf in own:
            used.add(own[leaf])
        waiting += [following for following, _ in node.next_functions]
    return used or set(layers)


def untrained(network: nn.Module, seed: int) -> nn.Module:
    """A copy with all weights random, different in every layer."""
    return UntrainedNetworks(network).drawn(seed)


class UntrainedNetworks:
    """Untrained networks, one after the other, in one copy per thread."""

    def __init__(self, network: nn.Module) -> None:
        self._network, self._own = network, threading.local()

    def drawn(self, seed: int) -> nn.Module:
        """The copy with new random weights, different in every layer; valid until the next call in this thread."""
        if not hasattr(self._own, "network"):
            self._own.network = copy.deepcopy(self._network)
        changed: nn.Module = self._own.network
        for number, module in enumerate(changed.modules()):
            randomise(module, seed * _FAR + number)
        return changed


@torch.no_grad()
def randomise(module: nn.Module, seed: int) -> None:
    """Reinitialise a module's own parameters with PyTorch's default distributions, from a separate generator.

    Convolutions and linear layers: uniform, Kaiming's bound with a = √5, which is 1/√(inputs); their biases likewise.
    Normalisation layers: 1 and 0, and running statistics reset. Everything else as a linear layer.
    """
    # Quantus's seed for each layer: its convolutions get the same numbers.
    chance = torch.Generator().manual_seed(seed + 1)
    own = _own(module)
    weight = own.get("weight")
    if weight is not None and weight.ndim == 1:
        for name, values in own.items():
            values.fill_(1.0 if name == "weight" else 0.0)
        if isinstance(getattr(module, "running_mean", None), Tensor):
            module.reset_running_stats()  # type: ignore[operator]
        return
    inputs = 0
    for values in own.values():
        inputs = math.prod(values.shape[1:]) if values.ndim > 1 else inputs or len(values)
        drawn = torch.empty(values.shape).uniform_(-1 / math.sqrt(inputs), 1 / math.sqrt(inputs), generator=chance)
        values.copy_(drawn.to(values))


def _own(module: nn.Module) -> dict[str, nn.Parameter]:
    return dict(module.named_parameters(recurse=False))


def _stages(names: Sequence[str], most: int) -> list[list[str]]:
    """Split the layers into at most ``most`` non-empty runs of about equal length."""
    count = min(most, len(names))
    edges = [round(i * len(names) / count) for i in range(count + 1)] if count else [0]
    return [list(names[a:b]) for a, b in pairwise(edges)]
