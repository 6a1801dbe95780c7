"""How a model sees a clip's faces: through the encoder of its feature set, or as pixels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt

import numpy as np
import torch
from torch import Tensor, nn

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.explain.paths import VisualPath
from affectscope.core.features.base import FeatureSet
from affectscope.core.features.extractors.faces import CropKind
from affectscope.core.features.sets import FACE_ENCODERS, FEATURE_SETS
from affectscope.core.features.stored.arrays import source_of
from affectscope.core.models.base import ModelOutput, over_clip
from affectscope.core.streams import Batch, Stream

# Pixels per forward pass of an encoder: 256 small faces, 20 of 224x224.
_CHUNK_PIXELS = 1 << 20
# So many frames are evaluated at once.
_CHUNK_FRAMES = 24_000
DEFAULT_VISUAL = "face-views"


@dataclass(frozen=True)
class FaceInput:
    """How a model sees faces.

    Attributes:
        features: the visual feature set.
        encoder: the network that computes it from face crops; None where the features are the pixels themselves.
    """

    features: FeatureSet
    encoder: nn.Module | None


def face_input_of(name: str) -> FaceInput | None:
    """How a visual feature set is computed from faces; None where its features do not lead back to pixels.

    Raises:
        UserError: when the weights of its network are missing.
    """
    features = FEATURE_SETS[name]
    if source_of(name):
        # Arrays were computed elsewhere, even if we have a network of that name.
        return None
    if name in FACE_ENCODERS:
        return FaceInput(features, FACE_ENCODERS[name]())
    if _shape(features):
        return FaceInput(features, None)
    encoder = features.load(features.check(None))
    return FaceInput(features, encoder) if isinstance(encoder, nn.Module) and hasattr(encoder, "look_at") else None


def through_encoder(
    looks: FaceInput,
    checkpoint: Checkpoint,
    crops: np.ndarray,
    frames: np.ndarray,
    seen: Stream,
    batch: Batch,
    targets: Mapping[str, int],
) -> VisualPath:
    """The road from face crops through the encoder.

    Args:
        crops: [F, H, W] or [F, H, W, 3] uint8, a face for every frame of the video.
        frames: [P] which of those each present frame of ``seen`` shows; see ``faces_behind``.
        seen: the clip's visual stream as the model takes it.
        batch: the clip alone, normalised.
        targets: head -> index of the explained class or attribute.

    Returns:
        The road, with one picture for each distinct video frame, in order.
    """
    assert looks.encoder is not None
    looked, which = np.unique(frames, return_inverse=True)
    network = _ClipScores(checkpoint, batch, np.flatnonzero(seen.present), targets, looks.encoder, which)
    pixels = looks.encoder.prepare(crops[looked])  # type: ignore[operator]
    return VisualPath(
        pixels,
        network,
        tuple(looks.encoder.look_at),  # type: ignore[arg-type]
        np.arange(len(looked)),
        len(looked),
        on_pictures=getattr(looks.encoder, "on_crop", None),
        part=CropKind.of(looks.features.needs).part,
    )


def on_pixels(looks: FaceInput, checkpoint: Checkpoint, seen: Stream, batch: Batch, targets: Mapping[str, int]) -> VisualPath:
    """The road of a model that takes pixels: from the frames of ``seen``, its visual stream before normalisation."""
    shape, last = _shape(looks.features) or ((), False)
    places = np.flatnonzero(seen.present)
    pixels = torch.from_numpy(seen.values[places]).unflatten(1, shape)
    network = _ClipScores(checkpoint, batch, places, targets, nn.Identity(), np.arange(len(places)), last)
    layer = checkpoint.model.look_at.get("visual")
    longest = max(mask.shape[1] for mask in batch.present.values())
    layers = (layer,) if layer is not None else ()
    return VisualPath(pixels.movedim(-1, 1) if last else pixels, network, layers, places, len(seen.times), longest)


def faces_behind(seen: Stream, times: np.ndarray, present: np.ndarray) -> np.ndarray:
    """The video frame nearest in time to each present frame of a visual stream, [P].

    Args:
        times, present: [F], of the face in the video's frames.
    """
    numbers = Stream(np.arange(len(times), dtype=np.float32)[:, None], times, present)
    if len(seen.times) == len(times) and np.array_equal(seen.times, times):
        return np.flatnonzero(seen.present)
    return numbers.resampled(seen.times).values[seen.present, 0].astype(int)


class _ClipScores(nn.Module):
    """Pictures [P, C, H, W] of a clip -> scores [S], one per explained head, with all other inputs fixed."""

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
        return self.of_features(self.features(pictures))

    def features(self, pictures: Tensor) -> Tensor:
        """The encoder's features of pictures, [P, D]."""
        size = max(1, _CHUNK_PIXELS // (pictures.shape[-1] * pictures.shape[-2]))
        pictures = pictures.movedim(1, -1) if self._last else pictures
        return torch.cat([self.encoder(part).flatten(1) for part in pictures.split(size)])

    def of_features(self, features: Tensor) -> Tensor:
        """Scores [S] of encoded pictures [P, D]."""
        return self.of_many(features[None])[0]

    def of_many(self, features: Tensor) -> Tensor:
        """Scores [G, S] of G versions of the encoded pictures, [G, P, D]; all other inputs are the clip's."""
        found = []
        for part in features.split(self._batch.copies_at_once(_CHUNK_FRAMES)):
            output, batch = self.output(part)
            heads = [over_clip(output.predictions[head], batch)[:, target] for head, target in self._targets.items()]
            found.append(torch.stack(heads, 1))
        return torch.cat(found)

    def output(self, features: Tensor) -> tuple[ModelOutput, Batch]:
        """The model's output for G versions of the encoded pictures, [G, P, D], and its input."""
        values, count, clip = self._normaliser("visual", features[:, self._which]), len(features), self._batch
        # Imputed frames keep their values.
        visual = clip.values["visual"].to(values).repeat(count, 1, 1).index_copy(1, self._places, values)
        rest = {m: v.expand(count, -1, -1) for m, v in clip.values.items()}
        batch = Batch({**rest, "visual": visual}, {m: p.expand(count, -1) for m, p in clip.present.items()})
        return self.model(batch), batch


def _shape(features: FeatureSet) -> tuple[tuple[int, ...], bool] | None:
    """The shape of a frame of pixels, and whether channels come last; None for features that are not pictures."""
    if len(features.shape) == 3:
        return features.shape, False
    if not features.pixels:
        return None
    colours = 3 if features.needs.startswith("rgb") else 1
    side = isqrt(features.dim // colours)
    return (side, side, colours), True
