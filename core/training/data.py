"""From a corpus to what a training step eats."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cached_property
from multiprocessing import get_context

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.data import DataLoader

from core.checkpoints import Normaliser
from core.corpora import Corpus, Truth
from core.errors import NO_ROOM, UserError
from core.features.encoders import MiniXception
from core.features.extract import DEFAULT_SETS, SETS, extract
from core.features.packed import PackedSet, PackedStreams, Place
from core.features.store import FeatureStore
from core.models.base import ModelSpec
from core.streams import Batch, Clip, Stream, clock_times, on_clock
from core.training.ahead import AheadLoader, PackedBatches

Extracted = tuple[Clip | None, str]
Job = tuple[Corpus, str, FeatureStore, Mapping[str, str]]


def load_clips(
    corpus: Corpus,
    store: FeatureStore | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
    sets: Mapping[str, str] = DEFAULT_SETS,
) -> tuple[list[Clip], list[str]]:
    """Read the streams of every clip, in the order of the table, on several cores.

    Args:
        sets: modality -> feature set, see ``extract``.

    Returns:
        The clips that could be read, and one sentence for each that could not.

    Raises:
        UserError: when none can be read, or there is no room to keep what was read.
    """
    if corpus.table.empty:
        raise UserError(f"The corpus {corpus.name} is empty: its table names no clip.")
    store = store or FeatureStore(shipped=[corpus.features] if corpus.features else [], strict=True)
    # Each with its own row: another process is sent no more than that.
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
    """The clips of a corpus with the features of a packed store, in the order of the table. Nothing is read before it is used.

    Args:
        sets: modality -> features, see ``core.features.packed.choose_sets``.

    Returns:
        The clips that the store has, and one sentence for each that it does not have, or that could not be read.

    Raises:
        UserError: when it has none.
    """
    why: dict[str, str] = {}
    for one in sets.values():
        why |= {clip: "the store has no features of it; extract them again." for clip in corpus.table.index if clip not in one}
        why |= one.broken
    # Taken out of the table clip by clip, the labels would take longer than all else.
    names = [str(name) for name in corpus.table.columns]
    rows = zip(corpus.table.index, corpus.table.itertuples(index=False, name=None), strict=True)
    some = next(iter(sets.values()))
    clips = [
        Clip(clip, PackedStreams(sets, clip), some.durations[clip], dict(zip(names, row, strict=True)), _LazyCourse(corpus, clip))
        for clip, row in rows
        if clip not in why
    ]
    broken = [f"{clip}: {why[clip]}" for clip in corpus.table.index if clip in why]
    if not clips:
        raise UserError(f"The store has no clip of {corpus.name}; the first says: {broken[0]}")
    return clips, broken


class _LazyCourse(Mapping[str, Stream]):
    """The course of a clip's attributes, read when somebody asks."""

    def __init__(self, corpus: Corpus, clip: str) -> None:
        self._corpus, self._clip = corpus, clip

    @cached_property
    def _known(self) -> dict[str, Stream]:
        truth, corpus = self._corpus.truth(self._clip), self._corpus
        return {**(_course(truth) if truth else {}), **corpus.read_course(corpus.root, corpus.table.loc[self._clip])}

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
    with ProcessPoolExecutor(workers, get_context("spawn"), _single_thread) as pool:
        yield from pool.map(_load, jobs, chunksize=4)


def _single_thread() -> None:
    # One process a core: more threads than cores slow torch and OpenCV many times over.
    import cv2

    cv2.setNumThreads(1)
    torch.set_num_threads(1)


def _load(job: Job) -> Extracted:
    corpus, clip, store, sets = job
    try:
        streams, duration = read_streams(corpus, clip, store, sets)
        truth = corpus.truth(clip)
        course = {**(_course(truth) if truth else {}), **corpus.read_course(corpus.root, corpus.table.loc[clip])}
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
    return Clip(clip, streams, duration, labels, course), ""


