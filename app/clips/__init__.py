"""The list of clips in the sidebar, filtered, sorted and searched in the browser; Python only receives the chosen clip."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from affectscope.app.common.component import component
from affectscope.app.gate.terms import base

KEY = "clips"
_HEARD = "clips_heard"
_CLIPS = component(Path(__file__).parent, "clips")


@dataclass(frozen=True)
class Own:
    """One of the user's own clips, listed before those of the corpus, with a mark.

    Attributes:
        label: the user's label; empty if none.
    """

    corpus: str
    id: str
    name: str
    label: str = ""
    predicted: str = ""
    picture: str | None = None


def clips(corpus: str, columns_url: str, own: Sequence[Own], chosen: tuple[str, str], choose: Callable[[str, str], None]) -> None:
    """Mount the list.

    Args:
        corpus: the corpus of the clips at ``columns_url``, as written by app/clips/columns.py; empty for none.
        chosen: corpus and id of the current clip.
        choose: called with corpus and id of the clip that the user chose.
    """

    def pressed() -> None:
        chose = st.session_state[KEY].get("chose") or {}
        if chose:
            # Until the browser gets the number back, the list marks the last click, whatever this run says.
            st.session_state[_HEARD] = chose.get("serial", 0)
            choose(str(chose.get("corpus", "")), str(chose.get("id", "")))

    data = {
        "corpus": corpus, "url": columns_url, "own": [asdict(clip) for clip in own], "base": base(), "chosen": list(chosen),
        "heard": st.session_state.get(_HEARD, 0),
    }  # fmt: skip
    _CLIPS(key=KEY, data=data, on_chose_change=pressed)
