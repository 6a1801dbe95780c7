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
    """
    store = store or FeatureStore(shipped=[corpus.features] if corpus.features else [])
    jobs = [(corpus, clip, store) for clip in corpus.table.index]
    results: list[Extracted] = []
    workers = workers or os.cpu_count() or 1
    with ProcessPoolExecutor(workers, get_context("spawn"), _single_thread) as pool:
        for result in pool.map(_load, jobs, chunksize=4):
            results.append(result)
            if progress:
                progress(len(results), len(jobs))
    return [clip for clip, _ in results if clip is not None], [why for clip, why in results if clip is None]


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


def fit_normaliser(clips: Sequence[Clip]) -> Normaliser:
    """Mean and standard deviation over the present frames of all clips; a modality that none of them has gets no statistics."""
    mean, std = {}, {}
    for name in clips[0].streams:
        frames = np.concatenate([c.streams[name].values[c.streams[name].present] for c in clips])
        if not len(frames):
            continue
        # Over millions of frames a sum in float32 loses its last digits.
        centre, spread = frames.mean(0, dtype=np.float64), frames.std(0, dtype=np.float64)
        mean[name] = torch.from_numpy(centre.astype(np.float32))
        # A feature that never moves says nothing, and must not be divided by nothing.
        std[name] = torch.from_numpy(np.where(spread > 1e-6, spread, 1.0).astype(np.float32))
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
