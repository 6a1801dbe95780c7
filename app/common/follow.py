"""One piece of background work that a part of a page waits for: begun in place of another, watched until it is there."""

from __future__ import annotations

import streamlit as st

from affectscope.app.common import jobs


def instead(slot: str, job_id: str) -> None:
    """Remember, under a key of the session, which job this part waits for; the one that it waited for is cancelled."""
    before = st.session_state.get(slot)
    if before and before != job_id and (old := jobs.find(before)) and not old.done:
        # Nobody here reads it any more.
        jobs.cancel(old)
    st.session_state[slot] = job_id


def watched(job_id: str) -> jobs.Job:
    """The job, under way or failed; the page runs again where it has ended well, or has to be begun anew."""
    job = jobs.find(job_id)
    if job is not None and job.done and job.cancelled:
        # Somebody else had asked, and went on.
        jobs.forget(job.id)
        job = None
    if job is None or (job.done and job.error is None):
        st.rerun()
    return job
