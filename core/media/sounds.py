"""A file's sound: chooses the track, and decodes it to mono samples at 16 kHz, each at its time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from affectscope.core.errors import UserError
from affectscope.core.media.clock import Clock, clock_of
from affectscope.core.media.files import MAX_SECONDS, RUN_UP, SAMPLE_RATE, Failures, opened, packets, sound_tracks, wind
from affectscope.core.text import percent, shown

# Gaps up to this many samples come from rounding and codec delay.
_HOLE = SAMPLE_RATE // 50
# Threshold of audibility: 60 dB below full scale.
_AUDIBLE = 1e-3
# A codec may lose this many seconds at the end.
_LOST = 0.5
# Mixing two microphones' channels gives 0.7 of one; channels of opposite sign cancel, to 20 dB below the louder one.
_CANCELLED = 0.1
# A lossy codec exceeds full scale in single samples only.
_MANY = 1e-3
_CHANNELS = ("left", "right")

# Interleaved: with eight or more planes, PyAV reads one plane too many, beyond its memory.
INTERLEAVED = "flt"


@dataclass(frozen=True)
class Sound:
    """Mono samples at 16 kHz in -1..1.

    Attributes:
        start: the time of the first one, which need not be 0.
        notices: one sentence each about how channels were handled, or what could not be decoded.
    """

    samples: np.ndarray
    start: float
    notices: tuple[str, ...] = ()


@dataclass(frozen=True)
class SoundTrack:
    """One of a file's audio tracks, with its metadata; ``number`` counts from 1."""

    number: int
    codec: str
    channels: int
    language: str
    title: str

    def __str__(self) -> str:
        parts = ", ".join(part for part in (self.title, self.language, self.codec, _channels(self.channels)) if part)
        return f"{self.number}: {parts}"


def _channels(count: int) -> str:
    return {1: "mono", 2: "stereo"}.get(count, f"{count} channels")


def listed_tracks(path: Path) -> tuple[SoundTrack, ...]:
    """All audio tracks of a file.

    Raises:
        UserError: when it cannot be read.
    """
    with opened(path) as container:
        return tuple(
            SoundTrack(
                number,
                track.codec_context.name,
                track.codec_context.channels,
                _word(track.metadata.get("language", "")),
                _word(track.metadata.get("title", "")),
            )
            for number, track in enumerate(sound_tracks(container), 1)
        )


def _word(text: str) -> str:
    return "" if text == "und" else shown(text, 40)


