"""A job's progress on the page."""

from __future__ import annotations

import streamlit as st

from affectscope.app.common import jobs, say

_PATIENCE = 1.5  # Seconds after it was ordered in which work may end before the page shows a bar.
_STEP = 0.1
_EVERY = 0.5


def finished(job: jobs.Job, patience: float = _PATIENCE) -> bool:
    """True when the job has ended well; until then a bar that names the stage, or one sentence that says what went wrong.

    Args:
        patience: for how long the page may wait for work that was ordered just now. Meanwhile nobody is heard who presses
            something in a part of the page that runs by itself: 0 for what takes long and stands beside such a part.
    """
    if _soon(job, patience):
        if job.error is None:
            return True
        _refused(job)
        return False
    _bar(job.id)
    return False


def _soon(job: jobs.Job, patience: float) -> bool:
    """Whether the job ends before a person would want to see a bar. Whoever chooses something else meanwhile is heard at once."""
    if job.wait(min(_STEP, patience)):
        return True
    slot = st.empty()
    for _ in range(round((patience - job.age) / _STEP)):
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
