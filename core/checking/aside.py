"""The promise that asking a model changes nothing but its answer."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from affectscope.core.checking.findings import Found, broken
from affectscope.core.checking.questions import Subject
from affectscope.core.streams import Batch


@dataclass(frozen=True)
class Chance:
    """A source of random numbers that a whole process shares."""

    read: Callable[[], Any]
    write: Callable[[Any], Any]
    seed: Callable[[int], Any]


_CHANCE = {
    "PyTorch": Chance(torch.get_rng_state, torch.set_rng_state, torch.manual_seed),
    "NumPy": Chance(lambda: np.random.get_state(legacy=False), np.random.set_state, np.random.seed),
    "Python": Chance(random.getstate, random.setstate, random.seed),
}
_SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "whether gradients are kept": (torch.is_grad_enabled, torch.set_grad_enabled),
    "PyTorch's default precision": (torch.get_default_dtype, torch.set_default_dtype),
    "how many threads PyTorch has": (torch.get_num_threads, torch.set_num_threads),
}


def aside(subject: Subject) -> Found:
    """Settings, random numbers and the clip itself are after a question what they were before."""
    batch = subject.draw([subject.alike(20)])
    if changed := _changed(subject, batch):
        return broken(f"A question changes {changed}, for everything that runs beside it.")
    if seeded := _seeded(subject, batch):
        return broken(
            f"It sets {seeded}'s random numbers at every question: what it draws is always the same, which hides that it draws, "
            "and whoever else draws in this process gets the same again."
        )
    return Found("The clip, settings and random numbers are what they were.")


def _changed(subject: Subject, batch: Batch) -> str:
    before = {name: value.clone() for name, value in batch.values.items()}
    settings = {name: read() for name, (read, _) in _SETTINGS.items()}
    try:
        subject.model(batch, False)
        after = {name: read() for name, (read, _) in _SETTINGS.items()}
    finally:
        for name, (_, write) in _SETTINGS.items():
            write(settings[name])
    if touched := [name for name, value in before.items() if not torch.equal(value, batch.values[name])]:
        return f"the clip that it is given, its {touched[0]}"
    return next((name for name in settings if settings[name] != after[name]), "")


def _seeded(subject: Subject, batch: Batch) -> str:
    """Whose random numbers are the same after a question, whatever they were before."""
    before = {name: chance.read() for name, chance in _CHANCE.items()}
    try:
        after = []
        for seed in (1, 2):
            for chance in _CHANCE.values():
                chance.seed(seed)
            subject.ask(batch)
            after.append({name: repr(_plain(chance.read())) for name, chance in _CHANCE.items()})
    finally:
        for name, chance in _CHANCE.items():
            chance.write(before[name])
    return next((name for name in _CHANCE if after[0][name] == after[1][name]), "")


def _plain(state: Any) -> Any:
    """A state as something whose text holds all of it."""
    if isinstance(state, torch.Tensor):
        return state.tolist()
    if isinstance(state, dict):
        return {**state, "state": {name: np.asarray(part).tolist() for name, part in state["state"].items()}}
    return state
