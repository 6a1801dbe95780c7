import numpy as np
import pandas as pd
import pytest

from affectscope.core.analysis import picking

SQUARE = np.array([[0.0, 0], [4, 0], [4, 4], [0, 4]])


def test_inside_by_hand():
    points = np.array([[2.0, 2], [5, 2], [-1, 2], [2, 5], [3.9, 0.1]])
    assert picking.inside(points, SQUARE).tolist() == [True, False, False, False, True]
    # A bow tie: its crossing halves are inside, what lies above and below the knot is not.
    bow = np.array([[0.0, 0], [4, 4], [4, 0], [0, 4]])
    assert picking.inside(np.array([[0.5, 2], [3.5, 2], [2, 3.5], [2, 0.5]]), bow).tolist() == [True, True, False, False]
    assert not picking.inside(points, SQUARE[:2]).any()


def test_a_map_keeps_its_shape_in_the_square():
    points = picking.unit(np.array([[10.0, 0], [30, 0], [20, 5]]))
    np.testing.assert_allclose(points, [[-1, -0.25], [1, -0.25], [0, 0.25]])
    assert not np.isnan(picking.unit(np.ones((3, 2)))).any()


def test_a_horseshoe_leaves_out_what_is_between_its_arms():
    shoe = np.array([[0.0, 0], [6, 0], [6, 6], [4, 6], [4, 2], [2, 2], [2, 6], [0, 6]])
    assert picking.inside(np.array([[1.0, 5], [3, 5], [5, 5], [3, 1]]), shoe).tolist() == [True, False, True, True]


def test_scores_by_hand():
    # fear: 1 of 2 found, none told wrongly: precision 1, recall 0.5, F1 2/3. joy: precision 1/2, recall 1: F1 2/3.
    table = pd.DataFrame({"label": ["fear", "fear", "joy", None], "predicted": ["fear", "joy", "joy", "joy"]})
    found = picking.score(table)
    assert (found.clips, found.scores) == (4, pytest.approx({"accuracy": 2 / 3, "macro_f1": 2 / 3}))
    assert picking.score(pd.DataFrame({"error": [0.1, 0.3]})).scores == pytest.approx({"mae": 0.2})
    assert picking.score(table.iloc[:0]) == picking.Scores(0)
    assert picking.score(pd.DataFrame({"predicted": ["joy"]})) == picking.Scores(1)


def test_the_most_confident_error_comes_first():
    table = pd.DataFrame({"correct": [True, False, True, False], "confidence": [0.9, 0.5, 0.4, 0.8]}, index=list("abcd"))
    assert picking.worst_first(table).index.tolist() == ["d", "b", "c", "a"]
    assert picking.worst_first(pd.DataFrame({"error": [0.1, 0.4]})).index.tolist() == [1, 0]


def test_named_by_what_the_legend_says():
    table = pd.DataFrame({"correct": [True, False, True], "age": [33.0, np.nan, 40], "speaker": ["a", "b", None]})
    assert picking.named(table, "correct", ["yes"]).tolist() == [True, False, True]
    assert picking.named(table, "age", ["33", "unknown"]).tolist() == [True, True, False]
    assert picking.named(table, "speaker", ["unknown"]).tolist() == [False, False, True]
    assert not picking.named(table, "gone", ["x"]).any()
