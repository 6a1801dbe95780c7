"""Exports an analysis: an annotated video and picture, a single frame, the lanes as a table."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from PIL import Image

from affectscope.core.errors import UserError
from affectscope.core.export.people import with_others
from affectscope.core.export.sheet import NO_FACTS, Facts, Sheet
from affectscope.core.media import SAMPLE_RATE, Sound, encode, probe, read_frames, read_sound
from affectscope.core.player import OPACITY, SCALE, THRESHOLD, tone
from affectscope.core.text import shown
from affectscope.core.timeline.timeline import Heatmap, Timeline

MAX_SIDE = 960
# Frames closer than this share of the usual interval are irregular.
_REGULAR, _MOST_RATE = 0.8, 60
# Colour ramp of a signed map, from 1 (B higher) over 128 (equal) to 255 (A higher).
_DIVERGING = ("053061", "2166ac", "4393c3", "a6cee3", "f4f4f4", "fdc47a", "f08a24", "d95f02", "8a3a00")
_INK = (235, 238, 242)


def overlay(
    media: Path,
    timeline: Timeline,
    out: Path,
    *,
    facts: Facts = NO_FACTS,
    heatmap: str = "",
    opacity: float = OPACITY,
    threshold: float = THRESHOLD,
    scale: str = SCALE,
    progress: Callable[[float], None] | None = None,
    track: int | None = None,
) -> Path:
    """Write the sheet (core/export/sheet.py) at every frame of the clip, as an MP4 with its sound, 1280 pixels wide.

    Args:
        facts: what is shown around the picture.
        heatmap: id of a heatmap, or of a pair to show side by side; "" for the first.
        opacity, threshold, scale: as in the player; see ``core.player.tone``.
        track: the audio track, counted from 1; default: the first that has sound.

    Raises:
        UserError: when the clip cannot be decoded.
    """
    painter = _Painter(media, timeline, facts, heatmap, (opacity, threshold, scale))
    duration = max(timeline.duration, 1 / painter.fps)

    def sheets() -> Iterator[tuple[float, np.ndarray]]:
        for time in np.arange(0, duration, 1 / painter.fps).tolist():
            yield time, painter.at(time)
            if progress:
                progress(min(1.0, (time + 1 / painter.fps) / duration))

    # Written to a temporary folder, so that an incomplete file is never found.
    with TemporaryDirectory(dir=out.parent.absolute(), prefix=".overlay-") as folder:
        made = Path(folder) / "overlay.mp4"
        encode(made, sheets(), _sound(media, track, duration), painter.fps)
        made.replace(out)
    return out


def _sound(media: Path, track: int | None, duration: float) -> Sound | None:
    """The analysed samples, cut to the pictures' duration."""
    sound = read_sound(media, track=track)
    if sound is None or sound.start >= duration:
        return None
    return Sound(sound.samples[: round((duration - sound.start) * SAMPLE_RATE)], sound.start)


def sheet_png(
    media: Path,
    timeline: Timeline,
    time: float,
    *,
    facts: Facts = NO_FACTS,
    heatmap: str = "",
    opacity: float = OPACITY,
    threshold: float = THRESHOLD,
    scale: str = SCALE,
) -> bytes:
    """The sheet at ``time`` as a PNG, 1920 pixels wide.

    Raises:
        UserError: when the clip cannot be decoded.
    """
    painter = _Painter(media, timeline, facts, heatmap, (opacity, threshold, scale), size=1.5)
    return _png(painter.at(time))


def frame_png(
    media: Path,
    timeline: Timeline,
    time: float,
    heatmap: str = "",
    opacity: float = OPACITY,
    threshold: float = THRESHOLD,
    scale: str = SCALE,
) -> bytes:
    """The frame at ``time`` with its heatmap and face box only, as a PNG in the video's own size."""
    index = int(np.abs(timeline.frame_times - time).argmin()) if len(timeline.frame_times) else 0
    for number, (_, picture) in enumerate(read_frames(media)):
        if number == index:
            heatmaps = _find(timeline, heatmap)
            return _png(np.hstack([paint(picture, timeline, index, drawn, opacity, threshold, scale) for drawn in heatmaps]))
    raise UserError(f"{shown(media.name)} has no frame at {time:.2f} s.")


def lanes_csv(timeline: Timeline) -> str:
    """Every lane in long form: lane, series, seconds, value; absent values are left out."""
    import pandas as pd

    from affectscope.core.export.spreadsheet import csv_of

    parts = []
    for lane in timeline.lanes:
        for name, values in zip(lane.series, lane.values, strict=True):
            parts.append(pd.DataFrame({"lane": lane.id, "series": name, "seconds": lane.times, "value": values}))
    columns = ["lane", "series", "seconds", "value"]
    table = pd.concat(parts) if parts else pd.DataFrame(columns=columns)
    return csv_of(table.dropna(), index=False, float_format="%.6g")


