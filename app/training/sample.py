"""A sample run, while there are none: the recorded curves of a shipped model."""

from __future__ import annotations

import json
from pathlib import Path

import streamlit as st

from affectscope.app import services
from affectscope.app.common import charts, say
from affectscope.app.training import curves
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.errors import UserError


def show(system: str) -> None:
    """Show a sample's curves, labelled as such; nothing without a shipped model with history."""
    shipped = {name: path for name, path in checkpoints.shipped().items() if _history(path).is_file()}
    name = system if system in shipped else next(iter(shipped), "")
    if not name:
        return
    history = json.loads(_history(shipped[name]).read_text(encoding="utf-8"))
    rows, best = history["epochs"], int(history["best_epoch"])
    with st.container(border=True, key="train_sample"):
        st.markdown("**A sample, not a run of yours.** Such curves appear here while a run learns.")
        st.text(_about(name))
        first, second = st.columns(2)
        config = charts.config("svg", f"{name}-sample")
        with first:
            st.plotly_chart(curves.losses(rows, best), key="sample_losses", config=config, alt=curves.words(rows, best))
        if (scores := curves.scores(rows, best)) is not None:
            with second:
                st.plotly_chart(scores, key="sample_scores", config=config, alt="Accuracy on the development set, by head")
        say.caption(curves.words(rows, best))


def _about(name: str) -> str:
    title = f"The recorded training of {name}, which comes with the app"
    try:
        card = services.card(name)
    except UserError:
        return f"{title}."
    clips = sum(card.get("clips", {}).values())
    return f"{title}: {clips} clips of the rendered demo corpus, {card.get('date', '')}."


def _history(path: Path) -> Path:
    return path.with_suffix(".history.json")
