"""Encodes video and pictures that browsers play."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from affectscope.core.errors import UserError
from affectscope.core.media.facts import probe
from affectscope.core.media.files import MAX_SECONDS, SAMPLE_RATE
from affectscope.core.media.pictures import read_frames
from affectscope.core.media.sounds import Sound, read_sound

_TIME_BASE = Fraction(1, 90_000)


def encode(
    out: Path,
    frames: Iterable[tuple[float, np.ndarray]],
    sound: Sound | None = None,
    fps: float = 25,
    crf: int = 20,
    bits: int = 0,
    same: bool = False,
) -> None:
    """Write H.264 (yuv420p) with AAC into an MP4 that browsers play; frames are (time, RGB) and keep their times.

    Odd sizes lose their last row or column, since yuv420p needs even ones.

    Args:
        bits: bit rate of the sound; 0 for FFmpeg's default.
        same: make the bytes reproducible, and somewhat larger.
    """
    frames = iter(frames)
    first = next(frames, None)
    if first is None and sound is None:
        raise UserError("There is nothing to encode: neither a frame nor a sample.")
    # "file:" keeps a colon in a name from being read as a protocol.
    with av.open(f"file:{out}", "w", format="mp4", options={"movflags": "+faststart"}) as container:
        video = None
        if first is not None:
            height, width = (side - side % 2 for side in first[1].shape[:2])
            options = {"crf": str(crf), "preset": "veryfast"}
            if same:
                # x264's trees of macroblocks depend on what memory held before (version 165, in assembly).
                options["x264-params"] = "mbtree=0"
            video = container.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=options)
            video.width, video.height, video.pix_fmt = width, height, "yuv420p"
            video.codec_context.time_base = _TIME_BASE
            # Slice threading, PyAV's default, costs x264 a tenth of the time and of the size.
            video.thread_type = "FRAME"
        track = container.add_stream("aac", rate=SAMPLE_RATE, layout="mono") if sound is not None else None
        if track is not None and bits:
            track.bit_rate = bits
        if video is not None and first is not None:
            reformatter = VideoReformatter()
            for time, picture in chain([first], frames):
                frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture[:height, :width]), format="rgb24")
                # By default each frame starts its own threads, which takes longer than the work.
                frame = reformatter.reformat(frame, format="yuv420p", threads=1)
                frame.pts, frame.time_base = round(time / _TIME_BASE), _TIME_BASE
                container.mux(video.encode(frame))
            container.mux(video.encode(None))
        if track is not None and sound is not None:
            _encode_sound(container, track, sound)


def browser_copy(
    path: Path,
    out: Path,
    progress: Callable[[float], None] | None = None,
    max_side: int = 1280,
    track: int | None = None,
) -> Path:
    """A file that every browser plays on the same clock: ``path`` itself where it already is one, else ``out``.

    Args:
        track: the audio track, counted from 1; default: the first that has sound.
    """
    info = probe(path, track=track)
    if info.browser_playable:
        return path

    def watched() -> Iterator[tuple[float, np.ndarray]]:
        for time, picture in read_frames(path, max_side):
            if progress:
                progress(min(1.0, time / max(info.duration, 1e-6)))
            yield time, picture

    encode(out, watched(), read_sound(path, MAX_SECONDS, track=track), info.fps or 25)
    return out


def frame_jpeg(picture: np.ndarray, side: int) -> bytes:
    """A JPEG of an RGB picture, scaled down to at most ``side`` pixels."""
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((side, side))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()


def _encode_sound(container: av.container.OutputContainer, track: av.AudioStream, sound: Sound) -> None:
    silence = np.zeros(round(sound.start * SAMPLE_RATE), np.float32)
    samples = np.concatenate([silence, sound.samples])
    for start in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], format="fltp", layout="mono")
        frame.sample_rate, frame.pts, frame.time_base = SAMPLE_RATE, start, Fraction(1, SAMPLE_RATE)
        container.mux(track.encode(frame))
    container.mux(track.encode(None))
