"""Background jobs: they outlive the page, and every page can query their progress."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from affectscope.app.gate.visitors import bound
from affectscope.core.cache.refusals import sentence_of
from affectscope.core.threads import fit_thread_pools

Progress = Callable[[str, float], None]
Work = Callable[[Progress], None]

_LOG = logging.getLogger(__name__)
_KEPT = 200
_PAUSE = 0.1
_CANCELLED = "The work was cancelled."


class Cancelled(Exception):
    """Raised inside the work at its next progress report."""


@dataclass
class Job:
    """A job. Its result is a file, so it only stores its state."""

    id: str
    pool: str = "analysis"
    stage: str = "Waiting for its turn"
    fraction: float = 0.0
    error: str | None = None
    cancelled: bool = False
    future: Future[None] = field(default_factory=Future, repr=False)
    ordered: float = field(default_factory=time.monotonic, repr=False)

    @property
    def done(self) -> bool:
        return self.future.done()

    @property
    def age(self) -> float:
        """Seconds since it was requested, whether or not it has started."""
        return time.monotonic() - self.ordered

    def wait(self, seconds: float) -> bool:
        """True if the job ended within ``seconds``, so that short work needs no progress bar."""
        return bool(wait([self.future], seconds).done)


# One analysis at a time: models use all cores, so two would only slow each other down.
_POOLS = {
    name: ThreadPoolExecutor(1, name, fit_thread_pools)
    for name in ("analysis", "corpus", "export", "pictures", "maps", "library", "queue", "trust", "why")
}
_JOBS: dict[str, Job] = {}
_LOCK = threading.Lock()


def ensure(job_id: str, work: Work, pool: str = "analysis") -> Job:
    """The job with this id, waiting, running or failed; or a new one."""
    with _LOCK:
        known = _JOBS.get(job_id)
        if known and (not known.done or known.error):
            return known
        job = Job(job_id, pool)
        _JOBS[job_id] = job
        for old in [i for i, j in _JOBS.items() if j.done][:-_KEPT]:
            del _JOBS[old]
        job.future = _POOLS[pool].submit(_run, job, bound(work))
        return job


def find(job_id: str) -> Job | None:
    return _JOBS.get(job_id)


def about(mark: str) -> list[Job]:
    """Waiting or running jobs whose id contains ``mark``."""
    return [job for job in list(_JOBS.values()) if mark in job.id and not job.done]


def busy() -> bool:
    """Whether somebody waits for a single clip, to which long jobs should yield."""
    return any(not job.done and job.pool == "analysis" for job in list(_JOBS.values()))


def standing_back(progress: Progress) -> Progress:
    """A progress function that pauses while somebody waits for a single clip; cancelling still works."""

    def told(stage: str, fraction: float) -> None:
        progress(stage, fraction)
        while busy():
            time.sleep(_PAUSE)
            progress(stage, fraction)

    return told


def cancel(job: Job) -> None:
    """Stop the work at its next progress report, or before it starts."""
    job.cancelled = True
    if job.future.cancel():
        job.error = _CANCELLED


def forget(job_id: str) -> None:
    """Forget a job, so that it can be tried again."""
    with _LOCK:
        _JOBS.pop(job_id, None)


def _run(job: Job, work: Work) -> None:
    def progress(stage: str, fraction: float) -> None:
        if job.cancelled:
            raise Cancelled
        job.stage, job.fraction = stage, min(1.0, max(0.0, fraction))

    try:
        progress("Starting", 0.0)
        work(progress)
    except Cancelled:
        job.error = _CANCELLED
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            _LOG.exception("job %s failed", job.id)
        job.error = sentence or "Something went wrong inside the app; the server's log has the details."
