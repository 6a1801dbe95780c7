"""Explanations on the one road, of the models that a person meets: by encoders with weights of one's own, on pixels, by name."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import pytorch_grad_cam
import torch
from pytorch_grad_cam.utils.image import scale_cam_image
from safetensors.torch import save_file
from torch import Tensor, nn

from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.store import FeatureStore
from affectscope.core.checkpoints import saved
from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.corpora import bundled
from affectscope.core.errors import UserError
from affectscope.core.explain import face_input
from affectscope.core.explain.methods import METHODS
from affectscope.core.features.extractors.networks import _VGG_CONVOLUTIONS
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.models.base import AVModel, ModelOutput, ModelSpec, PlaceAttention
from affectscope.core.perturbation import Perturbation
from affectscope.core.streams import Batch, Stream
from affectscope.core.timeline.places import place_heatmaps, place_lanes

LABELS = ("anger", "joy", "neutral")


@pytest.fixture(scope="module")
def media() -> Path:
    corpus = bundled()
    return corpus.media(corpus.table.index[0])


@pytest.fixture
def store(tmp_path: Path) -> FeatureStore:
    return FeatureStore(tmp_path / "store", [bundled().features])


@dataclass(frozen=True)
class CnnConfig:
    visual_dim: int = 48 * 48


class OwnCnn(AVModel):
    """A person's CNN on grey faces of 48 pixels: the mean of its logits over the frames that are there."""

    config_type = CnnConfig

    def __init__(self, config: CnnConfig = CnnConfig()) -> None:
        heads = {"modalities": {"visual": ("visual",)}, "heads": ("visual",), "decision": ("visual",)}
        spec = ModelSpec("own-cnn", {"visual": 2304}, LABELS, features={"visual": "faces-48"}, **heads)
        super().__init__(config, spec)
        self.net = nn.Sequential(
            nn.Conv2d(1, 8, 5, stride=3), nn.ReLU(), nn.Conv2d(8, 6, 3, stride=2), nn.Tanh(), nn.Flatten(), nn.Linear(6 * 49, 3)
        )
        self.look_at = {"visual": self.net[3]}

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        logits = self.net(batch.values["visual"].flatten(0, 1).unflatten(1, (1, 48, 48))).unflatten(
            0, batch.present["visual"].shape
        )
        there = batch.present["visual"][..., None]
        predictions, evidence = self.answers({"visual": (logits * there).sum(1) / there.sum(1).clamp(min=1)}, batch)
        return ModelOutput(predictions, evidence)


@pytest.mark.parametrize("name", ["grad-cam", "layer-cam", "grad-cam++"])
def test_a_persons_cnn_is_explained_as_pytorch_grad_cam_explains_it(name: str) -> None:
    torch.manual_seed(0)
    model = OwnCnn().eval()
    present = np.array([True, False, True, True, False])
    faces = np.random.default_rng(1).uniform(-1, 1, (5, 48 * 48)).astype(np.float32)
    stream = Stream(faces, np.arange(5) / 25, present)
    normaliser = Normaliser({"visual": torch.full((2304,), 0.1)}, {"visual": torch.full((2304,), 0.5)})
    z = Stream(normaliser("visual", torch.from_numpy(faces)).numpy(), stream.times, present)
    batch = Batch.collate([{"visual": z}], model.spec.inputs)
    looks = face_input.face_input_of("faces-48")
    road = face_input.on_pixels(looks, Checkpoint(model, normaliser, {}), stream, batch, {"visual": 1})
    found = METHODS[name].maps(road)[0]
    pictures = torch.from_numpy(z.values[present]).view(3, 1, 48, 48)
    kind = {"grad-cam": "GradCAM", "layer-cam": "LayerCAM", "grad-cam++": "GradCAMPlusPlus"}[name]
    with getattr(pytorch_grad_cam, kind)(model.net, [model.net[3]]) as library:
        expected = library(pictures, [lambda logits: logits[1]] * 3)
    assert expected.any()
    np.testing.assert_allclose(scale_cam_image(scale_cam_image(found.numpy(), (48, 48))), expected, atol=1e-5)


