"""A server for the Embeddings page alone, with the real routes."""

from pathlib import Path

import streamlit as st

from affectscope.app.server import ROUTES

app = st.App(Path(__file__).with_name("many.py"), routes=ROUTES)
