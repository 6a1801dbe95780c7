from pathlib import Path

import pytest

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.library import shipped

ROOM = Path(__file__).parents[2] / "checkpoints"


def test_the_page_in_the_repository_is_the_one_that_is_made():
    assert (ROOM / "README.md").read_text() == shipped.markdown(checkpoints.shipped()), "run `make docs`"


def test_all_checkpoints_together_are_small():
    sizes = {name: path.stat().st_size for name, path in checkpoints.shipped().items()}
    assert max(sizes.values()) <= 10e6
    assert sum(sizes.values()) <= 60e6


@pytest.mark.parametrize("row", shipped.rows(checkpoints.shipped()), ids=lambda row: row["name"])
def test_a_shipped_checkpoint_knows_more_than_chance(row):
    # Six classes at chance: macro-F1 under 0.17; attributes at chance: CCC 0.
    assert row["whole"] > {"macro_f1": 0.35, "ccc": 0.3}[row["score"]]
