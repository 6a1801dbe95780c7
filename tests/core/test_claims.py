"""Claims against made-up tables, with numbers worked by hand."""

from __future__ import annotations

import pytest

from affectscope.core.experiments import claims, plan
from affectscope.core.experiments.claims import Claim, Part, Place, compare, overall
from affectscope.core.experiments.report import Filled

# Differences 0.1, 0.2, 0.3: t = 0.2 / (0.1 / sqrt(3)) = 3.46 at 2 degrees of freedom, one-tailed p = 0.037.
HIGH, LOW = (0.6, 0.8, 1.0), (0.5, 0.6, 0.7)
# Differences 0.1, 0.2, -0.3: t = 0.
MIXED = (0.5, 0.6, 1.3)


def test_better_is_borne_out_not_shown_or_contradicted():
    found = compare("better", HIGH, LOW)
    assert (found.verdict, found.difference) == ("borne out", pytest.approx(0.2))
    assert found.p == pytest.approx(0.037, abs=1e-3)
    assert compare("better", LOW, HIGH).verdict == "contradicted"
    assert compare("better", HIGH, MIXED).verdict == "not shown"


def test_no_worse_asks_for_harm():
    assert compare("no worse", HIGH, MIXED).verdict == "borne out"
    assert compare("no worse", LOW, HIGH).verdict == "contradicted"
    # p is that of harm: the same differences the other way round.
    assert compare("no worse", HIGH, LOW).p == pytest.approx(1 - 0.037, abs=1e-3)


@pytest.mark.parametrize(
    ("verdicts", "word"),
    [
        (["borne out", "borne out"], "borne out"),
        (["borne out", "contradicted", "not shown"], "borne out in 1 of 3 parts"),
        (["contradicted", "not shown"], "contradicted"),
        (["not shown"], "not shown"),
        (["borne out", "not measured"], "not measured"),
        ([], "described"),
    ],
)
def test_one_word_for_all_parts(verdicts, word):
    assert overall(verdicts) == word


def test_every_place_in_the_shipped_claims_exists():
    wanted = claims.load()
    assert len(wanted) == 10
    plans = {name: plan.load(name) for name in claims.needed(wanted)}
    rows = {(name, row.name): row for name, one in plans.items() for row in one.rows}
    for part in (part for claim in wanted for part in claim.parts):
        for place in filter(None, (part.first, part.second)):
            assert place.column in {c.name for c in rows[place.experiment, place.row].columns}, place
        assert part.curve is None or part.curve in rows


def test_the_page_says_what_was_measured_and_what_was_not():
    one = plan.load("goncalves2022robust-table-1")
    first, second = (Place("goncalves2022robust-table-1", one.rows[i].name, "macro-F1") for i in range(2))
    told = Claim("One is better", "goncalves2022robust", (Part("better", first, second),))
    silent = Claim("Another", "goncalves2025versatile", (Part("better", Place("gone", "x", "y"), second),))
    filled = Filled(one, "made up", (0, 1, 2), {(first.row, "macro-F1"): HIGH, (second.row, "macro-F1"): LOW}, (98, 102, 100))
    text = claims.page([told, silent], {"goncalves2022robust-table-1": filled})
    assert "| 1 | One is better | goncalves2022robust | **borne out** |" in text
    assert "| 2 | Another | goncalves2025versatile | **not measured** |" in text
    assert "0.800 ± 0.200 | 0.600 ± 0.100 | +0.200 | 0.0371 | borne out" in text
    assert "98 to 102 held-out clips" in text


def test_a_curve_bends_where_it_stays_below():
    one = plan.load("goncalves2022robust-figure-5-visual")
    row = one.rows[0].name
    whole, near, far = (0.8, 0.82, 0.81), (0.81, 0.81, 0.81), (0.6, 0.61, 0.58)
    values = {(row, c.name): far if claims.level(c) <= 0.4 else near for c in one.columns}
    values |= {(row, c.name): whole for c in one.columns if claims.level(c) == 1}
    filled = Filled(one, "made up", (0, 1, 2), values)
    text = claims.page([Claim("It bends", "goncalves2022robust", (Part("bend", curve=(one.name, row)),))], {one.name: filled})
    assert "from 60% missing on it is worse for good" in text
    # One unlucky point above the bend is none.
    values |= {(row, c.name): far for c in one.columns if claims.level(c) == 0.8}
    text = claims.page([Claim("It bends", "goncalves2022robust", (Part("bend", curve=(one.name, row)),))], {one.name: filled})
    assert "from 60% missing on it is worse for good" in text
