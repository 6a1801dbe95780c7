"""Every system, preset and variant with its parameter counts: what `affectscope models` prints."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from core.models import auxformer, mult, vavl  # noqa: F401  (register the systems)
from core.models.base import MODELS

VARIANTS = ("paper", "code")
PRESETS = ("paper", "demo")


def rows() -> list[dict[str, Any]]:
    """One row for each name, preset and variant: parameters in all and by part."""
    found = []
    for name in MODELS:
        for preset in PRESETS:
            for variant in VARIANTS:
                with torch.device("meta"):
                    model = MODELS[name].preset(preset, variant=variant)
                parts = ", ".join(f"{part} {count(child):,}" for part, child in model.named_children())
                found.append({"name": name, "preset": preset, "variant": variant, "parameters": count(model), "parts": parts})
    return found


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
