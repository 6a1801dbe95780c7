"""A corpus's clips with their features: extracted, or from a packed store."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cached_property
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import torch

from affectscope.core import media
from affectscope.core.cache.store import FeatureStore
from affectscope.core.corpora import Corpus
from affectscope.core.errors import NO_ROOM, UserError
from affectscope.core.features.clipfile import LONGEST, ids_of
from affectscope.core.features.extract import DEFAULT_SETS, extract
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.arrays import missing, source_of, stream_of
from affectscope.core.features.stored.packed import PackedSet, PackedStreams
from affectscope.core.plugins import loading
from affectscope.core.streams import Clip, Stream

Extracted = tuple[Clip | None, str]
Job = tuple[Corpus, str, FeatureStore, Mapping[str, str]]


def load_clips(
    corpus: Corpus,
    store: FeatureStore | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    sets: Mapping[str, str] = DEFAULT_SETS,
) -> tuple[list[Clip], list[str]]:
    """Read the streams of every clip, in table order, on several cores.

    Args:
        sets: modality -> feature set, see ``extract``.

    Returns:
        The clips that could be read, and one sentence for each that could not.

    Raises:
        UserError: when none can be read, or the disk is full.
    """
    if corpus.table.empty:
        raise UserError(f"The corpus {corpus.name} is empty: its table names no clip.")
    store = store or FeatureStore(shipped=[corpus.features] if corpus.features else [], strict=True)
    # Send each process only the row that it needs.
    jobs = [(replace(corpus, table=corpus.table.loc[[clip]], facts={}), clip, store, sets) for clip in corpus.table.index]
    results: list[Extracted] = []
    for result in _load_all(jobs, workers or os.cpu_count() or 1):
        results.append(result)
        if progress:
            progress(len(results), len(jobs))
    broken = [why for clip, why in results if clip is None]
    if len(broken) == len(results):
        raise UserError(f"No clip of {corpus.name} can be read; the first says: {broken[0]}")
    return [clip for clip, _ in results if clip is not None], broken


def packed_clips(corpus: Corpus, sets: Mapping[str, PackedSet]) -> tuple[list[Clip], list[str]]:
    """A corpus's clips with features from a packed store, in table order. Features are read lazily.

    Args:
        sets: modality -> features, see ``core.features.stored.packed.choose_sets``.

    Returns:
        The clips in the store, and one sentence for each that is missing or could not be read.

    Raises:
        UserError: when it has none.
    """
    why: dict[str, str] = {}
    for packed in sets.values():
        why |= {clip: "the store has no features of it; extract them again." for clip in corpus.table.index if clip not in packed}
        why |= packed.broken
    # Reading labels from the table one clip at a time would take longer than everything else.
    names = [str(name) for name in corpus.table.columns]
    rows = zip(corpus.table.index, corpus.table.itertuples(index=False, name=None), strict=True)
    some = next(iter(sets.values()))
    clips = [
        Clip(clip, PackedStreams(sets, clip), some.durations[clip], dict(zip(names, row, strict=True)), _Lazy(corpus, clip))
        for clip, row in rows
        if clip not in why
    ]
    broken = [f"{clip}: {why[clip]}" for clip in corpus.table.index if clip in why]
    if not clips:
        raise UserError(f"The store has no clip of {corpus.name}; the first says: {broken[0]}")
    return clips, broken


class _Lazy(Mapping[str, Stream]):
    """The continuous annotations of a clip, read lazily."""

    def __init__(self, corpus: Corpus, clip: str) -> None:
        self._corpus, self._clip = corpus, clip

    @cached_property
    def _known(self) -> dict[str, Stream]:
        return _annotations(self._corpus, self._clip)

    def __getitem__(self, name: str) -> Stream:
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def _load_all(jobs: list[Job], workers: int) -> Iterator[Extracted]:
    if workers == 1:
        yield from map(_load, jobs)
        return
    with ProcessPoolExecutor(workers, get_context("spawn"), _begin) as pool:
        yield from pool.map(_load, jobs, chunksize=4)


def _begin() -> None:
    # One thread per process: more threads than cores slow torch and OpenCV down many times over.
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    loading.load()


def _load(job: Job) -> Extracted:
    corpus, clip, store, sets = job
    try:
        streams, duration = read_streams(corpus, clip, store, sets)
        annotations = _annotations(corpus, clip)
    except UserError as error:
        return None, f"{clip}: {error}"
    except OSError as error:
        if error.errno in NO_ROOM:
            raise UserError(
                f"Features cannot be kept in {store.root} ({error.strerror}): make room and start again; what was read is kept."
            ) from error
        return None, f"{clip}: {error.strerror or error}: see to its file."
    if not all(np.isfinite(s.values).all() for s in streams.values()):
        return None, f"{clip}: its features are not numbers; remove them from the cache and extract them again."
    labels = {str(k): v for k, v in corpus.table.loc[clip].items()}
    return Clip(clip, streams, duration, labels, annotations), ""


def read_streams(corpus: Corpus, clip: str, store: FeatureStore, sets: Mapping[str, str]) -> tuple[Mapping[str, Stream], float]:
    """A clip's streams and its duration in seconds. Features that the corpus contains are read; the others are extracted.

    Args:
        sets: modality -> feature set, see ``extract``.

    Raises:
        UserError: when there is neither a media file nor any feature in the corpus.
    """
    row = corpus.table.loc[clip]
    asked = {m: own for m, own in corpus.given.items() if sets.get(m) == own.name}
    given = {m: own.read(corpus.root, row) for m, own in asked.items()} | _arrays(corpus, clip, sets)
    rest = {m: name for m, name in sets.items() if m not in given}
    if not given or (rest and row["path"]):
        extraction = extract(corpus.media(clip), store, sets=rest, clip=clip)
        return {**extraction.streams, **given}, extraction.duration
    if not any(len(stream.times) for stream in given.values()):
        raise UserError(f"it has neither media nor features: put them into {corpus.root}, or take it out of the table.")
    absent = {m: Stream.absent(feature_set.dim) for m, name in rest.items() if (feature_set := FEATURE_SETS.get(name))}
    ends = [float(stream.times[-1]) for stream in given.values() if len(stream.times)]
    return {**absent, **given}, _duration(corpus, clip) or max(ends)


def _arrays(corpus: Corpus, clip: str, sets: Mapping[str, str]) -> dict[str, Stream]:
    """A clip's streams from the arrays configured for some sets.

    Raises:
        UserError: when arrays are invalid, or lack the clip and the set cannot be computed.
    """
    streams = {}
    row = corpus.table.loc[clip]
    # The user's own clips have generated ids; the name of their file is kept beside it.
    ids = tuple(dict.fromkeys((*ids_of(Path(str(row["path"])), clip), *filter(None, [str(row.get("called", ""))]))))
    for modality, name in sets.items():
        feature_set = FEATURE_SETS.get(name)
        if feature_set is None or source_of(name) is None:
            continue
        stream = stream_of(name, feature_set.dim, ids, lambda: _duration(corpus, clip))
        if stream is not None:
            streams[modality] = stream
        elif feature_set.needs == "arrays":
            raise UserError(missing(name, clip))
    return streams


def _duration(corpus: Corpus, clip: str) -> float:
    """Seconds, from the corpus or from the file; 0 if neither tells."""
    told = float(corpus.table.loc[clip].get("duration", np.nan))
    if np.isfinite(told):
        return told
    return media.probe(corpus.media(clip), LONGEST).duration if corpus.table.at[clip, "path"] else 0.0


def _annotations(corpus: Corpus, clip: str) -> dict[str, Stream]:
    drawn, truth = corpus.read_annotations(corpus.root, corpus.table.loc[clip]), corpus.truth(clip)
    if truth is None:
        return dict(drawn)
    known = truth.attributes.items()
    return {k: Stream(v[:, None].astype(np.float32), truth.times, np.isfinite(v)) for k, v in known} | dict(drawn)
