"""What a map cannot show by itself: who is near whom in the space that it was drawn from, and how well the classes part there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

# The silhouette compares everybody with everybody; beyond this many it is taken from a random part.
SILHOUETTE_SAMPLE = 2000


def nearest(vectors: np.ndarray, row: int, count: int = 8) -> list[tuple[int, float]]:
    """The clips nearest to one of [N, D]: their rows and Euclidean distances, the nearest first, itself left out."""
    count = min(count, len(vectors) - 1)
    if count < 1:
        return []
    distances, rows = NearestNeighbors(n_neighbors=count + 1).fit(vectors).kneighbors(vectors[row : row + 1])
    # Of clips with one and the same vector, itself need not come first.
    found = [(int(i), float(d)) for i, d in zip(rows[0], distances[0], strict=True) if i != row]
    return found[:count]


def knn_accuracy(vectors: np.ndarray, labels: Sequence[object], neighbours: int = 10) -> float:
    """The share of clips whose nearest others mostly carry their label; a tie goes to the nearer ones. NaN below two clips."""
    count = min(neighbours, len(vectors) - 1)
    if count < 1:
        return float("nan")
    names, codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)
    _, rows = NearestNeighbors(n_neighbors=count + 1).fit(vectors).kneighbors(vectors)
    others = np.stack([row[row != i][:count] for i, row in enumerate(rows)])
    # A vote each, and for the nearer a little more, too little to outvote anybody.
    weight = 1 + 1e-6 * np.arange(count, 0, -1)
    votes = np.stack([((codes[others] == c) * weight).sum(1) for c in range(len(names))], 1)
    return float((votes.argmax(1) == codes).mean())


def silhouette(vectors: np.ndarray, labels: Sequence[object], seed: int = 0) -> float:
    """Mean silhouette, -1 to 1: how much nearer clips are to their own label than to the next. NaN where it is not defined."""
    codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
    if not 1 < len(np.unique(codes)) < len(vectors):
        return float("nan")
    size = SILHOUETTE_SAMPLE if len(vectors) > SILHOUETTE_SAMPLE else None
    try:
        return float(silhouette_score(vectors, codes, sample_size=size, random_state=seed))
    except ValueError:
        # A rare class may be missing from the random part.
        return float("nan")
