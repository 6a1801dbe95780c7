"""Entry point of the app: page config, and navigation over pages/. Slow imports belong to the pages and are waited for here."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from affectscope.app import skeleton
from affectscope.app.common import session, tour
from affectscope.app.common.navigation import FIRST, PAGES
from affectscope.app.serving import starting

_HERE = Path(__file__).parent
st.set_page_config(
    page_title="AffectScope",
    page_icon=str(_HERE / "icon.svg"),
    layout="wide",
    initial_sidebar_state=300,
    menu_items={"About": "AffectScope: a microscope for audio-visual emotion models."},
)
# Streamlit keeps styles outside the page's elements.
st.html(_HERE / "main.css")
if st.context.theme.type == "dark":
    st.html(_HERE / "dark.css")
pages = [
    st.Page(f"../pages/{name}.py", title=title, icon=f":material/{icon}:", default=name == FIRST)
    for name, (title, icon) in PAGES.items()
]
by_path = {page.url_path: page for page in pages}
page = st.navigation(pages, position="top")
session.enter(page.url_path)
session.drawn()
tour.show(page.url_path, by_path)
if not starting.ready():
    skeleton.show_until_ready()
    # Rerun, so that the page's elements get their final positions.
    st.rerun()

# This imports everything that is slow.
from affectscope.app.common import choose  # noqa: E402

head, below = choose.frame()
if page.url_path == "":
    with head:
        tour.again(page.url_path, by_path)
page.run()
choose.sidebar(below)
