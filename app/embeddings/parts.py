"""The parts of the Embeddings page: a map with its measures, the selection, and the nearest clips."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
import streamlit as st

from affectscope.app import services
from affectscope.app.common import jobs, say, session
from affectscope.app.common.progress import finished
from affectscope.app.common.save import save
from affectscope.app.embeddings import Figure, Map, Near, Own, choices, maps, scatter, strip
from affectscope.app.embeddings import figures as row_of_figures
from affectscope.app.embeddings.choices import Pick, Side
from affectscope.app.own import store
from affectscope.core.analysis import picking
from affectscope.core.analysis.atlas import Drawing
from affectscope.core.export.spreadsheet import csv_of
from affectscope.core.metrics.metrics import METRICS
from affectscope.core.text import percent

PLAY = "embeddings_play"
_ASKED = "embeddings_asked"
_NEAR = 8
# The user's own clips, each of which has to be run and placed.
_MOST_OWN = 20
_ROWS = 500
_HEIGHT = 540
_FACTS = ("label", "predicted", "confidence", "error", "speaker", "intensity", "modality")


def keep_clip(corpus: str, clip: str, play: bool) -> None:
    """Select a clip that was chosen on a map, in the strip or in the table."""
    session.update(corpus=corpus, clip=clip)
    st.session_state[PLAY] = play
    st.session_state["embeddings_new_clip"] = True


def own_clips() -> list[str]:
    """The user's newest own clips, always including the current one."""
    selected = session.current().clip if session.current().corpus == services.UPLOADS else ""
    mine = [clip.id for clip in store.listed() if clip.file]
    return [clip for i, clip in enumerate(mine) if i < _MOST_OWN or clip == selected]


def own_vectors(of: maps.Clips, embedding: str) -> dict[str, np.ndarray]:
    """The vectors of own clips that the model was run on; the others are started in the background."""
    vectors = {}
    for clip in own_clips():
        asked = maps.own_table(of.model, clip)
        if asked is not None and embedding in asked.embeddings:
            vectors[clip] = asked.embeddings[embedding][0]
    return vectors


@dataclass(frozen=True)
class Shown:
    """A map on the page: its content, the place of its figures, and the running job for a better one."""

    side: Side
    drawing: Drawing
    points: np.ndarray
    figures: st.delta_generator.DeltaGenerator
    better: jobs.Job | None
    key: str


def draw_map(side: Side, wanted: Drawing, picked: Pick, key: str) -> Shown:
    """Draw the map; PCA until a better one is computed."""
    of, embedding = side.clips, side.embedding
    drawing, drawn, job = wanted, maps.points(of, embedding, wanted), None
    if drawn is None:
        job, drawing = maps.draw(of, embedding, wanted), Drawing()
        drawn = maps.points(of, embedding, drawing)
        assert drawn is not None
    mask = choices.chosen(picked, of)
    colour, shape = choices.colour(of), choices.shape(of)
    row, vector = current(of, embedding)
    near = [i for i, _ in maps.nearest(of, embedding, row, vector, _NEAR)] if row >= 0 or vector is not None else []
    here = picked.kind == "lasso" and (picked.model, picked.embedding, picked.drawing) == (of.model, embedding, drawing)
    by = of.columns[colour].title if colour in of.columns else "nothing"
    shown = Map(
        points=maps.url(of.path(embedding, drawing)),
        table=maps.url(of.packed),
        title=f"{of.model}: {embedding}",
        subtitle=f"{drawing.method} of {len(of.ids):,} clips" + (" for now" if job else ""),
        alt=f"Map of {len(of.ids)} clips by {drawing.method}, coloured by {by}. The table below lists the clips.",
        map=f"{of.model}/{embedding}/{drawing.method}",
        corpus=services.corpus_of(of.model).name,
        colour=colour,
        shape=shape,
        facts=[name for name in dict.fromkeys([*_FACTS, colour, shape]) if name in of.columns],
        chosen=None if mask is None else maps.pack_bits(mask),
        picked={"column": picked.column, "values": picked.values} if picked.kind == "values" else None,
        outline=picked.corners if here else None,
        current=row,
        neighbours=near,
        own=_own(side, drawing, drawn),
        height=_HEIGHT,
    )
    scatter(shown, key=key, on_pick=lambda reported: choices.keep_pick(reported, side, drawing), on_clip=keep_clip)
    return Shown(side, drawing, drawn, st.container(), job, key)


