"""How sure an answer stays with half of the clip."""

import torch

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.inference.asked import ask
from affectscope.core.inference.steady import halves, steadiness
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.streams import Batch
from tests.core.training.test_joined import CONFIG, SPEC


def test_halves_end_where_each_modality_of_each_clip_ends():
    there = torch.tensor([[1, 1, 1, 1, 0, 0], [1, 0, 1, 1, 1, 1], [0, 0, 0, 0, 0, 0]], dtype=torch.bool)
    batch = Batch.of(audio=torch.arange(1.0, 7).repeat(3, 1)[..., None], present={"audio": there})
    first, second = halves(batch)
    assert first.present["audio"].int().tolist() == [[1, 1, 0], [1, 0, 1], [0, 0, 0]]
    assert second.present["audio"].int().tolist() == [[1, 1, 0], [1, 1, 1], [0, 0, 0]]
    assert second.values["audio"][0, :, 0].tolist() == [3, 4, 0]


def test_steadiness_is_the_least_that_the_answer_keeps():
    torch.manual_seed(0)
    checkpoint = Checkpoint(AuxFormer(CONFIG).eval(), Normaliser(), {})
    # Something else is there in the second half.
    firsts = {modality: 3 * torch.randn(4, 4, dim) for modality, dim in SPEC.inputs.items()}
    batch = Batch.of(**{modality: torch.cat([first, 3 * torch.randn_like(first)], 1) for modality, first in firsts.items()})
    answered = ask(checkpoint, batch)
    found = steadiness(checkpoint, batch, answered)
    assert list(found) == [*SPEC.heads, "decision"]
    parts = [ask(checkpoint, half).logits["decision"].softmax(1) for half in halves(batch)]
    whole = answered.logits["decision"].softmax(1)
    for row in range(4):
        own = int(whole[row].argmax())
        expected = min(float(shares[row, own]) for shares in (whole, *parts))
        assert torch.isclose(found["decision"][row], torch.tensor(expected))
    assert (found["decision"] <= whole.max(1).values).all()
    assert (found["decision"] < whole.max(1).values - 1e-4).any()
