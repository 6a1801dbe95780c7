from types import SimpleNamespace

import numpy as np
import torch

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.evaluation.pointing import region_in_crop
from affectscope.core.explain.attention import frame_weights, stack_layers
from affectscope.core.explain.gradcam import SIDE, face_heatmaps, layer_cams, score_of, to_clip_scale
from affectscope.core.features.extractors.encoders import READER_CLASSES, load_face_encoder, prepare
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.models.base import AttentionMap
from affectscope.core.streams import Batch, Stream


class ReadsOneMap(torch.nn.Module):
    """A model whose only logit is feature ``index`` of the last frame minus that of the first."""

    def __init__(self, index: int) -> None:
        super().__init__()
        self.index = index
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, batch: Batch):
        feature = batch.values["visual"][:, :, self.index]
        return SimpleNamespace(predictions={"visual": (feature[:, -1] - feature[:, 0])[:, None] + 0 * self.unused})


def crops(count: int = 3) -> torch.Tensor:
    make = np.random.default_rng(0)
    return prepare(make.integers(0, 255, (count, 64, 64), dtype=np.uint8))


def test_layer_cams_by_hand():
    """One map of 2x2, whose mean is the only feature; the score is three times the first picture's minus the second's."""
    encoder = SimpleNamespace(
        blocks=[None, None, torch.nn.Identity(), torch.nn.AvgPool2d(2)], features=lambda maps: maps.mean((2, 3))
    )
    early = torch.tensor([[1.0, 2.0], [3.0, -4.0]]).expand(2, 1, 2, 2)
    found = layer_cams(encoder, early, lambda features: 3 * features[0, 0] - features[1, 0])
    assert found.shape == (2, SIDE, SIDE)
    # The first block's slope is 3/4 at each place, the second's 3 on a mean of 1/2; corners are not blurred.
    np.testing.assert_allclose(found[0][[0, 0, -1, -1], [0, -1, 0, -1]], [0.75 * 1.5, 1.5 * 1.5, 2.25 * 1.5, 0.0])
    assert not found[1].any()


def test_a_score_takes_features_for_the_frames_that_are_there():
    values = torch.zeros(1, 3, 135)
    values[0, :, 7] = torch.tensor([1.0, 50.0, 2.0])
    checkpoint = Checkpoint(ReadsOneMap(7), Normaliser(), {})
    score = score_of(checkpoint, np.array([False, True, True]), Batch.of(visual=values), "visual", 0)
    features = torch.zeros(2, 135)
    features[:, 7] = torch.tensor([9.0, 5.0])
    assert score(features) == 5 - 1


def test_one_outlier_does_not_leave_the_other_frames_blank():
    maps = np.zeros((100, 2, 2))
    maps[:, 0, 0] = 1.0
    maps[7, 0, 0] = 50.0
    scaled = to_clip_scale(maps)
    assert scaled[8, 0, 0] == scaled[7, 0, 0] == 1
    assert not to_clip_scale(np.zeros((3, 2, 2))).any()
    # Of ten peaks 1 to 10 the 95th percentile is 9.55.
    np.testing.assert_allclose(to_clip_scale(np.arange(1.0, 11)[:, None, None])[:, 0, 0], np.minimum(np.arange(1, 11) / 9.55, 1))


def test_heatmaps_lie_on_present_frames_and_leave_the_encoder_as_it_was():
    torch.manual_seed(0)
    model = AuxFormer.preset("demo").eval()
    encoder, pictures = load_face_encoder(), crops(3)
    present = np.array([True, False, True, True])
    values = np.zeros((4, 135), np.float32)
    values[present] = encoder(pictures).numpy()
    stream = Stream(values, np.arange(4) / 25, present)
    batch = Batch.collate([{"visual": stream}], {"audio": 130, "visual": 135})
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    maps = face_heatmaps(Checkpoint(model, Normaliser(), {}), pictures, stream, batch, {"av": 1, "visual": 2})
    for head in ("av", "visual"):
        assert maps[head].shape == (4, SIDE, SIDE)
        assert not maps[head][1].any()
        assert maps[head].max() == 1
        assert maps[head].min() >= 0
    assert all(torch.equal(before[k], v) for k, v in encoder.state_dict().items())


def test_frame_weights_are_the_mean_over_those_who_ask():
    weights = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.0, 1.0]])[None]
    maps = [AttentionMap("cross.audio", "audio", "visual", layer, weights[None]) for layer in (0, 1)]
    stacked = stack_layers(maps, "cross.audio")
    assert stacked.shape == (2, 1, 3, 2)
    found = frame_weights(stacked, torch.tensor([True, True, False]))
    torch.testing.assert_close(found, torch.tensor([0.75, 0.25]).expand(2, 1, 2))


def test_region_in_crop_by_hand():
    mask = np.zeros((64, 64), bool)
    mask[:32, :32] = True
    # The crop is the picture's middle: its upper left quarter is in the mask.
    inside = region_in_crop(mask, np.array([0.25, 0.25, 0.75, 0.75]), 4, 4)
    assert inside.tolist() == [[1, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    # A crop that leaves the picture on the left: its left half is nothing.
    assert region_in_crop(mask, np.array([-0.5, 0.0, 0.5, 0.5]), 2, 2).tolist() == [[0, 1], [0, 1]]


def test_the_encoder_knows_its_own_shapes():
    encoder = load_face_encoder()
    features = encoder(crops(2))
    assert features.shape == (2, 135)
    torch.testing.assert_close(features[:, -len(READER_CLASSES) :].sum(1), torch.ones(2))
    assert not any(p.requires_grad for p in encoder.parameters())
