import math

import pytest

from core.errors import UserError
from core.experiments import plan, report
from core.experiments.report import Filled


@pytest.mark.parametrize("name", list(plan.experiments()))
def test_every_file_can_be_read(name):
    one = plan.load(name)
    assert one.rows
    assert one.columns


def test_an_unknown_experiment_is_one_sentence():
    with pytest.raises(UserError, match="experiment list"):
        plan.load("000-table-99")


def test_a_table_by_hand():
    one = plan.load("000-table-1")
    ours, theirs = one.rows[0].name, one.rows[1].name
    values = {(ours, "micro-F1"): (0.8, 0.9, 0.7), (theirs, "micro-F1"): (0.5, 0.61, 0.4)}
    filled = Filled(one, "made up", (0, 1, 2), values)
    assert filled.mean(one.rows[0], one.columns[0]) == pytest.approx(0.8)
    assert filled.sd(one.rows[0], one.columns[0]) == pytest.approx(0.1)
    assert filled.sd(one.rows[1], one.columns[0]) == pytest.approx(
        math.sqrt((0.01**2 / 9 + 0.32**2 / 9 + 0.31**2 / 9) / 2), abs=1e-6
    )
    # Differences 0.30, 0.29, 0.30: t = 0.29667 / (0.0057735 / sqrt(3)) = 89.
    found = filled.test(one.columns[0], one.rows[1])
    assert found is not None
    assert found.statistic == pytest.approx(89, abs=0.1)
    text = report.markdown(filled)
    assert "0.800 ± 0.100" in text
    assert "0.503 ± 0.105*" in text
    assert "The paper's own figures, on CREMA-D" in text
    assert "0.769" in text
