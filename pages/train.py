"""The Train page: train a system, watch and stop it, and use the result. Runs continue when the page is closed."""

from __future__ import annotations

import streamlit as st

from affectscope.app.common import pick
from affectscope.app.training import form, sample, watch
from affectscope.app.verdict import heading
from affectscope.core.training import runs

heading("Train")
known = runs.all_runs()
system = form.new_run(opened=not known)
if known:
    # Names only: a select box whose labels change while it is open sends the old ones.
    chosen = pick.pick("Run", "train.run", {name: name for name in known})
    watch.look(chosen, known)
else:
    st.info("No run was started here yet. A run goes on when this page is closed, and is found again when you come back.")
    sample.show(system)
