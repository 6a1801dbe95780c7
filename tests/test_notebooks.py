"""The notebooks of the docs run from their first cell to their last."""

from __future__ import annotations

from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")

FOLDER = Path(__file__).parents[1] / "docs" / "notebooks"


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(FOLDER.parents[1]))
    book = nbformat.read(path, 4)
    assert not any(cell.get("outputs") for cell in book.cells), "kept without outputs: they are made when somebody runs it"
    nbclient.NotebookClient(book, timeout=900, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in book.cells for output in cell.get("outputs", []) if "data" in output]
    assert shown
    if path.stem != "compare_two_models":
        assert any("<iframe" in output["data"].get("text/html", "") for output in shown)


def test_there_are_three() -> None:
    assert len(list(FOLDER.glob("*.ipynb"))) == 3
