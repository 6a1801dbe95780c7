"""Where in the face: a model that looks at one place, and heatmaps whose shares can be counted."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.explain.face_input import FaceInput
from affectscope.core.features.base import FeatureSet
from affectscope.core.features.extractors.faces import FaceTrack
from affectscope.core.features.extractors.landmarks import REGIONS, regions
from affectscope.core.models.base import AVModel, ModelOutput, ModelSpec
from affectscope.core.streams import Batch, Stream
from affectscope.core.why.asking import Question
from affectscope.core.why.face import NAMES, REST, View, by_region, shares_of, whole_of

SIDE, FRAMES = 40, 5
POINTS = np.repeat(np.array([[(0.3, 0.4), (0.7, 0.4), (0.5, 0.6), (0.38, 0.8), (0.62, 0.8)]], np.float32), FRAMES, 0)
LABELS = ("anger", "joy")


@dataclass(frozen=True)
class Config:
    dim: int


class Means(AVModel):
    """The mean over frames of each feature, the first against the second."""

    config_type = Config

    def __init__(self, dim: int, look: torch.Tensor) -> None:
        spec = ModelSpec(
            system="means", inputs={"visual": dim}, labels=LABELS, heads=("visual",), modalities={"visual": ("visual",)},
            decision=("visual",),
        )  # fmt: skip
        super().__init__(Config(dim), spec)
        self.look = torch.nn.Parameter(look, requires_grad=False)
        self.eval()

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        there = batch.present["visual"][..., None]
        score = (batch.values["visual"] * there).sum(1) / there.sum(1).clamp(min=1) @ self.look
        predictions, evidence = self.answers({"visual": torch.stack([score, -score], 1)}, batch)
        return ModelOutput(predictions, evidence)


class Encoder(torch.nn.Module):
    """How rough a picture is inside one region: the mean square of the difference to the pixel beside."""

    def __init__(self, region: str) -> None:
        super().__init__()
        mask = whole_of(POINTS[:1], SIDE, SIDE)[0, NAMES.index(region)]
        # Not at the rim, where a blurred pixel is beside one that is not.
        inner = mask & np.roll(mask, 1, 1) & np.roll(mask, -1, 1)
        self.mask = torch.from_numpy(inner[:, 1:])
        self.maps = torch.nn.Identity()

    @property
    def look_at(self) -> tuple[torch.nn.Module, ...]:
        return (self.maps,)

    @staticmethod
    def prepare(crops: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(crops).float()[:, None] / 255

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        rough = self.maps((pixels[..., 1:] - pixels[..., :-1]) ** 2) * self.mask
        return torch.cat([rough.mean((2, 3)) * 40, pixels.new_zeros(len(pixels), 1)], 1)


def asked(region: str):
    chance = np.random.default_rng(0)
    crops = chance.integers(0, 256, (FRAMES, SIDE, SIDE), np.uint8)
    times = np.arange(FRAMES) / 25
    encoder = Encoder(region)
    values = encoder(encoder.prepare(crops)).numpy()
    checkpoint = Checkpoint(Means(2, torch.tensor([1.0, 0.0])), Normaliser(), {"features": {"visual": "own"}})
    stream = Stream(values, times, np.ones(FRAMES, bool))
    subject = Question(checkpoint, {"visual": stream}, FRAMES / 25, target="anger")
    boxes = np.tile(np.float32([0.1, 0.1, 0.9, 0.9]), (FRAMES, 1))
    features = FeatureSet("own", "visual", 2, 25, f"grey-{SIDE}", "a test")
    return subject, View(FaceInput(features, encoder), lambda: crops, FaceTrack(times, boxes), lambda: POINTS, stream)


@pytest.mark.parametrize("region", ["mouth", "brows", "cheeks", REST])
def test_only_the_region_that_is_looked_at_counts(region):
    subject, view = asked(region)
    found = by_region(subject, view)
    assert found is not None
    assert found.names == (*REGIONS, REST)
    place = found.names.index(region)
    # Blurred, noise is smooth: all that spoke for the class is gone.
    assert found.away[0, place] > 0.9 * subject.score(subject.whole)[0] > 0
    others = np.delete(found.away[0], place)
    np.testing.assert_allclose(others, 0, atol=1e-5)


def test_the_heatmap_lies_where_the_model_looks():
    subject, view = asked("mouth")
    found = by_region(subject, view)
    assert found is not None
    # A pixel wide: the map's cells are coarser than the region's edge.
    assert found.shares["visual"][REGIONS.index("mouth")] > 0.8
    assert found.area.sum() == pytest.approx(1)
    assert found.shares["visual"].sum() == pytest.approx(1)
    assert found.area[REGIONS.index("mouth")] == pytest.approx(regions(POINTS, 64, 64)[0, 4].mean())


def test_models_that_take_pixels_are_shown_other_pixels():
    chance = np.random.default_rng(1)
    raw = chance.standard_normal((FRAMES, SIDE * SIDE)).astype(np.float32)
    look = torch.zeros(SIDE, SIDE)
    look[::2, 0::2], look[::2, 1::2] = 1.0, -1.0
    inside = torch.from_numpy(regions(POINTS[:1], SIDE, SIDE)[0, REGIONS.index("eyes")])
    # Fine stripes over the eyes are what this model adds up.
    look = (look * inside).flatten()
    raw += 0.05 * look.numpy()
    checkpoint = Checkpoint(Means(SIDE * SIDE, look), Normaliser(), {"features": {"visual": "own"}})
    times = np.arange(FRAMES) / 25
    stream = Stream(raw, times, np.ones(FRAMES, bool))
    subject = Question(checkpoint, {"visual": stream}, FRAMES / 25, target="anger")
    features = FeatureSet("own", "visual", SIDE * SIDE, 25, "grey-40", "a test", pixels=True)
    boxes = np.tile(np.float32([0.1, 0.1, 0.9, 0.9]), (FRAMES, 1))

    def no_crops() -> np.ndarray:
        raise AssertionError("no encoder, no crops")

    found = by_region(subject, View(FaceInput(features, None), no_crops, FaceTrack(times, boxes), lambda: POINTS, stream))
    assert found is not None
    assert np.abs(found.away[0]).argmax() == REGIONS.index("eyes")
    np.testing.assert_allclose(np.delete(found.away[0], REGIONS.index("eyes")), 0, atol=1e-5)


def test_shares_by_hand():
    masks = regions(POINTS[:1], 64, 64)[0]
    maps = np.zeros((1, 16, 16))
    # A cell wholly in the nose, and one wholly in the mouth with three times as much.
    cells = [next(zip(*np.nonzero(m.reshape(16, 4, 16, 4).all((1, 3))), strict=True)) for m in (masks[2], masks[4])]
    maps[0][cells[0]], maps[0][cells[1]] = 1, 3
    np.testing.assert_allclose(shares_of(maps, POINTS[:1]), [0, 0, 0.25, 0, 0.75, 0, 0])
    assert not shares_of(np.zeros((1, 16, 16)), POINTS[:1]).any()


def test_a_map_that_is_the_same_everywhere_has_each_regions_area():
    np.testing.assert_allclose(
        shares_of(np.ones((2, 16, 16)), POINTS[:2]), whole_of(POINTS[:1], 64, 64)[0].mean((1, 2)), atol=1e-9
    )


def test_without_a_face_there_is_nothing_to_say():
    subject, view = asked("mouth")
    nobody = FaceTrack(view.faces.times, np.full((FRAMES, 4), np.nan, np.float32))
    assert by_region(subject, View(view.looks, view.crops, nobody, view.points, view.raw)) is None
    blind = Question(subject.checkpoint, {"visual": subject.streams["visual"].masked(np.zeros(FRAMES, bool))}, 0.2, target="joy")
    assert by_region(blind, view) is None
