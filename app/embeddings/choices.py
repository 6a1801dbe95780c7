"""The choices on the Embeddings page, bound to the URL: vectors, map, colours, selected clips."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import streamlit as st

from affectscope.app import services
from affectscope.app.common import address, reports, session
from affectscope.app.embeddings import maps
from affectscope.core.analysis import picking
from affectscope.core.analysis.atlas import Drawing
from affectscope.core.analysis.projection import METHODS
from affectscope.core.text import markdown

_PAGE = "embeddings"
_SHAPES_UP_TO = 6
NOBODY, ONE_COLOUR, ONE_SHAPE = "", "-", ""
_NEIGHBOURS = "How many neighbours count for each clip: low values show small groups, high values the overall shape."
_SLIDERS: dict[str, tuple[str, Any, Any, Any, str]] = {
    "perplexity": ("Perplexity", 5, 100, 1, _NEIGHBOURS),
    "neighbours": ("Neighbours", 2, 100, 1, _NEIGHBOURS),
    "min_dist": ("Minimum distance", 0.0, 0.99, 0.01, "How close clips may lie on the map."),
    "seed": ("Seed", 0, 20, 1, "Another seed, another map of the same vectors: what changes with it is chance."),
}  # fmt: skip


@dataclass(frozen=True)
class Side:
    """One of the maps: a model and one of its embeddings."""

    clips: maps.Clips
    embedding: str


@dataclass(frozen=True)
class Pick:
    """Which clips are selected, and how. ``side`` and ``drawing`` identify the map that the lasso was drawn on."""

    kind: str = ""
    model: str = ""
    embedding: str = ""
    drawing: Drawing = field(default_factory=Drawing)
    corners: tuple[tuple[int, int], ...] = ()
    column: str = ""
    values: tuple[str, ...] = ()

    def to_text(self) -> str:
        if self.kind == "lasso":
            flat = [value for corner in self.corners for value in corner]
            return json.dumps(["lasso", self.model, self.embedding, self.drawing.to_text(), flat], separators=(",", ":"))
        return (
            json.dumps(["values", self.column, list(self.values)], separators=(",", ":"), ensure_ascii=False) if self.kind else ""
        )

    @classmethod
    def from_text(cls, text: str) -> Pick:
        """The inverse of ``to_text``; empty for invalid text."""
        try:
            kind, *rest = address.parsed(text)
            if kind == "values":
                return cls("values", column=str(rest[0]), values=tuple(map(str, rest[1])))
            model, embedding, drawing, flat = rest
            numbers = [max(-100_000, min(100_000, int(value))) for value in flat][:400]
            corners = tuple(zip(numbers[::2], numbers[1::2], strict=False))
            return (
                cls("lasso", str(model), str(embedding), Drawing.from_text(str(drawing)), corners) if kind == "lasso" else cls()
            )
        except (ValueError, TypeError, IndexError, OverflowError):
            return cls()


def pick() -> Pick:
    return Pick.from_text(session.option(f"{_PAGE}.pick"))


def keep_pick(reported: dict[str, Any], side: Side, drawing: Drawing) -> None:
    """Accept a map's report."""
    made = Pick()
    if reported.get("kind") == "lasso":
        corners = tuple((int(x), int(y)) for x, y in reported["corners"])
        made = Pick("lasso", side.clips.model, side.embedding, drawing, corners)
    elif reported.get("kind") == "values":
        made = Pick("values", column=str(reported["column"]), values=tuple(map(str, reported["values"])))
    session.choose_option(f"{_PAGE}.pick", made.to_text())


def chosen(picked: Pick, of: maps.Clips) -> np.ndarray | None:
    """The selected rows, [N] bool; None for all, and until the lasso's map exists."""
    if picked.kind == "values":
        return picking.named(of.table, picked.column, picked.values) if picked.column in of.columns else None
    drawn_on = lassoed(picked)
    if drawn_on is None:
        return None
    drawn = maps.points(drawn_on.clips, drawn_on.embedding, picked.drawing)
    if drawn is None:
        return None
    within = picking.inside(picking.unit(drawn), np.array(picked.corners) / 1000)
    if drawn_on.clips.ids == of.ids:
        return within
    return np.isin(np.array(of.ids), np.array(drawn_on.clips.ids)[within])


