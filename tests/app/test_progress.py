"""For how long a page waits for work, instead of showing how far it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from streamlit.testing.v1 import AppTest

from affectscope.app.common import jobs


@pytest.fixture
def slow() -> Iterator[jobs.Job]:
    """Work that is under way until the test is over."""
    go = threading.Event()
    yield jobs.ensure("slow", lambda progress: go.wait(30) and None)
    go.set()
    jobs.forget("slow")


def page(patience: float) -> None:
    import time

    import streamlit as st

    from affectscope.app.common import jobs
    from affectscope.app.common.progress import finished

    begun = time.monotonic()
    finished(jobs.find("slow"), patience)
    st.session_state["waited"] = time.monotonic() - begun


def test_the_page_waits_for_what_was_ordered_just_now_and_not_again(slow: jobs.Job, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(jobs.Job, "wait", lambda job, seconds: bool(waits.append(seconds)))
    app = AppTest.from_function(page, args=(1.5,))
    # Ordered 0, 1 and 60 seconds ago: 15 more looks of a tenth of a second, 5, and none.
    for age, looks in ((0.0, 15), (1.0, 5), (60.0, 0)):
        monkeypatch.setattr(jobs.Job, "age", age)
        waits.clear()
        app.run()
        assert waits == [0.1] * (1 + looks)
        assert "Cancel" in [button.label for button in app.button]


def test_what_takes_long_is_not_waited_for_at_all(slow: jobs.Job, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr(jobs.Job, "wait", lambda job, seconds: bool(waits.append(seconds)))
    app = AppTest.from_function(page, args=(0,)).run()
    assert waits == [0]
    assert "Cancel" in [button.label for button in app.button]
