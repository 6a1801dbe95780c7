"""A background job that a part of a page waits for: replaces an earlier one, and is watched until it ends."""

from __future__ import annotations

import streamlit as st

from affectscope.app.common import jobs


def instead(slot: str, job_id: str) -> None:
    """Store under a session key which job this part waits for, and cancel the one before."""
    before = st.session_state.get(slot)
    if before and before != job_id and (old := jobs.find(before)) and not old.done:
        # Its result is no longer needed.
        jobs.cancel(old)
    st.session_state[slot] = job_id


def watched(job_id: str) -> jobs.Job:
    """The running or failed job; reruns the page if the job succeeded or has to be started again."""
    job = jobs.find(job_id)
    if job is not None and job.done and job.cancelled:
        # Another session had requested it, and cancelled it.
        jobs.forget(job.id)
        job = None
    if job is None or (job.done and job.error is None):
        st.rerun()
    return job
