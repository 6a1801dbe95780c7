"""The names that are taken by other models and corpora, found without reading any of them."""

from __future__ import annotations

from pathlib import Path

from core import library
from core.training import runs

# Corpora that every app has.
_CORPORA = ("demo", "uploads")
_SHIPPED = Path(__file__).parents[2] / "checkpoints"


def taken() -> set[str]:
    """Names that an import must not get; ``core.checkpoints.shipped`` would import torch, which takes seconds."""
    return {*_CORPORA, *(path.stem for path in _SHIPPED.glob("*.safetensors")), *runs.finished(), *library.entries()}
