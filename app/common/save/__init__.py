"""The button that saves a file. It also works during a rerun, and then saves the newest version."""

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
    """A button that makes and saves a file.

    Args:
        label: plain text.
        make: as in ``app.serving.saves.offer``.
        name: of the file; invalid characters are removed.
        kind: its media type.
        key: unique per button on a page; keeps the button's URL over reruns.
        icon: whether to show a save icon before the label.
    """
    url, called = ("", "") if disabled else saves.offer(key, make, name, kind)
    look = f"{type} dark" if st.context.theme.type == "dark" else type
    data = {"label": label, "url": url, "name": called, "look": look, "icon": icon, "wide": width == "stretch"}
    _SAVE(key=f"save-{key}", data=data, width=width)