def paint(
    picture: np.ndarray,
    timeline: Timeline,
    index: int,
    heatmap: Heatmap | None,
    opacity: float,
    threshold: float = 0.0,
    scale: str = SCALE,
) -> np.ndarray:
    """An RGB picture [H, W, 3] with frame ``index``'s heatmap and box drawn on it, and the boxes of other people."""
    picture = with_others(picture, timeline, index)
    box = timeline.boxes[index] if index < len(timeline.boxes) else np.full(4, np.nan)
    if not np.isfinite(box).all():
        return picture
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(float(v)) for v in box * (width, height, width, height))
    painted = picture.copy()
    if heatmap is not None and right > left and bottom > top:
        values = heatmap.values[index].reshape(heatmap.height, heatmap.width)
        warm = cv2.resize(values, (right - left, bottom - top), interpolation=cv2.INTER_LINEAR)
        # As in core/player/overlay.js.
        if heatmap.signed:
            colour, share = _diverging()[warm], np.abs(warm.astype(np.float32) - 128).clip(max=127) / 127
        else:
            colour = cv2.cvtColor(cv2.applyColorMap(warm, cv2.COLORMAP_VIRIDIS), cv2.COLOR_BGR2RGB)
            share = warm / 255
        strength = tone.shown(heatmap.peaks, scale)[index]
        alpha = (opacity * strength * tone.cover(share, threshold))[..., None]
        rows, columns = slice(max(top, 0), min(bottom, height)), slice(max(left, 0), min(right, width))
        inside = slice(rows.start - top, rows.stop - top), slice(columns.start - left, columns.stop - left)
        below = painted[rows, columns]
        painted[rows, columns] = (below * (1 - alpha[inside]) + colour[inside] * alpha[inside]).astype(np.uint8)
    cv2.rectangle(painted, (left, top), (right, bottom), _INK, max(1, width // 480))
    return painted


class _Painter:
    """Draws the sheet at non-decreasing times."""

    def __init__(
        self,
        media: Path,
        timeline: Timeline,
        facts: Facts,
        heatmap: str,
        heat: tuple[float, float, str],
        size: float = 1.0,
    ) -> None:
        self.timeline, self.heat = timeline, heat
        self.heatmaps = _find(timeline, heatmap)
        self.frames = enumerate(read_frames(media, MAX_SIDE))
        self.picture: np.ndarray | None
        self.index, (_, self.picture) = next(self.frames, (-1, (0.0, None)))
        self.upcoming = next(self.frames, None)
        self.fps = _rate(timeline.frame_times, probe(media).fps or 25)
        titles = [heatmap.title if heatmap else "" for heatmap in self.heatmaps]
        shape = None if self.picture is None else self.picture.shape[:2]
        self.sheet = Sheet(timeline, facts, titles, shape, size, [heatmap.id for heatmap in self.heatmaps if heatmap])
        self.painted: tuple[int, list[np.ndarray]] = (-2, [])

    def at(self, time: float) -> np.ndarray:
        while self.upcoming is not None and self.upcoming[1][0] <= time + 0.25 / self.fps:
            self.index, (_, self.picture) = self.upcoming
            self.upcoming = next(self.frames, None)
        if self.picture is not None and self.painted[0] != self.index:
            self.painted = (
                self.index,
                [paint(self.picture, self.timeline, self.index, heatmap, *self.heat) for heatmap in self.heatmaps],
            )
        boxes = self.timeline.boxes
        face = not 0 <= self.index < len(boxes) or bool(np.isfinite(boxes[self.index]).all())
        return self.sheet.at(time, self.painted[1], face)


def _rate(times: np.ndarray, usual: float) -> float:
    """A frame rate that includes all frames of a clip with irregular times."""
    steps = np.diff(times)
    shortest = float(np.percentile(steps, 10)) if len(steps) else 0.0
    return min(_MOST_RATE, round(1 / shortest)) if shortest > 0 and shortest * usual < _REGULAR else usual


def _find(timeline: Timeline, heatmap: str) -> list[Heatmap | None]:
    """The heatmap of that id, or both of a pair; unknown ids fall back to the first, as in the player."""
    maps = {entry.id: entry for entry in timeline.heatmaps}
    pairs = {entry.id: entry for entry in timeline.pairs}
    chosen = heatmap if heatmap in maps or heatmap in pairs else next(iter((*pairs, *maps)), "")
    ids = (pairs[chosen].left, pairs[chosen].right) if chosen in pairs else (chosen,)
    return [maps.get(own) for own in ids]


def _png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


@cache
def _diverging() -> np.ndarray:
    """[256, 3] uint8, RGB."""
    stops = np.array([list(bytes.fromhex(colour)) for colour in _DIVERGING], np.float32)
    places = np.linspace(0, len(stops) - 1, 256)
    return np.stack([np.interp(places, range(len(stops)), channel) for channel in stops.T], 1).astype(np.uint8)
