"""Loads what a page needs in a new process, in a background thread, and reports progress."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from importlib import import_module

from affectscope.core.plugins import loading

_LOG = logging.getLogger(__name__)
# Modules of the first page in loading order, by the text shown meanwhile.
_PARTS = {
    "Loading PyTorch": ("torch",),
    "Loading the tables": ("pandas",),
    "Loading the models": ("affectscope.app.services",),
    "Loading the player": (
        "affectscope.app.common.choose",
        "affectscope.app.common.watch",
        "affectscope.app.notebook",
        "affectscope.app.export",
    ),
}
# Plugins are imported together with the models' dependencies.
_WITH_PLUGINS = "Loading the models"
# Dependencies of other pages, loaded once the first clip is shown.
_LATER = ("sklearn.decomposition", "sklearn.metrics", "sklearn.neighbors", "torchmetrics.functional.classification")
# Seconds.
_A_MOMENT, _SHORT_TURN = 0.05, 0.0005

_ready, _turn = threading.Event(), threading.Lock()
_stage = next(iter(_PARTS))

first_shown = threading.Event()
"""Set when a browser has fetched a clip's timeline, after which unrelated work may begin."""


def load() -> None:
    """Import what the first page needs; concurrent callers wait."""
    global _stage
    with _turn:
        if _ready.is_set():
            return
        # Streamlit runs a full garbage collection after every script run. Traversing torch's objects blocks everything for half a
        # second; frozen objects are skipped.
        gc.disable()
        # Meanwhile the server has to serve some hundred small files, so let threads switch more often.
        patience = sys.getswitchinterval()
        sys.setswitchinterval(_SHORT_TURN)
        try:
            for _stage, modules in _PARTS.items():
                for module in modules:
                    import_module(module)
                if _stage == _WITH_PLUGINS:
                    for trouble in loading.load():
                        _LOG.warning("%s", trouble.sentence)
        except Exception:
            # The page that imports it again shows the error.
            _LOG.exception("%s failed", _stage)
        finally:
            sys.setswitchinterval(patience)
            gc.freeze()
            gc.enable()
            _ready.set()


def load_later() -> None:
    """Import what other pages need, so that their first visitor does not wait."""
    for module in _LATER:
        import_module(module)


def ready(seconds: float = _A_MOMENT) -> bool:
    """Whether a page can run; waits up to ``seconds``, and starts loading if necessary."""
    if not _ready.is_set():
        threading.Thread(target=load, daemon=True, name="start").start()
    return _ready.wait(seconds)


def stage() -> str:
    """What is being loaded, for display."""
    return _stage
