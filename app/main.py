"""Entry of the app: page config, and navigation over pages/."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from app import session

st.set_page_config(
    page_title="AffectScope",
    page_icon=str(Path(__file__).with_name("icon.svg")),
    layout="wide",
    initial_sidebar_state=400,
    menu_items={"About": "AffectScope: a microscope for audio-visual emotion models."},
)
page = st.navigation(
    [
        st.Page("../pages/clip.py", title="Clip", icon=":material/smart_display:", default=True),
        st.Page("../pages/embeddings.py", title="Embeddings", icon=":material/scatter_plot:"),
        st.Page("../pages/shared_space.py", title="Shared space", icon=":material/join_inner:"),
        st.Page("../pages/masking.py", title="Masking", icon=":material/tune:"),
        st.Page("../pages/failures.py", title="Failures", icon=":material/rule:"),
        st.Page("../pages/compare.py", title="Compare", icon=":material/compare:"),
        st.Page("../pages/train.py", title="Train", icon=":material/model_training:"),
        st.Page("../pages/library.py", title="Library", icon=":material/inventory_2:"),
    ],
    position="top",
)
session.enter(page.url_path)
page.run()
