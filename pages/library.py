"""The checkpoints and corpora at hand: drop one in, compare all, read their cards, remove what is no longer wanted."""

from __future__ import annotations

import streamlit as st

from app.library import parts

st.header("Models", anchor=False)
parts.drop()
parts.arrivals()
chosen = parts.models()
parts.shelf(chosen)

st.header("Corpora", anchor=False)
parts.corpora(chosen[0] if chosen else None)
