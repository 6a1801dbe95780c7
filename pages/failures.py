"""Where the model goes wrong: the clips that it is most confidently wrong about, its slices, its confidence, and the notes."""

from __future__ import annotations

import streamlit as st

from app import choose, notebook, say, services
from app.failures import views
from app.notebook.shelf import notebook as all_notes
from app.pick import tabs
from app.progress import finished
from app.verdict import heading
from core.errors import UserError

VIEWS = {"cases": "Cases", "slices": "Slices", "reliability": "Reliability", "notes": "Notebook"}

model = choose.model()
try:
    if model:
        top = st.container()
        row = st.container(horizontal=True, vertical_alignment="bottom")
        with row:
            view = tabs("What to look at", "failures.view", VIEWS)
        if view == "notes":
            with top:
                heading("Notebook", [], choose.caution(model))
            all_notes()
        else:
            survey = services.survey(model)
            if survey is None and finished(services.ask_all(model)):
                survey = services.survey(model)
            with top:
                heading("Failures", views.summary(model, survey), choose.caution(model))
            if survey is not None:
                views.show(view, model, survey, row)
        notebook.dialogs()
except UserError as error:
    say.error(error)
