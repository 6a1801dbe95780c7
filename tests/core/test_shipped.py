from pathlib import Path

import pytest
from scipy.stats import binomtest

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.corpora import open_corpus
from affectscope.core.features.extract import DEFAULT_SETS
from affectscope.core.library import shipped
from affectscope.core.training.measured import evaluate_clips, read_clips

ROOM = Path(__file__).parents[2] / "checkpoints"


def test_the_page_in_the_repository_is_the_one_that_is_made():
    assert (ROOM / "README.md").read_text() == shipped.markdown(checkpoints.shipped()), "run `make docs`"


def test_all_checkpoints_together_are_small():
    sizes = {name: path.stat().st_size for name, path in checkpoints.shipped().items()}
    assert max(sizes.values()) <= 10e6
    assert sum(sizes.values()) <= 60e6


@pytest.mark.parametrize("name", checkpoints.shipped())
def test_a_shipped_checkpoint_knows_more_than_chance(name):
    card = checkpoints.load(checkpoints.shipped()[name]).card
    told = card["metrics"]["decision"]
    if card["task"] == "regression":
        # Attributes at chance: CCC 0.
        assert told["ccc"] > 0.3
        return
    clips = card["clips"]["test"]
    # As many right answers are guessed among six classes less than once in a thousand times.
    assert binomtest(round(told["accuracy"] * clips), clips, 1 / 6, alternative="greater").pvalue < 1e-3


@pytest.fixture(scope="module")
def unseen():
    """The clips that come with the project, of people whom no checkpoint has seen, with the features that most models take."""
    clips, unreadable = read_clips(open_corpus("demo"), DEFAULT_SETS, 1, lambda stage, share: None)
    assert (len(clips), unreadable) == (48, [])
    return clips


# Double attention takes pixels and spectrograms, which would have to be read from 48 films first.
ON_DEFAULT_FEATURES = [name for name in checkpoints.shipped() if name != "double-attention"]


@pytest.mark.parametrize("name", ON_DEFAULT_FEATURES)
def test_a_shipped_checkpoint_answers_clips_that_it_has_not_seen(name, unseen):
    checkpoint = checkpoints.load(checkpoints.shipped()[name])
    found, told = evaluate_clips(checkpoint, unseen)["decision"], checkpoint.card["metrics"]["decision"]
    if checkpoint.spec.task == "regression":
        assert found["ccc"] > 0.3
        assert found["ccc"] == pytest.approx(told["ccc"], abs=0.2)
        return
    assert found["clips"] == 48
    right = round(found["accuracy"] * 48)
    assert binomtest(right, 48, 1 / 6, alternative="greater").pvalue < 0.05
    # Not so far below what its card says that chance explains it less than once in a hundred times.
    assert binomtest(right, 48, told["accuracy"], alternative="less").pvalue > 0.01
