"""The second model of a comparison: its default, and whether another one differs more from the first."""

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
# Models are run automatically on at most this many clips, to find where they differ; more would take too long.
QUICK = 200
_OURS = "second_model"


def of(model: str) -> str | None:
    """The chosen second model; by default the one with the same classes that differs most, as far as known.

    The default stays until another first model or corpus is chosen.
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
        # Stored in the URL, so that a link shows the same two; only once, so that Back works.
        session.choose_option(OPTION, found)
    return ours[1]


def better(a: str, b: str) -> tuple[str, float, float] | None:
    """A model that differs more from A than B does, if B was not chosen by the user: its name, and both distances."""
    if not _unchosen(b):
        return None
    here, best = _apart(a, b), next(iter(_ranked(a)), b)
    there = _apart(a, best)
    return (best, there, here) if here is not None and there is not None and there > here else None


def seek(a: str, b: str) -> None:
    """Run the other models with the same classes in the background, if that is quick, so that ``better`` can compare them."""
    corpus = services.corpus()
    left = [
        name for name in alike(a) if not services.unasked(name) and not sealed.is_intact(services.path_on_disk(name), old=True)
    ]
    if _unchosen(b) and left and len(corpus.table) <= QUICK and not services.unasked(a):
        services.ask_each(f"second-{a}", left, corpus)


def alike(model: str) -> list[str]:
    """The other models with the same labels, in the order of the model list; for imports, those for the same clips."""
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
    """The models with the same labels, largest distance first, then those not run yet, in list order."""
    return sorted(alike(model), key=lambda name: -(_apart(model, name) or 0.0))


def _apart(a: str, b: str) -> float | None:
    """Distance of two models' predictions for the current corpus, from tables on disk; None if one is missing."""
    try:
        first, second = services.path_on_disk(a), services.path_on_disk(b)
        return _measured(str(first), sealed.mark(first), str(second), sealed.mark(second))
    except UserError:
        return None


@st.cache_data(max_entries=512, show_spinner=False)
def _measured(first: str, first_changed: Hashable, second: str, second_changed: Hashable) -> float | None:
    a, b = PredictionTable.load(Path(first)), PredictionTable.load(Path(second))
    return apart(a, b) if a and b else None
