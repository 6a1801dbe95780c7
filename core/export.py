"""Take an analysis out of the app: an annotated video, a picture of one frame, the lanes as a table."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd
from PIL import Image
from proglog import ProgressBarLogger

from core.errors import UserError
from core.media import SAMPLE_RATE, probe, read_frames, read_sound
from core.timeline import Heatmap, Lane, Timeline

if TYPE_CHECKING:
    from moviepy import AudioClip

MAX_SIDE = 960
STRIP = 96
# The player's colours, core/player/colours.js: Okabe and Ito's palette, by the first letters of the class.
_CLASSES = {
    "ang": "d55e00", "dis": "009e73", "fea": "cc79a7", "hap": "e69f00", "joy": "e69f00", "neu": "8c8c8c", "sad": "0072b2",
    "sur": "56b4e9", "cal": "8fbc5a", "con": "7a5195",
}  # fmt: skip
_OTHERS = ("0072b2", "e69f00", "009e73", "cc79a7", "d55e00", "56b4e9", "7a5195", "8fbc5a", "8c8c8c")
# The ramp of a signed map, from 1 (B more) over 128 (alike) to 255 (A more).
_DIVERGING = ("053061", "2166ac", "4393c3", "a6cee3", "f4f4f4", "fdc47a", "f08a24", "d95f02", "8a3a00")
_INK, _PAPER = (235, 238, 242), (18, 22, 28)


def overlay(
    media: Path,
    timeline: Timeline,
    out: Path,
    *,
    heatmap: str = "",
    opacity: float = 0.6,
    threshold: float = 0.0,
    progress: Callable[[float], None] | None = None,
) -> Path:
    """Write the clip with heatmap, face box and the running answer burnt in, as an MP4 with its sound.

    Args:
        heatmap: id of the heatmap to draw, or of a pair of them, side by side; "" takes the first.

    Raises:
        UserError: when the clip has no picture.
    """
    from moviepy import VideoClip

    painter = _Painter(media, timeline, heatmap, opacity, threshold)
    clip = VideoClip(painter.at, duration=max(timeline.duration, 1 / painter.fps))
    audio = _sound(media)
    if audio is not None:
        clip = clip.with_audio(audio.with_duration(min(audio.duration, clip.duration)))
    clip.write_videofile(
        str(out),
        fps=painter.fps,
        codec="libx264",
        audio_codec="aac",
        preset="veryfast",
        threads=1,
        temp_audiofile_path=str(out.parent),
        ffmpeg_params=["-pix_fmt", "yuv420p", "-movflags", "+faststart", "-crf", "20"],
        logger=_Report(progress),
    )
    clip.close()
    return out


def _sound(media: Path) -> AudioClip | None:
    """The clip's sound for moviepy: the file's own where it plays from 0 on, or what we hear in it. Moviepy reads no file whose
    header is silent about its length, as browsers record them."""
    from moviepy import AudioFileClip
    from moviepy.audio.AudioClip import AudioArrayClip

    sound = read_sound(media)
    if sound is None:
        return None
    if sound.start == 0 and probe(media).browser_playable:
        # In full: a colon in a relative name would be a protocol.
        return AudioFileClip(str(media.resolve()))
    samples = np.concatenate([np.zeros(round(sound.start * SAMPLE_RATE), np.float32), sound.samples])
    return AudioArrayClip(np.stack([samples, samples], 1), fps=SAMPLE_RATE)


def frame_png(media: Path, timeline: Timeline, time: float, heatmap: str = "", opacity: float = 0.6) -> bytes:
    """The frame shown at ``time`` with its heatmap and face box, as a PNG in the video's own size."""
    index = int(np.abs(timeline.frame_times - time).argmin()) if len(timeline.frame_times) else 0
    for number, (_, picture) in enumerate(read_frames(media)):
        if number == index:
            buffer = io.BytesIO()
            painted = [paint(picture, timeline, index, one, opacity) for one in _find(timeline, heatmap)]
            Image.fromarray(np.hstack(painted)).save(buffer, "PNG")
            return buffer.getvalue()
    raise UserError(f"{media.name} has no frame at {time:.2f} s.")


def lanes_csv(timeline: Timeline) -> str:
    """Every lane in long form: lane, series, seconds, value; absent values are left out."""
    parts = []
    for lane in timeline.lanes:
        for name, values in zip(lane.series, lane.values, strict=True):
            parts.append(pd.DataFrame({"lane": lane.id, "series": name, "seconds": lane.times, "value": values}))
    columns = ["lane", "series", "seconds", "value"]
    table = pd.concat(parts) if parts else pd.DataFrame(columns=columns)
    return table.dropna().to_csv(index=False, float_format="%.6g")


