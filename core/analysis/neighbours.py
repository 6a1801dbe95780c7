"""Measures in the original space, which a map cannot show: nearest neighbours, and how well classes separate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

# The silhouette compares all pairs; above this number a random sample is used.
SILHOUETTE_SAMPLE = 2000
# Above this number, the neighbours of a random sample are searched (among all).
ASKED = 2000


def nearest(vectors: np.ndarray, row: int, count: int = 8) -> list[tuple[int, float]]:
    """The clips nearest to row ``row`` of [N, D]: rows and Euclidean distances, nearest first, without itself."""
    # With equal vectors, the clip itself may not come first.
    return [(i, distance) for i, distance in nearest_to(vectors, vectors[row], count + 1) if i != row][:count]


def nearest_to(vectors: np.ndarray, vector: np.ndarray, count: int = 8) -> list[tuple[int, float]]:
    """As ``nearest``, for a vector [D] that is not among them."""
    # Squares of large float32 values overflow, and those of small ones vanish.
    distances = np.linalg.norm(vectors.astype(np.float64) - vector, axis=1)
    return [(int(i), float(distances[i])) for i in np.argsort(distances, kind="stable")[:count]]


def knn_accuracy(vectors: np.ndarray, labels: Sequence[object], neighbours: int = 10, seed: int = 0) -> float:
    """Accuracy of a nearest-neighbour majority vote; ties go to the nearer ones. NaN below two clips."""
    count = min(neighbours, len(vectors) - 1)
    if count < 1:
        return float("nan")
    names, codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    asked = np.arange(len(vectors))
    if len(asked) > ASKED:
        asked = np.random.default_rng(seed).choice(asked, ASKED, replace=False)
    wide = vectors.astype(np.float64)
    _, rows = NearestNeighbors(n_neighbors=count + 1).fit(wide).kneighbors(wide[asked])
    others = np.stack([row[row != i][:count] for i, row in zip(asked, rows, strict=True)])
    # One vote each, plus a tie-breaker for nearer ones that is too small to change a majority.
    weight = 1 + 1e-6 * np.arange(count, 0, -1)
    votes = np.stack([((codes[others] == c) * weight).sum(1) for c in range(len(names))], 1)
    return float((votes.argmax(1) == codes[asked]).mean())


def silhouette(vectors: np.ndarray, labels: Sequence[object], seed: int = 0) -> float:
    """Mean silhouette, -1 to 1: how much closer clips are to their own label than to the next. NaN where undefined."""
    codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
    if not 1 < len(np.unique(codes)) < len(vectors):
        return float("nan")
    size = SILHOUETTE_SAMPLE if len(vectors) > SILHOUETTE_SAMPLE else None
    try:
        return float(silhouette_score(vectors.astype(np.float64), codes, sample_size=size, random_state=seed))
    except ValueError:
        # A rare class may be missing from the sample.
        return float("nan")
