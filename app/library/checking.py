"""The promises of a model on its card, and the button that has them checked."""

from __future__ import annotations

import streamlit as st

from affectscope.app import services
from affectscope.app.common.progress import finished
from affectscope.app.library import Section, Sheet, sheets
from affectscope.core.checking import Promise, summary
from affectscope.core.errors import UserError

_HELP = "Whether padding, absent frames or other clips move its answers, and whether its attention and gradients can be trusted."
_ORDER = ("broken", "kept", "not applicable")


def section(name: str) -> list[Section]:
    """What a check found, what is broken first; nothing where there was none."""
    found = services.promises(name)
    if not found:
        return []
    told = sorted(found, key=lambda promise: _ORDER.index(promise.state))
    return [Section(f"Promises: {summary(found)}", [(promise.title, _told(promise)) for promise in told])]


def offer(name: str) -> None:
    """Offered where the model was not checked yet."""
    if not services.checkable(name) or services.promises(name) is not None:
        return
    if st.button("Check", key=f"check-{name}", icon=":material/fact_check:", help=_HELP):
        st.session_state[_key(name)] = True


def progress(name: str) -> None:
    """How far the check is that was asked for."""
    if not st.session_state.get(_key(name)):
        return
    try:
        if finished(services.check_promises(name)):
            del st.session_state[_key(name)]
            st.rerun()
    except UserError as error:
        sheets([Sheet("Not checked", [str(error)], tone="wrong")], key=f"unchecked-{name}")


def _key(name: str) -> str:
    return f"library.checking-{name}"


def _told(promise: Promise) -> str:
    if promise.state == "kept" and promise.measured is not None:
        return f"kept: {promise.measured:.2g} of at most {promise.tolerance:g}"
    return f"{promise.state}: {promise.detail}" if promise.state != "kept" else "kept"
