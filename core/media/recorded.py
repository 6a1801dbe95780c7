"""Reads sound as recorded: at its own rate, with separate channels."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from affectscope.core.media.clock import clock_of
from affectscope.core.media.files import MAX_SECONDS, opened, sound_tracks
from affectscope.core.media.sounds import INTERLEAVED, decoded, finite, heard_track

# Gaps up to this many seconds come from rounding and codec delay.
_HOLE = 0.02


@dataclass(frozen=True)
class Recording:
    """Samples [channels, N] float32 in -1..1.

    Attributes:
        rate: samples per second; 0 without an audio track.
        start: the time of the first sample, in seconds.
    """

    samples: np.ndarray
    rate: int
    start: float


def read_recorded(path: Path, longest: float = MAX_SECONDS, track: int | None = None) -> Recording:
    """An audio track as recorded; no channels if there is none. Samples after ``longest`` seconds are left out.

    The rate and channels are those of the track's first frame; later frames are converted to them.

    Args:
        track: counted from 1; default: the first that has sound.

    Raises:
        UserError: when the file cannot be read, or has no such track.
    """
    number = heard_track(path, track)
    chunks: list[np.ndarray] = []
    first, rate, count = 0.0, 0, 0
    if number is not None:
        with opened(path) as container:
            keeper = _Keeper()
            for time, frame in decoded(container, sound_tracks(container)[number - 1], clock_of(path)):
                if time > longest:
                    break
                if not rate:
                    first, rate = time, frame.sample_rate
                hole = round((time - first) * rate) - count
                parts = keeper.kept(frame)
                if hole > _HOLE * rate and parts:
                    parts = [np.zeros((len(parts[0]), hole), np.float32), *parts]
                chunks += parts
                count += sum(part.shape[1] for part in parts)
            chunks += keeper.kept(None)
    samples = np.concatenate(chunks, 1) if chunks else np.zeros((0, 0), np.float32)
    return Recording(samples, rate if len(samples) else 0, first)


class _Keeper:
    """Converts frames of any format to float, with the channels and rate of the first."""

    def __init__(self) -> None:
        self._same: av.AudioResampler | None = None

    def kept(self, frame: av.AudioFrame | None) -> list[np.ndarray]:
        """The converted samples [channels, N]; None flushes the converter."""
        if self._same is None:
            if frame is None:
                return []
            self._same = av.AudioResampler(format=INTERLEAVED, layout=frame.layout, rate=frame.sample_rate)
        return [finite(out) for out in self._same.resample(frame)]
