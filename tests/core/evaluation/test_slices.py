"""Parts of a corpus, and how sure one may be of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from affectscope.core.evaluation.slices import _ccc, accuracy, agreement, parts, wilson


def test_wilson_by_hand():
    # z = 1.96, 8 of 10: (0.8 + z²/20 ± z·sqrt(0.8·0.2/10 + z²/400)) / (1 + z²/10)
    z2 = 1.959964**2
    centre, half = (0.8 + z2 / 20) / (1 + z2 / 10), np.sqrt(z2) * np.sqrt(0.016 + z2 / 400) / (1 + z2 / 10)
    assert wilson(8, 10) == pytest.approx((centre - half, centre + half), abs=1e-6)
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(2, 2)
    assert low < 0.4
    assert high == pytest.approx(1)


def test_parts_are_what_parts_a_corpus():
    table = pd.DataFrame(
        {
            "sex": ["f", "m"] * 6,
            "age": [20, 21, 22, 30, 31, 32, 40, 41, 42, 50, 51, 52],
            "take": [1, 2, 3] * 4,
            "split": "test",
            "note": [f"clip {i}" for i in range(12)],
        }
    )
    found = parts(table, ["sex", "age", "take", "split", "note", "unknown"])
    assert list(found) == ["sex", "age", "take"]
    assert found["age"].cat.categories.tolist() == ["20 to 28", "28 to 36", "36 to 44", "44 to 52"]
    assert found["age"].value_counts().tolist() == [3, 3, 3, 3]
    assert found["take"].cat.categories.tolist() == ["1", "2", "3"]


def test_accuracy_by_hand():
    part = parts(pd.DataFrame({"sex": ["f", "f", "f", "m", "m", None]}), ["sex"])
    found = accuracy(part, pd.Series([True, True, False, False, True, True]))
    rows = {(r["column"], r["value"]): (r["right"], r["count"]) for r in found.to_dict("records")}
    assert rows == {("all", ""): (4, 6), ("sex", "f"): (2, 3), ("sex", "m"): (1, 2)}
    assert ((found["low"] <= found["score"]) & (found["score"] <= found["high"])).all()


def test_agreement_by_hand():
    truth = pd.Series([0.0, 1.0, 2.0, 0.0, 1.0, 2.0])
    predicted = pd.Series([0.0, 1.0, 2.0, 1.0, 2.0, 3.0])
    part = parts(pd.DataFrame({"who": list("aaabbb")}), ["who"])
    found = agreement(part, truth, predicted).set_index("value")
    assert found.at["a", "score"] == pytest.approx(1)
    assert found.at["a", "mae"] == 0
    # Sample variances and covariance 1, means one apart: 2 / (1 + 1 + 1).
    assert found.at["b", "score"] == pytest.approx(2 / 3)
    np.testing.assert_allclose(_ccc(predicted.to_numpy(), truth.to_numpy(), 0), found.at["", "score"])
    assert found.at["b", "mae"] == 1
    assert found.at["b", "mae_low"] == found.at["b", "mae_high"] == 1


def test_two_clips_have_no_interval():
    part = parts(pd.DataFrame({"who": list("aabb")}), ["who"])
    found = agreement(part, pd.Series([0.0, 1, 2, 3]), pd.Series([0.0, 1, 2, 3])).set_index("value")
    assert np.isnan(found.at["a", "low"])
    assert found.at["", "low"] <= 1