def lassoed(picked: Pick) -> Side | None:
    """The embedding whose map a lasso was drawn on, if its model exists and was run."""
    if picked.kind != "lasso" or picked.model not in services.models():
        return None
    of = maps.clips(picked.model)
    return Side(of, picked.embedding) if of and picked.embedding in of.predictions.embeddings else None


def drawing() -> Drawing:
    """How to draw the map."""
    method = _option("map", METHODS)
    made = {name: _number(name) for name in _SLIDERS}
    return Drawing(method, int(made["seed"]), int(made["perplexity"]), int(made["neighbours"]), float(made["min_dist"]))


def embedding(of: maps.Clips, name: str = "of") -> str:
    return _option(name, tuple(of.predictions.embeddings))


def beside() -> str:
    """The model of the second map; empty for none."""
    return _option("beside", (NOBODY, *services.models()))


def colour(of: maps.Clips) -> str:
    return _option("colour", (*of.columns, ONE_COLOUR))


def shape(of: maps.Clips) -> str:
    return _option("shape", (ONE_SHAPE, *_shapes(of)))


def controls(of: maps.Clips, other: maps.Clips | None) -> None:
    """The row of controls above the map."""
    titles = {name: column.title for name, column in of.columns.items()}
    with st.container(horizontal=True, vertical_alignment="bottom", key="embedding_controls"):
        _select("Vectors", "of", tuple(of.predictions.embeddings), help="Where in the model the map looks.")
        _method()
        _select("Colour", "colour", (*of.columns, ONE_COLOUR), lambda name: titles.get(name, "one colour"))
        _select("Shape", "shape", (ONE_SHAPE, *_shapes(of)), lambda name: titles.get(name, "one shape"))
        _select(
            "Compare with",
            "beside",
            (NOBODY, *services.models()),
            lambda name: name or "none",
            help="A second map, with the same clips chosen.",
        )
        if other is not None:
            _select("Its vectors", "beside_of", tuple(other.predictions.embeddings))


def _method() -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", width="content", gap="xxsmall"):
        now = _doubted("Map", "map", METHODS)
        key = reports.shows(f"{_PAGE}_map", now)
        st.segmented_control("Map", METHODS, key=key, on_change=_keep, args=("map", METHODS[0], key), required=True)
        wanted = list(Drawing(method=now).options())
        if wanted:
            with st.popover("", icon=":material/tune:", help="How the map is drawn", key="embedding_sliders"):
                for name in wanted:
                    title, low, high, step, note = _SLIDERS[name]
                    own = reports.shows(f"{_PAGE}_{name}", _number(name))
                    default = getattr(Drawing(), name)
                    st.slider(
                        markdown(title),
                        low,
                        high,
                        step=step,
                        key=own,
                        help=markdown(note),
                        on_change=_keep,
                        args=(name, default, own),
                    )


def _shapes(of: maps.Clips) -> list[str]:
    return [name for name, column in of.columns.items() if 1 < len(column.names) <= _SHAPES_UP_TO]


def _select(title: str, name: str, options: Sequence[str], say: Callable[[str], str] = str, help: str | None = None) -> None:
    key = reports.shows(f"{_PAGE}_{name}", _doubted(title, name, options, say))
    st.selectbox(
        markdown(title),
        options,
        key=key,
        format_func=say,
        on_change=_keep,
        args=(name, options[0], key),
        help=help and markdown(help),
        width=131,
    )


def _keep(name: str, default: Any, key: str) -> None:
    value = st.session_state[key]
    if reports.news(key, value):
        session.choose_option(f"{_PAGE}.{name}", "" if value is None else str(value), str(default))


def _option(name: str, options: Sequence[str]) -> Any:
    """The choice in the URL if it exists, else the first."""
    value = session.option(f"{_PAGE}.{name}", options[0])
    return value if value in options else options[0]


def _doubted(title: str, name: str, options: Sequence[str], say: Callable[[str], str] = str) -> Any:
    """As ``_option``, with a message where the URL names another."""
    asked, chosen = session.option(f"{_PAGE}.{name}", options[0]), _option(name, options)
    if asked != chosen and address.told(f"o.{_PAGE}.{name}", asked):
        address.doubt(f"a choice of “{title}”", say(chosen))
    return chosen


def _number(name: str) -> Any:
    _, low, high, _, _ = _SLIDERS[name]
    default = getattr(Drawing(), name)
    try:
        return min(high, max(low, type(default)(session.option(f"{_PAGE}.{name}", str(default)))))
    except ValueError:
        return default
