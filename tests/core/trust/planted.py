"""A model that looks at one region of the face by weights that can be randomised, and a clip of five frames for it."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.corpora import Truth
from affectscope.core.explain.face_input import FaceInput
from affectscope.core.features.base import FeatureSet
from affectscope.core.features.extractors.faces import FaceTrack
from affectscope.core.features.extractors.landmarks import REGIONS, regions
from affectscope.core.streams import Stream
from affectscope.core.trust.changed import Changed
from affectscope.core.trust.maps import Subject
from affectscope.core.why.asking import Question
from affectscope.core.why.face import View
from tests.core.why.test_face import FRAMES, POINTS, SIDE, Means

REGION = "mouth"


class Look(nn.Module):
    """How rough a picture is, place by place, weighted by a layer of its own: [N, 1, SIDE, SIDE] -> [N, 2]."""

    def __init__(self) -> None:
        super().__init__()
        self.maps, self.look = nn.Identity(), nn.Linear(SIDE * SIDE, 1, bias=False)
        inside = regions(POINTS[:1], SIDE, SIDE)[0, REGIONS.index(REGION)]
        with torch.no_grad():
            self.look.weight.copy_(torch.from_numpy(inside.reshape(1, -1)) * 0.1)
        self.requires_grad_(False)

    @property
    def look_at(self) -> tuple[nn.Module, ...]:
        return (self.maps,)

    @staticmethod
    def prepare(crops: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(crops)).float()[:, None] / 255

    def forward(self, pixels: Tensor) -> Tensor:
        rough = self.maps((pixels - pixels.roll(1, -1)) ** 2)
        return torch.cat([self.look(rough.flatten(1)), pixels.new_zeros(len(pixels), 1)], 1)


def planted(seed: int = 0) -> Subject:
    """The clip, and the same with a little noise."""
    crops = np.random.default_rng(0).integers(0, 256, (FRAMES, SIDE, SIDE), np.uint8)
    noise = np.random.default_rng(1).integers(-4, 5, crops.shape)
    question, view = _asked(crops)
    noisy = _asked((crops + noise).clip(0, 255).astype(np.uint8))
    return Subject(question, view, [Changed("noisy", *noisy)], seed)


def truth() -> Truth:
    """The region moves from the second frame to the fourth."""
    times = np.arange(FRAMES) / 25
    mask = np.zeros((FRAMES, 64, 64), bool)
    # The face's box is the picture but for its rim.
    rows = ((np.arange(64) + 0.5) / 64 - 0.1) / 0.8
    fine = regions(POINTS[:1], 400, 400)[0, REGIONS.index(REGION)]
    inside = (rows >= 0) & (rows < 1)
    place = (rows[inside] * 400).astype(int)
    mask[np.ix_(range(FRAMES), np.flatnonzero(inside), np.flatnonzero(inside))] = fine[np.ix_(place, place)]
    phases = (("onset", 0.0, 0.03), ("apex", 0.03, 0.13), ("offset", 0.13, 0.2))
    return Truth(times, np.ones(FRAMES), phases, (), mask, "visual")


def _asked(crops: np.ndarray) -> tuple[Question, View]:
    times, encoder = np.arange(FRAMES) / 25, Look()
    checkpoint = Checkpoint(Means(2, torch.tensor([1.0, 0.0])), Normaliser(), {"features": {"visual": "own"}})
    stream = Stream(encoder(encoder.prepare(crops)).numpy(), times, np.ones(FRAMES, bool))
    question = Question(checkpoint, {"visual": stream}, FRAMES / 25, target="anger")
    boxes = np.tile(np.float32([0.1, 0.1, 0.9, 0.9]), (FRAMES, 1))
    features = FeatureSet("own", "visual", 2, 25, f"grey-{SIDE}", "a test")
    return question, View(FaceInput(features, encoder), lambda: crops, FaceTrack(times, boxes), lambda: POINTS, stream)
