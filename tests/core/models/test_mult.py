import torch

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.models.mult import MulT, MulTConfig
from affectscope.core.streams import Batch
from tests.reference import golden_input, golden_state, goldens, needs_shared

TRIMODAL = MulTConfig(inputs=(("text", 300), ("audio", 74), ("visual", 35)), labels=("sentiment",))


def count(model: MulT) -> int:
    return sum(p.numel() for p in model.parameters())


@needs_shared
def test_public_code_is_reproduced(tmp_path):
    golden = goldens()["mult-trimodal"]
    torch.save(golden_state("mult_keys.txt", "MULTModel"), tmp_path / "public.pt")
    model = checkpoints.load_foreign(tmp_path / "public.pt", layout="mult")
    inputs = {name: golden_input(name, golden[name]) for name in ("text", "audio", "visual")}
    predictions = model(Batch.of(**inputs)).predictions
    torch.testing.assert_close(predictions["av"], torch.tensor(golden["out"]), atol=1e-5, rtol=0)


def test_published_parameter_counts():
    assert count(MulT(TRIMODAL)) == 1_073_731
    assert count(MulT.preset("paper", labels=tuple("abcd"))) == 358_384
    assert count(MulT.preset("paper", width=160)) == 7_070_406


def test_absence_and_padding_cannot_influence_the_answer():
    torch.manual_seed(0)
    model = MulT(MulTConfig(inputs=(("audio", 4), ("visual", 6)), width=6, heads=2, layers=1, memory_layers=1)).eval()
    audio, visual = torch.randn(2, 5, 4), torch.randn(2, 3, 6)
    plain = model(Batch.of(audio=audio, visual=visual))
    padded = Batch.of(
        audio=torch.nn.functional.pad(audio, (0, 0, 0, 4), value=9.0),
        visual=visual,
        present={"audio": (torch.arange(9) < 5).expand(2, -1)},
    )
    torch.testing.assert_close(model(padded).predictions["av"], plain.predictions["av"], atol=1e-6, rtol=0)
    alone = model(Batch.of(audio=audio, visual=visual).without("visual"))
    assert alone.predictions["av"].isfinite().all()
    assert (alone.predictions["av"] - plain.predictions["av"]).abs().max() > 1e-3
    nothing = model(Batch.of(audio=audio, visual=visual).without("visual").without("audio"))
    torch.testing.assert_close(nothing.predictions["av"], model.prior.expand(2, -1))
    for attention in model(padded, attention=True).attention:
        torch.testing.assert_close(attention.weights.sum(-1), torch.ones(attention.weights.shape[:-1]))
