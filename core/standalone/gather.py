"""Computes and encodes the parts of the exported file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from affectscope.core.analyzer import Analyzer
from affectscope.core.evaluation.grid import Grid, response_grid
from affectscope.core.features.extract import Progress, extract
from affectscope.core.media import browser_copy, encode, probe, read_frames, read_sound
from affectscope.core.perturbation import Perturbation
from affectscope.core.timeline.timeline import Matrix, Timeline

# Base64 adds a third; above this size, that alone is more than a megabyte.
_LARGE = 3 << 20
_SIDE = 960
# Cross-modal attention is most of a large model's timeline; above this size its resolution is reduced.
_HEAVY = 3 << 20
_CELLS = 96


def clip_grid(
    analyzer: Analyzer,
    media: Path,
    change: Perturbation | None = None,
    progress: Progress | None = None,
    track: int | None = None,
    face: int | None = None,
) -> Grid:
    """The model's answers to a clip at every share of audio and visual frames.

    Args:
        change: pattern and imputation; default: random and absent.
        track: the audio track, counted from 1; default: the first that has sound.
        face: the analysed face, counted from 1; default: the largest and longest seen.

    Raises:
        UserError: when the file cannot be decoded.
    """
    report = progress or (lambda stage, share: None)
    extraction = extract(media, analyzer.store, report, analyzer.sets, track, face=face)

    def asking(share: float) -> None:
        report("Computing the answer at every share of the frames", share)

    streams = analyzer.streams(extraction)
    return response_grid(analyzer.checkpoint, streams, extraction.duration, change or Perturbation(), progress=asking)


def compact(media: Path, progress: Progress | None = None, track: int | None = None) -> bytes:
    """The bytes of a browser-playable clip; a large one is reduced to 960 pixels a side if that is smaller."""
    report = progress or (lambda stage, share: None)
    with TemporaryDirectory() as folder:
        playable = browser_copy(
            media, Path(folder) / "clip.mp4", lambda share: report("Preparing the clip for the browser", share), track=track
        )
        data = playable.read_bytes()
        info = probe(playable)
        if len(data) <= _LARGE or not info.width:
            return data
        report("Making the clip smaller", 0.0)
        small = Path(folder) / "small.mp4"
        encode(
            small,
            read_frames(playable, _SIDE),
            read_sound(playable, track=track if playable == media else None),
            info.fps or 25,
            crf=23,
        )
        return min(data, small.read_bytes(), key=len)


def light(timeline: Timeline) -> bytes:
    """The timeline's bytes; if large, with cross-modal attention of at most 96 cells a side."""
    data = timeline.to_bytes()
    if len(data) <= _HEAVY:
        return data
    return replace(timeline, matrices=tuple(map(_fewer_cells, timeline.matrices))).to_bytes()


def _fewer_cells(matrix: Matrix) -> Matrix:
    """Each cell the mean of its neighbours, as in core/timeline/lanes.py."""
    rows, columns = len(matrix.query_times), len(matrix.key_times)
    cells = matrix.values.reshape(-1, rows, columns).astype(np.float32)
    cells = _pooled(_pooled(cells, 1), 2)
    return replace(
        matrix,
        query_times=_pooled(matrix.query_times, 0),
        key_times=_pooled(matrix.key_times, 0),
        values=np.round(cells).astype(np.uint8).reshape(len(cells), -1),
    )


def _pooled(values: np.ndarray, axis: int) -> np.ndarray:
    count = min(values.shape[axis], _CELLS)
    return np.stack([part.mean(axis) for part in np.array_split(values, count, axis)], axis)
