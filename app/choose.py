"""What to look at: the model, the clip, the class to explain."""

from __future__ import annotations

from typing import Literal

import pandas as pd
import streamlit as st

from app import services, session
from app.own import store
from app.own.parts import uploader

LabelVisibility = Literal["visible", "hidden", "collapsed"]
CAUTION = "This model was trained on rendered faces; it has never seen a person"
# What a person reads for a column of the corpus's table; "carrier" is the demo corpus's.
_FACTS = {
    "speaker": "speaker",
    "sex": "sex",
    "age": "age",
    "intensity": "intensity",
    "carrier": "emotion carried by",
    "sentence": "sentence",
}
# Rows of the table of clips: beyond, a person chooses on the Failures or Embeddings page.
_MOST = 500
_COLUMNS = ("picture", "label", "predicted", "speaker", "intensity")


def model() -> str | None:
    """The checkpoint to ask: the selected one, else the first."""
    names = list(services.models())
    if not names:
        st.error("There is no checkpoint in the folder checkpoints/: train one, or copy one there.")
        return None
    chosen = session.current().model
    if chosen and chosen not in names:
        st.warning(f"The address names a model that is not here: {names[0]} is shown.")
    return chosen if chosen in names else names[0]


def clip(*models: str | None) -> services.Clip | None:
    """The selected clip, else the first that the models' answers are about.

    An imported model has only answered its table's own clips: where it did not answer the selected one, its first is taken.
    """
    selection, names = session.current(), [name for name in models if name]
    limited = [name for name in names if services.unasked(name)]
    if selection.clip:
        chosen = services.clip(selection.corpus, selection.clip)
        if all(services.covers(name, chosen) for name in limited):
            return chosen
    elif selection.corpus and not services.corpus_here(selection.corpus):
        st.warning(f"The address names a corpus that is not here: {services.corpus_name()} is shown.")
    of = next(iter(limited or names), None)
    table = services.clips_of(of)
    if table.empty:
        if services.corpus_name() != services.DEMO:
            # Says why, where it cannot be read.
            services.corpus()
        st.info("Drop a video file into the sidebar to begin.")
        return None
    source = services.corpus_of(of) if of else services.corpus()
    return services.clip(source.name, _first(table, limited))


def _first(table: pd.DataFrame, limited: list[str]) -> str:
    """The first clip, of those with media where there are any, that all these models have answered."""
    answered = [services.predicted(name) for name in limited]
    shared = [str(clip) for clip in table.index if all(clip in one for one in answered)] or [str(table.index[0])]
    return next((clip for clip in shared if table.at[clip, "path"]), shared[0])


def facts(item: services.Clip) -> list[str]:
    """What the corpus knows of the clip, for a person to read."""
    return [f"{title} {item.facts[name]}" for name, title in _FACTS.items() if name in item.facts]


def caution(model_name: str) -> str:
    return CAUTION if services.card(model_name).get("synthetic_training") else ""


def explained(model_name: str) -> str | None:
    """The class that the heatmaps explain; None for the predicted one."""
    chosen = session.current().explain
    return chosen if chosen in services.labels(model_name) else None


def sidebar(model_name: str | None, clips_of: str | None = None) -> None:
    """Where everything is chosen. It comes last in the script: the player must not wait for a table.

    Args:
        clips_of: the model whose clips are listed, where it is another.
    """
    st.header("AffectScope", anchor=False)
    names = list(services.models())
    if model_name and len(names) > 1:
        st.session_state["choose_model"] = model_name
        st.selectbox("Model", names, key="choose_model", on_change=_choose_model)
    corpus(clips_of or model_name)
    uploader()
    if model_name:
        _table(clips_of or model_name)


