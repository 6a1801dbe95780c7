"""Maps on disk, under the hash of their vectors and settings, as points for the browser."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from affectscope.core.analysis.projection import METHODS, Method, Projection, project, restore
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of

# Part of every cache key: raise it whenever maps change.
_VERSION = 1


@dataclass(frozen=True)
class Drawing:
    """A map's settings; see ``projection.project``."""

    method: Method = "PCA"
    seed: int = 0
    perplexity: int = 30
    neighbours: int = 15
    min_dist: float = 0.1

    def options(self) -> dict[str, Any]:
        """The settings that its method uses."""
        own = {"PCA": (), "t-SNE": ("seed", "perplexity"), "UMAP": ("seed", "neighbours", "min_dist")}[self.method]
        return {name: value for name, value in asdict(self).items() if name in own}

    def to_text(self) -> str:
        return json.dumps({"method": self.method} | self.options(), separators=(",", ":"))

    @classmethod
    def from_text(cls, text: str) -> Drawing:
        """The inverse of ``to_text``; invalid parts get their default."""
        try:
            given = json.loads(text)
            return cls(
                given["method"] if given["method"] in METHODS else "PCA",
                max(0, int(given.get("seed", 0))),
                max(2, int(given.get("perplexity", 30))),
                max(2, int(given.get("neighbours", 15))),
                min(0.99, max(0.0, float(given.get("min_dist", 0.1)))),
            )
        except (ValueError, TypeError, KeyError, OverflowError):
            return cls()


def digest(vectors: np.ndarray) -> str:
    """Hash of [N, D]."""
    return hashlib.sha256(np.ascontiguousarray(vectors, np.float32).tobytes() + repr(vectors.shape).encode()).hexdigest()


def place_of(vectors_digest: str, drawing: Drawing) -> Path:
    """Path of the map, which may not exist yet: N pairs of little-endian float32."""
    return cache_root() / "maps" / f"{key_of(_VERSION, vectors_digest, drawing.method, drawing.options())}.f32"


def load(path: Path, count: int) -> np.ndarray | None:
    """The points [count, 2] of a map, or None where none can be read."""
    content = sealed.read(path)
    if content is None or len(content) % 4:
        return None
    points = np.frombuffer(content, "<f4")
    return points.reshape(count, 2) if points.size == 2 * count and np.isfinite(points).all() else None


def draw(
    vectors: np.ndarray, drawing: Drawing, path: Path, workers: int = 1, progress: Callable[[float], None] = lambda share: None
) -> Projection:
    """Compute a map and store its points.

    Raises:
        UserError: where no map can be computed; see ``project``.
    """
    made = project(vectors, drawing.method, **drawing.options(), workers=workers, progress=progress)
    keep(made.points, path)
    return made


def keep(points: np.ndarray, path: Path) -> None:
    """Store the points of a map; if the disk fails, keep them in memory."""
    sealed.write_cached(path, points.astype("<f4").tobytes())


def reopen(vectors: np.ndarray, drawing: Drawing, points: np.ndarray) -> Projection:
    """Restore a stored map, to place other points on it."""
    return restore(vectors, points, drawing.method, **drawing.options())
