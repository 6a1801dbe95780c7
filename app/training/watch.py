"""A run, running or finished: its state, curves, and actions."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable

import pandas as pd
import streamlit as st

from affectscope.app import services
from affectscope.app.common import charts, choose, press, say, session
from affectscope.app.common.save import save
from affectscope.app.training import curves, outlook
from affectscope.core.errors import UserError
from affectscope.core.export.spreadsheet import csv_of
from affectscope.core.library.cards import held_out
from affectscope.core.text import percent
from affectscope.core.training import background, runs
from affectscope.core.training.runs import Run

_EVERY = 2.0
_ERROR = "train_error"


def overview(known: dict[str, Run]) -> None:
    """An overview of all runs."""
    rows = [
        {
            "run": run.id,
            "state": run.state,
            "epochs": f"{len(run.history)} of {run.order.epochs}" if run.order.epochs else "none needed",
            "development loss": run.history[run.best]["dev_loss"] if run.history else None,
            "accuracy": run.history[run.best].get("dev_accuracy") if run.history else None,
            "corpus": run.order.corpus + (f" + {run.order.also}" if run.order.also else ""),
            "strategy": run.order.strategy,
            "learning rate": f"{run.order.learning_rate:g}",
            "seed": run.order.seed,
            "device": run.order.device,
            "started": pd.Timestamp(run.queued, unit="s", tz="UTC"),
        }
        for run in known.values()
    ]
    numbers = dict.fromkeys(("development loss", "accuracy"), st.column_config.NumberColumn(format="%.3f"))
    say.table(pd.DataFrame(rows), hide_index=True, column_config=numbers, alt="All runs", height=min(260, 40 + 35 * len(rows)))


def look(name: str, known: dict[str, Run]) -> None:
    """One run, and the overview; refreshed while any is running."""
    if any(run.alive for run in known.values()):
        _follow(name, {run.id: run.state for run in known.values()})
    else:
        _both(name, known)


@st.fragment(run_every=_EVERY)
def _follow(name: str, states: dict[str, str]) -> None:
    known = runs.all_runs()
    if {run.id: run.state for run in known.values()} != states:
        st.rerun()
    else:
        _both(name, known)


def _both(name: str, known: dict[str, Run]) -> None:
    _show(known[name])
    if len(known) > 1:
        overview(known)


def _show(run: Run) -> None:
    if error := st.session_state.pop(_ERROR, ""):
        say.error(error)
    _standing(run)
    _buttons(run)
    _curves(run)
    if run.state == "done":
        _result(run)
    _papers(run)


def _standing(run: Run) -> None:
    if run.state == "waiting":
        say.info(run.why)
    elif run.state == "running":
        share = min(1.0, max(0.0, run.share if run.history else 0.0))
        say.progress(share, doing(run, _expected(run)))
    elif run.state == "stopped":
        kept = (
            f"Stopped after {outlook.count(len(run.history), 'epoch')}. Their progress is kept: the run can continue from there."
        )
        say.info(kept if run.order.epochs else "Stopped: it can be started again.")
    elif run.state == "failed":
        say.error(run.why)
    else:
        say.success(f"Done: {_how(run)}. It is among the models of all pages as {run.id}.")


def _expected(run: Run) -> float | None:
    return outlook.expected(run.order) if run.order.epochs and not run.history else None


def _how(run: Run) -> str:
    """The result of a finished run, in a few words."""
    if not run.order.epochs:
        return "linear classifiers were fitted beside the heads of the shipped model"
    early = "" if len(run.history) >= run.order.epochs else ", then no further improvement"
    return f"{outlook.count(len(run.history), 'epoch')}{early}"


def doing(run: Run, expected: float | None = None) -> str:
    """A run's current stage, and its remaining time.

    Args:
        expected: estimated total seconds, used until its own first epoch is finished.
    """
    if not run.history:
        share = f", {percent(run.share)}" if run.share else ""
        if not run.order.epochs:
            return f"{run.stage or 'Starting'}{share}"
        left = "the first epoch will show how long it takes"
        if expected is not None:
            left = f"about {outlook.duration(expected)} in all; the first epoch will make the estimate better"
        return f"{run.stage or 'Starting'}{share}: {left}"
    seconds = run.seconds_left
    left = "" if seconds is None else f", at most {outlook.duration(seconds)} to go"
    return f"Epoch {len(run.history)} of {run.order.epochs}{left}"


def _buttons(run: Run) -> None:
    with st.container(horizontal=True):
        if run.alive:
            st.button("Stop", icon=":material/stop:", on_click=_try, args=(background.stop, run), help="Keeps the progress.")
        if run.state in ("stopped", "failed"):
            st.button("Go on", icon=":material/play_arrow:", type="primary", on_click=_try, args=(background.go_on, run))
        if run.state == "done":
            if press.button(
                "Look at a clip with it", key=f"train_look-{run.id}", icon=":material/smart_display:", type="primary"
            ):
                session.update(model=run.id)
                session.go("clip")
            if press.button("Compare it", key=f"train_compare-{run.id}", icon=":material/compare:"):
                session.choose_option("compare.with", run.id)
                session.go("compare")
        if not run.alive:
            with st.popover("Remove", icon=":material/delete:"):
                st.text("The run and its checkpoint are deleted from the disk.")
                st.button("Delete it", on_click=_try, args=(background.remove, run), key="train_remove")


def _try(action: Callable[[Run], None], run: Run) -> None:
    try:
        action(run)
    except UserError as error:
        st.session_state[_ERROR] = str(error)


def _curves(run: Run) -> None:
    if not run.history:
        return
    picture = str(st.session_state.get("train_picture") or "SVG").lower()
    first, second = st.columns(2)
    words = curves.words(run.history, run.best)
    with first:
        st.plotly_chart(curves.losses(run.history, run.best), key="train_losses", config=charts.config(picture, f"{run.id}-loss"))
    scores = curves.scores(run.history, run.best)
    if scores is not None:
        with second:
            st.plotly_chart(scores, key="train_scores", config=charts.config(picture, f"{run.id}-accuracy"))
    say.caption(words)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        save("Curves (CSV)", lambda: csv_of(curves.table(run.history)).encode(), f"{run.id}.csv", key="train-curves")
        st.segmented_control(
            "The camera saves", ["SVG", "PNG"], default="SVG", key="train_picture", required=True, label_visibility="collapsed"
        )


def _result(run: Run) -> None:
    try:
        card = services.card(run.id)
    except UserError as error:
        say.error(error)
        return
    if caution := choose.caution(run.id):
        say.warning(caution, icon=":material/warning:")
    metrics = card.get("metrics", {})
    rows = [{"head": head} | {k: v for k, v in scores.items() if isinstance(v, int | float)} for head, scores in metrics.items()]
    if rows:
        st.text(f"{held_out(card)}:")
        table = pd.DataFrame(rows)
        numbers = [name for name in table.columns if name not in ("head", "clips")]
        say.table(
            table,
            hide_index=True,
            column_config=dict.fromkeys(numbers, st.column_config.NumberColumn(format="%.3f")),
            alt="Metrics",
        )


def _papers(run: Run) -> None:
    with st.expander("Log, and the same from a terminal", expanded=run.state == "failed"):
        st.code("\n".join(run.log) or "The log is still empty.", language=None, wrap_lines=True)
        words = ["affectscope", *run.order.arguments(run.checkpoint), "--resume"]
        st.code(shlex.join(words), language=None, wrap_lines=True)
        st.caption(f"Started {time.strftime('%Y-%m-%d %H:%M', time.localtime(run.queued))}.")
