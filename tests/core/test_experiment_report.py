"""A filled table, by hand: what is tested against what, what is written and what is drawn."""

from __future__ import annotations

import math

import numpy as np
import pytest

from affectscope.core.cache import sealed
from affectscope.core.experiments import gathered, report, run
from affectscope.core.experiments.cells import Cell
from affectscope.core.experiments.plan import Column, Experiment, Row, Run
from affectscope.core.experiments.report import Filled

F1, ERROR, COST = Column("F1", "macro_f1"), Column("error", "mae"), Column("parameters", "parameters", "cost")
# Differences of OURS and THEIRS: 0.1, 0.2, 0.3, so t = 0.2 / (0.1 / sqrt(3)) = 3.464 at two degrees of freedom, p = 0.037.
OURS, THEIRS = (0.6, 0.8, 1.0), (0.5, 0.6, 0.7)


def table(test: str, columns: tuple[Column, ...] = (F1,), names: tuple[str, ...] = ("A", "B"), **more) -> Experiment:
    rows = tuple(Row(name, Run("auxformer"), columns, against="A") for name in names)
    return Experiment("made-up", "goncalves2022robust", "Table 0", "by hand", rows, columns, test=test, against="A", **more)


def filled(experiment: Experiment, values: dict, clips=(20, 22, 21), **more) -> Filled:
    return Filled(experiment, "made up", (0, 1, 2), values, clips, **more)


def test_a_matched_test_asks_whether_the_row_tested_against_is_better():
    made = filled(table("matched"), {("A", "F1"): OURS, ("B", "F1"): THEIRS})
    found = made.test(F1, made.experiment.rows[1])
    assert (found.statistic, found.p) == (pytest.approx(2 * math.sqrt(3)), pytest.approx(0.0371, abs=1e-4))
    assert found.difference == pytest.approx(0.2)
    other = filled(table("matched"), {("A", "F1"): THEIRS, ("B", "F1"): OURS})
    assert other.test(F1, other.experiment.rows[1]).p == pytest.approx(1 - 0.0371, abs=1e-4)


def test_of_errors_less_is_better():
    made = filled(table("matched", (ERROR,)), {("A", "error"): THEIRS, ("B", "error"): OURS})
    assert made.test(ERROR, made.experiment.rows[1]).p == pytest.approx(0.0371, abs=1e-4)
    # Of what no metric knows, the file says.
    odd = Column("distance", "distance", "shared layers")
    for better, p in (("lower", 0.0371), ("higher", 1 - 0.0371)):
        made = filled(table("matched", (odd,), better=better), {("A", "distance"): THEIRS, ("B", "distance"): OURS})
        assert made.test(odd, made.experiment.rows[1]).p == pytest.approx(p, abs=1e-4)


def test_a_two_tailed_test_takes_the_means():
    # Means 3 and 1, variances 1: t = sqrt 6 at four degrees of freedom, p = 0.0705.
    made = filled(table("two-tailed"), {("A", "F1"): (2.0, 3.0, 4.0), ("B", "F1"): (0.0, 1.0, 2.0)})
    found = made.test(F1, made.experiment.rows[1])
    assert (found.test, found.p) == ("two-tailed t-test", pytest.approx(0.0705, abs=5e-5))


def test_where_there_is_nothing_to_test_nothing_is_said():
    values = {("A", "F1"): OURS, ("B", "F1"): THEIRS}
    made = filled(table("matched"), values)
    assert made.test(F1, made.experiment.rows[0]) is None
    assert filled(table("none"), values).test(F1, made.experiment.rows[1]) is None
    assert filled(table("matched"), {("A", "F1"): OURS}).test(F1, made.experiment.rows[1]) is None
    one_seed = Filled(table("matched"), "made up", (0,), {("A", "F1"): (0.6,), ("B", "F1"): (0.5,)})
    assert one_seed.test(F1, made.experiment.rows[1]) is None


def test_what_is_worse_has_a_star_and_what_is_missing_a_blank():
    text = report.markdown(filled(table("matched", names=("A", "B", "C")), {("A", "F1"): OURS, ("B", "F1"): THEIRS}))
    assert "| A | 0.800 ± 0.200 |" in text
    assert "| B | 0.600 ± 0.100* |" in text
    assert "| C |  |" in text
    assert "0.0371" in text
    assert "seeds 0, 1, 2" in text
    alone = report.markdown(Filled(table("none"), "made up", (0,), {("A", "F1"): (0.6,)}))
    assert "| A | 0.600 |" in alone
    assert "*" not in alone.replace("\\*", "")


def test_without_a_row_to_test_against_no_test_is_told():
    assert "p-values" in report.markdown(filled(table("matched"), {("A", "F1"): OURS, ("B", "F1"): THEIRS}))
    assert "p-values" not in report.markdown(filled(table("matched", names=("B",)), {("B", "F1"): THEIRS}))


def test_a_frame_has_a_line_a_value():
    made = report.frame(filled(table("none"), {("A", "F1"): OURS, ("B", "F1"): THEIRS}))
    assert made.values.tolist() == [
        *(["A", "F1", seed, value] for seed, value in enumerate(OURS)),
        *(["B", "F1", seed, value] for seed, value in enumerate(THEIRS)),
    ]


