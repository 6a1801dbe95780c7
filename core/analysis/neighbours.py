"""What a map cannot show by itself: who is near whom in the space that it was drawn from, and how well the classes part there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors

# The silhouette compares everybody with everybody; beyond this many it is taken from a random part.
SILHOUETTE_SAMPLE = 2000
# Beyond this many, a random part of them is asked for its neighbours, who are sought among all.
ASKED = 2000


def nearest(vectors: np.ndarray, row: int, count: int = 8) -> list[tuple[int, float]]:
    """The clips nearest to one of [N, D]: their rows and Euclidean distances, the nearest first, itself left out."""
    # Of clips with one and the same vector, itself need not come first.
    return [(i, distance) for i, distance in nearest_to(vectors, vectors[row], count + 1) if i != row][:count]


def nearest_to(vectors: np.ndarray, vector: np.ndarray, count: int = 8) -> list[tuple[int, float]]:
    """As ``nearest``, of a clip that is not among them: its vector [D]."""
    # Squares of large float32 overflow, and of small ones vanish.
    distances = np.linalg.norm(vectors.astype(np.float64) - vector, axis=1)
    return [(int(i), float(distances[i])) for i in np.argsort(distances, kind="stable")[:count]]


def knn_accuracy(vectors: np.ndarray, labels: Sequence[object], neighbours: int = 10, seed: int = 0) -> float:
    """The share of clips whose nearest others mostly carry their label; a tie goes to the nearer ones. NaN below two clips."""
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
    # A vote each, and for the nearer a little more, too little to outvote anybody.
    weight = 1 + 1e-6 * np.arange(count, 0, -1)
    votes = np.stack([((codes[others] == c) * weight).sum(1) for c in range(len(names))], 1)
    return float((votes.argmax(1) == codes[asked]).mean())


def silhouette(vectors: np.ndarray, labels: Sequence[object], seed: int = 0) -> float:
    """Mean silhouette, -1 to 1: how much nearer clips are to their own label than to the next. NaN where it is not defined."""
    codes = np.unique(np.asarray(labels, dtype=str), return_inverse=True)[1]
    if not 1 < len(np.unique(codes)) < len(vectors):
        return float("nan")
    size = SILHOUETTE_SAMPLE if len(vectors) > SILHOUETTE_SAMPLE else None
    try:
        return float(silhouette_score(vectors.astype(np.float64), codes, sample_size=size, random_state=seed))
    except ValueError:
        # A rare class may be missing from the random part.
        return float("nan")
