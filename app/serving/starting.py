"""What a fresh process has yet to load before a page can stand: off the page's thread, which says so meanwhile."""

from __future__ import annotations

import gc
import logging
import sys
import threading
from importlib import import_module

from affectscope.core.plugins import loading

_LOG = logging.getLogger(__name__)
# What the first page needs, in the order in which it is loaded, by what the page says of it.
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
# Plugins are imported with what their models are made of.
_WITH_PLUGINS = "Loading the models"
# What other pages need of other people's, once somebody has the first clip before them.
_LATER = ("sklearn.decomposition", "sklearn.metrics", "sklearn.neighbors", "torchmetrics.functional.classification")
# Seconds.
_A_MOMENT, _SHORT_TURN = 0.05, 0.0005

_ready, _turn = threading.Event(), threading.Lock()
_stage = next(iter(_PARTS))

first_shown = threading.Event()
"""Set when a browser has fetched a clip's timeline: what is not about that clip may begin."""


def load() -> None:
    """Import what the first page needs; who calls while another does waits for it."""
    global _stage
    with _turn:
        if _ready.is_set():
            return
        # Streamlit collects garbage in full after every run of a script. Walking all that torch and its friends bring takes half
        # a second in which nothing else can run; frozen, it is left out.
        gc.disable()
        # Meanwhile the server has a browser to answer, some hundred small files: it must not wait its turn as long as usual.
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
            # The page that imports it again says so to whoever looks at it.
            _LOG.exception("%s failed", _stage)
        finally:
            sys.setswitchinterval(patience)
            gc.freeze()
            gc.enable()
            _ready.set()


def load_later() -> None:
    """Import what the other pages need, and would make their first visitor wait for."""
    for module in _LATER:
        import_module(module)


def ready(seconds: float = _A_MOMENT) -> bool:
    """Whether a page can be run; waits ``seconds`` for it, and starts the loading where nobody has."""
    if not _ready.is_set():
        threading.Thread(target=load, daemon=True, name="start").start()
    return _ready.wait(seconds)


def stage() -> str:
    """What is being loaded, for a person to read."""
    return _stage
