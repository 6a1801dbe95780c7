"""The clip's heading, and each head's answer. A component, because names and classes are untrusted text, not markup."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import streamlit as st

from affectscope.app.common.component import component

_VERDICT = component(Path(__file__).parent, "verdict")


@dataclass(frozen=True)
class Verdict:
    """One head's answer; ``evidence`` is False where the clip had no modality that the head uses.

    Attributes:
        label: a class, or the values of attributes.
        probability: of the class; None for attributes.
        differs: whether a second model, to which this one is compared, says something else.
        near: how near the clip is to what the model knows, in words; empty where nobody knows.
        head: what a press on its card asks to see; without one there is nothing to press.
        scope: of a decision over several heads, which of them it was taken from.
    """

    title: str
    label: str
    probability: float | None
    evidence: bool = True
    note: str = ""
    differs: bool = False
    near: str = ""
    head: str = ""
    scope: str = ""


def heading(title: str, facts: Sequence[str] = (), caution: str = "") -> None:
    """The clip's name, facts about it, and a warning."""
    data = {"title": title, "facts": list(facts), "caution": caution, "verdicts": []}
    _VERDICT(key="heading", data=data, on_look_change=lambda: None)


def verdict(
    verdicts: Sequence[Verdict],
    truth: str | None,
    *,
    key: str = "verdict",
    name: str = "",
    sentence: str = "",
    look: Callable[[str], None] | None = None,
) -> None:
    """The answers side by side, the first as the main one.

    Args:
        key: Streamlit's element key.
        look: called with the head whose card was clicked; without it cards are not clickable.
        name: the model, if there are two.
        sentence: shown before them.
    """
    answers = [asdict(shown if look else replace(shown, head="")) for shown in verdicts]
    data = {"title": "", "truth": truth, "verdicts": answers, "name": name, "sentence": sentence}

    def pressed() -> None:
        head = str((st.session_state[key].get("look") or {}).get("head", ""))
        if look and head in {shown.head for shown in verdicts} - {""}:
            look(head)

    _VERDICT(key=key, data=data, on_look_change=pressed)
