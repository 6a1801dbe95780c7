"""Encodes frames and sound into an MP4 that browsers play: H.264 (yuv420p) and AAC, index first.

A single thread and fixed settings make the bytes reproducible.
"""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np

from affectscope.core.corpora.demo.expressions import FPS


def write_clip(path: Path, frames: list[np.ndarray], sound: np.ndarray, rate: int, quality: int = 25) -> None:
    """Write `frames` ([H, W, 3] uint8 each, 25 per second) and mono `sound` [N] float32 at `rate` Hz; `quality` is x264's crf."""
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        # x264's macroblock tree reads beyond pictures whose half width is not a multiple of 64, which makes bytes irreproducible.
        options = {"crf": str(quality), "preset": "veryfast", "threads": "1", "x264-params": "mbtree=0"}
        video = container.add_stream("libx264", rate=FPS, options=options)
        video.height, video.width = frames[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.thread_count = 1
        audio = container.add_stream("aac", rate=rate, layout="mono")
        audio.bit_rate = 48_000
        audio.thread_count = 1
        for picture in frames:
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        for start in range(0, len(sound), 1024):
            block = np.ascontiguousarray(sound[None, start : start + 1024].astype(np.float32))
            frame = av.AudioFrame.from_ndarray(block, format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            container.mux(audio.encode(frame))
        container.mux(audio.encode())