def figures(shown: Shown) -> None:
    """How well the classes shown as colours separate, in the embedding space and on the map."""
    of, colour = shown.side.clips, choices.colour(shown.side.clips)
    by = colour if colour in of.columns and of.columns[colour].classes else "label"
    if by not in of.columns or not of.columns[by].classes:
        return
    path = of.path(shown.side.embedding, shown.drawing)
    scores = maps.measures(path.stem, by, of, shown.side.embedding, shown.points)
    made = []
    for name, (space, flat), style, note in (
        ("Silhouette", scores.silhouette, "+.2f", "−1 to 1: how much nearer clips lie to their own class than to the next one."),
        ("10-NN accuracy", scores.knn, "%", "The share of clips whose ten nearest others mostly carry their class."),
    ):
        note = f"{note} Classes: {of.columns[by].title}. Where the map scores higher than the model, it shows more order."
        made.append(Figure(f"{name}, model", _text(space, style), note=note))
        made.append(Figure(f"{name}, map", _text(flat, style), note=note))
    with shown.figures:
        row_of_figures("How well the classes separate", made, key=f"figures_{shown.key}")


def wait_for_better(shown: list[Shown]) -> None:
    """Progress of maps that are being computed."""
    _stop_older([panel.better for panel in shown if panel.better])
    for panel in shown:
        if panel.better and finished(panel.better):
            st.rerun()


def _stop_older(now: list[jobs.Job]) -> None:
    """Cancel maps that this session requested and no longer shows."""
    for job in st.session_state.get(_ASKED, []):
        if not job.done and job.id not in [wanted.id for wanted in now]:
            jobs.cancel(job)
            jobs.forget(job.id)
    st.session_state[_ASKED] = now


def _own(side: Side, drawing: Drawing, drawn: np.ndarray) -> list[Own]:
    selection, places = session.current(), []
    for clip in own_vectors(side.clips, side.embedding):
        spot = maps.own_place(side.clips, side.embedding, drawing, clip)
        known = store.find(clip)
        if spot is not None and known is not None:
            x, y = maps.in_square(spot, drawn)
            places.append(Own(services.UPLOADS, clip, known.name, x, y, clip == selection.clip))
    return places


def place_own_clips(side: Side, drawing: Drawing) -> None:
    """Run and place the user's own clips; called after the map is drawn."""
    drawn = maps.points(side.clips, side.embedding, drawing)
    if drawn is None:
        return
    vectors = own_vectors(side.clips, side.embedding)
    for clip in () if services.unasked(side.clips.model) else own_clips():
        if clip not in vectors:
            job = maps.ask_own(side.clips.model, clip)
        elif maps.own_place(side.clips, side.embedding, drawing, clip) is None:
            job = maps.place_own(side.clips, side.embedding, drawing, clip, drawn, vectors[clip])
        else:
            continue
        if finished(job):
            st.rerun()
        return


def current(of: maps.Clips, embedding: str) -> tuple[int, np.ndarray | None]:
    """The row of the current clip, or -1; and its vector if it is the user's own."""
    selection = session.current()
    if selection.corpus == services.UPLOADS:
        return -1, own_vectors(of, embedding).get(selection.clip)
    clip = selection.clip or next(iter(of.ids), "")
    return (of.ids.index(clip) if clip in of.ids else -1), None


def _text(value: float, style: str) -> str:
    if math.isnan(value):
        return "–"
    return percent(value) if style == "%" else format(value, style).replace("-", "−")


def neighbourhood(side: Side) -> None:
    """The current clip and its nearest neighbours in the embedding space."""
    of, selection = side.clips, session.current()
    row, vector = current(of, side.embedding)
    if row < 0 and vector is None:
        return
    source = services.corpus_of(of.model).name
    shown = [
        _near(of, source, row)
        if vector is None
        else Near(services.UPLOADS, selection.clip, _own_title(selection.clip), None, ("your own clip",))
    ]
    for i, distance in maps.nearest(of, side.embedding, row, vector, _NEAR):
        shown.append(_near(of, source, i, f"distance {distance:.2f}"))
    strip(
        f"Nearest in {of.model}: {side.embedding}, by Euclidean distance", shown, key=f"strip_{side.embedding}", on_clip=keep_clip
    )


