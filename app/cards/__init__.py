"""A list of clips as cards: picture, answers, facts, and a button per action. All text is escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import streamlit as st

from affectscope.app.common.component import component

_CARDS = component(Path(__file__).parent, "cards", '<div class="cards"></div>')


@dataclass(frozen=True)
class Answer:
    """A statement about the clip; ``right`` is None if unknown, ``note`` follows it."""

    title: str
    label: str
    right: bool | None = None
    note: str = ""


@dataclass(frozen=True)
class Action:
    """A button. The first of a card is the main one, which a click on the picture also triggers."""

    id: str
    label: str
    hint: str = ""


@dataclass(frozen=True)
class Card:
    """One clip; ``lead`` is shown first, then the other ``answers``."""

    id: str
    title: str
    picture: str | None = None
    lead: tuple[Answer, ...] = ()
    answers: tuple[Answer, ...] = ()
    facts: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    text: str = ""
    actions: tuple[Action, ...] = ()


def cards(title: str, shown: Sequence[Card], *, key: str, act: Callable[[str, str], None], empty: str = "") -> None:
    """Show the cards under a title; ``act(card, action)`` is called when a button is pressed."""
    known = {(card.id, action.id) for card in shown for action in card.actions}

    def pressed() -> None:
        pressed_on = st.session_state[key].get("act") or {}
        wanted = str(pressed_on.get("card", "")), str(pressed_on.get("action", ""))
        if wanted in known:
            act(*wanted)

    _CARDS(key=key, data={"title": title, "empty": empty, "cards": [asdict(card) for card in shown]}, on_act_change=pressed)
