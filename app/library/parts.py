"""The parts of the Library page: drop zone, arrivals, models, cards, corpora."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import streamlit as st

from affectscope.app import services
from affectscope.app.common import address, jobs, press, reports, say, session
from affectscope.app.common.progress import finished
from affectscope.app.common.save import save
from affectscope.app.gate.terms import base
from affectscope.app.library import Sheet, asking, checking, columns, drops, inventory, sheets, taking, view, zone
from affectscope.core import devices
from affectscope.core.checkpoints.layouts import LAYOUTS
from affectscope.core.errors import UserError
from affectscope.core.export.spreadsheet import csv_of
from affectscope.core.library import dropped as library
from affectscope.core.plugins import loading
from affectscope.core.text import markdown

# The last one is in use; a file may still be arriving at the one before.
_TICKETS = "library.tickets"
_ARRIVING = "library.arriving"
_NEWS = "library.news"
_REMOVED = "library.removed"
_SHOWN = "library.shown"
_UNADDED = "library.unadded"
_CORPUS = "library.corpus"
_MOST_SHOWN = 3


def drop() -> None:
    """Where checkpoints come in: uploaded, or by path on the server."""
    tickets = st.session_state.get(_TICKETS, [""])
    if not drops.usable(tickets[-1]):
        tickets = st.session_state[_TICKETS] = [tickets[-1], drops.ticket()]
    known = devices.devices()
    device = st.session_state.get("library.device", devices.CPU)
    zone(f"{base()}/drops/{tickets[-1]}", key="library-zone", dropped=_dropped)
    left, right = st.columns([1, 2], vertical_alignment="bottom")
    left.selectbox("Device", list(known), format_func=lambda d: known[d], key="library.device", help="Where the model will run.")
    with right.form("library-path", border=False, enter_to_submit=True):
        field, button = st.columns([4, 1], vertical_alignment="bottom")
        text = field.text_input("Or a path on the machine that runs the app", placeholder="/data/run-7/model.safetensors")
        with button:
            read = press.form_submit_button("Read", key="library-read", width="stretch")
        if read and text:
            try:
                path = library.find_path(text)
                _begin([inventory.Arriving(path, path.name, device, ours=False, corpus=services.corpus_name())])
            except UserError as error:
                sheets([Sheet("Not read", [str(error)], tone="wrong")], key="library-path-refused")


def _dropped(told: Any) -> None:
    arrived = drops.take(st.session_state.get(_TICKETS, []), told)
    device = st.session_state.get("library.device", devices.CPU)
    _begin(inventory.sorted_out(arrived, device, services.corpus_name()))


def _begin(arriving: Iterable[inventory.Arriving]) -> None:
    waiting = st.session_state.setdefault(_ARRIVING, [])
    for file in arriving:
        inventory.begin(file)
        if file not in waiting:
            waiting.append(file)


def arrivals() -> None:
    """Files being read, and refused ones with the reason."""
    for arriving in list(st.session_state.get(_ARRIVING, [])):
        job = jobs.find(arriving.id) or inventory.begin(arriving)
        if not job.done:
            _reading(arriving)
            continue
        name, report = inventory.outcome(arriving) or ("", inventory.Report(job.error or "It was not read: try again."))
        if name:
            st.session_state[_ARRIVING].remove(arriving)
            inventory.dismiss(arriving)
            st.session_state[_NEWS] = name
            session.choose_option(_SHOWN, json.dumps([name]))
            continue
        if report.asked:
            asking.form(arriving, report, _begin_again)
            continue
        _refused(arriving, report)
    if news := st.session_state.pop(_NEWS, ""):
        sheets([Sheet(f"{news} is in the library", [inventory.news(news)], tone="good")], key="library-news")


@st.fragment(run_every=0.5)
def _reading(arriving: inventory.Arriving) -> None:
    job = jobs.find(arriving.id)
    if job is None or job.done:
        st.rerun()
    else:
        sheets([Sheet(arriving.called, ["Reading it in a separate process …"])], key=f"reading-{arriving.id}")
        st.button("Cancel", key=f"cancel-{arriving.id}", on_click=jobs.cancel, args=(job,), type="tertiary")


def _refused(arriving: inventory.Arriving, report: inventory.Report) -> None:
    sheets([view.refusal(arriving.called, report)], key=f"refused-{arriving.id}")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        if report.unknown:
            layout = st.selectbox("Read it as the public layout", list(LAYOUTS), key=f"layout-{arriving.id}", width=280)
            st.button("Read", key=f"again-{arriving.id}", on_click=_again, args=(arriving, str(layout)))
        st.button("Dismiss", key=f"dismiss-{arriving.id}", on_click=_dismiss, args=(arriving,), type="tertiary")


def _again(arriving: inventory.Arriving, layout: str) -> None:
    _begin_again(arriving, replace(arriving, layout=layout))


def _begin_again(arriving: inventory.Arriving, answered: inventory.Arriving) -> None:
    st.session_state[_ARRIVING].remove(arriving)
    jobs.forget(arriving.id)
    _begin([answered])


def _dismiss(arriving: inventory.Arriving) -> None:
    st.session_state[_ARRIVING].remove(arriving)
    inventory.dismiss(arriving)


def models() -> list[str]:
    """The table of all models. Returns those whose cards to show."""
    sheets(view.left_out(loading.troubles()), key="library-plugins")
    names = list(services.models())
    if not names:
        st.info("There is no model yet: drop a checkpoint above, or train one.")
        return []
    shown = _shown(names)
    table = view.comparison(names, {name: services.loaded(name) for name in names})
    # A table keeps its own selection, so a choice made elsewhere needs a new one.
    turn = st.session_state.setdefault("library.turn", 0)
    if st.session_state.setdefault("library.at", (names, shown)) != (names, shown):
        turn = st.session_state["library.turn"] = turn + 1
        st.session_state["library.at"] = (names, shown)
    key, marked = f"library-models-{turn}", [names.index(name) for name in shown]
    reports.settle(key, marked)
    say.table(
        table,
        key=key,
        hide_index=True,
        placeholder="",
        on_select=lambda: _choose(key, names),
        selection_mode="multi-row",
        selection_default={"selection": {"rows": marked}},
        column_config={
            "Model": st.column_config.TextColumn(pinned=True, width="medium"),
            "Trained on": st.column_config.TextColumn(width="medium"),
            **{name: st.column_config.NumberColumn(format=form) for name, form in view.formats().items()},
        },
        alt="All models with their sizes, inputs, training and metrics",
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        _measure_all(names)
        save("CSV", lambda: csv_of(table, index=False).encode(), "models.csv", key="library")
        st.caption(
            "Choose rows to see their cards. “Held out” was measured by training; the rest on the selected corpus, or on "
            "the clips of an imported table."
        )
    _measuring(names)
    return shown


def _measure_all(names: list[str]) -> None:
    """Start the queue; it continues when the page is closed."""
    try:
        left, job = inventory.unmeasured(names), inventory.measuring()
    except UserError:
        # The corpus cannot be read; its sheet shows the reason.
        return
    if not left:
        return
    running = job is not None and not job.done
    asked = press.button(
        f"Measure all ({len(left)})", key="measure-all", icon=":material/speed:", disabled=running,
help="Run every model that was not measured yet on every clip of the selected corpus, one after the other.",
    )  # fmt: skip
    if asked and not running:
        inventory.measure_all(left)
        st.rerun()


def _measuring(names: list[str]) -> None:
    try:
        job = inventory.measuring()
    except UserError:
        return
    if job is None:
        return
    if not job.done:
        _queue(job.id, names, len(inventory.unmeasured(names)))
    elif job.error:
        tone = "" if job.cancelled else "wrong"
        line = "What was measured until then is kept." if job.cancelled else job.error
        sheets(
            [Sheet("Measuring was stopped" if job.cancelled else "Not all were measured", [line], tone=tone)], key="unmeasured"
        )
        st.button("Dismiss", key="dismiss-unmeasured", on_click=jobs.forget, args=(job.id,), type="tertiary")


@st.fragment(run_every=0.7)
def _queue(job_id: str, names: list[str], left: int) -> None:
    """Progress of the queue; the table above is redrawn whenever a model is finished."""
    job = jobs.find(job_id)
    if job is None or job.done or len(inventory.unmeasured(names)) != left:
        st.rerun()
        return
    sheets([Sheet("Measuring", [f"{job.stage} …"])], key="measuring")
    st.progress(job.fraction)
    st.button("Cancel", key="cancel-measuring", on_click=jobs.cancel, args=(job,), type="tertiary")


def _shown(names: list[str]) -> list[str]:
    wanted = address.parsed(session.option(_SHOWN))
    shown = [name for name in names if isinstance(wanted, list) and name in wanted][:_MOST_SHOWN]
    current = session.current().model
    if wanted and not shown and address.told(f"o.{_SHOWN}", session.option(_SHOWN)):
        address.doubt("a model", current if current in names else names[0])
    return shown or [current if current in names else names[0]]


def _choose(key: str, names: list[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"][-_MOST_SHOWN:]
    if not reports.news(key, rows):
        return
    chosen = [names[row] for row in rows if row < len(names)]
    st.session_state["library.at"] = (names, sorted(chosen, key=names.index))
    session.choose_option(_SHOWN, json.dumps(chosen))


def cards(shown: list[str]) -> None:
    """The cards of the chosen models, and their actions."""
    _undo()
    for column, name in zip(st.columns(max(1, len(shown))), shown, strict=False):
        with column:
            sheets([view.model_sheet(name)], key=f"sheet-{name}")
            _actions(name)


def _ask(name: str) -> None:
    st.session_state[f"library.measuring-{name}"] = True


def _actions(name: str) -> None:
    incompatible, imported = inventory.incompatible_features(name), bool(services.unasked(name))
    with st.container(horizontal=True, vertical_alignment="bottom"):
        label, help_text = ("Look at a clip" if imported else "Ask it"), "Open the Clip page."
        wanted = bool(incompatible) and not imported
        if press.button(
            markdown(label), key=f"ask-{name}", icon=":material/smart_display:", disabled=wanted, help=markdown(help_text)
        ):
            session.update(model=name)
            session.go("clip")
        if imported and press.button("Failures", key=f"failures-{name}", icon=":material/rule:", help="Open the Failures page."):
            session.update(model=name)
            session.go("failures")
        if inventory.measured(name) is None and not imported:
            st.button(
                "Measure",
                key=f"measure-{name}",
                disabled=bool(incompatible),
                help="Run it on every clip of the selected corpus.",
                on_click=_ask,
                args=(name,),
            )
        known = devices.devices()
        if not imported and (len(known) > 1 or library.device(name) not in known):
            key = reports.shows(f"device-{name}", library.device(name))
            options = list({library.device(name): None, **known})
            st.selectbox("Device", options, key=key, format_func=lambda d: known.get(d, d), on_change=_move, args=(name, key))
        if not imported:
            taking.offer(name)
        checking.offer(name)
        if (entry := inventory.removable(name)) is not None:
            st.button("Remove", key=f"remove-{name}", icon=":material/delete:", on_click=_remove, args=(entry,))
    checking.progress(name)
    if st.session_state.get(f"library.measuring-{name}") and not incompatible:
        _measure(name)


def _measure(name: str) -> None:
    try:
        # Otherwise a finished job would start again.
        if inventory.measured(name) is not None or finished(services.ask_all(name)):
            del st.session_state[f"library.measuring-{name}"]
            st.rerun()
    except UserError as error:
        sheets([Sheet("Not measured", [str(error)], tone="wrong")], key=f"unmeasured-{name}")


def _move(name: str, key: str) -> None:
    if reports.news(key, st.session_state[key]):
        inventory.move(name, st.session_state[key])


def _remove(entry: inventory.Removable) -> None:
    before, after = inventory.remove(entry)
    st.session_state[_REMOVED] = (entry, before, after)


def _undo() -> None:
    if trouble := st.session_state.pop(taking.TROUBLE, ""):
        sheets([Sheet("Not done", [trouble], tone="wrong")], key="library-unrestored")
    if _REMOVED not in st.session_state:
        return
    entry, before, after = st.session_state[_REMOVED]
    known = devices.devices()
    lines = [f"{known.get(d, d)} memory: {before[d] / 1e6:,.0f} MB before, {after.get(d, 0) / 1e6:,.0f} MB now." for d in before]
    lines = lines or ["Its weights were not in memory."]
    sheets([Sheet(f"{entry.name} was removed", [*lines, "Its file is kept for a day."])], key="library-removed")
    with st.container(horizontal=True):
        st.button("Undo", on_click=_restore, args=(entry,), icon=":material/undo:")
        st.button("Dismiss", key="dismiss-removed", on_click=lambda: st.session_state.pop(_REMOVED, None), type="tertiary")


def _restore(entry: inventory.Removable) -> None:
    del st.session_state[_REMOVED]
    try:
        inventory.restore(entry)
        session.choose_option(_SHOWN, json.dumps([entry.name]))
    except UserError as error:
        st.session_state[taking.TROUBLE] = str(error)


def corpora(model: str | None) -> None:
    """The added corpora, and one in a folder on the server."""
    # Not in the URL: a link must not make the server read a folder.
    folder, names = str(st.session_state.get(_CORPUS, "")), services.corpus_names()
    shown_sheets, read = [], False
    for place in dict.fromkeys([*names, folder]):
        if place:
            try:
                mapped = tuple(columns.chosen(place).items())
                opened = services.opened(place) if place in names else inventory.corpus(place, mapped)
                shown_sheets.append(view.corpus_sheet(opened, inventory.classes(opened, model)))
                read = True
            except (UserError, OSError, ValueError) as error:
                lines = [str(error) if isinstance(error, UserError) else "The folder cannot be read as a corpus: check its path."]
                lines += ["Or choose its columns below."] if columns.offered(place) else []
                shown_sheets.append(Sheet(place, lines, tone="wrong"))
                read = False
    if trouble := st.session_state.pop(_UNADDED, ""):
        shown_sheets.append(Sheet("Not added", [trouble], tone="wrong"))
    sheets(shown_sheets, key="library-corpora")
    if folder and folder not in names:
        columns.form(folder, refused=not read)
    with st.container(horizontal=True):
        for name in names:
            if name != services.corpus_name():
                st.button(f"Look at {markdown(name)}", key=f"look-{name}", on_click=services.look_at, args=(name,))
        if folder and folder not in names and read:
            st.button(f"Add {markdown(inventory.name_for(folder))}", on_click=_add, args=(folder,), type="primary")
    key = reports.shows("library.folder", folder)
    st.text_input(
        "Another corpus: its folder, or its table of clips, on the machine that runs the app",
        key=key,
        placeholder="/data/demo-train",
        on_change=_keep_folder,
        args=(key,),
    )


def _keep_folder(key: str) -> None:
    if reports.news(key, st.session_state[key]):
        st.session_state[_CORPUS] = st.session_state[key].strip()


def _add(folder: str) -> None:
    """Add the corpus in a folder under the folder's name, and select it."""
    try:
        services.look_at(inventory.add_corpus(folder, columns.chosen(folder)))
        st.session_state[_CORPUS] = ""
    except UserError as error:
        st.session_state[_UNADDED] = str(error)
