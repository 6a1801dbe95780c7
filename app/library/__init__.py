"""The Library page's components. Facts about models come from untrusted files, so they are shown as plain text only."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import streamlit as st

from affectscope.app.common.component import component
from affectscope.app.library.drops import LIMIT_MB
from affectscope.core.files.kinds import TABLES
from affectscope.core.files.tensors import SUFFIXES
from affectscope.core.imports.read import LIMIT_MB as TABLE_MB

_HERE = Path(__file__).parent
_ZONE = component(_HERE, "zone")
_SHEETS = component(_HERE, "sheet", '<div class="sheets"></div>', called="sheets")


@dataclass(frozen=True)
class Section:
    """A part of a sheet: rows of (name, value), chips, sentences, a table with a note, or an expandable list.

    The list has ``count`` keys, or sentences if ``prose``.
    """

    name: str
    rows: Sequence[tuple[str, str]] = ()
    chips: Sequence[str] = ()
    sentences: Sequence[str] = ()
    columns: Sequence[str] = ()
    table: Sequence[Sequence[str]] = ()
    keys: Sequence[str] = ()
    count: int = 0
    note: str = ""
    prose: bool = False


@dataclass(frozen=True)
class Sheet:
    """The facts about one thing; ``tone`` is "", "good" or "wrong"."""

    title: str
    lines: Sequence[str] = ()
    caution: str = ""
    sections: Sequence[Section] = ()
    tone: str = ""


def zone(url: str, *, key: str, dropped: Callable[[Any], None]) -> None:
    """A drop zone; ``dropped`` is called with what the browser reports to have sent to ``url``."""

    def told() -> None:
        event = st.session_state[key].get("dropped")
        if event:
            dropped(event.get("files"))

    hint = f"{', '.join(SUFFIXES)} or any other ending, up to {LIMIT_MB >> 10} GB a file; a VAVL folder's files go together. "
    hint += f"Or a table of another model's predictions: {', '.join(TABLES)}, up to {TABLE_MB} MB"
    data = {"url": url, "limit": LIMIT_MB << 20, "types": [*SUFFIXES, ".tar", ".th", ".model", *TABLES], "hint": hint}
    _ZONE(key=key, data=data, on_dropped_change=told)


def sheets(shown: Sequence[Sheet], *, key: str) -> None:
    """Sheets side by side, as many as fit."""
    if shown:
        _SHEETS(key=key, data={"sheets": [asdict(sheet) for sheet in shown]})
