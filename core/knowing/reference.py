"""How far a clip's sound, or picture, lies from what a model was trained on.

A modality of a clip is one vector, the mean of its present frames as the model takes them (normalised). Its distance is
Mahalanobis's, to the nearest class mean under one covariance for all classes (Lee et al. 2018, section 2.1); where there are no
classes, to the mean of all. What counts as far, held-out clips of other speakers say.

Measured on four of the shipped checkpoints, held-out rendered clips against real ones (area under the ROC): this vector 1.00 on
voices and .93 to .94 on faces, whichever the model; with the frames' deviations beside the means 1.00 and .90; the head's own
embedding .89 to 1.00 and .65 to 1.00; energy (Liu et al. 2020) .08 to .85 and .44 to .84. An embedding keeps what parts the
classes, and what is strange about a clip is often something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# Of development clips so many are "like its training data", and so many not "never heard anything like it".
LIKE, NEVER = 0.95, 0.999
# Fewer clips than this say nothing of a distance.
FEWEST = 10
# Wider features (pixels, samples) are no vectors whose covariance a file could carry.
WIDEST = 1000
# A standard normal's quantile of ``NEVER``.
_TAIL = 3.0902
# Of normalised features: means that move less than this do not move.
_ALIKE = 1e-3


@dataclass(frozen=True)
class Reference:
    """One modality of the training clips.

    Attributes:
        means: [C, D], of each class that occurs, or [1, D] of all.
        whiten: [D, D], what makes a vector's distance Euclidean: its square is the inverse of the covariance.
        like, never: distances within which lie 95 % and 99.9 % of the development clips.
    """

    means: Tensor
    whiten: Tensor
    like: float
    never: float

    def distances(self, vectors: Tensor) -> Tensor:
        """[B] of [B, D]: to the nearest mean, in standard deviations along the way."""
        apart = (vectors[:, None] - self.means) @ self.whiten
        nearest: Tensor = apart.norm(dim=-1).min(1).values
        return nearest

    def levels(self, vectors: Tensor) -> Tensor:
        """[B]: 0 like what it knows, 1 unlike, 2 never met anything like it."""
        return torch.bucketize(self.distances(vectors), torch.tensor([self.like, self.never]))


def pooled(values: Tensor, present: Tensor) -> Tensor:
    """[B, D] of frames [B, T, D]: the mean of the present ones; zeros where there is none."""
    weight = present.to(values)[..., None]
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1)


def fit(vectors: np.ndarray, classes: Sequence[int] | None, held: np.ndarray) -> Reference | None:
    """The reference of training clips, its limits from held-out ones; None where there are too few of either, or where their
    vectors are all alike (features that were normalised clip by clip).

    The covariance is shrunk towards a multiple of the identity as far as Ledoit and Wolf (2004) find best: there may be more
    features than clips.

    Args:
        vectors: [N, D]; classes: [N], None where there are none; held: [M, D].
    """
    from sklearn.covariance import ledoit_wolf

    if len(vectors) < FEWEST or len(held) < FEWEST or float(vectors.std(0).max()) < _ALIKE:
        return None
    vectors = vectors.astype(np.float64)
    own = np.zeros(len(vectors), int) if classes is None else np.asarray(classes)
    known = np.unique(own)
    means = np.stack([vectors[own == label].mean(0) for label in known])
    centred = vectors - means[np.searchsorted(known, own)]
    covariance = ledoit_wolf(centred, assume_centered=True)[0] + 1e-6 * np.eye(vectors.shape[1])
    values, axes = np.linalg.eigh(covariance)
    whiten = torch.from_numpy((axes / np.sqrt(values) @ axes.T).astype(np.float32))
    reference = Reference(torch.from_numpy(means.astype(np.float32)), whiten, 0.0, 0.0)
    return Reference(reference.means, whiten, *limits(reference.distances(torch.from_numpy(held.astype(np.float32))).numpy()))


def limits(distances: np.ndarray) -> tuple[float, float]:
    """Within which 95 % and 99.9 % of such distances lie.

    So few clips do not reach their 99.9 % quantile: it is that of a lognormal distribution of their mean and deviation, or the
    farthest of them, whichever is farther.
    """
    logs = np.log(np.maximum(distances, 1e-12))
    tail = float(np.exp(logs.mean() + _TAIL * logs.std()))
    like = float(np.quantile(distances, LIKE))
    return like, max(tail, float(distances.max()), like * (1 + 1e-6))


def tensors(references: Mapping[str, Reference]) -> dict[str, Tensor]:
    """As a checkpoint's file keeps them."""
    return {f"{m}.{name}": getattr(reference, name) for m, reference in references.items() for name in ("means", "whiten")}
