"""What the disk refuses or has damaged, a sentence each, in the sidebar of all pages until it is mended."""

from __future__ import annotations

import re

import streamlit as st

from affectscope.app.own import store
from affectscope.core.cache import disk
from affectscope.core.imports import shelf as imports
from affectscope.core.library import dropped as library

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|<>$:~&])")


def show() -> None:
    """Nothing where all is well."""
    for sentence in (*disk.troubles(), *store.remarks(), *library.remarks(), *imports.remarks()):
        # Names and paths are text, never Markdown.
        st.warning(_SPECIAL.sub(r"\\\1", sentence))
