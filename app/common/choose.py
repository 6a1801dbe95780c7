"""The current model, clip and explained class."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from affectscope.app import services
from affectscope.app.clips import Own, clips, columns
from affectscope.app.common import address, pick, reports, session, troubles
from affectscope.app.own import store
from affectscope.app.own.parts import uploader
from affectscope.core.checkpoints import FOR_PEOPLE
from affectscope.core.errors import UserError
from affectscope.core.explain.methods import METHODS

CAUTION = "This model was trained on rendered faces; it has never seen a person"
BEST = "of the models that come with AffectScope it reads real faces best"
# Page -> the promises (``core.checking``) that its content depends on.
_RELIES = {
    "clip": ("repeat", "lengths", "absent", "padding", "sums", "attended", "asked", "gradients"),
    "compare": ("repeat", "lengths", "absent", "padding", "sums", "attended", "asked", "gradients"),
    "embeddings": ("repeat", "company", "order", "padding"),
    "failures": ("repeat", "company", "order", "padding"),
    "masking": ("repeat", "subsets", "nothing", "lengths", "absent", "company", "order", "padding"),
    "shared_space": ("repeat", "company", "order", "padding"),
}
# Promise -> warning if a model breaks it.
_BROKEN = {
    "repeat": "Asked the same twice, this model gives different answers",
    "subsets": "This model needs all its modalities, or is wrong about which it has",
    "nothing": "This model claims evidence where there is none",
    "lengths": "This model fails on clips of some lengths",
    "absent": "What fills absent frames changes this model's answer",
    "padding": "Padding changes this model's answer",
    "company": "Other clips in a batch change this model's answer",
    "order": "The order of clips in a batch changes this model's answers",
    "sums": "Its attention does not sum to one",
    "attended": "Its attention falls on absent frames",
    "asked": "This model answers differently when asked for its attention",
    "gradients": "Its heatmaps do not follow its answer",
}
# Display names of the corpus's columns; "carrier" is the demo corpus's.
_FACTS = {
    "speaker": "speaker",
    "sex": "sex",
    "age": "age",
    "intensity": "intensity",
    "carrier": "emotion in",
    "sentence": "sentence",
}
_LISTED = "sidebar_clips_of"
_CARRIERS = {
    "both": "voice and face", "audio": "the voice only", "visual": "the face only", "blend": "voice and face, a blend of two",
    "conflict": "voice and face, which disagree",
}  # fmt: skip


def model() -> str | None:
    """The current model, or the first."""
    names = list(services.models())
    if not names:
        st.error("There is no checkpoint in the folder checkpoints/: train one, or copy one there.")
        return None
    chosen = session.current().model
    if chosen and chosen not in names:
        address.doubt("a model", names[0])
    return _model_of(names)


def _model_of(names: Sequence[str]) -> str:
    """The chosen model; by default the one for people if the current clip is the user's own, else the first."""
    selection = session.current()
    usual = FOR_PEOPLE if selection.corpus == services.UPLOADS and FOR_PEOPLE in names else names[0]
    return selection.model if selection.model in names else usual


def clip(*models: str | None) -> services.Clip | None:
    """The selected clip, or the first that the models cover.

    An imported model only covers its table's clips: if it lacks the selected one, its first is used.
    """
    selection, names = session.current(), [name for name in models if name]
    limited = [name for name in names if services.unasked(name)]
    lost = False
    if selection.clip:
        lost = address.told("clip", selection.clip) and not services.clip_here(selection.corpus, selection.clip)
        chosen = None if lost else services.clip(selection.corpus, selection.clip)
        if chosen and all(services.covers(name, chosen) for name in limited):
            return _as_chosen(chosen)
    elif selection.corpus and not services.corpus_here(selection.corpus):
        address.doubt("a corpus", services.corpus_name())
    of = next(iter(limited or names), None)
    table = services.clips_of(of)
    if table.empty:
        if services.corpus_name() != services.DEMO:
            # Raises the reason if the corpus cannot be read.
            services.corpus()
        st.info("Drop a video file into the sidebar to begin.")
        return None
    source = services.corpus_of(of) if of else services.corpus()
    first = _first(table, limited)
    if lost:
        address.doubt("a clip", first)
    return _as_chosen(services.clip(source.name, first))


def _as_chosen(item: services.Clip) -> services.Clip:
    """The clip with the chosen audio track and face."""
    heard = services.heard(item, session.option(session.TRACK))
    return services.seen(heard, session.option(session.FACE))


def _first(table: pd.DataFrame, limited: list[str]) -> str:
    """The first clip covered by all these models, preferably one with media."""
    answered = [services.predicted(name) for name in limited]
    shared = [str(clip) for clip in table.index if all(clip in answers for answers in answered)] or [str(table.index[0])]
    return next((clip for clip in shared if table.at[clip, "path"]), shared[0])


def facts(item: services.Clip) -> list[str]:
    """The corpus's facts about the clip, for display."""
    known = {name: item.facts[name] for name in _FACTS if name in item.facts}
    told = [f"{_FACTS[name]} {_CARRIERS.get(value, value) if name == 'carrier' else value}" for name, value in known.items()]
    return [*told, f"face {item.face} is read"] if item.face else told


