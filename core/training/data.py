"""From a corpus to what a training step eats."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from core.checkpoints import Normaliser
from core.corpora import Corpus
from core.errors import UserError
from core.features.encoders import MiniXception
from core.features.extract import extract
from core.features.store import FeatureStore
from core.streams import Batch, Clip, Stream

Extracted = tuple[Clip | None, str]


def load_clips(
    corpus: Corpus,
    store: FeatureStore | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Clip], list[str]]:
    """Read the streams of every clip, in the order of the table, on several cores.

    Returns:
        The clips that could be read, and one sentence for each that could not.

    Raises:
        UserError: when none can be read.
    """
    store = store or FeatureStore(shipped=[corpus.features] if corpus.features else [])
    jobs = [(corpus, clip, store) for clip in corpus.table.index]
    results: list[Extracted] = []
    for result in _load_all(jobs, workers or os.cpu_count() or 1):
        results.append(result)
        if progress:
            progress(len(results), len(jobs))
    broken = [why for clip, why in results if clip is None]
    if len(broken) == len(results):
        raise UserError(f"No clip of {corpus.name} can be read; the first says: {broken[0] if broken else 'it is empty.'}")
    return [clip for clip, _ in results if clip is not None], broken


def _load_all(jobs: list[tuple[Corpus, str, FeatureStore]], workers: int) -> Iterator[Extracted]:
    if workers == 1:
        yield from map(_load, jobs)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _single_thread) as pool:
        yield from pool.map(_load, jobs, chunksize=4)


def _single_thread() -> None:
    # One process a core: more threads than cores slow torch and OpenCV many times over.
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _load(job: tuple[Corpus, str, FeatureStore]) -> Extracted:
    corpus, clip, store = job
    try:
        extraction = extract(corpus.media(clip), store)
    except UserError as error:
        return None, f"{clip}: {error}"
    labels = {str(k): v for k, v in corpus.table.loc[clip].items()}
    return Clip(clip, extraction.streams, extraction.duration, labels), ""


# Between rendered and recorded faces the maps shift from person to person as much as from emotion to emotion; the encoder's own
# probabilities hardly do. At a twentieth of their weight the maps refine an answer and do not make it. Measured with logistic
# regression: nothing lost on rendered faces (58.9 % against 58.0 %), and the real clips at hand read right again.
RENDERED_WEIGHTS = {"visual": np.repeat([0.05, 1.0], [MiniXception.maps_dim, MiniXception.dim - MiniXception.maps_dim])}


def fit_normaliser(clips: Sequence[Clip], weights: Mapping[str, np.ndarray] | None = None) -> Normaliser:
    """Mean and standard deviation over the present frames of all clips; a modality that none of them has gets no statistics.

    Args:
        weights: modality -> [D], what each normalised feature is to be multiplied with; the deviations carry it.
    """
    mean, std = {}, {}
    for name in clips[0].streams:
        frames = np.concatenate([c.streams[name].values[c.streams[name].present] for c in clips])
        if not len(frames):
            continue
        # Over millions of frames a sum in float32 loses its last digits.
        centre, spread = frames.mean(0, dtype=np.float64), frames.std(0, dtype=np.float64)
        mean[name] = torch.from_numpy(centre.astype(np.float32))
        # A feature that never moves says nothing, and must not be divided by nothing.
        spread = np.where(spread > 1e-6, spread, 1.0) / (weights or {}).get(name, 1.0)
        std[name] = torch.from_numpy(spread.astype(np.float32))
    return Normaliser(mean, std)


def normalised(clip: Clip, normaliser: Normaliser) -> dict[str, Stream]:
    return {
        name: Stream(normaliser(name, torch.from_numpy(s.values)).numpy(), s.times, s.present) for name, s in clip.streams.items()
    }


class Batches:
    """Shuffled or ordered batches of normalised clips with their class indices."""

    def __init__(
        self,
        clips: Sequence[Clip],
        labels: Sequence[str],
        normaliser: Normaliser,
        dims: Mapping[str, int],
        size: int = 32,
        shuffle: bool = False,
    ) -> None:
        unknown = sorted({str(c.labels["label"]) for c in clips} - set(labels))
        if unknown:
            raise UserError(f"The corpus labels clips {unknown[0]!r}, which is not in the label space {', '.join(labels)}.")
        self.dims = dims
        rows = [(normalised(c, normaliser), labels.index(str(c.labels["label"]))) for c in clips]
        self.loader = DataLoader(rows, size, shuffle, collate_fn=self._collate)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[Batch, Tensor]]:
        return iter(self.loader)

    def __len__(self) -> int:
        return len(self.loader)

    def _collate(self, rows: list[tuple[dict[str, Stream], int]]) -> tuple[Batch, Tensor]:
        return Batch.collate([streams for streams, _ in rows], self.dims), torch.tensor([label for _, label in rows])
