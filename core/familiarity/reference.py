"""Distance of a clip's sound or picture from the training data.

A modality of a clip is represented by the mean of its present frames as model input (normalised). The distance is Mahalanobis's,
to the nearest class mean under one covariance for all classes (Lee et al. 2018, section 2.1); without classes, to the overall
mean. Thresholds come from held-out clips of other speakers.

Measured on four of the shipped checkpoints, held-out rendered clips against real ones (area under the ROC): this vector 1.00 on
voices and .93 to .94 on faces, for every model; with the frames' deviations added to the means 1.00 and .90; the head's own
embedding .89 to 1.00 and .65 to 1.00; energy (Liu et al. 2020) .08 to .85 and .44 to .84. An embedding keeps what separates the
classes, but what is unusual about a clip is often something else.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# Of development clips so many are "like its training data", and so many not "never heard anything like it".
LIKE, NEVER = 0.95, 0.999
# Minimum number of clips for a distance.
FEWEST = 10
# For wider features (pixels, samples), the covariance would be too large to store.
WIDEST = 1000
# A standard normal's quantile of ``NEVER``.
_TAIL = 3.0902
# Means of normalised features that vary less than this are constant.
_ALIKE = 1e-3


@dataclass(frozen=True)
class Reference:
    """Statistics of one modality of the training clips.

    Attributes:
        means: [C, D], per class that occurs, or [1, D] overall.
        whiten: [D, D], the whitening matrix: its square is the inverse of the covariance.
        like, never: the 95 % and 99.9 % quantiles of the development clips' distances.
    """

    means: Tensor
    whiten: Tensor
    like: float
    never: float

    def distances(self, vectors: Tensor) -> Tensor:
        """[B] of [B, D]: distance to the nearest mean, in standard deviations."""
        apart = (vectors[:, None] - self.means) @ self.whiten
        nearest: Tensor = apart.norm(dim=-1).min(1).values
        return nearest

    def levels(self, vectors: Tensor) -> Tensor:
        """[B]: 0 like the training data, 1 unlike, 2 far from it."""
        return torch.bucketize(self.distances(vectors), torch.tensor([self.like, self.never]))


def pooled(values: Tensor, present: Tensor) -> Tensor:
    """[B, D] of frames [B, T, D]: the mean of the present ones; zeros without any."""
    weight = present.to(values)[..., None]
    return (values * weight).sum(1) / weight.sum(1).clamp(min=1)


def fit(vectors: np.ndarray, classes: Sequence[int] | None, held: np.ndarray) -> Reference | None:
    """Fit the statistics to training clips, and the thresholds to held-out ones.

    None where there are too few of either, or all vectors are equal (features that were normalised per clip). The covariance is
    shrunk towards a multiple of the identity by Ledoit and Wolf's (2004) estimate, since there may be more features than clips.

    Args:
        vectors: [N, D]; classes: [N], None for attributes; held: [M, D].
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
    """The 95 % and 99.9 % quantiles of distances.

    With so few clips the 99.9 % quantile is extrapolated: it is that of a lognormal distribution with their mean and deviation,
    or their maximum, whichever is larger.
    """
    logs = np.log(np.maximum(distances, 1e-12))
    tail = float(np.exp(logs.mean() + _TAIL * logs.std()))
    like = float(np.quantile(distances, LIKE))
    return like, max(tail, float(distances.max()), like * (1 + 1e-6))


def tensors(references: Mapping[str, Reference]) -> dict[str, Tensor]:
    """The tensors to store in a checkpoint's file."""
    return {f"{m}.{name}": getattr(reference, name) for m, reference in references.items() for name in ("means", "whiten")}
