"""Which room may import which, and how large a file may be."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.rooms import ROOT, ROWS, arrows, imported, modules, room

MOST_LINES = 400
MOST_LOOSE = 10
ROW = {name: y for y, row in enumerate(ROWS) for name in row}
FACE = [ROOT / "affectscope" / f"{name}.py" for name in ("__init__", "analysis", "many", "one", "plugin", "reasons")]


def test_every_room_has_its_place() -> None:
    assert {room(module) for module in modules("core")} - {""} == set(ROW)


def test_imports_point_down() -> None:
    """So there is no circle: what a room imports from lies in a lower row."""
    up = {
        f"{here} -> {there}": names
        for here, ends in arrows().items()
        for there, names in ends.items()
        if here and there and ROW[here] >= ROW[there]
    }
    assert not up, up


@pytest.mark.parametrize("top", ["core"])
def test_core_knows_neither_the_app_nor_streamlit(top: str) -> None:
    wrong = [
        f"{module}: {name}"
        for module, path in modules(top).items()
        for name in imported(path)
        if name.split(".")[0] in ("app", "pages", "streamlit", "analysis", "many", "one", "plugin", "reasons")
    ]
    assert not wrong, wrong


def test_the_app_does_not_know_its_pages() -> None:
    wrong = [
        f"{module}: {name}" for module, path in modules("app").items() for name in imported(path) if name.startswith("pages")
    ]
    assert not wrong, wrong


def test_the_face_knows_core_alone() -> None:
    wrong = [f"{path.name}: {name}" for path in FACE for name in imported(path) if name.split(".")[0] in ("app", "streamlit")]
    assert not wrong, wrong


def test_no_file_is_too_long() -> None:
    files = [path for top in ("core", "app", "pages", "benchmarks") for path in modules(top).values()] + FACE
    files += (ROOT / "tests").rglob("*.py")
    long = {str(path.relative_to(ROOT)): count for path in files if (count := _lines(path)) > MOST_LINES}
    assert not long, long


def test_few_files_lie_loose() -> None:
    loose = sorted(path.name for path in (ROOT / "core").glob("*.py"))
    assert len(loose) <= MOST_LOOSE, loose


def _lines(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())
