"""Several models asked one after the other: with progress, cancelled as a whole, one refusal keeping the others' answers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from affectscope.app.common import jobs
from affectscope.app.services import prediction_tables
from affectscope.core.errors import UserError

# Seconds after which a state that never comes is a failure.
PATIENCE = 120
CORPUS = SimpleNamespace(name="made", table=range(3))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Who was asked, in order; "bad" cannot be, and "slow" goes on until it is told to stop or goes."""
    seen: list[str] = []
    go = threading.Event()

    def ask(model: str, of: object) -> jobs.Job:
        def work(progress: jobs.Progress) -> None:
            seen.append(model)
            if model == "bad":
                raise UserError("It reads no clip.")
            while model == "slow" and not go.wait(0.01):
                progress("Analysing clip 2 of 3", 1 / 3)

        return jobs.ensure(f"ask-{model}", work, "corpus")

    monkeypatch.setattr(prediction_tables, "ask_all", ask)
    monkeypatch.setattr(prediction_tables, "prediction_table_path", lambda model, of: Path(model))
    monkeypatch.setattr(prediction_tables, "prediction_table_on_disk", lambda model, of: "known" if model == "known" else None)
    monkeypatch.setattr(prediction_tables, "_LOOK_EVERY", 0.01)
    yield seen
    go.set()


def comes_to(job: jobs.Job, holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, job.stage
        assert not job.wait(0.01)


def test_each_is_asked_once_in_turn_and_a_refusal_keeps_the_rest(asked: list[str]) -> None:
    job = prediction_tables.ask_each("test", ["known", "bad", "good"], CORPUS)
    assert job.wait(10)
    assert asked == ["bad", "good"]
    assert job.error == "1 of 3 models could not be asked. bad: It reads no clip."
    jobs.forget(job.id)


def test_cancelling_ends_the_one_that_is_asked_and_asks_no_more(asked: list[str]) -> None:
    job = prediction_tables.ask_each("test", ["slow", "good"], CORPUS)
    comes_to(job, lambda: job.stage == "slow, model 1 of 2: analysing clip 2 of 3")
    assert job.fraction == pytest.approx(1 / 6)
    single = jobs.find("ask-slow")
    assert single is not None
    jobs.cancel(job)
    assert job.wait(10)
    assert single.wait(10)
    assert single.error == job.error == "The work was cancelled."
    assert asked == ["slow"]
    jobs.forget(job.id)


def test_what_somebody_else_waits_for_goes_on(asked: list[str]) -> None:
    single = prediction_tables.ask_all("slow", CORPUS)
    job = prediction_tables.ask_each("test", ["slow"], CORPUS)
    comes_to(job, lambda: job.fraction > 0)
    jobs.cancel(job)
    assert job.wait(10)
    assert not single.done
    jobs.cancel(single)
    assert single.wait(10)
    jobs.forget(job.id)
    jobs.forget(single.id)
