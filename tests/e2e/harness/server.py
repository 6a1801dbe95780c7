"""A server for the player alone, with the real routes."""

from pathlib import Path

import streamlit as st

from affectscope.app.server import ROUTES

app = st.App(Path(__file__).with_name("main.py"), routes=ROUTES)
