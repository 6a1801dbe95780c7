"""Claims against made-up tables, with numbers worked by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from scipy import stats
from typer.testing import CliRunner

from affectscope.core.cli import app
from affectscope.core.errors import UserError
from affectscope.core.experiments import cells, claims, gathered, plan, report, results, verdicts
from affectscope.core.experiments.claims import Claim, Part, Place
from affectscope.core.experiments.gathered import table
from affectscope.core.experiments.report import Filled
from affectscope.core.experiments.verdicts import Scores, judge, overall

# Differences 0.1, 0.2, 0.3: mean 0.2, sd 0.1. At 2 degrees of freedom P(T > t) = (1 - t / sqrt(t² + 2)) / 2.
HIGH, LOW = (0.6, 0.8, 1.0), (0.5, 0.6, 0.7)


def tail(t: float) -> float:
    return (1 - t / math.sqrt(t**2 + 2)) / 2


def better(first, second, ratio=0.0):
    return Scores(tuple(first), tuple(second), ratio)


def test_better_is_borne_out_contradicted_or_not_shown():
    plain = 0.2 / (0.1 / math.sqrt(3))
    (found,) = judge([better(HIGH, LOW)])
    assert (found.verdict, found.difference) == ("borne out", pytest.approx(0.2))
    assert (found.p, found.harm) == (pytest.approx(tail(plain)), pytest.approx(1 - tail(plain)))
    assert judge([better(LOW, HIGH)])[0].verdict == "contradicted"
    # Differences 0.1, 0.2, -0.3: t = 0.
    assert judge([better(HIGH, (0.5, 0.6, 1.3))])[0].verdict == "not shown"


def test_splits_that_overlap_need_a_larger_difference():
    # Error 0.1 sqrt(1/3 + 0.2): t = 2.7386, p = 0.0557, and 95 % of the interval reach 4.3027 errors.
    (found,) = judge([better(HIGH, LOW, 0.2)])
    assert (found.p, found.verdict) == (pytest.approx(0.0557, abs=5e-5), "not shown")
    assert (found.low, found.high) == (pytest.approx(0.2 - 0.31423, abs=1e-4), pytest.approx(0.2 + 0.31423, abs=1e-4))
    assert verdicts.ratio("speaker") == pytest.approx(0.15 / 0.70)
    assert verdicts.ratio("official") == 0


def test_no_worse_has_to_be_shown():
    """No harm found is not no harm: the margin decides."""

    def no_worse(first, second, margin):
        return judge([Scores(first, second, 0.0, margin)])[0]

    same, spread = (0.70, 0.70, 0.70), (0.60, 0.70, 0.80)
    # Differences -0.1, 0, 0.1 with 0.03: t = 0.03 / (0.1 / sqrt 3) = 0.52, p = 0.33. No harm is found, and nothing is shown.
    found = no_worse(spread, same, 0.03)
    assert (found.verdict, found.p) == ("not shown", pytest.approx(tail(0.03 * math.sqrt(3) / 0.1)))
    # A tenth of that spread: t = 5.2, p = 0.018.
    found = no_worse((0.69, 0.70, 0.71), same, 0.03)
    assert (found.verdict, found.p) == ("borne out", pytest.approx(tail(0.03 * math.sqrt(3) / 0.01)))
    # Certainly worse, but by less than the margin; by more; and by more, with a spread that could be none.
    assert no_worse((0.69, 0.69, 0.69), same, 0.03).verdict == "borne out"
    assert no_worse((0.65, 0.65, 0.65), same, 0.03).verdict == "contradicted"
    assert no_worse((0.55, 0.70, 0.75), same, 0.03).verdict == "not shown"


def test_holm_takes_the_claim_for_a_family():
    alone = judge([better(HIGH, LOW)])[0]
    # The smaller p of two is doubled: 0.0371 * 2 = 0.074 is not shown any more.
    first, second = judge([better(HIGH, LOW), better(LOW, LOW)])
    assert (first.p, first.verdict) == (pytest.approx(2 * alone.p), "not shown")
    # The larger one, of no difference, is 0.5 as it was.
    assert (second.p, second.verdict) == (0.5, "not shown")
    # What is not measured yet belongs to the family too.
    measured, missing = judge([better(HIGH, LOW), None])
    assert (measured.p, missing) == (pytest.approx(2 * alone.p), None)
    # Harm is a family of its own.
    assert judge([better(LOW, HIGH), better(LOW, LOW)])[0].verdict == "not shown"
    assert judge([better((0.5, 0.5), (0.6, 0.6)), better(LOW, LOW)])[0].verdict == "contradicted"


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (["borne out", "borne out"], "borne out"),
        (["borne out", "contradicted", "not shown"], "contradicted"),
        (["contradicted", "not measured"], "contradicted"),
        (["borne out", "not shown"], "not shown"),
        (["not shown", "not measured"], "not shown"),
        (["borne out", "not measured"], "not measured in full"),
        (["not measured", "not measured"], "not measured"),
        ([], "described"),
    ],
)
def test_one_word_for_all_parts(found, word):
    assert overall(found) == word


def test_every_place_in_the_shipped_claims_exists():
    wanted = claims.load()
    plans = {name: plan.load(name) for name in claims.needed(wanted)}
    rows = {(name, row.name): row for name, experiment in plans.items() for row in experiment.rows}
    for part in (part for claim in wanted for part in claim.parts):
        for place in filter(None, (part.first, part.second)):
            assert place.column in {c.name for c in rows[place.experiment, place.row].columns}, place
        assert part.curve is None or part.curve in rows
        assert (part.margin > 0) == (part.kind == "no worse")


@pytest.mark.parametrize(
    ("experiment", "row", "count"),
    [
        ("goncalves2022robust-table-1", "AuxFormer, standard", 3),
        ("goncalves2022robust-table-1", "AuxFormer, optimised", 3),
        ("goncalves2022robust-table-2", "AuxFormer", 8),
        ("goncalves2022robust-table-3", "With positions", 2),
        ("goncalves2022robust-table-4", "1/3; 1/3; 1/3", 3),
        ("goncalves2022robust-figure-5-visual", "AuxFormer", 1),
        ("goncalves2022robust-figure-6", "Self-attention, learned scales", 3),
        ("goncalves2022robust-figure-7", "Last time-step", 2),
        ("goncalves2022robust-figure-8", "AuxFormer", 2),
        ("goncalves2025versatile-table-1", "VAVL", 7),
        ("goncalves2022auxformer-table-1", "AuxFormer", 3),
        ("goncalves2022auxformer-table-2", "AuxFormer", 2),
        ("parthasarathy2020detecting-table-1", "Transformer (A + V)", 4),
        ("mocanu2023multimodal-table-5", "Proposed method", 1),
    ],
)
def test_each_papers_headline_is_among_the_claims(experiment, row, count):
    parts = [part for claim in claims.load() for part in claim.parts if part.first]
    assert sum((part.first.experiment, part.first.row) == (experiment, row) for part in parts) == count


def test_no_worse_without_a_margin_is_refused(tmp_path):
    path = tmp_path / "some.toml"
    part = 'parts = [{ kind = "no worse", first = ["e", "a", "c"], others = ["b", "d"] }]'
    path.write_text(f'[[claims]]\ntext = "t"\nsource = "s"\n{part}\n')
    with pytest.raises(UserError, match="by no margin"):
        claims.load(path)
    path.write_text(f'margin = 0.02\n[[claims]]\ntext = "t"\nsource = "s"\n{part}\n')
    (claim,) = claims.load(path)
    first, b, d = Place("e", "a", "c"), Place("e", "b", "c"), Place("e", "d", "c")
    assert claim.parts == (Part("no worse", first, b, margin=0.02), Part("no worse", first, d, margin=0.02))


ONE = plan.load("goncalves2022robust-table-1")
FIRST, SECOND, THIRD = (Place(ONE.name, ONE.rows[i].name, "macro-F1") for i in range(3))


def filled(first, second, seeds=(0, 1, 2), clips=(98, 102, 100)) -> Filled:
    return Filled(ONE, "made up", seeds, {(FIRST.row, "macro-F1"): first, (SECOND.row, "macro-F1"): second}, clips)


def test_the_page_says_what_was_measured_and_what_was_not():
    told = Claim("One is better", "goncalves2022robust", (Part("better", FIRST, SECOND), Part("better", FIRST, THIRD)), earlier=3)
    silent = Claim("Another", "goncalves2025versatile", (Part("better", Place("gone", "x", "y"), SECOND),), earlier=5)
    never = Claim("A third", "mocanu2023multimodal", (Part("better", Place("gone", "x", "y"), SECOND),))
    scores = (0.60, 0.71, 0.80), (0.50, 0.60, 0.70)
    text = results.page([told, silent, never], {ONE.name: filled(*scores)}, "720 clips.", earlier=True)
    assert "**720 clips.**" in text
    assert "4 comparisons in 3 claims: 1 borne out, 0 contradicted, 0 not shown, 3 not measured." in text
    row = "| 1 | One is better | goncalves2022robust | **not measured in full** | 1 | 0 | 0 | 1 | this corpus |"
    assert row in text
    before = "the previous corpus ([claim 5 there](results/generator-3.md))"
    assert f"| 2 | Another | goncalves2025versatile | **not measured** | 0 | 0 | 0 | 1 | {before} |" in text
    assert "| 3 | A third | mocanu2023multimodal | **not measured** | 0 | 0 | 0 | 1 | nothing yet |" in text
    # Differences 0.10, 0.11, 0.10: mean 0.10333, sd 0.0057735, error sd sqrt(1/3 + 3/14) = 0.0042722: t = 24.19, p = 0.000853, of
    # two comparisons the double; the interval reaches 4.3027 errors.
    assert "| 0.703 ± 0.100 | 0.600 ± 0.100 | +0.103 (+0.085 to +0.122) | 0, 1, 2 | 0.00171 | borne out |" in text
    assert "98 to 102 clips are held out" in text
    assert "No person was recorded" in text
    # Without the page of before, or where people were recorded, nothing is said of them.
    alone = results.page([silent], {}, recorded=True)
    assert "| 1 | Another | goncalves2025versatile | **not measured** | 0 | 0 | 0 | 1 | nothing yet |" in alone
    assert "generator-3" not in alone
    assert "No person" not in alone
    assert "[table](results/goncalves2022robust-table-1.md)" in text


def test_seeds_that_failed_are_left_out_of_a_comparison_and_named():
    nan = math.nan
    there = filled((0.60, nan, 0.80, 0.75), (0.50, 0.60, 0.70, nan), (0, 1, 2, 3))
    claim = Claim("One is better", "goncalves2022robust", (Part("better", FIRST, SECOND),))
    (found,) = results.examine(claim, {ONE.name: there}).judged
    assert (found.scores.seeds, found.scores.first, found.scores.second) == ((0, 2), (0.60, 0.80), (0.50, 0.70))
    text = report.markdown(replace(there, failed=("mult, seed 3: Training diverged.",)))
    assert f"Without a result: {FIRST.row}, seed 1; {SECOND.row}, seed 3." in text
    assert f"Not measured: {THIRD.row};" in text
    assert "Failed: mult, seed 3: Training diverged." in text
    assert "0.717 ± 0.104" in text
    # One seed of both is no comparison.
    lone = filled((0.60, nan), (0.50, 0.60), (0, 1))
    assert results.examine(claim, {ONE.name: lone}).verdicts == ("not measured",)


def test_what_more_seeds_could_decide():
    claim = Claim("One is better", "goncalves2022robust", (Part("better", FIRST, SECOND),))
    few = {ONE.name: filled((0.6, 0.7, 0.5), (0.5, 0.6, 0.7))}
    assert results.undecided([results.examine(claim, few)]) == [ONE.name]
    assert f"`affectscope experiment run {ONE.name} --seeds 10`" in results.page([claim], few)
    many = {ONE.name: filled((0.6, 0.7) * 5, (0.7, 0.6) * 5, tuple(range(10)))}
    assert results.undecided([results.examine(claim, many)]) == []


def test_a_curve_bends_where_it_stays_below():
    experiment = plan.load("goncalves2022robust-figure-5-visual")
    row = experiment.rows[0].name
    whole, near, far = (0.8, 0.82, 0.81), (0.81, 0.81, 0.81), (0.6, 0.61, 0.58)
    values = {(row, c.name): far if report.level(c) <= 0.4 else near for c in experiment.columns}
    values |= {(row, c.name): whole for c in experiment.columns if report.level(c) == 1}
    drawn = Filled(experiment, "made up", (0, 1, 2), values)
    text = results.page(
        [Claim("It bends", "goncalves2022robust", (Part("bend", curve=(experiment.name, row)),))], {experiment.name: drawn}
    )
    assert "worse from 60% missing on" in text
    # One unlucky point above the bend is none.
    values |= {(row, c.name): far for c in experiment.columns if report.level(c) == 0.8}
    text = results.page(
        [Claim("It bends", "goncalves2022robust", (Part("bend", curve=(experiment.name, row)),))], {experiment.name: drawn}
    )
    assert "worse from 60% missing on" in text


def test_a_curve_of_some_points_alone_is_said_to_bend_nowhere():
    """Measured whole and with 90 % missing: somewhere between the two it bends."""
    experiment = plan.load("goncalves2022robust-figure-5-visual")
    row = experiment.rows[0].name
    measured = {1.0: (0.8, 0.82, 0.81), 0.1: (0.6, 0.61, 0.59)}
    values = {(row, c.name): measured.get(round(report.level(c), 6), (math.nan,) * 3) for c in experiment.columns}
    curve = Claim("It bends", "goncalves2022robust", (Part("bend", curve=(experiment.name, row)),))
    text = results.page([curve], {experiment.name: Filled(experiment, "made up", (0, 1, 2), values)})
    assert "missing on" not in text
    assert "the drop cannot be located, because 10%, 20%, 30%, 40%, 50%, 60%, 70%, 80% missing is not measured" in text
    assert "0%: 0.810, 90%: 0.600" in text
    assert "| It bends | goncalves2022robust | **described** |  |  |  |  | nothing yet |" in text


def test_a_table_of_cells_has_what_is_there():
    """One cell failed, another was measured under one condition of two."""
    experiment = plan.load("parthasarathy2020detecting-table-1")
    row, other = experiment.rows[0], experiment.rows[1]
    measured = {"whole": {"decision": {"ccc_valence": 0.4, "ccc_arousal": 0.5, "clips": 99}}}
    none = {r.name: [None, None] for r in experiment.rows}
    found = table(
        experiment, "made up", (0, 4), none | {row.name: [measured, None], other.name: [{"cost": {}}, measured]}, ["it failed"]
    )
    assert found.values[row.name, "valence"][0] == 0.4
    assert math.isnan(found.values[row.name, "valence"][1])
    assert math.isnan(found.values[other.name, "arousal"][0])
    assert (experiment.rows[2].name, "valence") not in found.values
    assert (found.clips, found.failed) == ((99, 99), ("it failed",))
    assert found.missing() == {row.name: (4,), other.name: (0,)}


def test_fishers_n_is_the_clips_of_one_split():
    experiment = plan.load("parthasarathy2020detecting-table-1")
    ours, theirs = "Transformer (A + V)", "VGGFace-RNN (A + V)"
    values = {(ours, "valence"): (0.6, 0.6, 0.6), (theirs, "valence"): (0.5, 0.5, 0.5)}
    row = next(r for r in experiment.rows if r.name == theirs)
    found = Filled(experiment, "made up", (0, 1, 2), values, (103, 110, 120)).test(experiment.columns[0], row)
    # atanh 0.6 - atanh 0.5 = 0.143841, over sqrt(2 / 100): z = 1.01711. Of all 333 clips it would be 1.85.
    assert found.statistic == pytest.approx(1.01711, abs=1e-5)
    assert found.p == pytest.approx(2 * stats.norm.sf(1.01711), abs=1e-5)
    assert found.n == 206


def test_all_rows_of_a_table_are_given_the_same_epochs():
    uneven = {}
    for name in plan.experiments():
        epochs = {row.run.training.epochs for row in plan.load(name).rows}
        if len(epochs) > 1:
            uneven[name] = epochs
    assert uneven == {}
    experiment = plan.load("goncalves2025versatile-table-1")
    first = replace(
        experiment.rows[0], run=replace(experiment.rows[0].run, training=replace(experiment.rows[0].run.training, epochs=8))
    )
    odd = Filled(replace(experiment, rows=(first, *experiment.rows[1:])), "made up", (0,), {})
    assert "Not all rows were given the same epochs: 8 for VAVL; 20 for UAVM" in report.markdown(odd)


def test_what_is_measured_is_gathered_and_nothing_is_trained(monkeypatch):
    """Of one run two seeds are there, of another one; a third seed is nobody's."""
    table_1, figure_4 = plan.load("goncalves2022robust-table-1"), plan.load("goncalves2022robust-figure-4")
    first, second = table_1.rows[0], table_1.rows[2]
    scores = {(first.run.system, 0): 0.7, (first.run.system, 2): 0.8, (second.run.system, 2): 0.6}
    asked = []

    def measured(cell):
        asked.append((repr(cell.run), cell.seed))
        score = scores.get((cell.run.system, cell.seed)) if cell.run in (first.run, second.run) else None
        return {"whole": {"decision": {"macro_f1": score, "micro_f1": score, "clips": 48}}} if score else {}

    monkeypatch.setattr(cells.Cell, "measured", measured)
    found = gathered.gather([table_1, figure_4, plan.load("mocanu2023multimodal-table-3")], "made up", (0, 1, 2))
    assert found.keys() == {table_1.name, figure_4.name}
    there = found[table_1.name]
    assert (there.seeds, there.clips) == ((0, 2), (48, 48))
    assert there.values[first.name, "macro-F1"] == (0.7, 0.8)
    assert math.isnan(there.values[second.name, "macro-F1"][0])
    assert there.missing() == {second.name: (0,)}
    # The same run is looked up once, in however many tables it stands.
    assert len(asked) == len(set(asked))
    # Of Figure 4's three columns the whole clips are there.
    values = found[figure_4.name].values
    assert values["AuxFormer, standard", "sound and picture"] == (0.7, 0.8)
    assert all(math.isnan(v) for v in values["AuxFormer, standard", "picture only"])


