"""Frames of a file, in the order and at the times in which they are seen."""

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

# So many places of damage are told by their times.
_MOST_TOLD = 3


def read_frames(
    path: Path, max_side: int | None = None, longest: float = MAX_SECONDS, begin: float = 0.0
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (presentation time, RGB picture [H, W, 3] uint8, upright, square pixels) for every frame that decodes.

    Times rise; all pictures have one size, the largest of the stream's. A truncated file ends early, without an error; a file
    without pictures yields nothing; what comes before ``begin`` or after ``longest`` seconds is left out.
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
    """[F] seconds: when each frame of a file is shown, by its packets, without decoding them; empty where it has none.

    Raises:
        UserError: when it cannot be read.
    """
    return clock_of(path).shown


def lost_pictures(path: Path, decoded: np.ndarray, begin: float = 0.0, longest: float = MAX_SECONDS) -> tuple[str, ...]:
    """One sentence about the pictures that are in a file and did not decode; none where all did.

    Args:
        decoded: [F] seconds, the times that ``read_frames`` gave.
        begin, longest: between which moments they were asked for.

    Raises:
        UserError: when it cannot be read.
    """
    shown = frame_times(path)
    shown = shown[(shown >= begin - ROUNDING) & (shown <= longest)]
    if len(decoded) >= len(shown):
        return ()
    # Each frame answers for the packet that is nearest to it.
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
    """An RGB picture near each of the moments, in seconds, which ascend: key frames alone, so that hours take seconds to read.

    A file without pictures yields nothing.
    """
    clock = clock_of(path)
    with opened(path) as container:
        video = picture_track(container)
        if video is None:
            return
        video.codec_context.skip_frame = "NONKEY"
        # Frames in threads come out one by one late.
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
    """Frames with seconds on the clip's clock, which rise."""
    last = -np.inf
    if clock.times is None:
        wind(container, begin, clock.start)
    for time, frame in _decoded(video, clock, packets(container, video)):
        # An edit list makes FFmpeg hand out frames from before the clip's start.
        if time < -1e-6:
            continue
        if np.isnan(time):
            time = last + 1 / clock.rate if np.isfinite(last) else 0.0
        # Of two at once neither is lost.
        last = max(time, 0.0) if time > last else last + ROUNDING
        yield last, frame


def _decoded(
    video: av.video.stream.VideoStream, clock: Clock, demuxed: Iterator[av.Packet]
) -> Iterator[tuple[float, av.VideoFrame]]:
    """Frames in the order in which they are seen, with what the file says of their time; NaN where it says nothing."""
    failures, times = Failures(), _Times(video, clock)
    for number, packet in enumerate(demuxed):
        if clock.times is not None and packet.size:
            # The number goes through the codec in place of a time, and comes out with the frame.
            packet.pts = packet.dts = number
        with failures.passed():
            for frame in pictures_of(packet):
                yield times.of(frame), frame
        if failures.many:
            return


class _Times:
    """What the clock says of a frame's time; of frames without any, they come in order."""

    def __init__(self, video: av.video.stream.VideoStream, clock: Clock) -> None:
        self.context, self.clock, self.rank = video.codec_context, clock, -1

    def of(self, frame: av.VideoFrame) -> float:
        known = self.clock.times
        if known is None:
            return frame.time - self.clock.start if frame.time is not None else np.nan
        number = frame.pts if frame.pts is not None else self.rank + 1
        if self.clock.ranked:
            # A frame comes out at most as many frames late as the codec puts in order: what is missing beyond that was damaged.
            self.rank = number = max(self.rank + 1, number - self.context.reorder_depth)
        return float(known[number]) if number < len(known) else np.nan