def test_the_shipped_double_attention_is_explained_and_shows_its_own_attention(media, store) -> None:
    analyzer = Analyzer(saved.load(saved.shipped()["double-attention"]), store)
    analysis = analyzer.analyze(media)
    timeline = analysis.timeline
    maps = {heatmap.id: heatmap.values for heatmap in timeline.heatmaps}
    model = analyzer.checkpoint.model
    own = ["attention.spatial.all", *(f"attention.spatial.{i + 1}" for i in range(model.spatial.heads))]
    own += ["attention.channel.all", *(f"attention.channel.{i + 1}" for i in range(model.channel.heads))]
    assert list(maps) == ["av", *own]
    assert timeline.blind == {}
    assert analysis.explained.keys() == {"av"}
    assert analysis.explanations == (
        "layer-cam", "grad-cam", "grad-cam++", "hires-cam", "integrated-gradients", "occlusion", "score-cam",
    )  # fmt: skip
    seen = np.isfinite(timeline.boxes[:, 0])
    for values in maps.values():
        assert values.shape == (len(timeline.frame_times), 256)
        assert values.any()
        assert not values[~seen].any()
        # Six snippets share the frames.
        assert len(np.unique(values[seen], axis=0)) <= 6
    lanes = {lane.id: lane for lane in timeline.lanes}
    assert lanes["sharpness.spatial"].values.shape == (model.spatial.heads, len(timeline.frame_times))
    assert 0 <= np.nanmin(lanes["sharpness.spatial"].values) < np.nanmax(lanes["sharpness.spatial"].values) < 1
    assert np.isfinite(lanes["sharpness.channel"].values[:, seen]).all()
    assert {"attention.visual.temporal", "attention.audio.temporal"} <= lanes.keys()


def test_faces_go_through_vgg_face_with_the_weights_that_are_there(media, store, tmp_path, monkeypatch) -> None:
    torch.manual_seed(0)
    state, wide = {}, 3
    for name in _VGG_CONVOLUTIONS:
        state |= {f"conv{name}.weight": torch.randn(2, wide, 3, 3) / (3 * wide**0.5), f"conv{name}.bias": torch.zeros(2)}
        wide = 2
    save_file(state | {"fc6.weight": torch.randn(4096, 98) / 10, "fc6.bias": torch.zeros(4096)}, tmp_path / "w.safetensors")
    weights = FEATURE_SETS["vgg-face"].weights
    monkeypatch.setenv("AFFECTSCOPE_WEIGHTS", str(tmp_path))
    (tmp_path / "w.safetensors").rename(tmp_path / weights.file)
    model = AuxFormer.preset("demo", visual_dim=4096).eval().requires_grad_(False)
    model.spec = replace(model.spec, features={"visual": "vgg-face"})
    analyzer = Analyzer(Checkpoint(model, Normaliser(), {}), store)
    analysis = analyzer.analyze(media)
    assert [heatmap.id for heatmap in analysis.timeline.heatmaps] == ["av", "visual"]
    assert all(heatmap.values.max() == 255 for heatmap in analysis.timeline.heatmaps)
    assert analysis.explanations[0] == "layer-cam"
    assert "av" not in analysis.timeline.blind


def test_what_leads_back_to_no_picture_is_said(monkeypatch) -> None:
    """Features that a person's own function makes have no network to look through."""
    own = replace(FEATURE_SETS["face-maps"], name="own")
    monkeypatch.setitem(FEATURE_SETS._entries, "own", own)
    assert face_input.face_input_of("own") is None


def test_every_method_is_another_analysis_of_the_same_clip(media, store) -> None:
    torch.manual_seed(0)
    model = AuxFormer.preset("demo").eval().requires_grad_(False)
    analyzer = Analyzer(Checkpoint(model, Normaliser(), {}), store)
    usual, grad = analyzer.analyze(media), analyzer.analyze(media, explanation="grad-cam")
    assert usual.explanations[0] == "contrast"
    assert grad.key == analyzer.key(media, explanation="grad-cam") != usual.key
    assert grad.predictions == usual.predictions
    assert grad.timeline.heatmaps[0].title.endswith(", Grad-CAM")
    assert (grad.timeline.heatmaps[0].values != usual.timeline.heatmaps[0].values).any()
    half = analyzer.analyze(media, explanation="hires-cam", perturbation=Perturbation({"visual": 50}, "tail"))
    assert half.timeline.heatmaps[1].values.any()
    with pytest.raises(UserError, match="Attention rollout needs tokens"):
        analyzer.analyze(media, explanation="attention-rollout")


