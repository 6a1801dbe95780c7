"""The list of clips in the sidebar: filtered, sorted and searched in the browser; Python hears only which clip was chosen."""

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
    """A person's own clip: it comes before those of the corpus, with a mark.

    Attributes:
        label: what its owner says of it; empty where nothing was said.
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
        corpus: whose clips ``columns_url`` lists, as app/clips/columns.py writes them; empty for none.
        chosen: corpus and id of the clip that is looked at.
        choose: called with corpus and id of the clip that a person chose.
    """

    def pressed() -> None:
        chose = st.session_state[KEY].get("chose") or {}
        if chose:
            # Until the number comes back, the list marks what was pressed last, whatever this run still says.
            st.session_state[_HEARD] = chose.get("serial", 0)
            choose(str(chose.get("corpus", "")), str(chose.get("id", "")))

    data = {
        "corpus": corpus, "url": columns_url, "own": [asdict(clip) for clip in own], "base": base(), "chosen": list(chosen),
        "heard": st.session_state.get(_HEARD, 0),
    }  # fmt: skip
    _CLIPS(key=KEY, data=data, on_chose_change=pressed)
