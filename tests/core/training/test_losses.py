"""Every number here is worked by hand beside its test."""

import math

import pytest
import torch
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.training.losses import (
    batch_ccc_loss,
    ccc_loss,
    emotion_loss,
    l1_loss,
    polarity_of,
    reconstruction_loss,
    triplet_loss,
)

NAN = math.nan


def assert_zero_with_a_graph(loss: Tensor, *leaves: Tensor) -> None:
    assert float(loss.detach()) == 0
    for gradient in torch.autograd.grad(loss, leaves):
        assert gradient.abs().max() == 0


def column(*values: float) -> Tensor:
    return torch.tensor(values)[:, None]


def test_ccc_of_one_sequence():
    # Means 1 and 2, variances 2/3 and 8/3, covariance 4/3: CCC = (8/3) / (2/3 + 8/3 + 1) = 8/13. The last frame is not valid.
    prediction, target = column(0, 1, 2, 9)[None], column(0, 2, 4, NAN)[None]
    mask = torch.tensor([[True, True, True, False]])
    assert float(ccc_loss(prediction, target, mask)) == pytest.approx(5 / 13)


def test_ccc_is_averaged_over_the_sequences_that_can_be_judged():
    prediction = torch.stack([column(0, 1, 2), column(3, 3, 3), column(0.1, 0.1, 0.1), column(0, 1, 2)]).requires_grad_()
    target = torch.stack([column(0, 2, 4), column(0, 2, 4), column(0.7, 0.7, 0.7), column(0, 2, 4)])
    mask = torch.tensor([[True] * 3, [True] * 3, [True] * 3, [True, False, False]])
    # 5/13; a constant answer agrees with nothing, 1; nothing varies, left out; one frame, left out.
    loss = ccc_loss(prediction, target, mask)
    assert float(loss.detach()) == pytest.approx((5 / 13 + 1) / 2)
    (gradient,) = torch.autograd.grad(loss, prediction)
    assert gradient.isfinite().all()
    assert gradient[2:].abs().max() == 0


def test_ccc_of_attributes_with_their_own_valid_frames():
    prediction = torch.tensor([[[0.0, 0.0], [1.0, 2.0], [2.0, 9.0]]])
    target = torch.tensor([[[0.0, 2.0], [2.0, 0.0], [4.0, NAN]]])
    mask = torch.tensor([[[True, True], [True, True], [True, False]]])
    # 5/13 as above. The second: means 1 and 1, variances 1 and 1, covariance -1: CCC = -1, loss 2.
    assert float(ccc_loss(prediction, target, mask)) == pytest.approx((5 / 13 + 2) / 2)


def test_ccc_of_nothing_is_zero():
    prediction = torch.rand(2, 4, 2, requires_grad=True)
    target = torch.full((2, 4, 2), NAN)
    assert_zero_with_a_graph(ccc_loss(prediction, target, torch.zeros(2, 4, dtype=torch.bool)), prediction)


def test_ccc_of_a_constant_that_rounding_makes_vary():
    prediction = torch.full((1, 7, 1), 0.1, requires_grad=True)
    mask = torch.ones(1, 7, dtype=torch.bool)
    assert_zero_with_a_graph(ccc_loss(prediction, torch.full((1, 7, 1), 0.1), mask), prediction)


def test_ccc_over_a_batch_of_clips():
    mask = torch.tensor([True, True, True, False])
    # As a sequence of three frames.
    assert float(batch_ccc_loss(column(0, 1, 2, 9), column(0, 2, 4, NAN), mask)) == pytest.approx(5 / 13)
    single = torch.rand(1, 3, requires_grad=True)
    assert_zero_with_a_graph(batch_ccc_loss(single, torch.rand(1, 3), torch.tensor([True])), single)


def test_l1():
    prediction, target = torch.tensor([[1.0, -2.0], [3.0, 9.0]]), torch.tensor([[0.0, 2.0], [2.5, NAN]])
    known = torch.tensor([[True, True], [True, False]])
    # (1 + 4 + 0.5) / 3; the first clip alone (1 + 4) / 2.
    assert float(l1_loss(prediction, target, known)) == pytest.approx(5.5 / 3)
    assert float(l1_loss(prediction, target, torch.tensor([True, False]))) == pytest.approx(2.5)
    leaf = prediction.clone().requires_grad_()
    assert_zero_with_a_graph(l1_loss(leaf, target, torch.tensor([False, False])), leaf)


def test_reconstruction_of_the_mean_of_present_frames():
    values = torch.tensor([[[0.0, 0.0], [2.0, 2.0], [9.0, 9.0]], [[7.0, 7.0]] * 3])
    present = torch.tensor([[True, True, False], [False] * 3])
    rebuilt = torch.tensor([[1.0, 3.0], [5.0, 5.0]], requires_grad=True)
    # The first clip's mean is (1, 1): (0 + 4) / 2. The second has no frame.
    loss = reconstruction_loss(rebuilt, values, present)
    assert float(loss.detach()) == pytest.approx(2)
    (gradient,) = torch.autograd.grad(loss, rebuilt)
    assert gradient.tolist() == [[0, 2], [0, 0]]
    assert_zero_with_a_graph(reconstruction_loss(rebuilt, values, torch.zeros(2, 3, dtype=torch.bool)), rebuilt)


