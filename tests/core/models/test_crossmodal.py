import math

import pytest
import torch

from affectscope.core.models.blocks.crossmodal import CrossModalEncoder
from affectscope.core.models.blocks.transformer import EncoderConfig, sinusoidal_positions
from affectscope.core.models.catalogue import count
from affectscope.core.models.crossmodal import CrossModal
from affectscope.core.streams import Batch


def bare(residual: bool) -> CrossModalEncoder:
    """Encoders without layers and attention without weights of its own, so that its numbers can be worked out by hand."""
    config = EncoderConfig(2, 1, 0, embed_scale=False, final_norm=False, input_dropout=0.0)
    block = CrossModalEncoder({"audio": 2, "visual": 2}, config, residual)
    for attention in block.cross.values():
        attention.in_proj_weight.data.copy_(torch.eye(2).repeat(3, 1))
        attention.out_proj.weight.data.copy_(torch.eye(2))
    return block


def encoded_as(audio: list[list[float]], visual: list[list[float]], /, **present: list[bool]) -> Batch:
    """Inputs that, with the positions added, are these frames."""
    frames = {"audio": torch.tensor([audio]), "visual": torch.tensor([visual])}
    values = {name: x - sinusoidal_positions(x.shape[1], 2) for name, x in frames.items()}
    return Batch.of(present={name: [mask] for name, mask in present.items()}, **values)


# Over sqrt(2), this query's logits for the keys (1, 0) and (0, 1) are log 4 and 0: weights 0.8 and 0.2.
QUERY = math.log(4) * math.sqrt(2)


def test_each_frame_asks_the_other_modality():
    block = bare(residual=True)
    block.scalars["audio"].data.fill_(0.5)
    batch = encoded_as([[QUERY, 0.0]], [[1.0, 0.0], [0.0, 1.0]])
    contributions, maps = block(batch, True)
    torch.testing.assert_close(contributions["audio"], torch.tensor([[[QUERY + 0.5 * 0.8, 0.5 * 0.2]]]))
    # There is one audio frame only: all visual frames get it whole.
    torch.testing.assert_close(contributions["visual"], torch.tensor([[[1.0 + QUERY, 0.0], [QUERY, 1.0]]]))
    weights = {m.name: m.weights for m in maps}
    torch.testing.assert_close(weights["cross.audio"], torch.tensor([[[[0.8, 0.2]]]]))
    torch.testing.assert_close(block(batch)[0]["audio"], contributions["audio"])


def test_without_the_residual_the_attention_alone_contributes_and_absent_frames_ask():
    block = bare(residual=False)
    block.scalars["audio"].data.fill_(0.5)
    frames = [[QUERY, 0.0], [0.0, 0.0]], [[1.0, 0.0], [0.0, 1.0]]
    contributions, _ = block(encoded_as(*frames))
    torch.testing.assert_close(contributions["audio"], torch.tensor([[[0.4, 0.1], [0.25, 0.25]]]))
    silent, _ = block(encoded_as(*frames, audio=[False, False]))
    # What an absent frame asks with is its position.
    logits = sinusoidal_positions(2, 2) / math.sqrt(2)
    torch.testing.assert_close(silent["audio"], 0.5 * logits.softmax(1)[None])
    assert silent["visual"].abs().max() == 0


def test_absent_frames_are_neither_asked_nor_counted():
    block = bare(residual=True)
    batch = encoded_as([[QUERY, 0.0], [3.0, 3.0]], [[1.0, 0.0], [0.0, 1.0]], audio=[True, False], visual=[True, False])
    contributions, _ = block(batch)
    torch.testing.assert_close(contributions["audio"], torch.tensor([[[QUERY + 1.0, 0.0], [0.0, 0.0]]]))


def test_with_one_modality_its_encoder_alone_contributes():
    block = bare(residual=True)
    block.cross["audio"].out_proj.bias.data.fill_(9.0)
    frames = [[QUERY, 0.0]], [[1.0, 0.0], [0.0, 1.0]]
    contributions, _ = block(encoded_as(*frames).without("visual"))
    torch.testing.assert_close(contributions["audio"], torch.tensor([[[QUERY, 0.0]]]))
    assert contributions["visual"].abs().max() == 0


def test_three_modalities_are_refused():
    with pytest.raises(ValueError, match="one or two"):
        CrossModalEncoder(dict.fromkeys("abc", 2), EncoderConfig(2, 1, 1))


def test_parameter_counts():
    assert count(CrossModal.preset("paper")) == 2_305_948
    assert count(CrossModal.preset("upscaled")) == 7_033_928


def test_components_are_averaged_over_their_own_frames_and_added():
    torch.manual_seed(0)
    model = CrossModal.preset("demo").eval()
    batch = Batch.of(audio=torch.randn(2, 7, 130), visual=torch.randn(2, 4, 135))

    def component(batch: Batch) -> torch.Tensor:
        return model(batch).predictions["av"] - model.out.bias

    alone = component(batch.without("visual")) + component(batch.without("audio"))
    assert (component(batch) - alone).abs().max() > 1e-3
    for scalar in model.encode.scalars.values():
        scalar.data.zero_()
    torch.testing.assert_close(component(batch), alone)
    contributions, _ = model.encode(batch)
    expected = contributions["audio"].mean(1) + contributions["visual"].mean(1)
    torch.testing.assert_close(model(batch).embeddings["fused"], expected)
