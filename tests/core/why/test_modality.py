"""Which modality: against models that are asked one coalition at a time."""

from itertools import permutations

import numpy as np
import pytest
import torch

from affectscope.core.errors import UserError
from affectscope.core.models.base import over_clip
from affectscope.core.streams import Batch
from affectscope.core.why.asking import Question
from affectscope.core.why.modality import by_modality
from tests.core.why.small import Config, question

THREE = Config({"audio": 4, "visual": 3, "text": 2})


def asked(about: Question, there: set[str], head: str) -> float:
    """The log-odds of the explained class with some modalities only, as a person would reckon it."""
    model, spec = about.checkpoint.model, about.checkpoint.spec
    batch = Batch.collate([{m: s for m, s in about.streams.items() if m in there}], spec.inputs)
    output = model(batch)
    logits = model.decide(output) if head == "decision" else output.predictions[head]
    shares = over_clip(logits.double().softmax(-1), batch)[0]
    place = spec.labels.index(about.explained)
    return float((shares[place] / (1 - shares[place])).log())


@pytest.mark.parametrize("config", [Config(), THREE, Config(by_frame=True)], ids=["two", "three", "by frame"])
def test_all_orders_of_asking_say_the_same(config):
    subject = question(config)
    found = by_modality(subject)
    for h, head in enumerate(subject.heads):
        gains = dict.fromkeys(subject.modalities, 0.0)
        orders = list(permutations(subject.modalities))
        for order in orders:
            for i, m in enumerate(order):
                gains[m] += asked(subject, {*order[: i + 1]}, head) - asked(subject, {*order[:i]}, head)
        np.testing.assert_allclose(found.shapley[h], [gains[m] / len(orders) for m in subject.modalities], atol=1e-6)


def test_two_modalities_add_up_and_what_only_both_say_is_named():
    subject = question()
    found = by_modality(subject)
    nothing, audio, visual, both = (found.scores[:, i] for i in range(4))
    np.testing.assert_allclose(found.shapley.sum(1), both - nothing, atol=1e-9)
    np.testing.assert_allclose(found.together["audio", "visual"], both - audio - visual + nothing, atol=1e-9)
    np.testing.assert_allclose(found.alone.sum(1) + found.together["audio", "visual"], both - nothing, atol=1e-9)
    # The main head's product of both makes that something.
    assert abs(found.together["audio", "visual"][1]) > 0.01
    # A head that hears only owes nothing to the picture.
    assert found.shapley[subject.heads.index("audio")][1] == pytest.approx(0, abs=1e-9)


def test_the_whole_is_the_answer_and_nothing_is_the_prior():
    subject = question()
    subject.checkpoint.model.prior.copy_(torch.tensor([0.5, 0.3, 0.2]).log())
    found = by_modality(subject)
    np.testing.assert_allclose(found.answers[:, -1], subject.whole)
    np.testing.assert_allclose(found.answers[:, 0], np.tile([0.5, 0.3, 0.2], (4 - 0, 1))[: len(subject.heads)], atol=1e-6)


def test_an_absent_modality_contributes_nothing():
    subject = question(frames={"audio": 8, "visual": 0})
    found = by_modality(subject)
    assert found.present == (True, False)
    np.testing.assert_allclose(found.shapley[:, 1], 0, atol=1e-12)
    np.testing.assert_allclose(found.shares[0], [1, 0])


def test_one_class_against_another_is_the_difference_of_their_logits():
    subject = question(target="joy", against="neutral")
    found = by_modality(subject)
    output = subject.checkpoint.model(subject.batch)
    logits = subject.checkpoint.model.decide(output)[0].double()
    assert found.scores[0, -1] == pytest.approx(float(logits[1] - logits[2]), abs=1e-5)
    swapped = by_modality(question(target="neutral", against="joy"))
    np.testing.assert_allclose(found.shapley, -swapped.shapley, atol=1e-9)


def test_an_attribute_is_explained_as_it_is():
    subject = question(Config(task="regression"), target="valence")
    found = by_modality(subject)
    assert found.scores[0, -1] == pytest.approx(subject.whole[0, 1])
    np.testing.assert_allclose(found.shapley.sum(1), found.scores[:, -1] - found.scores[:, 0], atol=1e-9)


def test_the_answer_is_explained_where_nobody_says_what():
    subject = question()
    assert subject.explained == subject.checkpoint.spec.labels[int(subject.whole[0].argmax())]


@pytest.mark.parametrize(
    ("asked_for", "why"),
    [
        ({"target": "boredom"}, "knows no class 'boredom'"),
        ({"target": "joy", "against": "joy"}, "choose another than joy"),
        ({"against": "boredom"}, "knows no class"),
    ],
)
def test_what_cannot_be_asked_is_said(asked_for, why):
    with pytest.raises(UserError, match=why):
        question(**asked_for)


def test_attributes_are_no_alternatives():
    with pytest.raises(UserError, match="cannot be compared"):
        question(Config(task="regression"), target="arousal", against="valence")


def test_more_modalities_than_coalitions_can_be_counted_of():
    many = Config({f"m{i}": 2 for i in range(5)})
    with pytest.raises(UserError, match="at most 4"):
        by_modality(question(many))


def test_replaced_frames_are_those_of_masking():
    from affectscope.core.perturbation import Perturbation, perturb

    change = Perturbation(imputation="mean")
    subject = question(change=change)
    found = by_modality(subject)
    gone = Perturbation(imputation="mean", pattern="drawn", spans={"audio": ((0.0, 2.0),)})
    given = perturb(gone, subject.streams, subject.checkpoint).streams
    expected = subject.answers(Batch.collate([given], subject.checkpoint.spec.inputs))[:, 0]
    np.testing.assert_allclose(found.answers[:, found.without("audio")], expected, atol=1e-7)