def read_streams(corpus: Corpus, clip: str, store: FeatureStore, sets: Mapping[str, str]) -> tuple[Mapping[str, Stream], float]:
    """A clip's streams and its length in seconds; what the corpus came with is read, the rest is extracted.

    Args:
        sets: modality -> feature set, see ``extract``.

    Raises:
        UserError: when there is neither a file to extract from nor anything that came with the corpus.
    """
    row = corpus.table.loc[clip]
    asked = {m: own for m, own in corpus.given.items() if sets.get(m) == own.name}
    given = {m: own.read(corpus.root, row) for m, own in asked.items()}
    rest = {m: name for m, name in sets.items() if m not in given}
    if not given or (rest and row["path"]):
        extraction = extract(corpus.media(clip), store, sets=rest)
        return {**extraction.streams, **given}, extraction.duration
    if not any(len(stream.times) for stream in given.values()):
        raise UserError(f"it has neither media nor features: put them into {corpus.root}, or take it out of the table.")
    absent = {m: Stream.absent(SETS[name]) for m, name in rest.items() if name in SETS}
    ends = [float(stream.times[-1]) for stream in given.values() if len(stream.times)]
    told = float(row.get("duration", np.nan))
    return {**absent, **given}, told if np.isfinite(told) else max(ends)


def _course(truth: Truth) -> dict[str, Stream]:
    known = truth.attributes.items()
    return {name: Stream(v[:, None].astype(np.float32), truth.times, np.isfinite(v)) for name, v in known}


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
        count, centre, squares = 0, np.zeros(0), np.zeros(0)
        # Clip by clip, since a corpus need not fit into memory. Over millions of frames a sum in float32 loses its last digits.
        for clip in clips:
            stream = clip.streams[name]
            frames = stream.values[stream.present]
            if not len(frames):
                continue
            own = frames.mean(0, dtype=np.float64)
            own_squares = np.square(frames - own).sum(0)
            if not count:
                centre, squares = np.zeros_like(own), np.zeros_like(own)
            # How two samples' means and squared deviations make those of both (Chan et al. 1979).
            shift, total = own - centre, count + len(frames)
            squares += own_squares + np.square(shift) * (count * len(frames) / total)
            centre += shift * (len(frames) / total)
            count = total
        if not count:
            continue
        mean[name] = torch.from_numpy(centre.astype(np.float32))
        spread = np.sqrt(squares / count)
        # A feature that never moves says nothing, and must not be divided by nothing.
        spread = np.where(spread > 1e-6, spread, 1.0) / (weights or {}).get(name, 1.0)
        std[name] = torch.from_numpy(spread.astype(np.float32))
    return Normaliser(mean, std)


def model_streams(streams: Mapping[str, Stream], spec: ModelSpec, normaliser: Normaliser) -> dict[str, Stream]:
    """A clip's streams as a model wants them: its own modalities, normalised, on its clock where it has one."""
    own = _on_its_clock(streams, spec)
    return {n: Stream(normaliser(n, torch.from_numpy(s.values)).numpy(), s.times, s.present) for n, s in own.items()}


def _on_its_clock(streams: Mapping[str, Stream], spec: ModelSpec) -> dict[str, Stream]:
    own = {name: streams[name] for name in spec.inputs if name in streams}
    return on_clock(own, spec.clock) if spec.clock and own else own


def target_of(clip: Clip, spec: ModelSpec, times: np.ndarray) -> Tensor:
    """What a model is to answer: a class index [], attributes [n], or attributes by frame [T, n]; NaN where nobody said.

    Args:
        times: [T], the frames of a model that answers by frame.

    Raises:
        UserError: when the clip's label is not in the model's label space.
    """
    if spec.task == "classification":
        label = str(clip.labels["label"])
        if label in ("", "nan"):
            raise UserError(
                f"The corpus gives clip {clip.id} no label: leave such clips out of its table, or choose another label."
            )
        if label not in spec.labels:
            raise UserError(f"The corpus labels clips {label!r}, which is not in the label space {', '.join(spec.labels)}.")
        return torch.tensor(spec.labels.index(label))
    if spec.clock is None:
        return torch.tensor([float(clip.labels.get(name, np.nan)) for name in spec.labels])
    absent = Stream.absent(1)
    courses = [clip.course.get(name, absent).resampled(times) for name in spec.labels]
    return torch.from_numpy(np.concatenate([np.where(c.present[:, None], c.values, np.nan) for c in courses], 1)).float()


