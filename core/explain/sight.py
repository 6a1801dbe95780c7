"""How a model comes to see a clip's faces: through an encoder of its feature set, or by taking the pixels itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from torch import Tensor, nn

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.explain.road import VisualRoad
from affectscope.core.features.base import FeatureSet
from affectscope.core.features.extractors.encoders import load_face_encoder
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.arrays import source_of
from affectscope.core.models.base import over_clip
from affectscope.core.streams import Batch, Stream

# So many pixels go through an encoder at once: 256 small faces, 20 of 224x224.
_CHUNK_PIXELS = 1 << 20
DEFAULT_VISUAL = "face-maps"


@dataclass(frozen=True)
class Sight:
    """What a model sees faces through.

    Attributes:
        features: the visual feature set.
        encoder: the network that makes it of face crops; None where the features are the pixels themselves.
    """

    features: FeatureSet
    encoder: nn.Module | None


def sight_of(name: str) -> Sight | None:
    """How a visual feature set looks at faces; None where no way leads from its numbers back to pixels.

    Raises:
        UserError: when the weights of its network are not there.
    """
    features = FEATURE_SETS[name]
    if source_of(name):
        # What arrays hold was made elsewhere, whatever network of that name is here.
        return None
    if name == DEFAULT_VISUAL:
        return Sight(features, load_face_encoder())
    if _shape(features):
        return Sight(features, None)
    encoder = features.load(features.check(None))
    return Sight(features, encoder) if isinstance(encoder, nn.Module) and hasattr(encoder, "look_at") else None


def through_encoder(
    sight: Sight,
    checkpoint: Checkpoint,
    crops: np.ndarray,
    frames: np.ndarray,
    seen: Stream,
    batch: Batch,
    targets: Mapping[str, int],
) -> VisualRoad:
    """From face crops through the encoder.

    Args:
        crops: [F, H, W] or [F, H, W, 3] uint8, a face for every frame of the video.
        frames: [P] which of those each present frame of ``seen`` shows; see ``faces_behind``.
        seen: the clip's visual stream as the model takes it.
        batch: the clip alone, normalised.
        targets: head -> the class or attribute that is explained.

    Returns:
        The road from one picture for each frame of the video that is looked at, in order.
    """
    assert sight.encoder is not None
    looked, which = np.unique(frames, return_inverse=True)
    network = _ClipScores(checkpoint, batch, np.flatnonzero(seen.present), targets, sight.encoder, which)
    pixels = sight.encoder.prepare(crops[looked])  # type: ignore[operator]
    return VisualRoad(pixels, network, tuple(sight.encoder.look_at), np.arange(len(looked)), len(looked))  # type: ignore[arg-type]


def on_pixels(sight: Sight, checkpoint: Checkpoint, seen: Stream, batch: Batch, targets: Mapping[str, int]) -> VisualRoad:
    """Of a model that takes pixels: from the frames of ``seen``, its visual stream before it is normalised."""
    shape, last = _shape(sight.features) or ((), False)
    places = np.flatnonzero(seen.present)
    pixels = torch.from_numpy(seen.values[places]).unflatten(1, shape)
    network = _ClipScores(checkpoint, batch, places, targets, nn.Identity(), np.arange(len(places)), last)
    layer = checkpoint.model.look_at.get("visual")
    longest = max(mask.shape[1] for mask in batch.present.values())
    layers = (layer,) if layer is not None else ()
    return VisualRoad(pixels.movedim(-1, 1) if last else pixels, network, layers, places, len(seen.times), longest)


def faces_behind(seen: Stream, times: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Which frame of the video each present frame of a visual stream was made of, [P]: the one that is nearest in time.

    Args:
        times, present: [F], of the face in the video's frames.
    """
    numbers = Stream(np.arange(len(times), dtype=np.float32)[:, None], times, present)
    if len(seen.times) == len(times) and np.array_equal(seen.times, times):
        return np.flatnonzero(seen.present)
    return numbers.resampled(seen.times).values[seen.present, 0].astype(int)


class _ClipScores(nn.Module):
    """Pictures [P, C, H, W] of a clip -> scores [S], one for each explained head, with all else held."""

    def __init__(
        self,
        checkpoint: Checkpoint,
        batch: Batch,
        places: np.ndarray,
        targets: Mapping[str, int],
        encoder: nn.Module,
        which: np.ndarray,
        last: bool = False,
    ) -> None:
        super().__init__()
        self.encoder, self.model = encoder, checkpoint.model
        self._normaliser, self._batch, self._targets, self._last = checkpoint.normaliser, batch, dict(targets), last
        self._places, self._which = torch.from_numpy(places), torch.from_numpy(which)

    def forward(self, pictures: Tensor) -> Tensor:
        size = max(1, _CHUNK_PIXELS // (pictures.shape[-1] * pictures.shape[-2]))
        pictures = pictures.movedim(1, -1) if self._last else pictures
        return self.of_features(torch.cat([self.encoder(part).flatten(1) for part in pictures.split(size)]))

    def of_features(self, features: Tensor) -> Tensor:
        """Scores [S] of what the encoder made of the pictures, [P, D]."""
        values = self._normaliser("visual", features[self._which])
        # What stands in place of a frame that was taken away stays as it is.
        visual = self._batch.values["visual"][0].to(values).index_copy(0, self._places, values)
        batch = Batch({**self._batch.values, "visual": visual[None]}, self._batch.present)
        predictions = self.model(batch).predictions
        return torch.stack([over_clip(predictions[head], batch)[0, target] for head, target in self._targets.items()])


def _shape(features: FeatureSet) -> tuple[tuple[int, ...], bool] | None:
    """The shape of a frame of pixels, and whether its channels come last; None for features that are no picture."""
    if len(features.shape) == 3:
        return features.shape, False
    if not features.pixels:
        return None
    colours = 3 if features.needs.startswith("rgb") else 1
    side = isqrt(features.dim // colours)
    return (side, side, colours), True
