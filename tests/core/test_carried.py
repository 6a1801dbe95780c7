"""Measured cells that go from one cache to another."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from affectscope.core import cli
from affectscope.core.cache import sealed
from affectscope.core.errors import UserError
from affectscope.core.experiments import carried, plan
from affectscope.core.experiments.where import cell_of

NAME = "goncalves2022auxformer-table-1"
WHOLE = {"whole": {"decision": {"macro_f1": 0.5, "clips": 8}}}
SPEED = {"speed": {"decision": {"seconds_an_epoch": 2.0}}}


def measured(path: Path, content: dict) -> None:
    path.mkdir(parents=True, exist_ok=True)
    sealed.write_json(path / "measured.json", content)


@pytest.fixture
def caches(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def use(name: str) -> None:
        monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / name))

    use("here")
    return use


def test_what_one_cache_measured_another_has_and_keeps_its_own(caches, tmp_path: Path) -> None:
    experiment = plan.load(NAME)
    first, second = (cell_of(row.run, "demo", 0) for row in experiment.rows[:2])
    measured(first.folder(), WHOLE | SPEED)
    measured(second.folder(), WHOLE)
    cells = carried.measured_cells([experiment], "demo", [0, 1])
    assert cells == {first.folder().name: WHOLE | SPEED, second.folder().name: WHOLE}
    carried.write(tmp_path / "cells.json", cells)

    caches("there")
    other = {"whole": {"decision": {"macro_f1": 0.9, "clips": 8}}}
    measured(first.folder(), other)
    measured(second.folder(), WHOLE)
    assert carried.take(tmp_path / "cells.json") == (1, 2)
    assert first.measured() == other | SPEED
    assert second.measured() == WHOLE
    assert carried.take(tmp_path / "cells.json") == (0, 2)


@pytest.mark.parametrize(
    "cells",
    [{"../up": WHOLE}, {"a" * 31: WHOLE}, {"a" * 32: {"whole": 1}}, {"a" * 32: {"whole": {"decision": 0.5}}}, [WHOLE]],
)
def test_what_is_no_cell_is_refused_whole(caches, tmp_path: Path, cells) -> None:
    good = {"b" * 32: WHOLE}
    file = tmp_path / "cells.json"
    sealed.write_json(file, {"kind": "affectscope: measured cells", "cells": cells | good if isinstance(cells, dict) else cells})
    with pytest.raises(UserError, match="no file of measured cells"):
        carried.take(file)
    assert not list((tmp_path / "here").rglob("measured.json"))


def test_a_number_that_was_changed_by_hand_is_refused(caches, tmp_path: Path) -> None:
    file = tmp_path / "cells.json"
    carried.write(file, {"a" * 32: WHOLE})
    file.write_text(file.read_text().replace("0.5", "0.8"))
    with pytest.raises(UserError, match="was changed"):
        carried.take(file)


def test_the_commands_say_how_many(caches, tmp_path: Path) -> None:
    run, file = CliRunner(), tmp_path / "cells.json"
    assert "Nothing is measured with these options yet" in str(run.invoke(cli.app, ["experiment", "export", str(file)]).exception)
    measured(cell_of(plan.load(NAME).rows[0].run, "demo", 0).folder(), WHOLE)
    assert "Cells written: 1." in run.invoke(cli.app, ["experiment", "export", str(file)]).output
    caches("there")
    assert "Cells read: 1; with something new: 1." in run.invoke(cli.app, ["experiment", "import", str(file)]).output
