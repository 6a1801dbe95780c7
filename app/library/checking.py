"""A model's promises on its card, and the button to check them."""

from __future__ import annotations

import streamlit as st

from affectscope.app import services
from affectscope.app.common.progress import finished
from affectscope.app.library import Section, Sheet, sheets
from affectscope.core.checking import Promise
from affectscope.core.errors import UserError

_HELP = "Whether padding, absent frames or other clips move its answers, and whether its attention and gradients can be trusted."


def sections(name: str) -> list[Section]:
    """The result of a check: broken promises as sentences, the others folded; empty if it was not checked."""
    promises = services.promises(name) or []
    broken = [f"{promise.title}: broken. {promise.detail}" for promise in promises if promise.state == "broken"]
    kept = [f"{promise.title}{_measured(promise)}" for promise in promises if promise.state == "kept"]
    idle = [f"{promise.title}: {promise.detail}" for promise in promises if promise.state == "not applicable"]
    told = [Section("Promises", sentences=broken)] if broken else []
    told += [Section("promises kept", keys=kept, count=len(kept), prose=True)] if kept else []
    return told + ([Section("not applicable", keys=idle, count=len(idle), prose=True)] if idle else [])


def offer(name: str) -> None:
    """The button, if the model was not checked yet."""
    if not services.checkable(name) or services.promises(name) is not None:
        return
    st.button("Check", key=f"check-{name}", icon=":material/fact_check:", help=_HELP, on_click=_ask, args=(name,))


def _ask(name: str) -> None:
    st.session_state[_key(name)] = True


def progress(name: str) -> None:
    """Progress of a requested check."""
    if not st.session_state.get(_key(name)):
        return
    if services.promises(name) is not None:
        # Otherwise a finished check would start again.
        del st.session_state[_key(name)]
        return
    try:
        if finished(services.check_promises(name)):
            del st.session_state[_key(name)]
            st.rerun()
    except UserError as error:
        sheets([Sheet("Not checked", [str(error)], tone="wrong")], key=f"unchecked-{name}")


def _key(name: str) -> str:
    return f"library.checking-{name}"


def _measured(promise: Promise) -> str:
    return "" if promise.measured is None else f": {promise.measured:.2g} of at most {promise.tolerance:g}"