def test_what_does_not_ask_for_it_does_not_wait_for_the_library() -> None:
    code = (
        "import sys; import affectscope.core.analyzer, affectscope.core.explain.methods as m; "
        "heavy = {'pytorch_grad_cam', 'matplotlib', 'torchvision', 'ttach'} & set(sys.modules); assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_faces_behind_frames_of_another_reference() -> None:
    """Sound at 100 frames a second, faces at 25, the second missing: each frame has the face that is nearest."""
    times, present = np.arange(3) / 25, np.array([True, False, True])
    seen = Stream(np.zeros((3, 1), np.float32), times, present).resampled(np.arange(9) / 100)
    assert (
        face_input.faces_behind(seen, times, present).tolist() == np.array([0, 0, 0, 2, 2, 2])[: int(seen.present.sum())].tolist()
    )


def test_a_score_hangs_on_every_frame_that_shows_the_same_face() -> None:
    class Sum(AVModel):
        def __init__(self) -> None:
            spec = ModelSpec("sum", {"visual": 135}, ("x",), ("visual",), {"visual": ("visual",)}, ("visual",), reference="audio")
            super().__init__(CnnConfig(), spec)

        def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
            predictions, evidence = self.answers({"visual": batch.values["visual"].sum(1)[:, :1]}, batch)
            return ModelOutput(predictions, evidence)

    looks = face_input.face_input_of("face-maps")
    crops = np.random.default_rng(0).integers(0, 255, (2, 64, 64), dtype=np.uint8)
    features: Tensor = looks.encoder(looks.encoder.prepare(crops))
    seen = Stream(features[[0, 0, 1]].numpy(), np.arange(3) / 50, np.ones(3, bool))
    batch = Batch.collate([{"visual": seen}], {"visual": 135})
    road = face_input.through_encoder(
        looks, Checkpoint(Sum(), Normaliser(), {}), crops, np.array([0, 0, 1]), seen, batch, {"visual": 0}
    )
    assert road.pixels.shape == (2, 1, 64, 64)
    torch.testing.assert_close(road.network(road.pixels), 2 * features[0, :1] + features[1, :1])


def test_sharpness_and_parts_by_hand() -> None:
    """Two parts of three frames, one without a face; attention over four places: alike, then all on one."""
    maps = torch.zeros(1, 1, 2, 2, 2)
    maps[0, 0, 0], maps[0, 0, 1, 0, 1] = 0.25, 1.0
    found = (PlaceAttention("spatial", "places", 4, maps, torch.tensor([[[4.0, 1.0]]])),)
    seen = Stream(np.zeros((4, 1), np.float32), np.arange(4) / 25, np.array([True, False, True, True]))
    (lane,) = place_lanes(found, seen)
    # Of three present frames the first is the first part, as blocks.snippets cuts them.
    np.testing.assert_allclose(lane.values, [[0.0, np.nan, 1.0, 1.0]], atol=1e-6)
    (drawn,) = place_heatmaps(found, np.flatnonzero(seen.present), 4)
    corners = drawn.values.reshape(4, 16, 16)[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert corners.tolist() == [[255, 255, 255, 255], [0, 0, 0, 0], [0, 255, 0, 0], [0, 255, 0, 0]]
    np.testing.assert_allclose(drawn.peaks, [0.25, np.nan, 1, 1])
    assert (drawn.id, drawn.title) == ("attention.spatial.1", "Spatial attention, head 1")


def test_the_heads_of_an_attention_are_shown_together_first() -> None:
    """One part, two heads: each is all on a place of its own; together half on either."""
    maps = torch.zeros(1, 2, 1, 2, 2)
    maps[0, 0, 0, 0, 0] = maps[0, 1, 0, 1, 1] = 1.0
    together, first, second = place_heatmaps(
        (PlaceAttention("spatial", "places", 4, maps, torch.ones(1, 2, 1)),), np.arange(1), 1
    )
    assert (together.id, together.title) == ("attention.spatial.all", "Spatial attention, all heads")
    corners = [heatmap.values.reshape(16, 16)[[0, 0, -1, -1], [0, -1, 0, -1]].tolist() for heatmap in (together, first, second)]
    assert corners == [[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 255]]
    # Each in units of its own clip.
    assert [float(heatmap.peaks[0]) for heatmap in (together, first, second)] == [1.0, 1.0, 1.0]
