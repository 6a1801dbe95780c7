"""Entry of the app: page config, and navigation over pages/."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import choose, session, tour

st.set_page_config(
    page_title="AffectScope",
    page_icon=str(Path(__file__).with_name("icon.svg")),
    layout="wide",
    initial_sidebar_state=300,
    menu_items={"About": "AffectScope: a microscope for audio-visual emotion models."},
)
_PAGES = {
    "clip": ("Clip", "smart_display"),
    "embeddings": ("Embeddings", "scatter_plot"),
    "shared_space": ("Shared space", "join_inner"),
    "masking": ("Masking", "tune"),
    "failures": ("Failures", "rule"),
    "compare": ("Compare", "compare"),
    "train": ("Train", "model_training"),
    "library": ("Library", "inventory_2"),
}
pages = [
    st.Page(f"../pages/{name}.py", title=title, icon=f":material/{icon}:", default=name == "clip")
    for name, (title, icon) in _PAGES.items()
]
by_path = {one.url_path: one for one in pages}
page = st.navigation(pages, position="top")
session.enter(page.url_path)
# Always a place for it: when the tour closes, what stands below must not be taken for something new.
with st.container():
    tour.show(page.url_path, by_path)
head, below = choose.frame()
if page.url_path == "":
    with head:
        tour.again(page.url_path, by_path)
page.run()
choose.sidebar(below)
