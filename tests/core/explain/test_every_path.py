"""Every visual system of the catalogue, at every published size with random weights: its heatmaps rest on gradients that a finite
difference confirms, from the layer that is read to the head's score.

Pictures and clips are tiny, networks as large as published. What takes FACET (CMU-MOSEI, 35 numbers a face of a commercial
program) has no network to look through.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torchvision.models import efficientnet_b2

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.explain import face_input
from affectscope.core.explain.heatmaps import heatmaps
from affectscope.core.explain.methods import SIDE
from affectscope.core.explain.paths import VisualPath, read
from affectscope.core.features.extractors.encoders import MiniXception
from affectscope.core.features.extractors.networks import _VGG_CONVOLUTIONS, EfficientNetB2, VggFace
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.base import MODELS, AVModel
from affectscope.core.streams import Batch, Stream

FRAMES, SOUNDS, SEEN = 7, 20, np.array([True, True, False, True, True, True, True])
FACET = 35
# The same networks with other labels, or between two others in depth.
ALIKE = ("attributes", "attributes-visual", "paper-four-classes", "paper-50")
SETS = {135: "face-maps", 4096: "vgg-face", 1408: "efficientnet-b2"}
ROADS = [
    (name, preset)
    for name in MODELS
    for preset, config in MODELS[name].presets().items()
    if preset not in (*ALIKE, "three-modalities") and getattr(config, "visual_dim", 0) != FACET
    if "visual" in getattr(config, "modalities", ("visual",)) and getattr(config, "modality", "visual") == "visual"
]


def model_of(name: str, preset: str) -> AVModel:
    torch.manual_seed(0)
    config = MODELS[name].presets()[preset]
    if name == "double-attention" and preset != "demo":
        # As deep and as wide as published; only the pictures are smaller.
        config = replace(config, side=32, snippet_frames=2, audio_side=32)
    return MODELS[name](config)  # type: ignore[call-arg]


@pytest.fixture(scope="module")
def encoders(tmp_path_factory) -> dict[str, nn.Module]:
    """The three encoders with random weights; VGG-Face with few maps for small pictures, and 4,096 features."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(1)
    vgg: dict[str, Tensor] = {}
    wide = 3
    for name in _VGG_CONVOLUTIONS:
        vgg[f"conv{name}.weight"] = torch.randn(6, wide, 3, 3) * (2 / (9 * wide)) ** 0.5
        vgg[f"conv{name}.bias"] = torch.zeros(6)
        wide = 6
    save_file(vgg | {"fc6.weight": torch.randn(4096, 6 * 4) / 5, "fc6.bias": torch.zeros(4096)}, folder / "vgg.safetensors")
    save_file(efficientnet_b2().state_dict(), folder / "b2.safetensors")
    return {
        "face-maps": MiniXception(),
        "vgg-face": VggFace(folder / "vgg.safetensors", "cpu", unit=True),
        "efficientnet-b2": EfficientNetB2(folder / "b2.safetensors", "cpu"),
    }


def road_of(model: AVModel, encoders: dict[str, nn.Module]) -> VisualPath:
    """A clip of noise, one frame without a face, in double precision."""
    make = np.random.default_rng(2)
    spec = model.spec
    times = np.arange(FRAMES) / 25
    streams = {
        m: Stream(make.normal(size=(SOUNDS, d)).astype(np.float32), np.arange(SOUNDS) / 50, np.ones(SOUNDS, bool))
        for m, d in spec.inputs.items()
    }
    pixels = np.clip(make.normal(size=(FRAMES, spec.inputs["visual"])), -1, 1).astype(np.float32)
    streams["visual"] = seen = Stream(pixels, times, SEEN)
    targets = dict.fromkeys([head for head in spec.heads if "visual" in spec.modalities[head]], len(spec.labels) - 1)
    found = SETS.get(spec.inputs["visual"])
    if found is None:
        looks = face_input.FaceInput(
            replace(FEATURE_SETS["faces-48"], dim=spec.inputs["visual"], needs=f"{colour(model)}-64"), None
        )
        road = face_input.on_pixels(looks, checkpoint(model), seen, Batch.collate([streams], spec.inputs), targets)
        return measured(model, road)
    side = {"face-maps": 64, "vgg-face": 64, "efficientnet-b2": 64}[found]
    crops = make.integers(0, 255, (FRAMES, side, side, 3)[: 3 if found == "face-maps" else 4], dtype=np.uint8)
    encoder = measured_encoder(encoders[found], crops)
    seen = replace(seen, values=encoder(encoder.prepare(crops).double()).numpy().astype(np.float32))
    batch = Batch.collate([{**streams, "visual": seen}], spec.inputs)
    frames = face_input.faces_behind(seen, times, SEEN)
    looks = face_input.FaceInput(FEATURE_SETS[found], encoder)
    return measured(model, face_input.through_encoder(looks, checkpoint(model), crops, frames, seen, batch, targets))


