"""The Library page: checkpoints and corpora: upload, compare, read cards, remove."""

from __future__ import annotations

import streamlit as st

from affectscope.app import services
from affectscope.app.library import parts
from affectscope.app.verdict import heading

count = len(services.models())
heading("Library", [f"{count} {'model' if count == 1 else 'models'}", f"corpus {services.corpus_name()}"])
st.markdown("##### Models")
parts.drop()
parts.arrivals()
chosen = parts.models()
parts.cards(chosen)

st.markdown("##### Corpora")
parts.corpora(chosen[0] if chosen else None)
