from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import torch

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.evaluation.pointing import region_in_crop
from affectscope.core.explain import face_input
from affectscope.core.explain.attention import frame_weights, stack_layers
from affectscope.core.explain.heatmaps import fitting, heatmaps, in_clip_units, on_video
from affectscope.core.explain.methods import METHODS, SIDE
from affectscope.core.explain.paths import VisualPath
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


def crops(count: int = 3) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 255, (count, 64, 64), dtype=np.uint8)


def test_the_product_of_two_layers_by_hand():
    """One map of 2x2, whose mean is the only feature; the score is three times the first picture's minus the second's."""
    layers = torch.nn.Identity(), torch.nn.AvgPool2d(2)

    class Score(torch.nn.Sequential):
        def forward(self, pixels):
            means = super().forward(pixels).flatten()
            return (3 * means[0] - means[1])[None]

    pixels = torch.tensor([[1.0, 2.0], [3.0, -4.0]]).expand(2, 1, 2, 2)
    road = VisualPath(pixels, Score(OrderedDict(zip("ab", layers, strict=True))), layers, np.arange(2), 2)
    (found,) = METHODS["layer-cam-product"].maps(road).numpy()
    assert found.shape == (2, SIDE, SIDE)
    # The first layer's slope is 3/4 at each place, the second's 3 on a mean of 1/2; corners are not blurred. The root is taken.
    wanted = np.sqrt([0.75 * 1.5, 1.5 * 1.5, 2.25 * 1.5, 0.0])
    np.testing.assert_allclose(found[0][[0, 0, -1, -1], [0, -1, 0, -1]], wanted, rtol=1e-6)
    assert not found[1].any()


def test_a_score_takes_features_for_the_frames_that_are_there():
    values = torch.zeros(1, 3, 135)
    values[0, :, 7] = torch.tensor([1.0, 50.0, 2.0])
    seen = Stream(values[0].numpy(), np.arange(3) / 25, np.array([False, True, True]))
    checkpoint = Checkpoint(ReadsOneMap(7), Normaliser(), {})
    faces = crops(3)
    frames = face_input.faces_behind(seen, seen.times, seen.present)
    road = face_input.through_encoder(
        face_input.face_input_of("face-maps"), checkpoint, faces, frames, seen, Batch.of(visual=values), {"visual": 0}
    )
    encoded = load_face_encoder()(prepare(faces))[:, 7]
    # The first frame was taken away: what stands in its place stays.
    torch.testing.assert_close(road.network(road.pixels), (encoded[2] - 1)[None])


def test_the_clips_unit_is_its_strong_frame_and_nothing_is_cut():
    # Of ten peaks 1 to 10 the 95th percentile is 9.55.
    np.testing.assert_allclose(in_clip_units(np.arange(1.0, 11)[:, None, None])[:, 0, 0], np.arange(1, 11) / 9.55)
    assert not in_clip_units(np.zeros((3, 2, 2))).any()


def test_heatmaps_lie_on_present_frames_and_leave_the_encoder_as_it_was():
    torch.manual_seed(0)
    model = AuxFormer.preset("demo").eval()
    encoder, pictures = load_face_encoder(), crops(4)
    present = np.array([True, False, True, True])
    values = np.zeros((4, 135), np.float32)
    values[present] = encoder(prepare(pictures[present])).numpy()
    stream = Stream(values, np.arange(4) / 25, present)
    batch = Batch.collate([{"visual": stream}], {"audio": 130, "visual": 135})
    before = {k: v.clone() for k, v in encoder.state_dict().items()}
    looks, checkpoint = face_input.face_input_of("face-maps"), Checkpoint(model, Normaliser(), {})
    frames = face_input.faces_behind(stream, stream.times, present)
    assert frames.tolist() == [0, 2, 3]
    road = face_input.through_encoder(looks, checkpoint, pictures, frames, stream, batch, {"av": 1, "visual": 2})
    maps = on_video(heatmaps(road, ("av", "visual")), frames, 4)
    assert fitting(road)[0] == "contrast"
    for head in ("av", "visual"):
        assert maps[head].shape == (4, SIDE, SIDE)
        assert np.isnan(maps[head][1]).all()
        # Of two or three peaks the 95th percentile lies under the largest.
        assert np.nanmax(maps[head]) >= 1
        assert np.nanmin(maps[head]) >= 0
    assert all(torch.equal(before[k], v) for k, v in encoder.state_dict().items())
    assert not any(module._forward_hooks for module in encoder.modules())


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
    features = encoder(prepare(crops(2)))
    assert features.shape == (2, 135)
    torch.testing.assert_close(features[:, -len(READER_CLASSES) :].sum(1), torch.ones(2))
    assert not any(p.requires_grad for p in encoder.parameters())


def test_an_encoder_that_was_first_used_without_gradients_can_be_explained():
    load_face_encoder.cache_clear()
    with torch.inference_mode():
        encoder = load_face_encoder()
    pictures = torch.rand(1, 1, 64, 64, requires_grad=True)
    encoder(pictures).sum().backward()
    assert pictures.grad is not None
    load_face_encoder.cache_clear()
