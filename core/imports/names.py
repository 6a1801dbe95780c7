"""Names used by other models and corpora, without loading them."""

from __future__ import annotations

from affectscope.core.library import dropped as library
from affectscope.core.paths import CHECKPOINTS
from affectscope.core.training import runs

# Corpora that always exist.
_CORPORA = ("demo", "uploads")


def taken() -> set[str]:
    """Names that an import must not get. ``core.checkpoints.saved.shipped`` would import torch, which takes seconds."""
    return {*_CORPORA, *(path.stem for path in CHECKPOINTS.glob("*.safetensors")), *runs.finished(), *library.entries()}