def test_triplets():
    # From 0: 1 - 9 + 5 < 0. From 1: 1 - 4 + 5 = 2. The clip at 3 has no other of its class. Two triplets: 2 / 2.
    loss = triplet_loss(column(0, 1, 3), torch.tensor([0, 0, 1]), margin=5)
    assert float(loss) == pytest.approx(1)


@pytest.mark.parametrize("target", [[0, 0, 0], [0, 1, 2]], ids=["one class", "one clip a class"])
def test_without_a_triplet_the_loss_is_zero(target):
    leaf = torch.rand(3, 4, requires_grad=True)
    assert_zero_with_a_graph(triplet_loss(leaf, torch.tensor(target)), leaf)
    assert_zero_with_a_graph(emotion_loss(leaf, torch.tensor(target), ("anger", "calm", "neutral")), leaf)


def test_clips_that_lie_on_one_point_give_the_margin_and_no_nan():
    leaf = torch.ones(3, 4, requires_grad=True)
    loss = triplet_loss(leaf, torch.tensor([0, 0, 1]), margin=0.5)
    assert float(loss.detach()) == pytest.approx(0.5)
    assert torch.autograd.grad(loss, leaf)[0].isfinite().all()


def test_emotions_related_and_opposed():
    labels = ("happy", "calm", "sad", "fearful")
    loss = emotion_loss(column(0, 1, 2, 4), torch.tensor([0, 0, 1, 2]), labels, alpha=4, beta=10)
    # Own class against related: from 0, 1 - 4 + 4 = 1; from 1, 1 - 1 + 4 = 4. Mean 2.5.
    # Related against opposed: from 0, 4 - 16 + 10 < 0; from 1, 1 - 9 + 10 = 2; from calm, 4 - 4 + 10 = 10 with the happy clip
    # at 0 and 1 - 4 + 10 = 7 with that at 1; sad has no fearful clip beside it. Mean 19 / 4.
    assert float(loss) == pytest.approx(2.5 + 4.75)


def test_neutral_has_the_plain_loss():
    labels = ("neutral", "happy", "calm", "sad", "angry")
    loss = emotion_loss(column(0, 1, 3), torch.tensor([0, 0, 1]), labels, alpha=5, beta=100)
    # As in test_triplets.
    assert float(loss) == pytest.approx(1)


def test_neutral_is_neither_related_nor_opposed():
    leaf = column(0, 1, 1.5).requires_grad_()
    target = torch.tensor([EMOTIONS.index(name) for name in ("anger", "anger", "neutral")])
    assert_zero_with_a_graph(emotion_loss(leaf, target, EMOTIONS), leaf)
    assert float(triplet_loss(leaf, target).detach()) > 0


def test_neutral_clips_among_others_change_nothing_for_these():
    """LinearAdapter clips that do have related and opposed ones: a neutral clip in their midst is neither."""
    labels = ("happy", "calm", "sad", "fearful", "neutral")
    places, target = (0.0, 1.0, 2.0, 4.0), [0, 0, 1, 2]
    # As in test_emotions_related_and_opposed.
    loss = emotion_loss(column(*places, 1.5), torch.tensor([*target, 4]), labels, alpha=4, beta=10)
    assert float(loss) == pytest.approx(2.5 + 4.75)


def test_neutral_anchors_are_told_from_either_side():
    """Two neutral clips at 0 and 1, a happy one at 3, a sad one at -2; happiness and sadness have no clip beside them."""
    labels = ("neutral", "happy", "calm", "sad", "angry")
    loss = emotion_loss(column(0, 1, 3, -2), torch.tensor([0, 0, 1, 3]), labels, alpha=5, beta=100)
    # From 0: 1 - 9 + 5 < 0 and 1 - 4 + 5 = 2; from 1: 1 - 4 + 5 = 2 and 1 - 9 + 5 < 0. Four triplets.
    assert float(loss) == pytest.approx(1)


def test_an_emotion_alone_on_its_side_has_the_plain_loss():
    target = torch.tensor([EMOTIONS.index(name) for name in ("happiness", "happiness", "neutral")])
    # As in test_triplets: among CREMA-D's six nothing is related to happiness.
    assert float(emotion_loss(column(0, 1, 3), target, EMOTIONS, alpha=5, beta=100)) == pytest.approx(1)


def test_polarities_by_any_of_their_names():
    sides = {
        1: "happiness happy calm surprise surprised",
        0: "neutral",
        -1: "sadness sad fear fearful anger Angry disgust disgusted",
    }
    for side, names in sides.items():
        assert {polarity_of(name) for name in names.split()} == {side}
    with pytest.raises(UserError, match="'bored'"):
        emotion_loss(torch.rand(2, 3), torch.tensor([0, 1]), ("anger", "bored"))
