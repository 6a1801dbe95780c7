"""The public API of AffectScope, a microscope for audio-visual emotion recognition models.

>>> import affectscope as afs
>>> model = afs.load("auxformer")
>>> result = model.analyze(afs.corpus("demo").media("held_s2026_00000"))
>>> result.decision
'anger'

Every name below is imported on first use. ``affectscope.core`` and ``affectscope.app`` are internal and may change.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from affectscope.analysis import Analysis, Heatmap
    from affectscope.core.errors import UserError
    from affectscope.many import Corpus, corpora, corpus, embed, evaluate, project
    from affectscope.one import Model, load, mask, models
    from affectscope.plugin import arrays, corpus_kind, explanation, feature_set, huggingface, layout, model, read_weights
    from affectscope.reasons import Trust, Why, trust, why

_HOMES = {
    "Analysis": "affectscope.analysis",
    "Corpus": "affectscope.many",
    "Heatmap": "affectscope.analysis",
    "Model": "affectscope.one",
    "Trust": "affectscope.reasons",
    "UserError": "affectscope.core.errors",
    "Why": "affectscope.reasons",
    "arrays": "affectscope.plugin",
    "corpora": "affectscope.many",
    "corpus": "affectscope.many",
    "corpus_kind": "affectscope.plugin",
    "embed": "affectscope.many",
    "explanation": "affectscope.plugin",
    "evaluate": "affectscope.many",
    "feature_set": "affectscope.plugin",
    "huggingface": "affectscope.plugin",
    "layout": "affectscope.plugin",
    "load": "affectscope.one",
    "mask": "affectscope.one",
    "model": "affectscope.plugin",
    "models": "affectscope.one",
    "project": "affectscope.many",
    "read_weights": "affectscope.plugin",
    "trust": "affectscope.reasons",
    "why": "affectscope.reasons",
}

__all__ = [
    "Analysis",
    "Corpus",
    "Heatmap",
    "Model",
    "Trust",
    "UserError",
    "Why",
    "arrays",
    "corpora",
    "corpus",
    "corpus_kind",
    "embed",
    "evaluate",
    "explanation",
    "feature_set",
    "huggingface",
    "layout",
    "load",
    "mask",
    "model",
    "models",
    "project",
    "read_weights",
    "trust",
    "why",
]


def __getattr__(name: str) -> Any:
    # PyTorch takes seconds to import, and `affectscope --help` does not need it.
    if name not in _HOMES:
        raise AttributeError(f"module 'affectscope' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
