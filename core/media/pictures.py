"""Decodes a file's frames, in display order and with display times."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import av
import numpy as np

from affectscope.core.media.clock import Clock, clock_of
from affectscope.core.media.files import (
    MAX_SECONDS,
    ROUNDING,
    Failures,
    indexed,
    opened,
    packets,
    picture_track,
    pictures_of,
    wind,
)
from affectscope.core.media.shape import picture_of

# Number of damaged places that are listed with their times.
_MOST_TOLD = 3


def read_frames(
    path: Path, max_side: int | None = None, longest: float = MAX_SECONDS, begin: float = 0.0
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (presentation time, RGB picture [H, W, 3] uint8, upright, square pixels) for every frame that decodes.

    Times increase; all pictures have one size, the stream's largest. A truncated file ends early, without an error. A file
    without pictures yields nothing. Frames before ``begin`` or after ``longest`` seconds are left out.
    """
    clock = clock_of(path)
    with opened(path) as container:
        video = picture_track(container)
        if video is None:
            return
        video.thread_type = "AUTO"
        aspect = video.sample_aspect_ratio
        for time, frame in _timed(container, video, clock, begin):
            if time > longest:
                return
            if time >= begin - ROUNDING or not begin:
                yield time, picture_of(frame, aspect, clock.size, max_side)


def frame_times(path: Path) -> np.ndarray:
    """[F] seconds, each frame's display time, from packets without decoding; empty where it has none.

    Raises:
        UserError: when it cannot be read.
    """
    return clock_of(path).shown


def lost_pictures(path: Path, decoded: np.ndarray, begin: float = 0.0, longest: float = MAX_SECONDS) -> tuple[str, ...]:
    """One sentence about frames in the file that did not decode; empty where all did.

    Args:
        decoded: [F] seconds, the times that ``read_frames`` returned.
        begin, longest: the range that was requested.

    Raises:
        UserError: when it cannot be read.
    """
    shown = frame_times(path)
    shown = shown[(shown >= begin - ROUNDING) & (shown <= longest)]
    if len(decoded) >= len(shown):
        return ()
    # Each decoded frame is matched to the nearest packet.
    answered = np.zeros(len(shown), bool)
    answered[[int(np.abs(shown - time).argmin()) for time in decoded]] = True
    gone = np.flatnonzero(~answered)
    runs = np.split(gone, np.flatnonzero(np.diff(gone) > 1) + 1)
    told = [f"{shown[run[0]]:.2f} s" if len(run) < 2 else f"{shown[run[0]]:.2f} to {shown[run[-1]]:.2f} s" for run in runs]
    told = told[:_MOST_TOLD] + ["more places"] * (len(told) > _MOST_TOLD)
    places = " and ".join([", ".join(told[:-1]), told[-1]]) if len(told) > 1 else told[0]
    few = f"{len(gone)} of {len(shown)} pictures"
    return (
        f"Pictures that can no longer be decoded are left out: {few}, at {places}. The file is damaged or changes its codec.",
    )


def glimpses(path: Path, moments: Sequence[float], max_side: int) -> Iterator[np.ndarray]:
    """An RGB picture near each of the moments (ascending, in seconds). Only key frames are decoded, so that hours take seconds.

    A file without pictures yields nothing.
    """
    clock = clock_of(path)
    with opened(path) as container:
        video = picture_track(container)
        if video is None:
            return
        video.codec_context.skip_frame = "NONKEY"
        # With frame threading, frames come out late.
        video.thread_type = "SLICE"
        if indexed(container) and clock.times is None:
            for moment in moments:
                wind(container, moment + 1.0, clock.start)
                frame = next((frame for _, frame in _decoded(video, clock, packets(container, video))), None)
                if frame is not None:
                    yield picture_of(frame, video.sample_aspect_ratio, clock.size, max_side)
            return
        waiting, last = list(moments), None
        for time, frame in _timed(container, video, clock, 0.0):
            while last is not None and waiting and time > waiting[0]:
                waiting.pop(0)
                yield picture_of(last, video.sample_aspect_ratio, clock.size, max_side)
            last = frame
        for _ in waiting if last is not None else ():
            yield picture_of(last, video.sample_aspect_ratio, clock.size, max_side)


def _timed(
    container: av.container.InputContainer, video: av.video.stream.VideoStream, clock: Clock, begin: float
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames with increasing times in seconds on the clip's clock."""
    last = -np.inf
    if clock.times is None:
        wind(container, begin, clock.start)
    for time, frame in _decoded(video, clock, packets(container, video)):
        # An edit list makes FFmpeg return frames from before the clip's start.
        if time < -1e-6:
            continue
        if np.isnan(time):
            time = last + 1 / clock.rate if np.isfinite(last) else 0.0
        # Keep both frames if two have the same time.
        last = max(time, 0.0) if time > last else last + ROUNDING
        yield last, frame


def _decoded(
    video: av.video.stream.VideoStream, clock: Clock, demuxed: Iterator[av.Packet]
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames in display order, with the file's time for each; NaN where it has none."""
    failures, times = Failures(), _Times(video, clock)
    for number, packet in enumerate(demuxed):
        if clock.times is not None and packet.size:
            # The packet's number travels through the codec in place of a time, and comes out with the frame.
            packet.pts = packet.dts = number
        with failures.passed():
            for frame in pictures_of(packet):
                yield times.of(frame), frame
        if failures.many:
            return


class _Times:
    """Looks up a frame's time on the clock; frames without a number are assigned in order."""

    def __init__(self, video: av.video.stream.VideoStream, clock: Clock) -> None:
        self.context, self.clock, self.rank = video.codec_context, clock, -1

    def of(self, frame: av.VideoFrame) -> float:
        known = self.clock.times
        if known is None:
            return frame.time - self.clock.start if frame.time is not None else np.nan
        number = frame.pts if frame.pts is not None else self.rank + 1
        if self.clock.ranked:
            # The codec delays frames by at most its reorder depth; frames missing beyond that were damaged.
            self.rank = number = max(self.rank + 1, number - self.context.reorder_depth)
        return float(known[number]) if number < len(known) else np.nan