@pytest.mark.parametrize(
    ("condition", "share"),
    [
        ("whole", 1),
        ("without audio", 0),
        ("random visual 0.3", 0.7),
        ("burst audio 0.9", 0.1),
        ("tail visual 1", 0),
        ("cost", 1),
        # As a protocol puts it.
        ("without audio zeros", 0),
        ("random visual zeros x10 0.3", 0.7),
    ],
)
def test_a_condition_leaves_a_share_of_the_frames(condition, share):
    assert report.level(Column("c", "macro_f1", condition)) == pytest.approx(share)


def test_curves_stand_at_what_is_left_with_the_spread_over_seeds():
    columns = tuple(Column(name, "macro_f1", c) for name, c in (("all", "whole"), ("half", "random audio 0.5")))
    made = filled(table("none", columns, ("A",), kind="curves"), {("A", "all"): OURS, ("A", "half"): THEIRS})
    (line,) = report.figure(made).data
    assert (line.type, list(line.x)) == ("scatter", [1.0, 0.5])
    assert list(line.y) == pytest.approx([0.8, 0.6])
    assert list(line.error_y.array) == pytest.approx([0.2, 0.1])
    assert line.error_y.visible


def test_bars_and_boxes_hold_what_was_measured():
    values = {("A", "F1"): OURS, ("B", "F1"): THEIRS, ("A", "parameters"): (4e5,) * 3}
    bars = report.figure(filled(table("none", (F1, COST)), values)).data
    assert [(bar.name, list(bar.x), list(bar.y)) for bar in bars] == [
        ("A", ["F1"], [pytest.approx(0.8)]), ("B", ["F1"], [pytest.approx(0.6)])
    ]  # fmt: skip
    boxes = report.figure(filled(table("none", kind="spread"), values)).data
    assert [(box.type, list(box.y)) for box in boxes] == [("box", list(OURS)), ("box", list(THEIRS))]


def confused(counts: list[list[int]]) -> dict:
    return {"whole": {"decision": {"confusion": counts}}, "cost": {"decision": {"labels": ["anger", "fear"]}}}


def test_a_confusion_is_added_up_over_seeds_and_shared_out_by_the_truth():
    raw = {"A": (confused([[1, 1], [0, 4]]), confused([[2, 0], [0, 0]]))}
    (heat,) = report.figure(filled(table("none", names=("A",), kind="confusion"), {}, raw=raw)).data
    assert np.array(heat.text).tolist() == [[3, 1], [0, 4]]
    assert np.array(heat.z).tolist() == [[0.75, 0.25], [0, 1]]
    assert (list(heat.x), list(heat.y)) == (["anger", "fear"], ["anger", "fear"])


def test_a_map_has_the_first_seeds_points_by_class():
    def points(shift: float) -> dict:
        return {"map": {"decision": {"x": [shift, shift + 1, shift + 2], "y": [0.0, 1.0, 2.0], "label": ["b", "a", "b"]}}}

    made = report.figure(filled(table("none", names=("A",), kind="points"), {}, raw={"A": (points(0.0), points(9.0))}))
    assert {trace.name: (list(trace.x), list(trace.y)) for trace in made.data} == {
        "a": ([1.0], [1.0]),
        "b": ([0.0, 2.0], [0.0, 2.0]),
    }


def test_a_number_of_a_cell():
    measured = confused([[3, 1], [0, 0]]) | {"without audio": {"av": {"accuracy": 0.4}, "decision": {"accuracy": 0.3}}}
    assert gathered.value_of(measured, "without audio", "av", "accuracy") == 0.4
    assert gathered.value_of(measured, "without audio", "decision", "accuracy") == 0.3
    # Three of four angers; no fear was there to be found; joy is no class.
    assert gathered.value_of(measured, "whole", "decision", "recall anger") == 0.75
    for label in ("fear", "joy"):
        assert math.isnan(gathered.value_of(measured, "whole", "decision", f"recall {label}"))
    assert math.isnan(gathered.value_of(measured, "whole", "decision", "uar"))
    assert math.isnan(gathered.value_of(measured, "tail audio 0.5", "decision", "accuracy"))


def test_a_table_is_filled_in_the_order_of_its_seeds(tmp_path, monkeypatch):
    """From what cells have measured already: nothing is trained."""
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    experiment = table("none", (F1, Column("lost", "macro_f1", "without audio", "av")), names=("A",))
    seeds = (4, 1, 7)
    for seed in seeds:
        folder = Cell(experiment.rows[0].run, "demo", seed).folder()
        folder.mkdir(parents=True)
        whole = {"decision": {"macro_f1": seed / 10, "clips": 10 + seed}}
        told = {"whole": whole, "without audio": {"av": {"macro_f1": seed / 100}}, "cost": {"decision": {}}}
        assert not run.finished(experiment, "demo", seeds)
        sealed.write_json(folder / "measured.json", told)
    assert run.finished(experiment, "demo", seeds)
    made, failed = run.run(experiment, "demo", seeds)
    assert failed == []
    assert made.values == {("A", "F1"): (0.4, 0.1, 0.7), ("A", "lost"): (0.04, 0.01, 0.07)}
    assert made.clips == (14, 11, 17)


def test_files_hold_the_table_its_numbers_and_its_picture(tmp_path):
    made = filled(table("matched"), {("A", "F1"): OURS, ("B", "F1"): THEIRS})
    files = report.write(made, tmp_path, html=False)
    assert sorted(path.name for path in files) == ["made-up.csv", "made-up.figure.json", "made-up.md"]
    assert (tmp_path / "made-up.md").read_text() == report.markdown(made)
    assert (tmp_path / "made-up.csv").read_text().splitlines()[1:3] == ["A,F1,0,0.6", "A,F1,1,0.8"]
