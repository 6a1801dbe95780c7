"""Work off the script thread."""

from __future__ import annotations

import threading

from affectscope.app.common import jobs
from affectscope.core.errors import UserError


def test_work_runs_once_while_it_lasts() -> None:
    go, runs = threading.Event(), []

    def work(progress: jobs.Progress) -> None:
        runs.append(1)
        progress("Half", 0.5)
        go.wait(5)

    job = jobs.ensure("once", work)
    assert jobs.ensure("once", work) is job
    assert not job.wait(0.1)
    assert (job.stage, job.fraction) == ("Half", 0.5)
    go.set()
    assert job.wait(5)
    assert job.error is None
    assert len(runs) == 1


def test_user_errors_are_kept_as_their_sentence() -> None:
    def work(progress: jobs.Progress) -> None:
        raise UserError("The file is damaged: copy it again.")

    job = jobs.ensure("refused", work)
    assert job.wait(5)
    assert job.error == "The file is damaged: copy it again."
    assert jobs.ensure("refused", work) is job
    jobs.forget("refused")
    assert jobs.ensure("refused", work) is not job


def test_bugs_say_no_more_than_that(caplog) -> None:
    job = jobs.ensure("bug", lambda progress: 1 / 0)
    assert job.wait(5)
    assert "server's log" in job.error
    assert "division" not in job.error
    assert "division" in caplog.text


def test_cancelled_work_stops_at_its_next_sign() -> None:
    go = threading.Event()

    def work(progress: jobs.Progress) -> None:
        go.wait(5)
        progress("Never seen", 0.9)

    job = jobs.ensure("cancelled", work)
    jobs.cancel(job)
    go.set()
    assert job.wait(5)
    assert job.error == "The work was cancelled."
