"""A second thread, and what is asked but once: the same numbers, whoever makes them."""

import threading

import numpy as np
import pytest

from affectscope.core.trust.maps import Faces, Heatmap
from affectscope.core.trust.measure import decision, measure
from affectscope.core.trust.prefetch import Prefetcher, Remembered
from tests.core.trust.planted import planted


@pytest.fixture(autouse=True)
def _two_cores(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)


def test_what_nobody_began_is_made_by_whoever_wants_it():
    held = threading.Event()
    with Prefetcher() as ahead:
        first = ahead.soon(lambda: (held.wait(30), threading.current_thread())[1])
        second = ahead.soon(threading.current_thread)
        assert second.value is threading.current_thread()
        held.set()
        assert first.value is not threading.current_thread()


def test_nothing_is_begun_while_a_report_waits_for_others():
    begun, reported = threading.Event(), []

    def report(stage: str, share: float) -> None:
        one = ahead.soon(lambda: begun.set() or "made")
        # Whoever wants it meanwhile would wait for ever if the other thread had taken it and stood still.
        reported.append((one, begun.wait(0.2)))

    with Prefetcher() as ahead:
        ahead.resting(report)("Trust", 0.5)
        assert begun.wait(30)
    assert reported[0][1] is False


def test_an_error_comes_to_whoever_wants_the_value():
    def broken() -> None:
        raise ValueError("not so")

    with Prefetcher() as ahead, pytest.raises(ValueError, match="not so"):
        ahead.soon(broken).value  # noqa: B018


def test_a_state_is_asked_about_once():
    asked: list[np.ndarray] = []

    def ask(states: np.ndarray) -> np.ndarray:
        asked.extend(states)
        return states.sum(1) * 1.0

    remembered = Remembered(ask)
    states = np.array([[1, 0, 1], [0, 0, 1], [1, 0, 1]], bool)
    np.testing.assert_array_equal(remembered(states), [2, 1, 2])
    np.testing.assert_array_equal(remembered(states[::-1]), [2, 1, 2])
    assert len(asked) == 2


def test_two_threads_find_what_one_finds():
    subject = planted()
    before = decision(subject.question)
    alone = measure(Heatmap(Faces(subject, "visual"), "layer-cam"), before=before)
    with Prefetcher() as ahead:
        faces = Faces(subject, "visual", ahead)
        _ = faces.seen
        faces.begin("layer-cam", 19)
        both = measure(Heatmap(faces, "layer-cam"), before=before)
    for name in ("deletion", "insertion", "untrained_deletion", "untrained_insertion", "random_deletion", "random_insertion"):
        np.testing.assert_array_equal(getattr(both.curves, name), getattr(alone.curves, name))
    np.testing.assert_array_equal(both.untrained, alone.untrained)
    assert both.layers == alone.layers
    assert both.changes == alone.changes


def test_a_state_has_the_same_answer_in_every_company():
    subject = planted()
    heatmap = Heatmap(Faces(subject, "visual"), "layer-cam")
    chance = np.random.default_rng(3)
    states = chance.random((6, *heatmap.values.shape)) < 0.5
    one_by_one = [Heatmap(Faces(subject, "visual"), "layer-cam").ask(state[None])[0] for state in states]
    np.testing.assert_allclose(heatmap.ask(states), one_by_one, atol=1e-6)