def caution(model_name: str, page: str = "") -> str:
    """Warnings about a model: that it was never trained on people, and the promises it breaks that the page depends on."""
    best = f"{CAUTION}; {BEST}" if model_name == FOR_PEOPLE else CAUTION
    told = [best] if services.card(model_name).get("synthetic_training") else []
    return ". ".join([*told, *(broken(model_name, page) if page else ())])


def broken(model_name: str, page: str) -> list[str]:
    """Warnings for a page if the model is known to break promises."""
    known = services.broken_promises(model_name)
    return [_BROKEN[name] for name in _RELIES.get(page, ()) if name in known]


def explained(model_name: str) -> str | None:
    """The class that the heatmaps explain; None for the predicted one."""
    chosen = session.current().explain
    return chosen if chosen in services.labels(model_name) else None


def explanation() -> str | None:
    """The heatmap method; None for the default."""
    return _method(session.EXPLANATION)


def sound_explanation() -> str | None:
    """The sound's explanation method; None for the default."""
    return _method(session.SOUND_EXPLANATION)


def methods() -> tuple[str | None, str | None]:
    """The methods for heatmaps and for sound."""
    return explanation(), sound_explanation()


def _method(option: str) -> str | None:
    asked = session.option(option)
    return asked if asked in METHODS else None


def explanations(*results: services.Result) -> None:
    """Select boxes for the methods of heatmaps and sound that all these models support; nothing without any."""
    _methods("Heatmap by", session.EXPLANATION, [result.explanations for result in results])
    _methods("Sound evidence by", session.SOUND_EXPLANATION, [result.sound_explanations for result in results])


def _methods(title: str, option: str, offered: Sequence[Sequence[str]]) -> None:
    shared = [name for name in offered[0] if name in METHODS and all(name in names for names in offered)]
    if not shared:
        return
    titles = {name: METHODS[name].title + _slow(option, name) for name in shared}
    firsts = {next(iter(names)) for names in offered}
    usual = firsts.pop() if len(firsts) == 1 else ""
    options = {"": titles.pop(usual, "each model's usual way")} | titles
    source = METHODS[chosen].source if (chosen := _method(option) or usual) else None
    pick.pick(title, option, options, turn=usual, width=320, help=source)


def _slow(option: str, name: str) -> str:
    return " (takes seconds)" if option == session.EXPLANATION and METHODS[name].slow else ""


def list_clips_of(model_name: str) -> None:
    """Make the sidebar list another model's clips in this run: of two compared models, those of the imported one."""
    st.session_state[_LISTED] = model_name


def frame() -> tuple[DeltaGenerator, DeltaGenerator]:
    """The sidebar of all pages: places beside its title, and below. Placed first, filled last: the player need not wait."""
    with st.sidebar:
        with st.container(horizontal=True, vertical_alignment="center", height=44, border=False, key="side_head"):
            st.markdown("**AffectScope**", width="stretch")
            head = st.container(width="content")
        return head, st.container()


def sidebar(below: DeltaGenerator) -> None:
    """Fill the sidebar with all choices."""
    listed = st.session_state.pop(_LISTED, None)
    names = list(services.models())
    model_name = _model_of(names) if names else None
    with below:
        troubles.show()
        if model_name and len(names) > 1:
            key = reports.shows("choose_model", model_name)
            st.selectbox("Model", names, key=key, on_change=_choose_model, args=(key,))
        corpus(listed or model_name)
        uploader()
        _list(listed or model_name)


def corpus(model_name: str | None) -> None:
    """Choose the corpus, if there are several; an imported model has its own clips."""
    names = services.corpus_names()
    chosen = services.corpus_name()
    services.keep_looking(chosen)
    if len(names) > 1 and not (model_name and services.unasked(model_name)):
        key = reports.shows("choose_corpus", chosen)
        st.selectbox("Corpus", names, key=key, on_change=_choose_corpus, args=(key,))


def _choose_corpus(key: str) -> None:
    if reports.news(key, st.session_state[key]):
        services.look_at(st.session_state[key])


def _choose_model(key: str) -> None:
    if reports.news(key, st.session_state[key]):
        session.update(model=st.session_state[key])


def _list(model_name: str | None) -> None:
    """The user's own files first, then the clips that the model covers."""
    try:
        name, url = columns.url(model_name)
    except UserError:
        # The page shows the reason.
        name, url = "", ""
    own = [] if model_name and services.unasked(model_name) else _own_rows()
    selection = session.current()
    clips(name, url, own, (selection.corpus or name, selection.clip or _first_of(model_name)), _choose_clip)


def _first_of(model_name: str | None) -> str:
    """The clip that is shown if none was chosen."""
    table = services.clips_of(model_name)
    return "" if table.empty else _first(table, [model_name] if model_name and services.unasked(model_name) else [])


def _choose_clip(corpus_name: str, clip_id: str) -> None:
    session.update(corpus=corpus_name, clip=clip_id)


def _own_rows() -> list[Own]:
    return [
        Own(
            services.UPLOADS, own.id, own.name, own.label or "",
            picture=services.thumb_url(services.UPLOADS, own.id, own.file or own.original),
        )
        for own in store.listed()
    ]  # fmt: skip