def test_the_command_writes_the_page_with_its_tables_and_trains_nothing(tmp_path, monkeypatch):
    row = plan.load("mocanu2023multimodal-table-5").rows
    scores = {repr(row[0].run): 0.7, repr(row[1].run): 0.6}

    def measured(cell):
        score = scores.get(repr(cell.run))
        return {"whole": {"decision": {"accuracy": score - cell.seed / 100, "clips": 8}}} if score else {}

    monkeypatch.setattr(cells.Cell, "measured", measured)
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "generator-3.md").write_text("before")
    page = tmp_path / "page.md"
    ran = CliRunner().invoke(app, ["experiment", "claims", "--seeds", "3", "--out", str(page), "--note", "Eight clips."])
    assert ran.exit_code == 0, ran.output
    text = page.read_text()
    # AuxFormer is better by 0.1 with every seed: a difference that never varies.
    assert "| Proposed method (accuracy) better than Goncalves et al., 2022 (AuxFormer) | 0.590 ± 0.010 | 0.690 ± 0.010 |" in text
    assert "| 20 | Double attention is better than AuxFormer | mocanu2023multimodal, Table 5 | **contradicted** |" in text
    assert "**Eight clips.**" in text
    assert "[claim 9 there](results/generator-3.md)" in text
    name = "mocanu2023multimodal-table-5"
    assert {f"{name}.{kind}" for kind in ("md", "csv", "figure.json")} <= {file.name for file in (tmp_path / "results").iterdir()}
    table = (tmp_path / "results" / f"{name}.md").read_text()
    assert "### The paper's own figures, on CREMA-D" in table
    assert 'AuxFormer)",accuracy,0,0.7\n' in (tmp_path / "results" / f"{name}.csv").read_text()
