import math
from dataclasses import replace

import pytest
import torch

from affectscope.core.models.base import ModelOutput, ModelSpec
from affectscope.core.training.criteria import answer_loss, head_weights, one_loss

HEADS = ("av", "audio", "visual")
SPEC = ModelSpec("made up", {"audio": 1, "visual": 1}, ("anger", "fear"), HEADS, {}, HEADS)


def test_heads_add_up_by_their_lambdas():
    even, sure = torch.zeros(2, 2), torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]])
    seen, half = torch.tensor([True, True]), torch.tensor([True, False])
    output = ModelOutput({"av": even, "audio": sure, "visual": sure}, {"av": seen, "audio": half, "visual": ~seen})
    # Even logits cost ln 2; logits of 3 to 1 cost ln(4/3) where right; a head without evidence costs nothing.
    expected = 0.5 * math.log(2) + 0.25 * math.log(4 / 3)
    loss = answer_loss(output, torch.tensor([0, 1]), SPEC, {"av": 0.5, "audio": 0.25, "visual": 0.25})
    assert float(loss) == pytest.approx(expected, rel=1e-6)


def test_the_lambdas_of_the_config_come_first():
    assert head_weights(SPEC) == dict.fromkeys(HEADS, 1 / 3)
    assert head_weights(replace(SPEC, loss_weights={"av": 0.5, "audio": 0.5, "visual": 0.0})) == {
        "av": 0.5,
        "audio": 0.5,
        "visual": 0,
    }


def test_class_weights_by_hand():
    logits = torch.tensor([[math.log(3), 0.0], [math.log(3), 0.0]])
    # -ln(3/4) with weight 3 and -ln(1/4) with weight 1, over the sum of the weights.
    expected = (3 * math.log(4 / 3) + math.log(4)) / 4
    assert float(one_loss(logits, torch.tensor([0, 1]), SPEC, (3.0, 1.0))) == pytest.approx(expected, rel=1e-6)


def test_sentiment_costs_its_distance_and_unknown_labels_nothing():
    spec = replace(SPEC, labels=("sentiment",), task="regression")
    loss = one_loss(torch.tensor([[1.0], [2.0], [9.0]]), torch.tensor([[0.0], [-1.0], [math.nan]]), spec)
    assert float(loss) == pytest.approx((1 + 3) / 2)


def test_attributes_by_frame_cost_one_minus_their_concordance():
    spec = replace(SPEC, labels=("arousal",), task="regression", reference="visual")
    target = torch.tensor([[[0.0], [1.0], [2.0], [math.nan]]])
    right, wrong = target.nan_to_num(5.0), (2 - target).nan_to_num(5.0)
    assert float(one_loss(right, target, spec)) == pytest.approx(0, abs=1e-6)
    assert float(one_loss(wrong, target, spec)) == pytest.approx(2, abs=1e-6)
