"""Every fault of ``tests.mutants`` can still be planted, and the tests that are to find it are there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.mutants.faults import Fault, stale
from tests.mutants.listed import FAULTS

ROOT = Path(__file__).resolve().parents[1]
SOURCE = "a = 1\nb = 2\n"


def _fault(text: str, planted: str = "a = 2", tests: tuple[str, ...] = ("test_it.py::test_a",)) -> Fault:
    return Fault("a", "it.py", text, planted, tests)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    (tmp_path / "it.py").write_text(SOURCE)
    (tmp_path / "test_it.py").write_text("def test_a(): ...\n")
    return tmp_path


def test_no_fault_is_stale():
    assert [sentence for fault in FAULTS if (sentence := stale(fault, ROOT))] == []


def test_names_are_not_given_twice():
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)


def test_a_fault_that_can_be_planted_is_not_stale(house: Path):
    assert stale(_fault("a = 1"), house) == ""


@pytest.mark.parametrize(
    ("fault", "why"),
    [
        (_fault("c = 3"), "stands there 0 times"),
        (_fault(" = "), "stands there 2 times"),
        (_fault("a = 1", "a = 1"), "changes nothing"),
        (_fault("a = 1", "a = ("), "is no Python"),
        (_fault("a = 1", tests=("test_it.py::test_b",)), "no test test_it.py::test_b"),
        (_fault("a = 1", tests=("gone.py",)), "no test gone.py"),
        (Fault("a", "gone.py", "a", "b", ()), "gone.py is not there"),
    ],
)
def test_what_makes_a_fault_stale(house: Path, fault: Fault, why: str):
    assert why in stale(fault, house)
