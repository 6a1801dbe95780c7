"""The Failures page: the most confident errors, slices, reliability, abstention, and the notes."""

from __future__ import annotations

import streamlit as st

from affectscope.app import notebook, services, why
from affectscope.app.common import choose, say
from affectscope.app.common.pick import tabs
from affectscope.app.common.progress import finished
from affectscope.app.failures import views
from affectscope.app.notebook.notes import notebook as all_notes
from affectscope.app.trust import corpus as trust
from affectscope.app.verdict import heading
from affectscope.core.errors import UserError

VIEWS = {
    "cases": "Cases", "slices": "Slices", "reliability": "Reliability", "abstention": "Abstention", "trust": "Trust",
    "notes": "Notebook",
}  # fmt: skip

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
        elif view == "trust":
            with top:
                heading("Trust", [f"model {model}"], choose.caution(model))
            trust.view(model)
        else:
            prediction_table = services.prediction_table(model)
            if prediction_table is None and finished(services.ask_all(model)):
                prediction_table = services.prediction_table(model)
            with top:
                heading("Failures", views.summary(model, prediction_table), choose.caution(model, "failures"))
            if prediction_table is not None:
                views.show(view, model, prediction_table, row)
        notebook.dialogs()
        why.dialogs()
except UserError as error:
    say.error(error)
