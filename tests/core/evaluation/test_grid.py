"""A grid says at each node what the model says when it is asked for just that."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from affectscope.core.evaluation.grid import answer_to, response_grid
from affectscope.core.perturbation import IMPUTATIONS, Perturbation
from affectscope.core.streams import Stream
from tests.core.test_perturbation import checkpoint, streams


@pytest.mark.parametrize("pattern", ["random", "burst", "tail", "attended"])
@pytest.mark.parametrize("imputation", IMPUTATIONS)
def test_a_node_is_the_answer_to_that_clip(pattern, imputation):
    change = Perturbation(pattern=pattern, imputation=imputation, seed=5, burst=0.2)
    grid = response_grid(checkpoint(), streams(), 1.0, change, shares=(0, 40, 100))
    for i, audio in enumerate(grid.shares):
        for j, visual in enumerate(grid.shares):
            answers = answer_to(checkpoint(), streams(), replace(change, keep={"audio": audio, "visual": visual}))
            for head, values in answers.items():
                np.testing.assert_allclose(grid.answers[head][3 * i + j], values, atol=1e-5, err_msg=f"{head} {audio} {visual}")


def test_the_far_corner_is_the_untouched_clip_and_the_near_one_the_prior():
    net = checkpoint()
    grid = response_grid(net, streams(), 1.0, Perturbation())
    assert list(grid.answers) == ["decision", "av", "audio", "visual"]
    whole = answer_to(net, streams(), Perturbation())
    np.testing.assert_allclose(grid.answers["av"][-1], whole["av"], atol=1e-6)
    np.testing.assert_allclose(grid.answers["decision"][0], net.model.prior.softmax(0), atol=1e-6)
    assert not grid.evidence["decision"][0]
    # Node 12 has no sound and all of the picture.
    assert (bool(grid.evidence["audio"][12]), bool(grid.evidence["visual"][12])) == (False, True)
    # Of eight and five frames, 1 and 5 percent are none and 10 percent is one.
    assert grid.evidence["decision"].reshape(13, 13)[3:, 3:].all()


def test_a_clip_without_sound_has_the_same_answer_at_every_share_of_it():
    mute = streams() | {"audio": Stream.absent(2)}
    grid = response_grid(checkpoint(), mute, 1.0, Perturbation(), shares=(0, 50, 100))
    answers = grid.answers["decision"].reshape(3, 3, 2)
    np.testing.assert_allclose(answers[0], answers[2], atol=1e-6)
    assert len(grid.strips["audio"].times) == 0


def test_the_browser_gets_every_number():
    grid = response_grid(checkpoint(), streams(), 1.0, Perturbation(pattern="attended"), shares=(0, 100))
    told = json.loads(grid.to_json())
    assert told["modalities"] == ["audio", "visual"]
    np.testing.assert_allclose(np.reshape(told["answers"]["av"], (4, 2)), grid.answers["av"], atol=1e-5)
    assert told["strips"]["audio"]["rank"] == grid.strips["audio"].rank.tolist()
    assert max(told["strips"]["visual"]["weight"]) == 1


def test_drawn_frames_have_no_shares_and_go_at_random():
    drawn = response_grid(checkpoint(), streams(), 1.0, Perturbation(pattern="drawn", seed=2), shares=(0, 50, 100))
    chance = response_grid(checkpoint(), streams(), 1.0, Perturbation(seed=2), shares=(0, 50, 100))
    np.testing.assert_array_equal(drawn.answers["decision"], chance.answers["decision"])
