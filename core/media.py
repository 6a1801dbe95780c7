"""Decode and encode video and sound with PyAV. Every time is in seconds on the clip's own clock, which starts at 0."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from core.errors import UserError

SAMPLE_RATE = 16_000
# Attention weights grow with the square of the length: a minute at 10 ms takes some 2 GB.
MAX_SECONDS = 60
# A recorder told to stop after a minute stops a little later, and codecs fill up their last frame.
SLACK = 0.5
MAX_PIXELS = 4096 * 2304
EXTENSIONS = (".mp4", ".mov", ".webm", ".avi", ".mkv")
_TIME_BASE = Fraction(1, 90_000)
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,flv,mpeg,mpegts,asf,ogg,wav,mp3,flac,aac,amr,mxf,nut,h264,hevc,ivf,m4v,mjpeg,dv"
)
# Formats with an index of their key frames: others are read from their beginning.
_INDEXED = {"mp4", "matroska"}
# Formats that do not say how long they are: FFmpeg guesses from the bit rate of the beginning.
_GUESSED = {"aac", "mp3", "amr"}
# Seconds to wind back further, so that codecs have settled where a stretch begins.
_RUN_UP = 1.0
# Times in files are rounded, to milliseconds in many.
ROUNDING = 1e-3
# Rounding and codec delay leave gaps of a few samples that are none.
_HOLE = SAMPLE_RATE // 50
# What Chromium, Firefox and Safari all play; anything else is encoded again before it is shown.
_BROWSER_VIDEO = {("h264", "yuv420p"), ("h264", "yuvj420p")}
_BROWSER_SOUND = {"aac", "mp3", "mp3float", None}


@dataclass(frozen=True)
class MediaInfo:
    """What a file says of itself; ``start`` is the container's own time at which the clip's clock reads 0."""

    duration: float
    start: float
    width: int
    height: int
    fps: float
    rotation: int
    video_codec: str | None
    sound_codec: str | None
    browser_playable: bool


@dataclass(frozen=True)
class Sound:
    """Mono samples at 16 kHz in -1..1; ``start`` is the time of the first one, which need not be 0."""

    samples: np.ndarray
    start: float


def probe(path: Path, longest: float = MAX_SECONDS) -> MediaInfo:
    """Read a file's header and its first frame.

    Args:
        longest: seconds.

    Raises:
        UserError: when the file is not a playable video or sound, or is too long or too large to analyse.
    """
    with _opened(path) as container:
        video, sound = _first(container, "video"), _first(container, "audio")
        if video is None and sound is None:
            raise UserError(f"{path.name} holds neither picture nor sound: choose a video file.")
        start = _start(container)
        width = height = rotation = 0
        fps = 0.0
        if video is not None:
            frame = next(_decode(container, video), None)
            if frame is None and sound is None:
                raise UserError(f"{path.name} holds no frame that can be decoded: the file is damaged.")
            if frame is not None:
                rotation = frame.rotation % 360
                width, height = _upright_size(frame, video.sample_aspect_ratio)
                fps = float(video.average_rate or video.guessed_rate or 25)
        duration = _duration(container, start)
        if duration > longest + SLACK:
            raise UserError(f"{path.name} lasts {duration:.0f} s: cut it to {longest:g} s or less.")
        playable = (
            video is not None
            and "mp4" in container.format.name
            and (video.codec_context.name, video.codec_context.pix_fmt) in _BROWSER_VIDEO
            and (sound.codec_context.name if sound else None) in _BROWSER_SOUND
            and abs(start) < 1e-3
        )
        names = [stream.codec_context.name if stream else None for stream in (video, sound)]
        return MediaInfo(duration, start, width, height, fps, rotation, names[0], names[1], playable)


def track_ends(path: Path) -> dict[str, tuple[float, bool]]:
    """``video`` and ``audio``, where there: the second at which the track ends by its header, and whether it says so itself.

    A track of a file that tells only of the whole ends with it, as far as one knows.

    Raises:
        UserError: when the file cannot be opened.
    """
    with _opened(path) as container:
        start, whole = _start(container), _duration(container, 0.0)
        tracks = {kind: _first(container, kind) for kind in ("video", "audio")}
        return {
            kind: (float(((track.start_time or 0) + track.duration) * track.time_base) - start, True)
            if track.duration and track.time_base
            else (whole, False)
            for kind, track in tracks.items()
            if track is not None
        }


def read_frames(
    path: Path, max_side: int | None = None, longest: float = MAX_SECONDS, begin: float = 0.0
) -> Iterator[tuple[float, np.ndarray]]:
    """Yield (presentation time, RGB picture [H, W, 3] uint8, upright, square pixels) for every frame that decodes.

    A truncated file ends early, without an error; a file without pictures yields nothing; what comes before ``begin`` or after
    ``longest`` seconds is left out.
    """
    with _opened(path) as container:
        video = _first(container, "video")
        if video is None:
            return
        start = _start(container)
        last, first = -np.inf, begin - ROUNDING if begin else -1e-6
        _wind(container, begin)
        for frame in _decode(container, video):
            time = frame.time - start if frame.time is not None else None
            # An edit list makes FFmpeg hand out frames from before the clip's start.
            if time is None or time < first or time <= last:
                continue
            if time > longest:
                return
            last = time
            yield max(time, 0.0), _upright(frame, video.sample_aspect_ratio, max_side)


def read_sound(path: Path, longest: float = MAX_SECONDS, begin: float = 0.0) -> Sound | None:
    """The first sound track as mono at 16 kHz, or None when there is no track or nothing in it decodes.

    Where the track has a hole, silence keeps what follows in its place. What comes before ``begin`` or after ``longest`` seconds
    is left out.
    """
    with _opened(path) as container:
        track = _first(container, "audio")
        if track is None:
            return None
        start = _start(container)
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        chunks: list[np.ndarray] = []
        first, count, expected = 0.0, 0, 0.0
        _wind(container, begin)
        for frame in _decode(container, track):
            time = frame.time - start if frame.time is not None else expected
            expected = time + frame.samples / frame.sample_rate
            if time > longest:
                break
            if expected < begin - _RUN_UP:
                continue
            if not chunks:
                first = time
            hole = round((time - first) * SAMPLE_RATE) - count
            if hole > _HOLE:
                chunks.append(np.zeros(hole, np.float32))
                count += hole
            for out in resampler.resample(frame):
                chunks.append(out.to_ndarray()[0])
                count += len(chunks[-1])
        chunks += [out.to_ndarray()[0] for out in resampler.resample(None)] if chunks else []
    if not chunks:
        return None
    samples = np.concatenate(chunks).astype(np.float32)[max(0, round((begin - first) * SAMPLE_RATE)) :]
    return Sound(np.clip(np.nan_to_num(samples), -1, 1), max(first, begin)) if len(samples) or not begin else None


def glimpses(path: Path, moments: Sequence[float], max_side: int) -> Iterator[np.ndarray]:
    """An RGB picture near each of the moments, in seconds, which ascend: key frames alone, so that hours take seconds to read.

    A file without pictures yields nothing.
    """
    with _opened(path) as container:
        video = _first(container, "video")
        if video is None:
            return
        video.codec_context.skip_frame = "NONKEY"
        start, aspect = _start(container), video.sample_aspect_ratio
        if _indexed(container):
            for moment in moments:
                _wind(container, moment + _RUN_UP)
                frame = next(_decode(container, video, "SLICE"), None)
                if frame is not None:
                    yield _upright(frame, aspect, max_side)
            return
        waiting, shown = list(moments), None
        for frame in _decode(container, video, "SLICE"):
            while shown is not None and waiting and frame.time is not None and frame.time - start > waiting[0]:
                waiting.pop(0)
                yield _upright(shown, aspect, max_side)
            shown = frame
        for _ in waiting if shown is not None else ():
            yield _upright(shown, aspect, max_side)


def loudness(path: Path, count: int, duration: float, progress: Callable[[float], None] | None = None) -> np.ndarray:
    """The largest sample, 0..1, in each of ``count`` equal parts of the file: [count]; zeros without sound."""
    peaks = np.zeros(count, np.float32)
    with _opened(path) as container:
        track = _first(container, "audio")
        if track is None:
            return peaks
        start, expected = _start(container), 0.0
        resampler = av.AudioResampler(format="fltp", layout="mono", rate=SAMPLE_RATE)
        for frame in _decode(container, track):
            time = frame.time - start if frame.time is not None else expected
            expected = time + frame.samples / frame.sample_rate
            for out in resampler.resample(frame):
                samples = np.abs(np.nan_to_num(out.to_ndarray()[0]))
                places = (time + np.arange(len(samples)) / SAMPLE_RATE) * (count / duration)
                np.maximum.at(peaks, places.astype(int).clip(0, count - 1), samples)
            if progress:
                progress(min(1.0, max(0.0, time / duration)))
    return np.clip(peaks, 0, 1)


def encode(
    out: Path, frames: Iterable[tuple[float, np.ndarray]], sound: Sound | None = None, fps: float = 25, crf: int = 20
) -> None:
    """Write H.264 (yuv420p) with AAC into an MP4 that browsers play; frames are (time, RGB) and keep their times.

    Odd sizes lose their last row or column, since yuv420p needs even ones.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None and sound is None:
        raise UserError("There is nothing to encode: neither a frame nor a sample.")
    with av.open(str(out), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = None
        if first is not None:
            height, width = (side - side % 2 for side in first[1].shape[:2])
            options = {"crf": str(crf), "preset": "veryfast"}
            video = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            video.codec_context.time_base = _TIME_BASE
        track = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if sound is not None else None
        if video is not None and first is not None:
            for time, picture in chain([first], frames):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
                frame.pts, frame.time_base = round(time / _TIME_BASE), _TIME_BASE
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if track is not None and sound is not None:
            _encode_sound(container, track, sound)


def browser_copy(path: Path, out: Path, progress: Callable[[float], None] | None = None, max_side: int = 1280) -> Path:
    """A file that every browser plays on the same clock: ``path`` itself where it already is one, else ``out``."""
    info = probe(path)
    if info.browser_playable:
        return path

    def watched() -> Iterator[tuple[float, np.ndarray]]:
        for time, picture in read_frames(path, max_side):
            if progress:
                progress(min(1.0, time / max(info.duration, 1e-6)))
            yield time, picture

    encode(out, watched(), read_sound(path), info.fps or 25)
    return out


def frame_jpeg(picture: np.ndarray, side: int) -> bytes:
    """A small JPEG of an RGB picture, at most ``side`` pixels wide and high."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()


@contextmanager
def _opened(path: Path) -> Iterator[av.container.InputContainer]:
    path = Path(path)
    if not path.is_file():
        raise UserError(f"There is no file {path}: check the path.")
    # Files only, and no list in disguise that names others; "file:" keeps a colon in a name from being a protocol.
    options = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}
    try:
        with av.open(f"file:{path}", metadata_errors="replace", options=options) as container:
            yield container
    except FFmpegError as error:
        raise UserError(f"{path.name} cannot be read as a video: it is damaged or of another kind.") from error


def _start(container: av.container.InputContainer) -> float:
    return container.start_time / av.time_base if container.start_time else 0.0


def _first(container: av.container.InputContainer, kind: str) -> av.stream.Stream | None:
    streams = [s for s in container.streams if s.type == kind and s.codec_context is not None]
    # A cover picture is a video stream of one frame; it is no moving picture.
    return next((s for s in streams if not s.disposition & av.stream.Disposition.attached_pic), None)


def _indexed(container: av.container.InputContainer) -> bool:
    return bool(_INDEXED & set(container.format.name.split(",")))


def _wind(container: av.container.InputContainer, moment: float) -> None:
    """Go to a key frame somewhat before the moment, where the format has an index of them."""
    if moment > _RUN_UP and _indexed(container):
        with suppress(FFmpegError):
            container.seek(round((moment - _RUN_UP + _start(container)) * av.time_base), backward=True)


def _decode(container: av.container.InputContainer, stream: av.stream.Stream, threads: str = "AUTO") -> Iterator:
    """Frames until the stream ends or only breaks. A broken packet is skipped."""
    if not stream.codec_context.is_open:
        stream.thread_type = threads
    packets = container.demux(stream)
    failures = 0
    while failures < 50:
        try:
            for frame in next(packets).decode():
                if isinstance(frame, av.VideoFrame) and frame.width * frame.height > MAX_PIXELS:
                    raise UserError(f"The video is {frame.width}x{frame.height} pixels: scale it to 4096x2304 or less.")
                yield frame
        except StopIteration:
            return
        except FFmpegError:
            failures += 1


def _duration(container: av.container.InputContainer, start: float) -> float:
    """The header's duration, or where it has none (browsers' recordings, raw streams), the time of the last packet."""
    if container.duration and container.format.name not in _GUESSED:
        return container.duration / av.time_base
    ends = [float((p.pts + (p.duration or 0)) * p.time_base) for p in container.demux() if p.pts is not None]
    return max(ends, default=start) - start


def _upright_size(frame: av.VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    # A damaged header may claim any shape of pixel; real ones are nearly square.
    stretch = min(max(float(aspect), 0.25), 4.0) if aspect else 1.0
    width = round(frame.width * stretch)
    return (frame.height, width) if frame.rotation % 180 else (width, frame.height)


def _upright(frame: av.VideoFrame, aspect: Fraction | None, max_side: int | None) -> np.ndarray:
    width, height = _upright_size(frame, aspect)
    if frame.rotation % 180:
        width, height = height, width
    scale = min(1.0, max_side / max(width, height)) if max_side else 1.0
    size = max(2, round(width * scale)), max(2, round(height * scale))
    picture = frame.to_ndarray(format="rgb24", width=size[0], height=size[1], interpolation="AREA")
    # FFmpeg's display matrix turns counter-clockwise, as rot90 does.
    return np.rot90(picture, frame.rotation // 90) if frame.rotation else picture


def _encode_sound(container: av.container.OutputContainer, track: av.AudioStream, sound: Sound) -> None:
    silence = np.zeros(round(sound.start * SAMPLE_RATE), np.float32)
    samples = np.concatenate([silence, sound.samples])
    for start in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        container.mux(track.encode(frame))
    container.mux(track.encode(None))
