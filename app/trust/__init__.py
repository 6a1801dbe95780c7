"""Trust, below the picture: how far the current map can be trusted, as a verdict with reasons and numbers."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from affectscope.app import services
from affectscope.app.common import follow, press, session
from affectscope.app.common.component import component
from affectscope.app.common.save import save
from affectscope.app.trust import asking
from affectscope.core.text import shown

_EVERY = 0.5
_JOB = "trust.job"
_WANTED = "trust.wanted"
_TRUST = component(Path(__file__).parent, "trust", '<div class="trust"></div>')


def head_of(result: services.Result) -> str:
    """The head whose heatmap the player shows."""
    chosen = session.current().view.get("map", "")
    return chosen if chosen in result.explained else services.main_heatmap(result)


def chip(
    clip: services.Clip, model: str, target: str | None, head: str, methods: tuple[str | None, str | None], ready: bool
) -> None:
    """How far the explanations of a clip can be trusted; nothing for imported models.

    Args:
        target: the explained class; None for the head's own prediction.
        methods: of the heatmap, and of the sound's lane; None for the defaults.
        ready: whether the rest of the page is complete; this takes longest, so it comes last.
    """
    if services.imported(model) or clip.file is None:
        return
    asked = asking.TrustRequest(clip, model, target or "", head, *methods)
    content = asking.found(asked)
    if content is not None:
        _draw(asked, content)
        _downloads(asked)
    elif _wanted(asked):
        if not ready:
            _draw(asked, {"stage": "Waiting for the explanation", "share": 0.0, "failed": False})
            return
        _start(asked)
        asking.ask(asked)
        _watch(asked)


def measured(
    clip: services.Clip, model: str, target: str | None, head: str, methods: tuple[str | None, str | None]
) -> dict[str, list[dict[str, str]]]:
    """Model -> measured trust in its explanations, as displayed; empty until requested.

    Args:
        target, head, methods: as in ``chip``.
    """
    if services.imported(model) or clip.file is None:
        return {}
    content = asking.found(asking.TrustRequest(clip, model, target or "", head, *methods))
    return {model: content["rows"]} if content and content.get("rows") else {}


def _wanted(asked: asking.TrustRequest) -> bool:
    """Whether the user has requested it, since it uses a processor for a while; from then on it runs for every map."""
    if st.session_state.get(_WANTED):
        return True
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        pressed = press.button("How far can this map be trusted?", key=f"trust-{asked.key}", icon=":material/verified:")
        st.caption("Measured on this clip, in the background: up to a minute on two cores.")
    st.session_state[_WANTED] = pressed
    return pressed


def _start(asked: asking.TrustRequest) -> None:
    follow.instead(_JOB, asked.job)


@st.fragment(run_every=_EVERY)
def _watch(asked: asking.TrustRequest) -> None:
    """Progress; the page reruns when it is finished."""
    job = follow.watched(asked.job)
    _draw(asked, {"stage": job.error or job.stage, "share": job.fraction, "failed": bool(job.error)})


def _draw(asked: asking.TrustRequest, content: dict[str, Any]) -> None:
    data = {name: content[name] for name in ("rows", "stage", "share", "failed", "seed") if name in content}
    _TRUST(key="trust", data={**data, "subject": asked.key})


def _downloads(asked: asking.TrustRequest) -> None:
    name = shown(asked.item.title).replace("/", "-")
    with st.container(horizontal=True, gap="small"):
        for kind, get, mime in (("csv", asking.table, "text/csv"), ("json", asking.text, "application/json")):
            save(
                f"Trust, {kind.upper()}", partial(get, asked), f"{name}.trust.{kind}", mime, key=f"trust-{kind}", type="tertiary"
            )
