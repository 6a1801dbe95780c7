"""Every system, preset and variant with its parameter counts: what `affectscope models` prints."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from core.models import (  # noqa: F401  (register the systems)
    affect_rnn,
    affect_transformer,
    auxformer,
    crossmodal,
    mult,
    sfav,
    tlstm,
    uavm,
    unimodal_attention,
    unimodal_conformer,
    vavl,
)
from core.models.base import MODELS, AVModel


def rows() -> list[dict[str, Any]]:
    """One row for each name, preset and variant: parameters in all and by part."""
    return [
        _row(name, preset, variant, MODELS[name])
        for name in MODELS
        for preset, config in MODELS[name].presets().items()
        for variant in (("paper", "code") if hasattr(config, "variant") else ("paper",))
    ]


def _row(name: str, preset: str, variant: str, kind: type[AVModel]) -> dict[str, Any]:
    changes = {"variant": variant} if variant != "paper" else {}
    with torch.device("meta"):
        model = kind.preset(preset, **changes)
    parts = ", ".join(f"{part} {count(child):,}" for part, child in model.named_children())
    return {"name": name, "preset": preset, "variant": variant, "parameters": count(model), "parts": parts}


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
