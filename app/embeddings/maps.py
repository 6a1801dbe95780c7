"""Cached access to maps, and the jobs that compute them. The prediction table is cached in app/services."""

from __future__ import annotations

import base64
import os
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from affectscope.app import services
from affectscope.app.common import jobs
from affectscope.app.serving import lending
from affectscope.core.analysis import atlas, columns, neighbours, picking
from affectscope.core.analysis.atlas import Drawing
from affectscope.core.analysis.map_process import MapProcess
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, content_hash, key_of, of_clip
from affectscope.core.corpora import Corpus
from affectscope.core.inference.corpus import infer as ask_every_clip
from affectscope.core.inference.table import PredictionTable

_ASIDE = MapProcess()


@dataclass(frozen=True)
class Clips:
    """A model's predictions prepared for maps: a row per clip, in the same order everywhere.

    Attributes:
        table: the prediction table's, with ``modality``.
        packed: the columns on disk, for the browser.
        scores: the model's metrics on all of them.
    """

    model: str
    predictions: PredictionTable
    ids: tuple[str, ...]
    table: pd.DataFrame
    columns: dict[str, columns.Column]
    packed: Path
    scores: picking.Scores
    digests: dict[str, str] = field(default_factory=dict)

    def path(self, embedding: str, drawing: Drawing) -> Path:
        """The path of an embedding's map, which may not exist yet."""
        if embedding not in self.digests:
            self.digests[embedding] = atlas.digest(self.predictions.embeddings[embedding])
        return atlas.place_of(self.digests[embedding], drawing)


@dataclass(frozen=True)
class Measures:
    """How well classes separate in the embedding space and on the map; NaN if undefined."""

    silhouette: tuple[float, float]
    knn: tuple[float, float]


def clips(model: str) -> Clips | None:
    """The model's clips; None until the model was run on all of them (``services.ask_all``)."""
    prediction_table = services.prediction_table(model)
    if prediction_table is None:
        return None
    made = _clips(model, prediction_table)
    if not sealed.is_intact(made.packed):
        # Damaged, or deleted as old.
        _clips.clear(model, prediction_table)
        made = _clips(model, prediction_table)
    return made


@st.cache_resource(max_entries=8, show_spinner=False, hash_funcs={PredictionTable: id})
def _clips(model: str, prediction_table: PredictionTable) -> Clips:
    # An import does not tell which modalities its clips have.
    table = (
        prediction_table.table.assign(modality=columns.modalities(prediction_table.present))
        if prediction_table.present
        else prediction_table.table
    )
    made = {column.name: column for column in columns.columns(table, prediction_table.outputs)}
    ids = tuple(str(clip) for clip in table.index)
    data = columns.pack(ids, list(made.values()))
    path = cache_root() / "maps" / f"{key_of(data.hex())}.columns"
    if not sealed.is_intact(path):
        sealed.write_cached(path, data)
    return Clips(model, prediction_table, ids, table, made, path, picking.score(table))


def points(of: Clips, embedding: str, drawing: Drawing) -> np.ndarray | None:
    """The map [N, 2], or None until it is computed. PCA is computed at once.

    Raises:
        UserError: where no map can be computed.
    """
    path = of.path(embedding, drawing)
    if drawing.method == "PCA" and not sealed.is_intact(path):
        atlas.draw(of.predictions.embeddings[embedding], drawing, path)
    changed = sealed.mark(path)
    return _points(str(path), len(of.ids), changed) if changed else None


@st.cache_resource(max_entries=32, show_spinner=False)
def _points(path: str, count: int, changed: Hashable) -> np.ndarray | None:
    return atlas.load(Path(path), count)


def url(path: Path) -> str:
    return lending.lend("maps", path.name, path)


def draw(of: Clips, embedding: str, drawing: Drawing) -> jobs.Job:
    """Compute the map, or join the running job."""
    path = of.path(embedding, drawing)
    return jobs.ensure(f"map-{path.stem}", partial(_draw, of.predictions.embeddings[embedding], drawing, path), "maps")


