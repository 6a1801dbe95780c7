"""The second model of a comparison: which one at first, and whether another differs more from the first."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import streamlit as st

from affectscope.app import services
from affectscope.app.common import address, say, session
from affectscope.core.cache import sealed
from affectscope.core.errors import UserError
from affectscope.core.inference.table import PredictionTable
from affectscope.core.timeline.compare import apart

OPTION = "compare.with"
# Asked about of their own accord, so that the page can say where two models differ; more clips take too long for that.
QUICK = 200
_OURS = "second_model"


def of(model: str) -> str | None:
    """The chosen one; else the one of the same classes that differs most as far as is known now, which stays until another
    first model or another corpus is chosen.
    """
    names = [name for name in services.models() if name != model]
    chosen, ours = session.option(OPTION), st.session_state.get(_OURS)
    place = (model, services.corpus_name())
    if chosen and chosen not in names and chosen != model and address.told(f"o.{OPTION}", chosen):
        say.warning("The address names a second model that is not here: another is shown.")
    if chosen in names and (ours is None or ours[1] != chosen or ours[0] == place):
        return chosen
    if ours is None or ours[0] != place or ours[1] not in names:
        found = next(iter(_ranked(model)), next(iter(names), None))
        if found is None:
            return None
        ours = st.session_state[_OURS] = (place, found)
        # Into the address, so that a link kept from here shows the same two. Once: who goes Back is not to be held here.
        session.choose_option(OPTION, found)
    return ours[1]


def better(a: str, b: str) -> tuple[str, float, float] | None:
    """A model that differs more from A than B does, where B was not chosen by hand: its name, and how far both are apart."""
    if not _unchosen(b):
        return None
    here, best = _apart(a, b), next(iter(_ranked(a)), b)
    there = _apart(a, best)
    return (best, there, here) if here is not None and there is not None and there > here else None


def seek(a: str, b: str) -> None:
    """Ask the others of the same classes in the background, where that is soon done, so that ``better`` can tell."""
    corpus = services.corpus()
    left = [name for name in alike(a) if not services.unasked(name) and not sealed.good(services.path_on_disk(name), old=True)]
    if _unchosen(b) and left and len(corpus.table) <= QUICK and not services.unasked(a):
        services.ask_each(f"second-{a}", left, corpus)


def alike(model: str) -> list[str]:
    """The others that answer in the same terms, in the order of the list of models; of imports those about the same clips."""
    own = services.declared(model)
    return [
        name
        for name in services.models()
        if name != model
        and own is not None
        and (other := services.declared(name)) is not None
        and (own.task, set(own.labels)) == (other.task, set(other.labels))
        and (not services.unasked(name) or _apart(model, name) is not None)
    ]


def _unchosen(b: str) -> bool:
    ours = st.session_state.get(_OURS)
    return ours is not None and ours[1] == b


def _ranked(model: str) -> list[str]:
    """Those of the same terms, furthest apart first; of those that were not asked, the first that is listed."""
    return sorted(alike(model), key=lambda name: -(_apart(model, name) or 0.0))


def _apart(a: str, b: str) -> float | None:
    """How far two models' answers to the corpus at hand are apart, of prediction tables on disk; None where one has none."""
    try:
        first, second = services.path_on_disk(a), services.path_on_disk(b)
        return _measured(str(first), sealed.mark(first), str(second), sealed.mark(second))
    except UserError:
        return None


@st.cache_data(max_entries=512, show_spinner=False)
def _measured(first: str, first_changed: Hashable, second: str, second_changed: Hashable) -> float | None:
    a, b = PredictionTable.load(Path(first)), PredictionTable.load(Path(second))
    return apart(a, b) if a and b else None
