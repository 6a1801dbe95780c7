import numpy as np
import pytest

from affectscope.core.analysis import atlas
from affectscope.core.analysis.atlas import Drawing
from affectscope.core.analysis.map_process import MapProcess
from affectscope.core.errors import UserError

VECTORS = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)


@pytest.fixture
def aside():
    draughtsman = MapProcess()
    yield draughtsman
    draughtsman.stop()


def test_the_other_process_draws_the_same_map_and_places_others_on_it(aside, tmp_path):
    drawing, shares = Drawing("t-SNE", 3, 10), []
    aside.draw(VECTORS, drawing, tmp_path / "there.f32", shares.append)
    here = atlas.draw(VECTORS, drawing, tmp_path / "here.f32")
    there = atlas.load(tmp_path / "there.f32", 60)
    np.testing.assert_array_equal(there, here.points)
    assert shares[-1] == 1
    placed = aside.place(VECTORS, drawing, there, VECTORS[:2] + 0.001, shares.append)
    assert np.linalg.norm(placed - there[:2], axis=1).max() < 0.25 * there.std()


def test_what_cannot_be_drawn_is_one_sentence_and_the_next_map_is_drawn(aside, tmp_path):
    with pytest.raises(UserError, match="three clips"):
        aside.draw(VECTORS[:2], Drawing(), tmp_path / "a", print)
    aside.draw(VECTORS, Drawing(), tmp_path / "b", lambda share: None)
    assert atlas.load(tmp_path / "b", 60) is not None


def test_cancelled_work_ends_at_once_and_leaves_nothing(aside, tmp_path):
    class Cancelled(Exception):
        pass

    def refuse(share: float) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        aside.draw(VECTORS, Drawing("t-SNE"), tmp_path / "a", refuse)
    assert aside._process is None
    assert list(tmp_path.iterdir()) == []
