"""The names that are taken by other models and corpora, found without reading any of them."""

from __future__ import annotations

from affectscope.core.house import CHECKPOINTS
from affectscope.core.library import dropped as library
from affectscope.core.training import runs

# Corpora that every app has.
_CORPORA = ("demo", "uploads")


def taken() -> set[str]:
    """Names that an import must not get; ``core.checkpoints.saved.shipped`` would import torch, which takes seconds."""
    return {*_CORPORA, *(path.stem for path in CHECKPOINTS.glob("*.safetensors")), *runs.finished(), *library.entries()}
