"""Every system, preset and variant with its parameter counts: what `affectscope models` prints."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

import torch
from torch import nn

from affectscope.core import models
from affectscope.core.models.base import MODELS
from affectscope.core.models.blocks.resnet import ResNet3D

# Importing a file of this package registers its system.
for _file in iter_modules(models.__path__):
    import_module(f"{models.__name__}.{_file.name}")

# Parts that were published separately: (name, preset) -> how to build it.
BACKBONES: dict[tuple[str, str], Callable[[], nn.Module]] = {
    ("resnet3d", "101-kinetics400"): partial(ResNet3D, 101, classes=400),
}


def rows() -> list[dict[str, Any]]:
    """One row for each name, preset and variant, and each backbone: total parameters, and by part."""
    systems = [
        _row(name, preset, variant, partial(MODELS[name].preset, preset, **({"variant": variant} if variant != "paper" else {})))
        for name in MODELS
        for preset, config in MODELS[name].presets().items()
        for variant in (("paper", "code") if hasattr(config, "variant") else ("paper",))
    ]
    return systems + [_row(name, preset, "code", make) for (name, preset), make in BACKBONES.items()]


def _row(name: str, preset: str, variant: str, make: Callable[[], nn.Module]) -> dict[str, Any]:
    with torch.device("meta"):
        model = make()
    parts = ", ".join(f"{part} {count(child):,}" for part, child in model.named_children())
    return {"name": name, "preset": preset, "variant": variant, "parameters": count(model), "parts": parts}


def markdown() -> str:
    """The table of systems in the docs."""
    lines = [
        "# Systems",
        "",
        "Every system, preset and variant with its parameters. `make docs` writes this page; each system's docstring says why.",
        "",
        "| name | preset | variant | parameters | by part |",
        "|---|---|---|---:|---|",
    ]
    lines += [f"| {r['name']} | {r['preset']} | {r['variant']} | {r['parameters']:,} | {r['parts']} |" for r in rows()]
    return "\n".join(lines) + "\n"


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