def _draw(vectors: np.ndarray, drawing: Drawing, path: Path, progress: jobs.Progress) -> None:
    def report(share: float) -> None:
        progress(f"Drawing by {drawing.method}" if share else f"Finding every clip's neighbours for {drawing.method}", share)

    _ASIDE.draw(vectors, drawing, path, report, max(1, (os.cpu_count() or 2) // 2))


@st.cache_data(max_entries=256, show_spinner=False)
def measures(map_name: str, by: str, _of: Clips, _embedding: str, _points: np.ndarray) -> Measures:
    """For one grouping, in the space and on the map; clips of unknown class are left out."""
    column = _of.columns[by]
    known = np.array([name != "unknown" for name in column.names])[column.values]
    labels = column.values[known].tolist()
    pair = [_of.predictions.embeddings[_embedding][known], _points[known]]
    first, second = ((neighbours.silhouette(vectors, labels), neighbours.knn_accuracy(vectors, labels)) for vectors in pair)
    return Measures((first[0], second[0]), (first[1], second[1]))


def nearest(of: Clips, embedding: str, row: int, vector: np.ndarray | None, count: int) -> list[tuple[int, float]]:
    """The nearest clips, in the embedding space, to that of a row, or to a vector of the user's own clip."""
    vectors = of.predictions.embeddings[embedding]
    if vector is not None:
        return neighbours.nearest_to(vectors, vector, count)
    return neighbours.nearest(vectors, row, count)


def pack_bits(chosen: np.ndarray) -> str:
    return base64.b64encode(np.packbits(chosen).tobytes()).decode()


@st.cache_resource(max_entries=8, show_spinner=False)
def lend_thumbs(model: str, prediction_table: str, ids: Sequence[str]) -> jobs.Job:
    """Let the map show any clip's picture. In the background and once, because each file has to be checked."""

    source = services.corpus_of(model)

    def work(progress: jobs.Progress) -> None:
        services.pictures(model, ids, source)

    return jobs.ensure(f"thumbs-{key_of(prediction_table, len(ids))}", work, "pictures")


# The user's own clips: run one at a time, and placed on existing maps.


def own_table(model: str, clip: str) -> PredictionTable | None:
    if services.unasked(model):
        return None
    path = _own_path(model, clip)
    changed = sealed.mark(path)
    return _own(str(path), changed) if changed else None


@st.cache_resource(max_entries=64, show_spinner=False)
def _own(path: str, changed: Hashable) -> PredictionTable | None:
    return PredictionTable.load(Path(path))


def ask_own(model: str, clip: str) -> jobs.Job:
    return jobs.ensure(f"own-{_own_path(model, clip).stem}", partial(_ask_own, model, clip))


def _ask_own(model: str, clip: str, progress: jobs.Progress) -> None:
    item, asked = services.clip(services.UPLOADS, clip), services.analyzer(model)
    table = pd.DataFrame({"path": [item.media.name], "called": [item.called]}, index=pd.Index([clip], name="clip"))
    alone = Corpus(services.UPLOADS, item.media.parent, table, asked.checkpoint.spec.labels)
    ask_every_clip(asked.checkpoint, alone, asked.store, progress).keep(_own_path(model, clip))


def _own_path(model: str, clip: str) -> Path:
    # By content, since another stretch of a long file is another clip.
    content = content_hash(services.clip(services.UPLOADS, clip).media)
    asked = key_of("own", services.analyzer(model).checkpoint.digest, content, *services.taken_marks(model))
    return cache_root() / "surveys" / f"{of_clip(content, asked)}.npz"


def own_place(of: Clips, embedding: str, drawing: Drawing, clip: str) -> np.ndarray | None:
    """The position [2] of an own clip on the map, or None until ``place_own`` has computed it."""
    spot = sealed.read_json(_own_spot(of, embedding, drawing, clip))
    return np.array([spot["x"], spot["y"]], np.float32) if spot else None


def place_own(of: Clips, embedding: str, drawing: Drawing, clip: str, drawn: np.ndarray, vector: np.ndarray) -> jobs.Job:
    spot = _own_spot(of, embedding, drawing, clip)

    def work(progress: jobs.Progress) -> None:
        def report(share: float) -> None:
            progress("Placing your clip on the map", 0.5)

        x, y = _ASIDE.place(of.predictions.embeddings[embedding], drawing, drawn, vector[None], report)[0].tolist()
        sealed.write_cached_json(spot, {"x": x, "y": y})

    return jobs.ensure(f"place-{spot.stem}", work, "maps")


def _own_spot(of: Clips, embedding: str, drawing: Drawing, clip: str) -> Path:
    content = content_hash(services.clip(services.UPLOADS, clip).media)
    return cache_root() / "maps" / f"{of_clip(content, of.path(embedding, drawing).stem)}.json"


def in_square(spot: np.ndarray, drawn: np.ndarray) -> tuple[float, float]:
    """A position on the map in the browser's unit square; positions far outside are moved to the edge."""
    low, high = drawn.min(0).astype(float), drawn.max(0).astype(float)
    half = float((high - low).max()) / 2 or 1.0
    x, y = np.clip((spot - (low + high) / 2) / half, -1.1, 1.1)
    return float(x), float(y)