def _own_title(clip: str) -> str:
    own = store.find(clip)
    return own.name if own else clip


def _near(of: maps.Clips, source: str, row: int, *more: str) -> Near:
    facts = of.table.iloc[row]
    right = bool(facts["correct"]) if pd.notna(facts.get("correct")) else None
    label, predicted = facts.get("label"), facts.get("predicted")
    told = f"{label} → {predicted}" if right is False else str(label) if pd.notna(label) else str(predicted or "")
    return Near(source, of.ids[row], of.ids[row], services.picture_url(of.model, of.ids[row]), (told, *more), right)


def selection(side: Side, picked: Pick, mask: np.ndarray | None, drawing: Drawing) -> None:
    """Counts, metrics and a table of the selected clips."""
    of = side.clips
    rows = of.table if mask is None else of.table[mask]
    overall = of.scores
    scored = overall if mask is None else picking.score(rows)
    made = [Figure("Clips", f"{scored.clips:,}", f"of {overall.clips:,}" if mask is not None else "")]
    for name, here in scored.scores.items():
        metric, everywhere = METRICS[name], overall.scores.get(name)
        style = "%" if metric.percent else metric.format
        if everywhere is not None:
            made.append(Figure(metric.words, _text(here, style), f"all: {_text(everywhere, style)}" if mask is not None else ""))
    with st.container(horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"):
        title = "The chosen clips" if mask is not None else "All clips"
        with st.container(width="stretch"):
            row_of_figures(title, made, key="figures_chosen")
        save("CSV", lambda: _csv(side, mask, drawing), "embeddings.csv", key="embeddings")
    _table(of, rows)


def _csv(side: Side, mask: np.ndarray | None, drawing: Drawing) -> bytes:
    made = side.clips.table.copy()
    drawn = maps.points(side.clips, side.embedding, drawing)
    if drawn is not None:
        made["map_x"], made["map_y"] = drawn.T
    made["chosen"] = True if mask is None else mask
    return csv_of(made, index_label="clip").encode()


def _table(of: maps.Clips, rows: pd.DataFrame) -> None:
    """The most confident errors first. Clicking a row selects its clip."""
    shown = picking.worst_first(rows).head(_ROWS)
    ids = [str(clip) for clip in shown.index]
    source = services.corpus_of(of.model).name
    names = [name for name in (*_FACTS, *(f"{output}_predicted" for output in of.predictions.outputs)) if name in shown]
    table = shown[names].reset_index(names="clip")
    if "confidence" in table:
        table["confidence"] *= 100
    table.insert(0, "picture", services.pictures(of.model, ids))
    order = "; the most confident errors first" if "correct" in rows else ""
    say.caption(
        f"{'The first ' if len(rows) > _ROWS else ''}{len(ids):,} of {len(rows):,} clips{order}. Choose a row for its neighbours."
    )
    turn = st.session_state.setdefault("embeddings_turn", 0)
    key = f"embeddings_table_{turn}"

    def choose() -> None:
        pressed = st.session_state[key]["selection"]["rows"]
        if pressed and pressed[0] < len(ids):
            # Use a new table next time: one with a selected row would select it again.
            st.session_state["embeddings_turn"] = turn + 1
            keep_clip(source, ids[pressed[0]], False)

    say.table(
        table,
        key=key,
        hide_index=True,
        height=min(420, 40 + 44 * max(1, len(ids))),
        row_height=44,
        on_select=choose,
        selection_mode="single-row",
        alt="The chosen clips",
        column_config={
            "picture": st.column_config.ImageColumn("", width=46),
            "confidence": st.column_config.ProgressColumn(
                "confidence", min_value=0, max_value=100, format="%.1f\N{NO-BREAK SPACE}%%", width=110
            ),
        },
    )
