"""From a corpus to training batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader, WeightedRandomSampler

from affectscope.core.checkpoints.saved import Normaliser
from affectscope.core.corpora.base import Corpus
from affectscope.core.errors import UserError
from affectscope.core.features.extractors import opensmile
from affectscope.core.features.extractors.encoders import MiniXception
from affectscope.core.features.sets import FACE_ENCODERS
from affectscope.core.features.stored.packed import PackedStreams, Place
from affectscope.core.models.base import ModelSpec
from affectscope.core.models.inputs import model_streams
from affectscope.core.streams import Batch, Clip, Stream, reference_times
from affectscope.core.training.ahead import AheadLoader, PackedBatches


def _synthetic_voices() -> np.ndarray:
    """Weights [130] of the descriptors, low for those in which synthetic and recorded voices differ.

    Descriptors that depend on level, room and microphone (loudness, bands, deltas) differ between synthetic and recorded voices
    as much as emotions do; pitch and the spectrum's shape do not (docs/real-people.md, Voices).
    """
    weights = np.full(opensmile.DESCRIPTORS, 1.0)
    weights[list(opensmile.LEVEL)] = weights[opensmile.BANDS] = 0.05
    weights[opensmile.QUALITY], weights[opensmile.CEPSTRUM] = 0.3, 0.5
    return np.concatenate([weights, 0.05 * weights])


# Between rendered and recorded faces the maps shift from person to person as much as from emotion to emotion; the encoder's own
# probabilities hardly do. At a twentieth of their weight the maps refine an answer and do not make it. Measured with logistic
# regression: nothing lost on rendered faces (58.9 % against 58.0 %), and the real clips available read right again.
RENDERED_WEIGHTS = {
    "visual": np.repeat([0.05, 1.0], [MiniXception.maps_dim, MiniXception.dim - MiniXception.maps_dim]),
    "audio": _synthetic_voices(),
}


def rendered_weights(corpus: Corpus, sets: Mapping[str, str]) -> dict[str, np.ndarray]:
    """``RENDERED_WEIGHTS`` for matching features; empty for a corpus of recorded people, or one with planted cues.

    Recorded people do not need them, and planted cues only show in the maps.
    """
    meant = {"visual": tuple(FACE_ENCODERS), "audio": ("llds",)}
    own = corpus.synthetic and "cue" not in corpus.table
    return {m: weights for m, weights in RENDERED_WEIGHTS.items() if own and sets.get(m) in meant[m]}


def fit_normaliser(clips: Sequence[Clip], weights: Mapping[str, np.ndarray] | None = None) -> Normaliser:
    """Mean and standard deviation over the present frames of all clips; modalities without frames get no statistics.

    Args:
        weights: modality -> [D], factors for the normalised features; they are included in the deviations.
    """
    mean, std = {}, {}
    # A clip of a store may lack a modality.
    for name in dict.fromkeys(name for clip in clips for name in clip.streams):
        count, centre, squares = 0, np.zeros(0), np.zeros(0)
        # Clip by clip, because a corpus may not fit into memory. A float32 sum over millions of frames would lose precision.
        for clip in clips:
            if name not in clip.streams:
                continue
            stream = clip.streams[name]
            frames = stream.values[stream.present]
            if not len(frames):
                continue
            own = frames.mean(0, dtype=np.float64)
            own_squares = np.square(frames - own).sum(0)
            if not count:
                centre, squares = np.zeros_like(own), np.zeros_like(own)
            # Combine means and squared deviations of two samples (Chan et al. 1979).
            shift, total = own - centre, count + len(frames)
            squares += own_squares + np.square(shift) * (count * len(frames) / total)
            centre += shift * (len(frames) / total)
            count = total
        if not count:
            continue
        mean[name] = torch.from_numpy(centre.astype(np.float32))
        spread = np.sqrt(squares / count)
        # Constant features must not be divided by zero.
        spread = np.where(spread > 1e-6, spread, 1.0) / (weights or {}).get(name, 1.0)
        std[name] = torch.from_numpy(spread.astype(np.float32))
    return Normaliser(mean, std)


def target_of(clip: Clip, spec: ModelSpec, times: np.ndarray) -> Tensor:
    """The target: a class index [], attributes [n], or attributes per frame [T, n]; NaN where unlabelled.

    Args:
        times: [T], the frames of a model with per-frame predictions.

    Raises:
        UserError: when the clip's label is not one of the model's.
    """
    if spec.task == "classification":
        label = str(clip.labels["label"])
        if label in ("", "nan"):
            raise UserError(
                f"The corpus gives clip {clip.id} no label: leave such clips out of its table, or choose another label."
            )
        if label not in spec.labels:
            raise UserError(f"The corpus labels clips {label!r}, which is not in the label space {', '.join(spec.labels)}.")
        return torch.tensor(spec.labels.index(label))
    if spec.reference is None:
        return torch.tensor([float(clip.labels.get(name, np.nan)) for name in spec.labels])
    absent = Stream.absent(1)
    annotated = [clip.annotations.get(name, absent).resampled(times) for name in spec.labels]
    return torch.from_numpy(np.concatenate([np.where(c.present[:, None], c.values, np.nan) for c in annotated], 1)).float()


def soft_labels(clip: Clip, spec: ModelSpec) -> Tensor:
    """The share [C] of each class in a clip's votes for known classes; without votes, one-hot of its label.

    Raises:
        UserError: as ``target_of``.
    """
    answer = F.one_hot(target_of(clip, spec, np.zeros(0)), len(spec.labels)).float()
    votes = torch.tensor([float(clip.labels.get(f"share {label}", np.nan)) for label in spec.labels])
    return votes / votes.sum() if torch.isfinite(votes).all() and votes.sum() > 0 else answer


class Batches:
    """Shuffled or ordered batches of normalised clips with their targets; see ``target_of``, or ``soft_labels``."""

    def __init__(
        self,
        clips: Sequence[Clip],
        spec: ModelSpec,
        normaliser: Normaliser,
        size: int = 32,
        shuffle: bool = False,
        soft_votes: bool = False,
        weights: Sequence[float] = (),
    ) -> None:
        """Prepare the batches.

        Args:
            weights: sampling probability of each clip, with replacement, len(clips) draws per epoch; empty: each clip once.
        """
        self.dims = spec.inputs
        packed = [clip.streams for clip in clips if isinstance(clip.streams, PackedStreams)]
        streams: Sequence[Mapping[str, Stream]] = packed or [model_streams(clip.streams, spec, normaliser) for clip in clips]
        references = [reference_times(own, spec.reference) if spec.reference else np.zeros(0) for own in streams]
        self.targets = [
            soft_labels(clip, spec) if soft_votes else target_of(clip, spec, times)
            for clip, times in zip(clips, references, strict=True)
        ]
        if self.targets and all(torch.isnan(t).all() for t in self.targets):
            raise UserError(f"The corpus says nothing of {' or '.join(spec.labels)}: train a model of classes on it.")
        self.loader: DataLoader
        sampler = WeightedRandomSampler(weights, len(clips)) if len(weights) else None
        shuffle = shuffle and sampler is None
        if packed:
            dataset = (_OnReference if spec.reference else PackedBatches)(packed, spec, normaliser, self._answers)
            self.loader = AheadLoader(dataset, size, shuffle, sampler, collate_fn=list)
        else:
            rows = list(zip(streams, self.targets, strict=True))
            self.loader = DataLoader(rows, size, shuffle, sampler, collate_fn=self._collate)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[Batch, Tensor]]:
        return iter(self.loader)

    def __len__(self) -> int:
        return len(self.loader)

    def _collate(self, rows: list[tuple[Mapping[str, Stream], Tensor]]) -> tuple[Batch, Tensor]:
        batch = Batch.collate([streams for streams, _ in rows], self.dims)
        return batch, _together([target for _, target in rows], batch)

    def _answers(self, places: list[int], batch: Batch) -> Tensor:
        return _together([self.targets[place] for place in places], batch)


class _OnReference(PackedBatches):
    """For models with a reference modality: reads clip by clip, since lengths are only known then."""

    def _read(self, places: list[int], found: Mapping[str, list[Place | None]]) -> Batch:
        return Batch.collate(
            [model_streams(self._clips[place], self._spec, self._normaliser) for place in places], self._spec.inputs
        )


def _together(targets: list[Tensor], batch: Batch) -> Tensor:
    return torch.stack(targets) if targets[0].ndim < 2 else _padded(targets, batch)


def _padded(targets: Sequence[Tensor], batch: Batch) -> Tensor:
    """Per-frame targets [B, T, n], padded to the longest stream; NaN after a clip's end."""
    length = max(v.shape[1] for v in batch.values.values())
    return torch.stack([F.pad(t, (0, 0, 0, length - len(t)), value=torch.nan) for t in targets])
