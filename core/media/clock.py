"""Scans a file's packets once: its duration, its frames' presentation times, and a common frame size.

Headers are trusted where the packets confirm them. Where frames lack reliable times (raw streams, AVI with reordered frames,
times that repeat or restart), each packet's time is computed here, and readers number the packets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from affectscope.core.errors import UserError
from affectscope.core.media.epochs import Shifts, Track, shifts
from affectscope.core.media.files import (
    Failures,
    check_size,
    names,
    opened,
    packets,
    picture_track,
    picture_tracks,
    pictures_of,
    sound_tracks,
)
from affectscope.core.media.joined import unread
from affectscope.core.media.shape import AS_IT_IS, Turn, turn_of, upright_size
from affectscope.core.text import shown

# Formats without a duration: FFmpeg estimates it from the bit rate of the beginning, or of a few packets.
GUESSED = {
    *("aac", "ac3", "eac3", "mp3", "amr", "amrnb", "amrwb", "dts", "truehd", "loas"),
    *("mpegts", "mpeg", "mpegvideo", "h264", "hevc", "m4v", "mjpeg", "obu"),
}
# A header may differ from the packets by this many seconds and still be right: codecs pad their last frame.
_AGREES = 0.3
_USUAL_RATE, _MOST_RATE = 25.0, 240.0
# Key frames are checked for their size at this interval in seconds, which doubles after each so many.
_STEP, _LOOKS = 0.2, 8
_SAME = 1e-6
# Elementary streams have no times: FFmpeg counts decoding times, and guesses the rest.
_BARE = {"mpegvideo", "m4v", "h264", "hevc", "mjpeg", "obu"}
# MPEG-4 in AVI may have two frames in one packet, followed by an empty packet of at most this size.
_PLACEHOLDER = 8
# FFmpeg's flag for formats whose timestamps may be discontinuous.
_PIECES = int(av.format.Flags.ts_discont.value)


@dataclass(frozen=True)
class Clock:
    """The result of scanning the packets.

    Attributes:
        start: the container's time at which the clip's clock reads 0.
        duration: seconds. header: the header's duration, None if it has none or a guess.
        rate: frames per second, 0 without a picture.
        size: (height, width) of all pictures, upright with square pixels; (0, 0) where no frame decodes.
        sizes: number of distinct sizes among the checked key frames.
        turn: how pictures are rotated or mirrored for display.
        times: seconds on the clip's clock of each video packet, in file order; None where frames carry their times.
        ranked: whether ``times`` are of the frames in display order instead: the file does not say which packet is shown when.
        moved: sound track's stream index -> how its packets are shifted; empty where one clock runs through.
        ends: stream index -> second at which its last packet ends.
        shown: [F] seconds on the clip's clock when video packets are shown, increasing.
        video, pixels, sounds, format: names of codecs, pixel format and container format.
        pictures, seen: number of video tracks, and which is read, counted from 1.
        unread: share of the file's bytes after everything that is read, where there should be none.
    """

    start: float
    duration: float
    header: float | None
    rate: float = 0.0
    size: tuple[int, int] = (0, 0)
    sizes: int = 1
    turn: Turn = AS_IT_IS
    times: np.ndarray | None = None
    ranked: bool = False
    moved: Mapping[int, Shifts] = field(default_factory=dict)
    ends: Mapping[int, float] = field(default_factory=dict)
    shown: np.ndarray = field(default_factory=lambda: np.zeros(0))
    video: str | None = None
    pixels: str | None = None
    sounds: tuple[str, ...] = ()
    format: frozenset[str] = frozenset()
    pictures: int = 1
    seen: int = 1
    unread: float = 0.0

    @property
    def plain(self) -> bool:
        """Whether the frames of picture and sound carry their own times."""
        return self.times is None and not self.moved


def clock_of(path: Path) -> Clock:
    """A file's clock, cached until the file changes.

    Raises:
        UserError: when it cannot be read, or holds neither picture nor sound.
    """
    try:
        stat = os.stat(path)
    except (OSError, ValueError) as error:
        raise UserError(f"There is no file {shown(str(path), 300)}: check the path.") from error
    return _clock(str(path), stat.st_ino, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=64)
def _clock(name: str, inode: int, size: int, changed: int) -> Clock:
    path = Path(name)
    with opened(path) as container:
        video, sounds = picture_track(container), sound_tracks(container)
        if video is None and not sounds:
            raise UserError(f"{shown(path.name, 200)} holds neither picture nor sound: choose a video file.")
        if video is not None:
            check_size(video.codec_context)
        look = _Look(video)
        streams = [*([video] if video is not None else []), *sounds]
        tracks = _packets(container, streams, look)
        if video is not None and look.first is None and not sounds:
            raise UserError(f"{shown(path.name, 200)} holds no frame that can be decoded: the file is damaged.")
        every = picture_tracks(container)
        return replace(
            _judged(container, video, sounds, tracks, look),
            unread=unread(path, names(container), look.end),
            pictures=len(every),
            seen=every.index(video) + 1 if video is not None else 0,
        )


class _Look:
    """Checks the frame size on the first frame and on some key frames."""

    def __init__(self, video: av.video.stream.VideoStream | None) -> None:
        self.video, self.first, self.failures = video, None, Failures()
        self.aspect = video.sample_aspect_ratio if video is not None else None
        self.sizes: dict[tuple[int, int], None] = {}
        self.turn = AS_IT_IS
        self.seen, self.step, self.last = 0, _STEP, -np.inf
        # The end of the last packet in bytes, and the number of video packets too small for a frame.
        self.end, self.placeholders = 0, 0

    def at(self, packet: av.Packet, moment: float) -> None:
        """Check the frame of a packet.

        Args:
            moment: seconds, NaN if unknown.
        """
        if self.first is None:
            if not self.failures.many:
                with self.failures.passed():
                    self._take(pictures_of(packet), moment)
        elif packet.is_keyframe and not 0 <= moment - self.last < self.step:
            with self.failures.passed():
                context = packet.stream.codec_context
                context.flush_buffers()
                frames = pictures_of(packet)
                self._take([*frames, *([] if frames else context.decode(None))], moment)
                context.flush_buffers()

    def _take(self, frames: list[av.VideoFrame], moment: float) -> None:
        for frame in frames:
            if self.first is None:
                self.first, self.turn = frame, turn_of(frame)
            self.last = moment if np.isfinite(moment) else self.last + self.step
            self.sizes[upright_size(frame, self.aspect, turn_of(frame))] = None
            self.seen += 1
            self.step *= 2 if self.seen % _LOOKS == 0 else 1

    def drained(self) -> None:
        """Flush the decoder, for files of a few frames that it held back."""
        if self.first is None and self.video is not None:
            with self.failures.passed():
                self._take(self.video.codec_context.decode(None), 0.0)


def _packets(container: av.container.InputContainer, streams: list[Any], look: _Look) -> dict[int, Track]:
    timings: dict[int, list[tuple[float, float, float, float]]] = {stream.index: [] for stream in streams}
    bases = {stream.index: float(stream.time_base) if stream.time_base else 1.0 for stream in streams}
    hidden = _hidden(look.video)
    for place, packet in enumerate(packets(container, *streams)):
        if not packet.size:
            continue
        # Fragments after an MP4's stated end are read, and dropped.
        if not packet.is_discard:
            look.end = max(look.end, packet.pos + packet.size) if packet.pos is not None else look.end + packet.size
        index = packet.stream_index
        base = bases[index]
        time = packet.pts * base if packet.pts is not None else np.nan
        decoding = packet.dts * base if packet.dts is not None else np.nan
        if look.video is not None and index == look.video.index:
            look.at(packet, decoding if np.isnan(time) else time)
            look.placeholders += packet.size < _PLACEHOLDER
            if hidden(packet):
                time = decoding = np.inf
        if packet.is_discard:
            time = -np.inf
        timings[index].append((place, decoding, time, packet.duration * base if packet.duration else 0.0))
    look.drained()
    return {index: Track(*np.array(rows, float).reshape(-1, 4).T) for index, rows in timings.items()}


def _hidden(video: av.video.stream.VideoStream | None) -> Any:
    """Returns a test for packets that are never shown: VP8 has frames that are only decoded, but carry times."""
    codec = video.codec_context.name if video is not None else ""
    if codec == "vp8":
        return lambda packet: not memoryview(packet)[0] & 0x10
    # Where Ogg files were concatenated, the second one's headers appear as packets.
    return (lambda packet: memoryview(packet)[0] & 0x80) if codec == "theora" else lambda packet: False


def _judged(
    container: av.container.InputContainer, video: Any, sounds: list[Any], tracks: dict[int, Track], look: _Look
) -> Clock:
    formats = names(container)
    shown_only = {index: _shown(track) for index, track in tracks.items()}
    moved = shifts(shown_only, bool(container.format.flags & _PIECES))
    start = _start(container, video, shown_only, moved)
    header = container.duration / av.time_base if container.duration and not formats & GUESSED else None
    rate, times, ranked = 0.0, None, False
    if video is not None:
        rate = _rate(video, shown_only[video.index], moved.get(video.index))
        packed = "avi" in formats and video.codec_context.name == "mpeg4" and look.placeholders > 0
        times, ranked = _times(video, tracks[video.index], moved.get(video.index), start, rate, formats, packed)
    ends = {index: _end(track, moved.get(index)) - start for index, track in shown_only.items()}
    if times is not None:
        last = float(times[np.isfinite(times)].max(initial=0)) + 1 / rate
        ends[video.index] = last if formats & _BARE else max(ends[video.index], last)
    measured = max((end for end in ends.values() if np.isfinite(end)), default=0.0)
    seen = _seen(times if times is not None else shown_only[video.index].times - start) if video is not None else np.zeros(0)
    believed = header is not None and not moved and (not measured or abs(header - measured) < _AGREES)
    # A copied part may have pictures behind the end that its header tells.
    believed = believed and not (len(seen) and header is not None and seen[-1] >= header + _SAME)
    size = max(look.sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return Clock(
        start, header if believed and header else measured, header, rate, size, len(look.sizes), look.turn, times, ranked,
        {stream.index: moved[stream.index] for stream in sounds if stream.index in moved}, ends,
        seen,
        video.codec_context.name if video is not None else None,
        video.codec_context.pix_fmt if video is not None else None,
        tuple(stream.codec_context.name for stream in sounds), frozenset(formats),
    )  # fmt: skip


def _shown(track: Track) -> Track:
    """The track without hidden packets."""
    hidden = np.isinf(track.times)
    return Track(
        track.places, np.where(np.isinf(track.decoding) | hidden, np.nan, track.decoding),
        np.where(hidden, np.nan, track.times), np.where(hidden, 0, track.lasts),
    )  # fmt: skip


def _seen(times: np.ndarray) -> np.ndarray:
    """The display times of the video packets, sorted."""
    finite = np.sort(times[np.isfinite(times)])
    return np.maximum(finite[finite >= -_SAME], 0.0)


def _start(container: Any, video: Any, tracks: Mapping[int, Track], moved: Mapping[int, Shifts]) -> float:
    told = container.start_time / av.time_base if container.start_time is not None else None
    if told is None or moved:
        # FFmpeg probes beyond the beginning, and may have met another clock there.
        firsts = [track.times[: moved[index].first[1] if moved and len(moved[index].first) > 1 else None]
                  for index, track in tracks.items()]  # fmt: skip
        known = [float(np.nanmin(times)) for times in firsts if np.isfinite(times).any()]
        return min(known, default=0.0)
    if video is not None and "mp4" not in names(container) and np.isfinite(tracks[video.index].times).any():
        return min(told, float(np.nanmin(tracks[video.index].times)))
    return told


def _rate(video: Any, track: Track, moved: Shifts | None) -> float:
    told = float(video.average_rate or video.guessed_rate or video.codec_context.framerate or 0)
    if not np.isfinite(track.times).any():
        # FFmpeg reports 25 for streams without times, whatever their own headers say.
        told = float(video.guessed_rate or told)
    times = np.sort((track.times + moved.of(len(track.times)) if moved else track.times)[np.isfinite(track.times)])
    span = float(times[-1] - times[0]) if len(times) > 2 else 0.0
    measured = (len(times) - 1) / span if span > 0 else 0.0
    # Several frames may share one time where files were concatenated.
    apart = int((np.diff(times) > _SAME).sum()) / span if span > 0 else 0.0
    if told and (not measured or any(0.8 < rate / told < 1.25 for rate in (measured, apart))):
        return min(told, _MOST_RATE)
    return min(measured or told or _USUAL_RATE, _MOST_RATE)


def _times(
    video: Any, track: Track, moved: Shifts | None, start: float, rate: float, formats: set[str], packed: bool
) -> tuple[np.ndarray | None, bool]:
    """The times of the video packets where frames do not carry them, and whether to assign them in display order.

    Args:
        packed: whether a packet may hold two frames, and the next one none.
    """
    seen = ~np.isinf(track.times)
    count = int(seen.sum())
    if not count:
        return None, False
    times, decoding = track.times[seen], np.where(np.isinf(track.decoding), np.nan, track.decoding)[seen]
    if np.isnan(times).all() and np.isnan(decoding).all():
        return np.arange(count) / rate, True
    depth = video.codec_context.reorder_depth
    if (formats & _BARE or (packed and depth > 0)) and np.isfinite(decoding).all():
        times = decoding
    ranked = bool(np.isnan(times).any()) or (depth > 0 and "mp4" not in formats and _in_decoding_order(times, decoding))
    if ranked:
        times = _filled(np.where(np.isnan(times), decoding, times), rate)
    # AVI stores decoding times only, and FFmpeg adds the codec's delay.
    late = "avi" in formats and depth > 0 and bool(np.isfinite(decoding).any())
    if late:
        times = times - (times.min() - np.nanmin(decoding))
    if moved is not None:
        times = times + moved.of(len(track.times))[seen]
    order = np.argsort(times, kind="stable")
    spread = _spread(times[order], rate)
    if not ranked and not late and moved is None and spread is None:
        return None, False
    times[order] = times[order] if spread is None else spread
    if ranked:
        return np.sort(times) - min(start, float(times.min())), True
    every = np.full(len(seen), np.nan)
    every[seen] = times - start
    return every, False


def _in_decoding_order(times: np.ndarray, decoding: np.ndarray) -> bool:
    """Whether the container stores decoding times only, and reports them as presentation times."""
    return len(times) > 2 and bool((np.diff(times) > 0).all()) and bool(np.isfinite(decoding).any())


def _filled(times: np.ndarray, rate: float) -> np.ndarray:
    """Interpolate unknown times."""
    known = np.flatnonzero(np.isfinite(times))
    numbers = np.arange(len(times))
    inside = np.interp(numbers, known, times[known])
    before, after = np.minimum(numbers - known[0], 0), np.maximum(numbers - known[-1], 0)
    return inside + (before + after) / rate


def _spread(times: np.ndarray, rate: float) -> np.ndarray | None:
    """Make times strictly increasing by spacing equal ones evenly; None where they already are."""
    starts = np.flatnonzero(np.diff(times, prepend=-np.inf) > _SAME)
    if len(starts) == len(times):
        return None
    sizes = np.diff(starts, append=len(times))
    steps = np.diff(times[starts], append=times[-1] + sizes[-1] / rate) / sizes
    return np.repeat(times[starts], sizes) + (np.arange(len(times)) - np.repeat(starts, sizes)) * np.repeat(steps, sizes)


def _end(track: Track, moved: Shifts | None) -> float:
    if not np.isfinite(track.times).any():
        return float(track.lasts.sum()) if len(track.lasts) else -np.inf
    steps = np.diff(np.sort(track.times[np.isfinite(track.times)]))
    usual = float(np.median(steps)) if len(steps) else 0.0
    ends = track.times + np.where(track.lasts > 0, track.lasts, usual)
    return float(np.nanmax(ends + moved.of(len(ends)) if moved is not None else ends))