def votes_of(clip: Clip, spec: ModelSpec) -> Tensor:
    """The share [C] that each class has of a clip's votes for any of them; of a clip that nobody voted on, all its label's.

    Raises:
        UserError: as ``target_of``.
    """
    answer = F.one_hot(target_of(clip, spec, np.zeros(0)), len(spec.labels)).float()
    votes = torch.tensor([float(clip.labels.get(f"share {label}", np.nan)) for label in spec.labels])
    return votes / votes.sum() if torch.isfinite(votes).all() and votes.sum() > 0 else answer


class Batches:
    """Shuffled or ordered batches of normalised clips with what is to be answered; see ``target_of``, or ``votes_of``."""

    def __init__(
        self,
        clips: Sequence[Clip],
        spec: ModelSpec,
        normaliser: Normaliser,
        size: int = 32,
        shuffle: bool = False,
        soft_votes: bool = False,
    ) -> None:
        self.dims = spec.inputs
        packed = [clip.streams for clip in clips if isinstance(clip.streams, PackedStreams)]
        streams: Sequence[Mapping[str, Stream]] = packed or [model_streams(clip.streams, spec, normaliser) for clip in clips]
        clocks = [clock_times(one, spec.clock) if spec.clock else np.zeros(0) for one in streams]
        self.targets = [
            votes_of(clip, spec) if soft_votes else target_of(clip, spec, times)
            for clip, times in zip(clips, clocks, strict=True)
        ]
        if self.targets and all(torch.isnan(t).all() for t in self.targets):
            raise UserError(f"The corpus says nothing of {' or '.join(spec.labels)}: train a model of classes on it.")
        self.loader: DataLoader
        if packed:
            dataset = (_OnClock if spec.clock else PackedBatches)(packed, spec, normaliser, self._answers)
            self.loader = AheadLoader(dataset, size, shuffle, collate_fn=list)
        else:
            rows = list(zip(streams, self.targets, strict=True))
            self.loader = DataLoader(rows, size, shuffle, collate_fn=self._collate)  # type: ignore[arg-type]

    def __iter__(self) -> Iterator[tuple[Batch, Tensor]]:
        return iter(self.loader)

    def __len__(self) -> int:
        return len(self.loader)

    def _collate(self, rows: list[tuple[Mapping[str, Stream], Tensor]]) -> tuple[Batch, Tensor]:
        batch = Batch.collate([streams for streams, _ in rows], self.dims)
        return batch, _together([target for _, target in rows], batch)

    def _answers(self, places: list[int], batch: Batch) -> Tensor:
        return _together([self.targets[place] for place in places], batch)


class _OnClock(PackedBatches):
    """For models that want all streams on one clock: clip by clip, since their lengths are known when they are read."""

    def _read(self, places: list[int], found: Mapping[str, list[Place | None]]) -> Batch:
        return Batch.collate(
            [model_streams(self._clips[place], self._spec, self._normaliser) for place in places], self._spec.inputs
        )


def _together(targets: list[Tensor], batch: Batch) -> Tensor:
    return torch.stack(targets) if targets[0].ndim < 2 else _padded(targets, batch)


def _padded(targets: Sequence[Tensor], batch: Batch) -> Tensor:
    """Answers by frame [B, T, n], as long as the longest stream; NaN after a clip's end."""
    length = max(v.shape[1] for v in batch.values.values())
    return torch.stack([F.pad(t, (0, 0, 0, length - len(t)), value=torch.nan) for t in targets])
