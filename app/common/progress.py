"""A job's progress on the page."""

from __future__ import annotations

import streamlit as st

from affectscope.app.common import jobs, say

_PATIENCE = 1.5  # Seconds in which work may end before the page shows a bar.
_STEP = 0.1
_EVERY = 0.5


def finished(job: jobs.Job) -> bool:
    """True when the job has ended well; until then a bar that names the stage, or one sentence that says what went wrong."""
    if _soon(job):
        if job.error is None:
            return True
        _refused(job)
        return False
    _bar(job.id)
    return False


def _soon(job: jobs.Job) -> bool:
    """Whether the job ends before a person would want to see a bar. Whoever chooses something else meanwhile is heard at once."""
    if job.wait(_STEP):
        return True
    slot = st.empty()
    for _ in range(round(_PATIENCE / _STEP)):
        # Streamlit listens where something is written.
        slot.empty()
        if job.wait(_STEP):
            return True
    return False


@st.fragment(run_every=_EVERY)
def _bar(job_id: str) -> None:
    job = jobs.find(job_id)
    if job is None or job.done:
        st.rerun()
    else:
        say.progress(job.fraction, f"{job.stage} …")
        st.button("Cancel", key=f"cancel-{job_id}", on_click=jobs.cancel, args=(job,), type="tertiary")


def _refused(job: jobs.Job) -> None:
    say.error(job.error or "")
    st.button("Try again", key=f"again-{job.id}", on_click=jobs.forget, args=(job.id,))