def colour(model: AVModel) -> str:
    return "rgb" if getattr(model.config, "channels", 1) == 3 else "grey"


def checkpoint(model: AVModel) -> Checkpoint:
    return Checkpoint(model, Normaliser(), {})


def measured_encoder(encoder: nn.Module, crops: np.ndarray) -> Any:
    settled(encoder, encoder, encoder.double().prepare(crops).double())
    return encoder


def measured(model: AVModel, road: VisualPath) -> VisualPath:
    """Batch norms hold what this clip has, so that deep networks with random weights neither fade nor explode."""
    road.network.double()
    values = {m: v.double() for m, v in road.network._batch.values.items()}
    road.network._batch = Batch(values, road.network._batch.present)
    road = replace(road, pixels=road.pixels.double())
    settled(model, road.network, road.pixels)
    return road


def settled(network: nn.Module, road: nn.Module, pixels: Tensor) -> None:
    norms = [norm for norm in network.modules() if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)]
    network.eval()
    for norm in norms:
        norm.train()
        norm.momentum = 1.0
    with torch.no_grad():
        road(pixels)
    network.eval().requires_grad_(False)


@pytest.fixture
def double() -> Iterator[None]:
    """Numbers that models make themselves are as precise as the rest."""
    before = torch.get_default_dtype()
    yield torch.set_default_dtype(torch.float64)
    torch.set_default_dtype(before)


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize(("name", "preset"), ROADS, ids=lambda value: value)
def test_gradients_are_those_of_a_finite_difference(name: str, preset: str, encoders: dict[str, nn.Module]) -> None:
    model = model_of(name, preset)
    road = road_of(model, encoders)
    reading = read(road)[0]
    assert reading.values.dtype == torch.float64
    assert torch.isfinite(reading.slopes).all()
    assert all(slopes.any() for slopes in reading.slopes)
    # Along the gradient and somewhere else.
    way = torch.randn(reading.values.shape, generator=torch.Generator().manual_seed(3), dtype=torch.float64)
    for slopes in reading.slopes:
        way = way + slopes * way.norm() / slopes.norm()
    # At a ReLU's zeros the pool behind it has no gradient.
    way = way * (reading.values != 0)
    way, step = way / way.norm(), 1e-7 * reading.values.norm()
    expected = (nudged(road, way * step) - nudged(road, -way * step)) / (2 * step)
    found = (reading.slopes * way).flatten(1).sum(1)
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-7 * float(found.abs().max()))
    heads = tuple(road.network._targets)
    maps = heatmaps(road, heads)
    faces = int(SEEN.sum())
    assert {head: drawn.shape for head, drawn in maps.items()} == dict.fromkeys(heads, (faces, SIDE, SIDE))
    assert all(np.isfinite(drawn).all() for drawn in maps.values())


def nudged(road: VisualPath, by: Tensor) -> Tensor:
    """The scores when the first layer that is read, or the pixels, held that much more."""
    with torch.no_grad():
        if not road.layers:
            return road.network(road.pixels + by)
        handle = road.layers[0].register_forward_hook(lambda module, given, output: output + by)
        try:
            return road.network(road.pixels)
        finally:
            handle.remove()
