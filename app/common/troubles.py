"""What the disk refuses or has damaged, a sentence each, in the sidebar of all pages until it is mended."""

from __future__ import annotations

from affectscope.app.common import say
from affectscope.app.own import store
from affectscope.core.cache import disk
from affectscope.core.imports import stored as imports
from affectscope.core.library import dropped as library


def show() -> None:
    """Nothing where all is well."""
    for sentence in (*disk.troubles(), *store.remarks(), *library.remarks(), *imports.remarks()):
        say.warning(sentence)
