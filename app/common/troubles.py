"""Disk errors and damaged files, a sentence each, in the sidebar of all pages until they are resolved."""

from __future__ import annotations

from affectscope.app.common import say
from affectscope.app.own import store
from affectscope.core.cache import disk
from affectscope.core.imports import stored as imports
from affectscope.core.library import dropped as library


def show() -> None:
    """Show them, if any."""
    for sentence in (*disk.troubles(), *store.remarks(), *library.remarks(), *imports.remarks()):
        say.warning(sentence)
