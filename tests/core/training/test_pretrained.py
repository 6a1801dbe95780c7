"""Training that goes on from weights that are there."""

from dataclasses import replace

import pytest
import torch

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.errors import UserError
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.models.inputs import Normaliser
from affectscope.core.training.pretrained import begin_with
from tests.core.training.test_joined import CONFIG


def made(seed: int, **changes) -> AuxFormer:
    torch.manual_seed(seed)
    return AuxFormer(replace(CONFIG, **changes))


def test_it_begins_with_weights_and_scale_of_the_trained_one():
    trained, model = made(0), made(1)
    scale = Normaliser({"audio": torch.ones(3)}, {"audio": torch.full((3,), 2.0)})
    assert begin_with(model, Checkpoint(trained, scale, {}), "mine") is scale
    for key, value in trained.state_dict().items():
        assert torch.equal(model.state_dict()[key], value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"width": 16}, "has another size, first at "),
        ({"labels": ("fear", "anger")}, "answers with fear, anger, and"),
    ],
)
def test_what_does_not_fit_is_one_sentence(changes, sentence):
    with pytest.raises(UserError, match=sentence):
        begin_with(made(1), Checkpoint(made(0, **changes), Normaliser(), {}), "mine")