def paint(
    picture: np.ndarray, timeline: Timeline, index: int, heatmap: Heatmap | None, opacity: float, threshold: float = 0.0
) -> np.ndarray:
    """An RGB picture [H, W, 3] with frame ``index``'s heatmap and box on it."""
    box = timeline.boxes[index] if index < len(timeline.boxes) else np.full(4, np.nan)
    if not np.isfinite(box).all():
        return picture
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(float(v)) for v in box * (width, height, width, height))
    painted = picture.copy()
    if heatmap is not None and right > left and bottom > top:
        values = heatmap.values[index].reshape(heatmap.height, heatmap.width)
        warm = cv2.resize(values, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        if heatmap.signed:
            colour, strength = _diverging()[warm], np.abs(warm.astype(np.float32) - 128) / 127
        else:
            colour = cv2.cvtColor(cv2.applyColorMap(warm, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
            strength = warm / 255
        alpha = (opacity * strength * (strength >= threshold))[..., None]
        rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
        inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        below = painted[rows, columns]
        painted[rows, columns] = (below * (1 - alpha[inside]) + colour[inside] * alpha[inside]).astype(np.uint8)
    cv2.rectangle(painted, (left, top), (right, bottom), _INK, max(1, width // 480))
    return painted


class _Painter:
    """Hands moviepy the picture for any time, as long as times do not go back."""

    def __init__(self, media: Path, timeline: Timeline, heatmap: str, opacity: float, threshold: float) -> None:
        self.timeline, self.opacity, self.threshold = timeline, opacity, threshold
        self.heatmaps = _find(timeline, heatmap)
        self.frames = enumerate(read_frames(media, MAX_SIDE))
        first = next(self.frames, None)
        if first is None:
            raise UserError(f"{media.name} has no picture to draw on.")
        self.index, (_, self.picture) = first
        self.upcoming = next(self.frames, None)
        self.fps = probe(media).fps or 25
        height, width = (side - side % 2 for side in self.picture.shape[:2])
        self.size = width, height
        self.strips = _strips(timeline, width, len(self.heatmaps))
        self.drawn: tuple[int, np.ndarray] | None = None

    def at(self, time: float) -> np.ndarray:
        while self.upcoming is not None and self.upcoming[1][0] <= time + 0.25 / self.fps:
            self.index, (_, self.picture) = self.upcoming
            self.upcoming = next(self.frames, None)
        width, height = self.size
        if self.drawn is None or self.drawn[0] != self.index:
            painted = [
                paint(self.picture, self.timeline, self.index, one, self.opacity, self.threshold)[:height, :width]
                for one in self.heatmaps
            ]
            self.drawn = self.index, np.hstack(painted)
        strips = [strip.copy() for strip in self.strips]
        x = int(time / max(self.timeline.duration, 1e-6) * (width - 1))
        for strip in strips:
            cv2.line(strip, (x, 0), (x, STRIP), _INK, 2)
        return np.concatenate([self.drawn[1], np.hstack(strips)])


def _strips(timeline: Timeline, width: int, count: int) -> list[np.ndarray]:
    """Under each picture the running answer of its model's first head that has one."""
    first = {lane.group: lane for lane in reversed(timeline.lanes) if lane.kind == "probability"}
    groups = [f"{side}.prediction" for side in "AB"] if count > 1 else sorted(first)[:1]
    return [_strip(timeline, first.get(group), width) for group in groups or [""]]


def _strip(timeline: Timeline, lane: Lane | None, width: int) -> np.ndarray:
    """A running answer, stacked, with its classes named."""
    strip = np.full((STRIP, width, 3), _PAPER, np.uint8)
    if lane is None:
        return strip
    _stack(strip[28:], lane, timeline.duration)
    x = 6
    for index, name in enumerate(lane.series):
        cv2.rectangle(strip, (x, 8), (x + 10, 18), _colour(name, index), -1)
        cv2.putText(strip, name, (x + 14, 18), cv2.FONT_HERSHEY_SIMPLEX, 0.38, _INK, 1, cv2.LINE_AA)
        x += 24 + 7 * len(name)
    return strip


def _stack(area: np.ndarray, lane: Lane, duration: float) -> None:
    height, width = area.shape[:2]
    moments = np.linspace(0, duration, width)
    edges = np.cumsum([np.interp(moments, lane.times, row) for row in lane.values], 0) * height
    rows = np.arange(height)[:, None]
    for index in reversed(range(len(edges))):
        area[rows < edges[index][None]] = _colour(lane.series[index], index)


def _colour(name: str, index: int) -> tuple[int, int, int]:
    red, green, blue = bytes.fromhex(_CLASSES.get(name.lower()[:3], _OTHERS[index % len(_OTHERS)]))
    return red, green, blue


def _find(timeline: Timeline, heatmap: str) -> list[Heatmap | None]:
    """The heatmap of that id, or the two of a pair; as in the player, what is not there gives way to the first."""
    maps = {one.id: one for one in timeline.heatmaps}
    pairs = {one.id: one for one in timeline.pairs}
    chosen = heatmap if heatmap in maps or heatmap in pairs else next(iter((*pairs, *maps)), "")
    ids = (pairs[chosen].left, pairs[chosen].right) if chosen in pairs else (chosen,)
    return [maps.get(one) for one in ids]


@cache
def _diverging() -> np.ndarray:
    """[256, 3] uint8, RGB."""
    stops = np.array([list(bytes.fromhex(colour)) for colour in _DIVERGING], np.float32)
    places = np.linspace(0, len(stops) - 1, 256)
    return np.stack([np.interp(places, range(len(stops)), channel) for channel in stops.T], 1).astype(np.uint8)


class _Report(ProgressBarLogger):
    """moviepy's progress as a share done."""

    def __init__(self, progress: Callable[[float], None] | None) -> None:
        super().__init__()
        self._progress = progress

    def bars_callback(self, bar: str, attr: str, value: float, old_value: float | None = None) -> None:
        total = self.bars[bar]["total"]
        if self._progress and bar == "frame_index" and attr == "index" and total:
            self._progress(min(1.0, value / total))
