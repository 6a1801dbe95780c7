"""Two-dimensional maps by PCA (scikit-learn), t-SNE (openTSNE) or UMAP (umap-learn).

Each map can place further clips without being recomputed, also after it was saved as points alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from sklearn.decomposition import PCA

from affectscope.core.errors import UserError

Method = Literal["PCA", "t-SNE", "UMAP"]
METHODS: tuple[Method, ...] = ("PCA", "t-SNE", "UMAP")
Progress = Callable[[float], None]

_ITERATIONS = (250, 500)
# Outside this range, squares of float32 overflow or vanish.
_SMALLEST, _LARGEST = 1e-6, 1e9


@dataclass(frozen=True)
class Projection:
    """A map.

    Attributes:
        points: [N, 2] float32.
        place: [M, D] -> [M, 2], positions of further vectors.
    """

    method: Method
    points: np.ndarray
    place: Callable[[np.ndarray], np.ndarray]


def project(
    vectors: np.ndarray,
    method: Method = "PCA",
    *,
    seed: int = 0,
    perplexity: float = 30.0,
    neighbours: int = 15,
    min_dist: float = 0.1,
    workers: int = 1,
    progress: Progress = lambda share: None,
) -> Projection:
    """Compute a map of [N, D].

    Args:
        perplexity: of t-SNE; capped at a third of the number of clips, as required.
        neighbours, min_dist: of UMAP.
        workers: threads of t-SNE. UMAP uses one, because otherwise a seed is not reproducible.

    Raises:
        UserError: with fewer than three clips, or vectors that are not numbers, all equal or cannot be mapped.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    if len(vectors) < 3:
        raise UserError(f"A map needs three clips or more; here are {len(vectors)}.")
    if not np.isfinite(vectors).all():
        raise UserError("Some of these vectors are not numbers: the model is broken, train it again.")
    scaled = _scale(vectors)
    vectors = scaled(vectors)
    if (vectors == vectors[0]).all():
        raise UserError("All these vectors are the same, so that all clips lie in one place: choose another embedding.")
    if method == "PCA":
        made = _pca(vectors, seed)
    elif method == "t-SNE":
        made = _tsne(vectors, seed, perplexity, workers, progress)
    else:
        made = _umap(vectors, seed, neighbours, min_dist, progress)
    if not np.isfinite(made.points).all():
        raise UserError(f"{method} finds no place for some of these vectors: choose PCA, or another embedding.")
    return replace(made, place=lambda others: made.place(scaled(others)))


def restore(
    vectors: np.ndarray,
    points: np.ndarray,
    method: Method,
    *,
    seed: int = 0,
    perplexity: float = 30.0,
    neighbours: int = 15,
    min_dist: float = 0.1,
    workers: int = 1,
) -> Projection:
    """Restore a map that ``project`` computed from [N, D], given its [N, 2] points, to place others on it.

    Only nearest neighbours are recomputed; no point moves.
    """
    vectors = np.ascontiguousarray(vectors, np.float32)
    scaled = _scale(vectors)
    made = _restored(scaled(vectors), points, method, seed, perplexity, neighbours, min_dist, workers)
    return replace(made, place=lambda others: made.place(scaled(others)))


def _restored(
    vectors: np.ndarray,
    points: np.ndarray,
    method: Method,
    seed: int,
    perplexity: float,
    neighbours: int,
    min_dist: float,
    workers: int,
) -> Projection:
    if method == "PCA":
        return _pca(vectors, seed)
    if method == "t-SNE":
        embedding = _tsne_model(len(vectors), seed, perplexity, workers).prepare_initial(vectors, initialization=points)
        return Projection("t-SNE", points, _place_tsne(embedding))
    model = _umap_model(len(vectors), seed, neighbours, min_dist, init=points.astype(np.float32), n_epochs=0).fit(vectors)
    # Its scaling has been applied already, and would make new points stay at their initial positions.
    model.embedding_, model.n_epochs = points.astype(np.float32), None
    return Projection("UMAP", points, lambda others: np.asarray(model.transform(others)))


def _scale(vectors: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """A scaling that makes [N, D] mappable: at least two features, and no values whose squares overflow or vanish."""
    largest = float(np.abs(vectors).max(initial=0.0))
    unit = 1.0 if largest == 0 or _SMALLEST <= largest <= _LARGEST else largest
    missing = max(0, 2 - vectors.shape[1])

    def scaled(others: np.ndarray) -> np.ndarray:
        divided = others if unit == 1.0 else others.astype(np.float64) / unit
        return np.pad(divided, ((0, 0), (0, missing))).astype(np.float32) if missing or unit != 1.0 else others

    return scaled


def _pca(vectors: np.ndarray, seed: int) -> Projection:
    fitted = PCA(2, random_state=seed).fit(vectors)

    def place(others: np.ndarray) -> np.ndarray:
        return fitted.transform(others).astype(np.float32)

    return Projection("PCA", place(vectors), place)


def _tsne(vectors: np.ndarray, seed: int, perplexity: float, workers: int, progress: Progress) -> Projection:
    every, total = 25, sum(_ITERATIONS)
    done = 0

    def step(iteration: int, error: float, embedding: np.ndarray) -> bool:
        nonlocal done
        done += every
        progress(min(1.0, done / total))
        return False

    fitted = _tsne_model(len(vectors), seed, perplexity, workers, callbacks=step, callbacks_every_iters=every).fit(vectors)
    # The library centres a map when it places others on it, so centre it now.
    fitted -= (fitted.max(0) + fitted.min(0)) / 2
    return Projection("t-SNE", np.asarray(fitted, np.float32), _place_tsne(fitted))


def _tsne_model(count: int, seed: int, perplexity: float, workers: int, **options: Any) -> Any:
    # Imported late: it takes seconds.
    from openTSNE import TSNE

    return TSNE(
        perplexity=min(perplexity, max(1.0, (count - 1) / 3)),
        early_exaggeration_iter=_ITERATIONS[0],
        n_iter=_ITERATIONS[1],
        random_state=seed,
        n_jobs=workers,
        **options,
    )


def _place_tsne(embedding: Any) -> Callable[[np.ndarray], np.ndarray]:
    return lambda others: np.asarray(embedding.transform(others), np.float32)


def _umap(vectors: np.ndarray, seed: int, neighbours: int, min_dist: float, progress: Progress) -> Projection:
    class Heard:
        """A file object that receives UMAP's progress bar."""

        def write(self, text: str) -> None:
            share = text.strip().partition("%")[0].rpartition(" ")[2].rpartition(":")[2]
            if share.isdigit():
                progress(int(share) / 100)

        def flush(self) -> None:
            pass

    # Initialised by PCA, because the library's spectral initialisation is not reproducible for disconnected graphs.
    bar = {"disable": False, "file": Heard()}
    fitted = _umap_model(len(vectors), seed, neighbours, min_dist, init="pca", tqdm_kwds=bar).fit(vectors)
    return Projection("UMAP", np.asarray(fitted.embedding_, np.float32), lambda others: np.asarray(fitted.transform(others)))


def _umap_model(count: int, seed: int, neighbours: int, min_dist: float, **options: Any) -> Any:
    # Imported late: it takes seconds.
    from umap import UMAP

    near = max(2, min(neighbours, count - 1))
    return UMAP(n_neighbors=near, min_dist=min_dist, random_state=seed, n_jobs=1, **options)
