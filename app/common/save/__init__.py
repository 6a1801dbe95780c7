"""The button that saves a file: pressed while the page's script runs again, it saves the newest one all the same."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Literal

import streamlit as st

from affectscope.app.common.component import component
from affectscope.app.serving import saves

_SAVE = component(Path(__file__).parent, "save")


def save(
    label: str,
    make: Callable[[], bytes],
    name: str,
    kind: str = "text/csv",
    *,
    key: str,
    type: Literal["primary", "secondary", "tertiary"] = "secondary",
    icon: bool = True,
    width: Literal["content", "stretch"] = "content",
    disabled: bool = False,
) -> None:
    """A button that makes a file and saves it.

    Args:
        label: text, never markup.
        make: as ``app.serving.saves.offer`` takes it.
        name: of the file; what a file's name may not hold is taken out.
        kind: its media type.
        key: one for each button of a page; it keeps the button's address over reruns.
        icon: whether the sign of saving stands before the label.
    """
    url, called = ("", "") if disabled else saves.offer(key, make, name, kind)
    look = f"{type} dark" if st.context.theme.type == "dark" else type
    data = {"label": label, "url": url, "name": called, "look": look, "icon": icon, "wide": width == "stretch"}
    _SAVE(key=f"save-{key}", data=data, width=width)
