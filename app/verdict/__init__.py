"""What clip this is and what each head says of it. A component, because names and classes are a corpus's text, never markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

_HERE = Path(__file__).parent
_VERDICT = st.components.v2.component(
    "affectscope_verdict",
    html=(_HERE / "verdict.html").read_text(encoding="utf-8"),
    css=(_HERE / "verdict.css").read_text(encoding="utf-8"),
    js=(_HERE / "verdict.js").read_text(encoding="utf-8"),
)


@dataclass(frozen=True)
class Verdict:
    """One head's answer; ``evidence`` is False where the clip had nothing that the head draws on.

    Attributes:
        label: a class, or the values of attributes.
        probability: of the class; None for attributes.
        differs: whether a second model, to which this one is compared, says something else.
    """

    title: str
    label: str
    probability: float | None
    evidence: bool = True
    note: str = ""
    differs: bool = False


def heading(title: str, facts: Sequence[str] = (), caution: str = "") -> None:
    """The clip's name, what is known of it, and what to bear in mind."""
    _VERDICT(key="heading", data={"title": title, "facts": list(facts), "caution": caution, "verdicts": []})


def verdict(verdicts: Sequence[Verdict], truth: str | None, *, key: str = "verdict", name: str = "", sentence: str = "") -> None:
    """The answers side by side, the first as the main one.

    Args:
        key: Streamlit's element key.
        name: whose answers they are, where there are two models.
        sentence: what to say before them.
    """
    answers = [asdict(one) for one in verdicts]
    data = {"title": "", "truth": truth, "verdicts": answers, "name": name, "sentence": sentence}
    _VERDICT(key=key, data=data)