def corpus(model_name: str | None, width: int | Literal["stretch"] = "stretch", label: LabelVisibility = "visible") -> None:
    """Which corpus to look at, where there is more than one; an imported model has its own clips."""
    names = services.corpus_names()
    chosen = services.corpus_name()
    services.keep_looking(chosen)
    if len(names) > 1 and not (model_name and services.unasked(model_name)):
        st.session_state["choose_corpus"] = chosen
        st.selectbox("Corpus", names, key="choose_corpus", on_change=_choose_corpus, width=width, label_visibility=label)


def _choose_corpus() -> None:
    services.look_at(st.session_state["choose_corpus"])


def _choose_model() -> None:
    session.update(model=st.session_state["choose_model"])


def _table(model_name: str) -> None:
    """Own files first, then the clips that the model was asked about; the row of the selected clip is marked."""
    rows = ({} if services.unasked(model_name) else _own_rows()) | _corpus_rows(model_name)
    if not rows:
        return
    places = list(rows)
    at = _row_of(session.current(), places)
    mark = places[at] if at is not None else None
    # A table keeps its own selection, so a choice made elsewhere needs a new table to show it.
    turn = st.session_state.setdefault("table_turn", 0)
    if st.session_state.setdefault("table_at", mark) != mark:
        turn = st.session_state["table_turn"] = turn + 1
        st.session_state["table_at"] = mark
    key = f"table-{turn}"
    st.dataframe(
        pd.DataFrame(list(rows.values()), columns=list(_COLUMNS)),
        key=key,
        hide_index=True,
        height=min(620, 40 + 52 * len(rows)),
        row_height=52,
        on_select=lambda: _choose_row(key, places),
        selection_mode="single-row",
        selection_default={"selection": {"rows": [] if at is None else [at]}},
        placeholder="",
        alt="Clips to choose from",
        column_config={
            "picture": st.column_config.ImageColumn("", width=50),
            "label": st.column_config.TextColumn("Label", width=76, help="What the corpus says, or your file's name."),
            "predicted": st.column_config.TextColumn(
                "Predicted", width=78, help="What the model says; known once a clip was opened."
            ),
            "speaker": st.column_config.TextColumn("Speaker", width=60),
            "intensity": st.column_config.TextColumn("Intensity", width=64),
        },
    )


def _row_of(selection: session.Selection, places: list[tuple[str, str]]) -> int | None:
    """The row of the selected clip; a link may leave the corpus out, and the clip too."""
    if not selection.clip:
        return next((i for i, (corpus, _) in enumerate(places) if corpus != services.UPLOADS), None)
    return next(
        (i for i, (corpus, clip) in enumerate(places) if clip == selection.clip and selection.corpus in ("", corpus)), None
    )


def _own_rows() -> dict[tuple[str, str], dict[str, object]]:
    rows: dict[tuple[str, str], dict[str, object]] = {}
    for clip in store.listed():
        picture = services.thumb_url(services.UPLOADS, clip.id, clip.file or clip.original)
        rows[services.UPLOADS, clip.id] = {"picture": picture, "label": clip.label or clip.name}
    return rows


def _corpus_rows(model_name: str) -> dict[tuple[str, str], dict[str, object]]:
    table = services.clips_of(model_name)
    if table.empty:
        return {}
    name, said = services.corpus_of(model_name).name, services.predicted(model_name)
    table = table.iloc[:_MOST]
    empty = pd.Series(None, table.index, dtype=object)
    facts = [table.get(column, empty) for column in ("label", "speaker", "intensity")]
    ids = [str(clip) for clip in table.index]
    rows: dict[tuple[str, str], dict[str, object]] = {}
    for clip_id, picture, label, speaker, intensity in zip(ids, services.pictures(model_name, ids), *facts, strict=True):
        rows[name, clip_id] = {
            "picture": picture, "predicted": said.get(clip_id), "label": label, "speaker": speaker, "intensity": intensity,
        }  # fmt: skip
    return rows


def _choose_row(key: str, places: list[tuple[str, str]]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        st.session_state["table_at"] = places[rows[0]]
        session.update(corpus=places[rows[0]][0], clip=places[rows[0]][1])
