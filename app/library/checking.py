"""The promises of a model on its card, and the button that has them checked."""

from __future__ import annotations

import streamlit as st

from affectscope.app import services
from affectscope.app.common.progress import finished
from affectscope.app.library import Section, Sheet, sheets
from affectscope.core.checking import Promise
from affectscope.core.errors import UserError

_HELP = "Whether padding, absent frames or other clips move its answers, and whether its attention and gradients can be trusted."


def sections(name: str) -> list[Section]:
    """What a check found: what is broken in sentences, the rest to unfold; nothing where there was no check."""
    promises = services.promises(name) or []
    broken = [f"{promise.title}: broken. {promise.detail}" for promise in promises if promise.state == "broken"]
    kept = [f"{promise.title}{_measured(promise)}" for promise in promises if promise.state == "kept"]
    idle = [f"{promise.title}: {promise.detail}" for promise in promises if promise.state == "not applicable"]
    told = [Section("Promises", sentences=broken)] if broken else []
    told += [Section("promises kept", keys=kept, count=len(kept), prose=True)] if kept else []
    return told + ([Section("not applicable", keys=idle, count=len(idle), prose=True)] if idle else [])


def offer(name: str) -> None:
    """Offered where the model was not checked yet."""
    if not services.checkable(name) or services.promises(name) is not None:
        return
    st.button("Check", key=f"check-{name}", icon=":material/fact_check:", help=_HELP, on_click=_ask, args=(name,))


def _ask(name: str) -> None:
    st.session_state[_key(name)] = True


def progress(name: str) -> None:
    """How far the check is that was asked for."""
    if not st.session_state.get(_key(name)):
        return
    if services.promises(name) is not None:
        # Asked again, a check that has ended well would begin anew.
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