def heard_track(path: Path, wanted: int | None = None) -> int | None:
    """The number of the audio track to use: ``wanted``, or the first that has sound; None where there is none.

    Raises:
        UserError: when there is no such track.
    """
    count = len(clock_of(path).sounds)
    if wanted is not None and not 1 <= wanted <= count:
        there = {0: "no sound track", 1: "one sound track"}.get(count, f"{count} sound tracks, 1 to {count}")
        raise UserError(f"{shown(Path(path).name, 200)} has {there}: there is no track {wanted}; choose another.")
    if wanted is not None or count < 2:
        return wanted or count or None
    stat = os.stat(path)
    return _first_with_sound(str(path), count, stat.st_ino, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _first_with_sound(name: str, count: int, inode: int, size: int, changed: int) -> int:
    return next((number for number in range(1, count + 1) if _sounds(Path(name), number)), 1)


def _sounds(path: Path, number: int) -> bool:
    """Whether any channel of a track is audible."""
    with opened(path) as container:
        ear = _Ear(None)
        for _, frame in decoded(container, sound_tracks(container)[number - 1], clock_of(path)):
            ear.hear(frame)
            if max(ear.peaks, default=0.0) > _AUDIBLE:
                return True
    return False


def read_sound(path: Path, longest: float = MAX_SECONDS, begin: float = 0.0, track: int | None = None) -> Sound | None:
    """An audio track as mono at 16 kHz, or None when there is no track or nothing in it decodes.

    Gaps in the track are filled with silence. Samples before ``begin`` or after ``longest`` seconds are left out. Where channels
    cancel each other, only the loudest is used.

    Args:
        track: counted from 1; default: the first that has sound.

    Raises:
        UserError: when the file cannot be read, or has no such track.
    """
    number = heard_track(path, track)
    if number is None:
        return None
    sound, ear = _read(path, number, longest, begin, None)
    if sound is None or not ear.cancels(sound.samples):
        return sound
    channel = ear.loudest
    sound, _ = _read(path, number, longest, begin, channel)
    name = _CHANNELS[channel] if ear.count == 2 else f"{channel + 1}."
    notice = f"The sound's channels cancel each other when they are mixed to one: the {name} channel alone is heard."
    return replace(sound, notices=(*sound.notices, notice)) if sound is not None else None


def _read(path: Path, number: int, longest: float, begin: float, channel: int | None) -> tuple[Sound | None, _Ear]:
    clock = clock_of(path)
    with opened(path) as container:
        track, ear, place = sound_tracks(container)[number - 1], _Ear(channel), _Placed()
        if clock.plain:
            wind(container, begin, clock.start)
        for time, frame in decoded(container, track, clock):
            if time > longest:
                break
            if time + frame.samples / frame.sample_rate < begin - RUN_UP:
                continue
            place.at(time)
            for samples in ear.hear(frame):
                place.put(samples)
        for samples in ear.drained():
            place.put(samples)
        # Read before the file is closed: afterwards a stream's attributes are garbage.
        end = min(clock.ends.get(track.index, 0.0), longest)
    sound = place.sound(begin)
    if sound is None:
        return None, ear
    if ear.beyond > _MANY * ear.samples:
        part = percent(ear.beyond / ear.samples, 1)
        sound = replace(sound, notices=(f"{part} of the sound's samples are louder than full scale, and are cut off there.",))
    last = sound.start + len(sound.samples) / SAMPLE_RATE
    if end - last > _LOST:
        lost = f"From {last:.1f} s on the sound cannot be decoded: nothing is heard there."
        sound = replace(sound, notices=(*sound.notices, lost))
    return sound, ear


def loudness(
    path: Path, count: int, duration: float, progress: Callable[[float], None] | None = None, track: int | None = None
) -> np.ndarray:
    """The largest sample, 0..1, in each of ``count`` equal parts of the file: [count]; zeros without sound."""
    peaks = np.zeros(count, np.float32)
    number = heard_track(path, track)
    if number is None:
        return peaks
    with opened(path) as container:
        ear = _Ear(None)
        for time, frame in decoded(container, sound_tracks(container)[number - 1], clock_of(path)):
            for samples in ear.hear(frame):
                places = (time + np.arange(len(samples)) / SAMPLE_RATE) * (count / duration)
                np.maximum.at(peaks, places.astype(int).clip(0, count - 1), np.abs(samples))
            if progress:
                progress(min(1.0, max(0.0, time / duration)))
    return np.clip(peaks, 0, 1)


def decoded(
    container: av.container.InputContainer, track: av.audio.stream.AudioStream, clock: Clock
) -> Iterator[tuple[float, av.AudioFrame]]:
    """Frames with times in seconds on the clip's clock; one without a later time than the previous frame continues it."""
    failures, moved, count = Failures(), clock.moved.get(track.index), 0
    last, expected = -np.inf, 0.0
    for packet in packets(container, track):
        if packet.size:
            if moved is not None and packet.pts is not None and track.time_base:
                packet.pts += round(moved.at(count) / track.time_base)
            count += 1
        with failures.passed():
            for frame in packet.decode():
                if not frame.samples or not frame.sample_rate:
                    continue
                time = frame.time - clock.start if frame.time is not None else -np.inf
                time, last = (time, time) if time > last else (expected, last)
                expected = time + frame.samples / frame.sample_rate
                yield time, frame
        if failures.many:
            return


class _Ear:
    """Mixes frames of any format, which may change between frames, to mono at 16 kHz, or extracts one channel."""

    def __init__(self, channel: int | None) -> None:
        self.channel = channel
        self.format: tuple[str, str, int] | None = None
        self.mixing, self.apart = av.AudioResampler(), av.AudioResampler()
        self.energies: list[float] = []
        self.peaks: list[float] = []
        self.samples = self.beyond = 0

    @property
    def count(self) -> int:
        return len(self.energies)

    @property
    def loudest(self) -> int:
        return int(np.argmax(self.energies))

    def cancels(self, mixed: np.ndarray) -> bool:
        """Whether the mix is almost silent although a channel is audible."""
        if self.count < 2 or max(self.peaks) < _AUDIBLE:
            return False
        return float(np.square(mixed, dtype=np.float64).sum()) < _CANCELLED**2 * max(self.energies)

    def hear(self, frame: av.AudioFrame) -> list[np.ndarray]:
        """The samples [N] that are ready."""
        ready = []
        form = frame.format.name, frame.layout.name, frame.sample_rate
        if form != self.format:
            ready = self.drained()
            self.format = form
            self.mixing = av.AudioResampler(format=INTERLEAVED, layout="mono", rate=SAMPLE_RATE)
            self.apart = av.AudioResampler(format=INTERLEAVED, layout=frame.layout, rate=SAMPLE_RATE)
        return ready + self._pulled(frame)

    def drained(self) -> list[np.ndarray]:
        """Flush the resampler."""
        return self._pulled(None)

    def _pulled(self, frame: av.AudioFrame | None) -> list[np.ndarray]:
        written = [_as_written(out) for out in self.apart.resample(frame)]
        self.samples += sum(samples.size for samples in written)
        self.beyond += sum(int((np.abs(samples) > 1).sum()) for samples in written)
        apart = [np.clip(samples, -1, 1) for samples in written]
        for samples in apart:
            self._weigh(samples)
        if self.channel is not None:
            return [samples[min(self.channel, len(samples) - 1)] for samples in apart]
        if apart and len(apart[0]) == 1:
            return [samples[0] for samples in apart]
        return [finite(out)[0] for out in self.mixing.resample(frame)]

    def _weigh(self, samples: np.ndarray) -> None:
        missing = len(samples) - self.count
        self.energies += [0.0] * missing
        self.peaks += [0.0] * missing
        for channel, own in enumerate(samples):
            self.energies[channel] += float(np.square(own, dtype=np.float64).sum())
            self.peaks[channel] = max(self.peaks[channel], float(np.abs(own).max(initial=0.0)))


def finite(frame: av.AudioFrame) -> np.ndarray:
    """[channels, N] float32 in -1..1 of a frame in ``INTERLEAVED``."""
    return np.clip(_as_written(frame), -1, 1)


def _as_written(frame: av.AudioFrame) -> np.ndarray:
    """[channels, N] float32; float files may exceed 1."""
    return np.nan_to_num(frame.to_ndarray().reshape(frame.samples, frame.layout.nb_channels).T).astype(np.float32)


class _Placed:
    """Places samples at their times: fills gaps with silence, and drops samples that overlap with existing ones."""

    def __init__(self) -> None:
        self.chunks: list[np.ndarray] = []
        self.first: float | None = None
        self.count, self.skip = 0, 0

    def at(self, time: float) -> None:
        """Set the time of the next samples."""
        if self.first is None:
            self.first = time
        hole = round((time - self.first) * SAMPLE_RATE) - self.count
        if hole > _HOLE:
            self._add(np.zeros(hole, np.float32))
        elif hole < -_HOLE:
            self.skip = -hole

    def put(self, samples: np.ndarray) -> None:
        left, self.skip = samples[self.skip :], max(0, self.skip - len(samples))
        self._add(left)

    def sound(self, begin: float) -> Sound | None:
        if self.first is None or not self.chunks:
            return None
        samples = np.concatenate(self.chunks)[max(0, round((begin - self.first) * SAMPLE_RATE)) :]
        return Sound(samples, max(self.first, begin)) if len(samples) or not begin else None

    def _add(self, samples: np.ndarray) -> None:
        self.chunks.append(samples)
        self.count += len(samples)
