"""A job's progress on the page."""

from __future__ import annotations

import streamlit as st

from affectscope.app.common import jobs, say

_PATIENCE = 1.5  # Seconds after the request before the page shows a progress bar.
_STEP = 0.1
_EVERY = 0.5


def finished(job: jobs.Job, patience: float = _PATIENCE) -> bool:
    """True when the job has succeeded; until then shows a bar with the stage, or the error.

    Args:
        patience: how long the page may wait for a new job. Meanwhile clicks in the page's fragments are delayed, so use 0 for
            long jobs beside a fragment.
    """
    if _soon(job, patience):
        if job.error is None:
            return True
        _refused(job)
        return False
    _bar(job.id)
    return False


def _soon(job: jobs.Job, patience: float) -> bool:
    """Whether the job ends before a bar is due. Reacts at once if the user chooses something else."""
    if job.wait(min(_STEP, patience)):
        return True
    slot = st.empty()
    for _ in range(round((patience - job.age) / _STEP)):
        # Streamlit checks for a new run whenever something is written.
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
