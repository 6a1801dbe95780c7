"""Two models on one clip: choosing them, their predictions, and the merged timeline."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pandas as pd
import streamlit as st

from affectscope.app import services
from affectscope.app.common import choose, reports, say, session
from affectscope.app.common.progress import finished
from affectscope.app.common.save import save
from affectscope.app.compare import differ, second
from affectscope.app.verdict import verdict
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of, of_clip
from affectscope.core.export.spreadsheet import csv_of
from affectscope.core.inference.table import PredictionTable
from affectscope.core.text import markdown, percent
from affectscope.core.timeline.compare import COMPARE_VERSION, agreement, disagreements, merged

_ASKED = "compare_asked"
_MOST = 60  # In the row of clips on which they differ; the table has all.


def chooser(a: str, b: str) -> None:
    """Choose the two models; A is the model of all pages."""
    names = list(services.models())
    left, right, swap = st.columns([7, 7, 2], vertical_alignment="bottom")
    key_a, key_b = reports.shows("compare_a", a), reports.shows("compare_b", b)
    left.selectbox("Model A", names, key=key_a, on_change=_choose_a, args=(key_a, b))
    right.selectbox("Model B", [name for name in names if name != a], key=key_b, on_change=_choose_b, args=(key_b,))
    swap.button("Swap", icon=":material/swap_horiz:", on_click=_choose, args=(b, a), width="stretch", help="A becomes B")


def _choose_a(key: str, b: str) -> None:
    if reports.news(key, st.session_state[key]):
        _choose(st.session_state[key], b)


def _choose_b(key: str) -> None:
    if reports.news(key, st.session_state[key]):
        session.choose_option(second.OPTION, st.session_state[key])


def _choose(a: str, b: str) -> None:
    # One update, so that one press of Back undoes it.
    session.update(model=a, options=session.with_option(second.OPTION, b))


def caution(a: str, b: str) -> str:
    """Warnings about models that were trained on rendered faces, or break a promise that this page depends on."""
    sides = (("A", a), ("B", b))
    rendered, told = [side for side, name in sides if choose.caution(name)], []
    if len(rendered) == 2:
        told = ["Both models were trained on rendered faces; they have never seen a person"]
    elif rendered:
        told = [f"Model {rendered[0]} was trained on rendered faces; it has never seen a person"]
    told += [f"Model {side}: {sentence}" for side, name in sides for sentence in choose.broken(name, "compare")]
    return ". ".join(told)


def answered(clip: services.Clip, a: str, b: str) -> tuple[services.Result, services.Result] | None:
    """Both analyses, once they exist. While another class or method is computed, the previous explanation stays."""
    usual = _both(clip, a, b, (None, None))
    if usual is None:
        return None
    explanation, sound = choose.methods()
    shared = (
        explanation if all(explanation in found.explanations for found in usual) else None,
        sound if all(sound in found.sound_explanations for found in usual) else None,
    )
    return (_both(clip, a, b, shared) if any(shared) else None) or usual


def _both(
    clip: services.Clip, a: str, b: str, methods: tuple[str | None, str | None]
) -> tuple[services.Result, services.Result] | None:
    wanted = [(name, choose.explained(name), None, *methods) for name in (a, b)]
    found = [services.result(clip, *asked) for asked in wanted]
    open_jobs = [services.analyse(clip, *asked) for asked, known in zip(wanted, found, strict=True) if known is None]
    # The placeholder is empty before and after the wait, so that nothing below moves.
    slot = st.empty()
    if open_jobs:
        with slot.container():
            done = all(finished(job) for job in open_jobs)
        if done:
            slot.empty()
    if open_jobs and not done:
        wanted = [(name, None, None, None, None) for name in (a, b)]
    first, second = (services.result(clip, *asked) for asked in wanted)
    return (first, second) if first and second else None


def together(a: services.Result, b: services.Result) -> services.Result:
    """Both analyses merged, for the player and for exports."""
    key = of_clip(a.key, key_of(COMPARE_VERSION, a.key, b.key))
    path = cache_root() / "compared" / f"{key}.aft"
    if not sealed.is_intact(path):
        sealed.write_cached(path, merged(services.timeline(a), services.timeline(b)).to_bytes())
    # The player's default comes first, as in every result.
    explained = dict.fromkeys([pair.id for pair in services.timeline(services.Result({}, {}, key, {}, path)).pairs][:1], "")
    explained |= {f"{side}.{head}": name for side, result in (("A", a), ("B", b)) for head, name in result.explained.items()}
    return services.Result({}, {}, key, explained, path)


def verdicts(a: services.Result, b: services.Result, names: tuple[str, str], truth: str | None) -> None:
    """Both models' predictions, a row of cards each; where they differ, B's card says so."""
    alike = agreement(a.predictions, b.predictions)
    verdict(services.verdicts(a, names[0]), truth, key="verdict_a", name=f"A · {names[0]}", sentence=sentence(a, b, truth))
    heads = ("decision", *services.heads(names[1]))
    cards = [
        replace(card, differs=not alike.get(head, True) and card.evidence and a.evidence.get(head, True))
        for head, card in zip(heads, services.verdicts(b, names[1]), strict=True)
    ]
    verdict(cards, truth, key="verdict_b", name=f"B · {names[1]}")


def sentence(a: services.Result, b: services.Result, truth: str | None) -> str:
    """The result of the comparison in a sentence."""
    alike = agreement(a.predictions, b.predictions)
    if "decision" not in alike:
        return "A and B give different kinds of answers: they can be read side by side, but agreement cannot be counted."
    first, other = (max(result.predictions["decision"].items(), key=lambda pair: pair[1]) for result in (a, b))
    if alike["decision"]:
        return f"A and B agree on {first[0]}" + (f"; the label is {truth}." if truth else ".")
    right = [side for side, (name, _) in (("A", first), ("B", other)) if name == truth]
    outcome = f"; {right[0]} is right." if right else "; neither is right." if truth else "."
    return f"A and B disagree: {first[0]} ({percent(first[1])}) against {other[0]} ({percent(other[1])})" + outcome


def differing(a: str, b: str, at: services.Clip) -> None:
    """The clips on which the two differ, largest distance first, in a row of fixed height; a click selects one."""
    corpus = services.corpus_of(a if services.unasked(a) else b)
    first, other = services.prediction_table(a), services.prediction_table(b)
    if first is None or other is None:
        if len(corpus.table) <= second.QUICK or st.session_state.get(_ASKED) == (a, b, corpus.name):
            asking = [services.ask_all(name) for name, known in ((a, first), (b, other)) if known is None]
            if all(finished(job, patience=0) for job in asking):
                st.rerun()
        else:
            st.button(
                f"Find the clips on which A and B differ, of {len(corpus.table):,}", on_click=_ask, args=(a, b, corpus.name)
            )
        return
    table = disagreements(first, other)
    if table is None:
        differ.row(
            "A and B give different kinds of answers, so agreement cannot be counted.",
            [],
            "",
            key="differ",
            look=lambda clip: None,
        )
        return
    second.seek(a, b)
    rows = table.head(_MOST)
    clips = [str(clip) for clip in rows.index]
    of = a if services.unasked(a) else b
    shown = [
        differ.Differing(clip, picture, *_answers(row, first))
        for clip, picture, (_, row) in zip(clips, services.pictures(of, clips), rows.iterrows(), strict=True)
    ]
    found = second.better(a, b)
    differ.row(
        _counted(table, first.task), shown, at.id if at.corpus == corpus.name else "", key="differ",
        look=lambda clip: _look(corpus.name, clip), empty="They give every clip the same answer.",
        offer=_offer(a, found, first.task) if found else ("", ""), take=partial(_choose, a, found[0] if found else b),
    )  # fmt: skip


def _answers(row: pd.Series, prediction_table: PredictionTable) -> tuple[str, str, bool | None, bool | None]:
    if prediction_table.task != "classification":
        first, other = (", ".join(f"{name} {row[f'{side}: {name}']:+.2f}" for name in prediction_table.outputs) for side in "AB")
        return first, other, None, None
    right = [bool(row[side] == row["label"]) if pd.notna(row["label"]) else None for side in "AB"]
    return str(row["A"]), str(row["B"]), right[0], right[1]


def _counted(table: pd.DataFrame, task: str) -> str:
    total, both = table.attrs["clips"], table.attrs["common"]
    where = f"{both} clips" + ("" if both == total else f" that both could read, of {total}")
    return f"A and B differ on {len(table)} of {where}" if task == "classification" else f"{where}, furthest apart first"


def _offer(a: str, found: tuple[str, float, float], task: str) -> tuple[str, str]:
    name, there, here = found
    far = f": {percent(there)} of the clips, B {percent(here)}" if task == "classification" else ""
    return f"Compare with {name}", f"{name} differs more from {a}{far}"


def _ask(a: str, b: str, corpus: str) -> None:
    st.session_state[_ASKED] = (a, b, corpus)


def _look(corpus: str, clip: str) -> None:
    session.update(corpus=corpus, clip=clip)


def elsewhere(a: str, b: str) -> None:
    """A table of all clips on which the two differ; a click selects one."""
    first, other = services.prediction_table(a), services.prediction_table(b)
    table = disagreements(first, other) if first and other else None
    if table is None or table.empty:
        return
    menu = st.expander("All of them as a table", key="compare_elsewhere", on_change="rerun")
    if menu.open:
        with menu:
            _table(table, a if services.unasked(a) else b)


def _table(table: pd.DataFrame, of: str) -> None:
    key = f"compare_clips_{key_of(list(table.index), table.to_csv())[:8]}"
    say.table(
        table.reset_index(names="clip"),
        key=key,
        hide_index=True,
        height=min(420, 40 + 35 * len(table)),
        selection_mode="single-row",
        on_select=partial(_open, key, services.corpus_of(of).name, [str(clip) for clip in table.index]),
        column_config={"apart": st.column_config.NumberColumn(format="%.2f", help=markdown(table.attrs["apart"]))},
    )
    save("Table (CSV)", lambda: csv_of(table).encode(), "differences.csv", key="compare-table")


def _open(key: str, corpus: str, clips: list[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if reports.news(key, rows) and rows:
        session.update(corpus=corpus, clip=clips[rows[0]])
