"""Why: the sentence above the player, and details below it: by modality, time, sound and face region."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import streamlit as st

from affectscope.app import services
from affectscope.app.common import follow, pick, say
from affectscope.app.common.component import component
from affectscope.app.common.save import save
from affectscope.app.why import asking
from affectscope.core.errors import UserError
from affectscope.core.models.base import ModelSpec
from affectscope.core.text import shown
from affectscope.core.timeline.lanes import head_title
from affectscope.core.why.words import NOUNS, noun

AGAINST = "clip.against"
_Request = asking.WhyRequest | None
_ASKING = "why.asking"
_DIALOG = "why_dialog"
_EVERY = 0.5
# Seconds to wait for a quick answer, to avoid drawing twice.
_PATIENCE = 0.3
_WHY = component(Path(__file__).parent, "why", '<div class="why"></div>')


def ask(
    clip: services.Clip, model: str, target: str | None, explanation: str | None, against: str = ""
) -> asking.WhyRequest | None:
    """The request for a clip; None for imported models.

    Args:
        target: the explained class; None for the model's own prediction.
        against: the class to compare with, or "": ``session.option(AGAINST)`` on pages with that choice. Ignored if the model
            does not know it, or it is the explained one.
    """
    if services.imported(model) or clip.file is None:
        return None
    spec = services.spec(model)
    possible = spec.task == "classification" and against in spec.labels and against != target
    return asking.WhyRequest(clip, model, target or "", against if possible else "", explanation)


def sentence(asked: asking.WhyRequest | None, key: str = "why", name: str = "") -> None:
    """The answer in a sentence, above the player; starts the missing parts.

    Args:
        key: of the place on the page.
        name: the model, if there are two.
    """
    if asked is None:
        return
    # Always two lines high, so that nothing below moves.
    with st.container(key=f"{key}_sentence_row"):
        content, whole = asking.found(asked)
        if not whole:
            _start(asked, key)
            job = asking.ask(asked)
            if not job.wait(_PATIENCE) or job.error:
                _watch(asked, key, name)
                return
            content, whole = asking.found(asked)
        _draw(asked, content or {}, whole, f"{key}_sentence", "sentence", name)


def details(asked: asking.WhyRequest | None, key: str = "why", name: str = "") -> None:
    """The numbers behind the sentence, once complete. Placed below everything clickable, because it grows."""
    if asked is None:
        return
    content, whole = asking.found(asked)
    if not whole:
        return
    _draw(asked, content or {}, True, key, "details", name)
    with st.container(horizontal=True, gap="small"):
        _downloads(asked, key)


def against(asked: asking.WhyRequest | None) -> None:
    """A select box of the class to compare with."""
    if asked is None or (spec := services.spec(asked.model)).task != "classification":
        return
    options = {"": "any other class"} | {label: shown(label) for label in spec.labels if label != asked.target}
    pick.pick("Why this class, and not", AGAINST, options, width=260)


def complete(asked: asking.WhyRequest | None) -> bool:
    """Whether it is complete, or failed."""
    return asked is None or asking.found(asked)[1]


def lanes(*asked: asking.WhyRequest | None) -> str:
    """URL of the contribution lanes, once there are some; for two models those of A and of B."""
    known = [question for question in asked if question is not None]
    return asking.lanes_url(known, sided=len(asked) > 1)


def awaited(asked: Sequence[asking.WhyRequest | None], results: Sequence[services.Result]) -> dict[str, str]:
    """Group -> title of those lanes, for which the player keeps room; nothing where they will not come.

    Args:
        results: what the models of ``asked`` say of the clip.
    """
    known = [question for question in asked if question is not None]
    if any(asking.refused(question) for question in known):
        return {}
    titles: dict[str, str] = {}
    for side, question, result in zip("AB", asked, results, strict=False):
        spec = services.spec(question.model) if question else None
        for modality in [name for name in spec.inputs if name not in _lacking(result, spec)] if spec else ():
            group, title = modality, f"{noun(modality).capitalize()} contribution"
            titles |= {f"{side}.{group}": f"{side}: {title}"} if len(asked) > 1 else {group: title}
    return titles


def _lacking(result: services.Result, spec: ModelSpec) -> set[str]:
    """The modalities that the clip does not have, and that get no lane."""
    if result.familiar.known:
        return set(spec.inputs) - set(result.familiar.levels)
    alone = {head: modalities[0] for head, modalities in spec.modalities.items() if len(modalities) == 1}
    return {modality for head, modality in alone.items() if not result.evidence.get(head, True)}


def dialog(corpus: str, clip: str, model: str, target: str) -> None:
    """Request the dialog, which opens at the script's end (``dialogs``).

    Args:
        target: the explained class; "" for the model's own prediction.
    """
    st.session_state[_ASKING] = corpus, clip, model, target


def dialogs() -> None:
    """Show the requested dialog."""
    if wanted := st.session_state.get(_ASKING):
        _dialog(*wanted)


@st.dialog("Why", width="large", on_dismiss=lambda: st.session_state.pop(_ASKING, None))
def _dialog(corpus: str, clip: str, model: str, target: str) -> None:
    try:
        item = services.clip(corpus, clip)
        asked = ask(item, model, target or None, None)
        if asked is None:
            say.info("This clip cannot be played, so nothing can be taken away from it.")
            return
        sentence(asked, _DIALOG, item.title)
        details(asked, _DIALOG)
    except UserError as error:
        say.error(error)


def _start(asked: asking.WhyRequest, key: str) -> None:
    follow.instead(f"{key}.job", asked.job)


@st.fragment(run_every=_EVERY)
def _watch(asked: asking.WhyRequest, key: str, name: str) -> None:
    """The partial answer; the page reruns when it is complete."""
    job = follow.watched(asked.job)
    if job.done:
        if st.session_state.get(f"{key}.refused") != asked.job:
            # Stop reserving space for lanes that will not come.
            st.session_state[f"{key}.refused"] = asked.job
            st.rerun()
        say.caption(job.error or "")
        return
    content, _ = asking.found(asked)
    _draw(asked, content or {"stage": job.stage}, False, f"{key}_sentence", "sentence", name)


def _draw(asked: asking.WhyRequest, content: dict[str, Any], whole: bool, key: str, part: str, name: str) -> None:
    # The spectrum's pixels are only exported to files.
    data = {field: value for field, value in content.items() if field != "spectrum"}
    titles = {head: head_title(head) for head in content.get("heads", ())}
    about = {"whole": whole, "part": part, "name": name, "nouns": NOUNS, "titles": titles, "subject": asked.key}
    about["folds"] = not key.startswith(_DIALOG)
    _WHY(key=key, data={**data, **about})


def _downloads(asked: asking.WhyRequest, key: str) -> None:
    name = shown(asked.item.title).replace("/", "-")
    for kind, get, mime in (("csv", asking.table, "text/csv"), ("json", asking.text, "application/json")):
        save(kind.upper(), partial(get, asked), f"{name}.why.{kind}", mime, key=f"{key}-{kind}", type="tertiary")
