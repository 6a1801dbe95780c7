"""The form for a new run, with the system's recipe as default and every setting editable."""

from __future__ import annotations

import streamlit as st

from affectscope.app import services
from affectscope.app.common import press, say, session
from affectscope.app.training import outlook
from affectscope.core.checkpoints import plugged
from affectscope.core.errors import UserError
from affectscope.core.models.base import MODELS
from affectscope.core.text import markdown, shown
from affectscope.core.training import beside
from affectscope.core.training.background import devices, start, strategies
from affectscope.core.training.recipes import recipe
from affectscope.core.training.runs import Order

SPLITS = {"speaker": "By speaker", "official": "The corpus's own"}
_STRATEGY = "What a step sees and minimises."
_BESIDE = (
    f"“{beside.NAME}” keeps the shipped model as it is and fits linear classifiers beside its heads, without epochs: with some "
    "hundred recordings this is more accurate than training (docs/real-people.md)."
)
BUNDLED, FOLDER, NOBODY = "The bundled clips", "A folder", "None"


def new_run(opened: bool) -> str:
    """Configure and start a run, which becomes the current one. Returns the chosen system."""
    box = st.expander("A new run", expanded=opened, icon=":material/add:", on_change="rerun", key="train_form")
    with box:
        order = _order()
        # Measuring takes time, so only when the form is open.
        if box.open:
            outlook.show(order)
        if press.button("Start training", key="train_start", type="primary", icon=":material/model_training:"):
            try:
                name = start(order, services.models())
            except UserError as error:
                say.error(error)
                return order.system
            session.choose_option("train.run", name)
            st.rerun()
    return order.system


def _order() -> Order:
    first, second, third = st.columns(3)
    names = list(MODELS)
    system = first.selectbox(
        "System", names, index=names.index("auxformer"), key="train_system", help="What the models are: see docs/systems.md."
    )
    if plugins := list(plugged.known()):
        which = shown(plugins[0]) + (f" and {len(plugins) - 1} more" if len(plugins) > 1 else "")
        st.caption(
            f"These systems are trained here. Networks of plugins ({markdown(which)}) are trained by their own code: start the "
            "app again with the new weights, `--weights NAME=PATH`."
        )
    presets = list(MODELS[system].presets())
    preset = second.selectbox(
        "Size", presets, index=presets.index("demo") if "demo" in presets else 0, key=f"train_preset_{system}",
        help="demo trains in minutes on two cores; paper has the published size.",
    )  # fmt: skip
    own = f"{system}_{preset}"
    defaults = recipe(system, preset)
    corpus = _corpus()
    also = _also(corpus)
    offered = strategies(system, preset, corpus, also)
    strategy = third.selectbox(
        "Strategy", offered, key=f"train_strategy_{own}_{offered[0]}",
        help=f"{_STRATEGY} {_BESIDE}" if beside.NAME in offered else _STRATEGY,
    )  # fmt: skip
    trains = strategy != beside.NAME
    fourth, fifth, sixth, seventh, eighth = st.columns(5)
    epochs = fourth.number_input(
        "Epochs, at most", 1, 10_000, defaults.config.epochs, key=f"train_epochs_{own}", disabled=not trains
    )
    rate = fifth.number_input(
        "Learning rate", 1e-8, 10.0, defaults.config.learning_rate, step=defaults.config.learning_rate / 10, format="%.2e",
        key=f"train_rate_{own}", disabled=not trains,
    )  # fmt: skip
    seed = sixth.number_input(
        "Seed",
        0,
        2**31 - 1,
        0,
        key="train_seed",
        help="Decides which speakers are held out, the initial weights and the order of the clips.",
    )
    split = seventh.selectbox(
        "Split", list(SPLITS), index=list(SPLITS).index(defaults.config.split), format_func=lambda name: SPLITS[name],
        key=f"train_split_{own}", help="Speakers drawn by the seed, none in two parts, or the parts that the corpus came with.",
    )  # fmt: skip
    places = devices()
    device = eighth.selectbox(
        "Device", list(places), index=len(places) - 1 if len(places) > 1 else 0, format_func=lambda name: places[name],
        key="train_device",
    )  # fmt: skip
    return Order(system, preset, corpus, strategy, int(epochs) if trains else 0, float(rate), int(seed), device, split, also)


def _also(corpus: str) -> str:
    """A joining corpus, or none."""
    named = [name for name in services.corpus_names() if name not in (corpus, services.DEMO)]
    bundled = {BUNDLED: services.DEMO} if corpus != services.DEMO else {}
    known = {NOBODY: ""} | bundled | {name: name for name in named}
    kind = st.radio(
        "Additional clips", [*known, FOLDER], format_func=markdown, horizontal=True, key="train_also",
        help="Clips with sound or picture alone count too; corpora and classes are drawn evenly; labels are the first corpus's.",
    )  # fmt: skip
    if kind in known:
        return known[kind]
    return st.text_input("Folder of additional clips", key="train_also_folder", placeholder="/data/emodb").strip()


def _corpus() -> str:
    named = {BUNDLED: services.DEMO, **{name: name for name in services.corpus_names() if name != services.DEMO}}
    kind = st.radio("Corpus", [*named, FOLDER], format_func=markdown, horizontal=True, key="train_corpus")
    if kind in named:
        return named[kind]
    return st.text_input(
        "Folder on the machine that runs the app", key="train_folder", placeholder="/data/cremad",
        help="With a labels.csv, as `affectscope corpus build demo` writes it.",
    )  # fmt: skip
