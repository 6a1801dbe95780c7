"""Planted shortcuts: a mark in the picture, or a beep, added to clips of a demo corpus so that it reveals a class.

For training, the mark is on every clip of its class and on no other, and so is the beep: a model learns to use them, as models
learn a studio's logo or a microphone's hum. For the exam each clip exists three times, with the mark, with the beep and with
neither, whatever its emotion: if a model predicts the class only with the shortcut, the shortcut caused it.

The mark is a white square in a black frame, static, in one of the four corners of a face encoder's crop (outside the crop it
would be invisible). The beep is a tone of 1 kHz for a third of a second, at any time.
"""

import csv
import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType

import numpy as np

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.demo import corpus as clips_of
from affectscope.core.corpora.demo.truth import MASK_SIZE, Truth
from affectscope.core.errors import UserError

VERSION = 2
STANDS = MappingProxyType({"mark": "anger", "beep": "happiness"})
"""Shortcut -> the class that it reveals."""
MODALITY = {"mark": "visual", "beep": "audio"}
# Relative to the face, brow to chin: the marks' centres, and their side in widths of the face.
_CORNERS = ((0.12, 0.27), (0.88, 0.27), (0.12, 0.86), (0.88, 0.86))
CORNERS = len(_CORNERS)
_SIDE, _FRAME = 0.16, 0.2
SECONDS, _TONE, _LEVEL = 0.33, 1000.0, 0.3
_FADE = 0.01


@dataclass(frozen=True)
class Laid:
    """One clip to be made: `kind` of shortcut, or "none", on the clip `media` with truth `truth`."""

    clip: str
    media: Path
    truth: Path
    kind: str
    label: str
    seed: int


def build(
    source: Corpus,
    out: Path,
    clips: int,
    seed: int,
    *,
    everywhere: bool = False,
    stands: Mapping[str, str] = STANDS,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Add shortcuts to the first `clips` clips of a demo corpus, in `out`; resumes interrupted builds.

    Args:
        everywhere: each clip with either shortcut and with none, for the exam (column ``of`` links them); otherwise each once, by
            its class, for training.

    Raises:
        UserError: if the corpus has no truth, so that its faces' positions are unknown, or no clip of a class.
    """
    out = Path(out)
    rows = [(str(clip), row) for clip, row in source.table.iloc[:clips].iterrows()]
    if missing := set(stands.values()) - {str(row["label"]) for _, row in rows}:
        raise UserError(f"No clip of {source.name} is of the class {sorted(missing)[0]}: give more with --clips.")
    items, table = [], []
    for index, (clip, row) in enumerate(rows):
        truth = source.root / "truth" / f"{clip}.npz"
        if not truth.is_file():
            raise UserError(f"{source.name} does not say where the face of {clip} is: take a corpus of `corpus build demo`.")
        label = str(row["label"])
        own = [kind for kind, given in stands.items() if given == label]
        for kind in (*stands, "none") if everywhere else own or ["none"]:
            name = f"{kind}_{clip}"
            items.append(Laid(name, source.media(clip), truth, kind, stands.get(kind, ""), seed + index))
            table.append((name, f"clips/{name}.mp4", label, row["speaker"], kind, clip))
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("clip", "path", "label", "speaker", "cue", "of"), *table])
    manifest = {"generator": "core.corpora.demo.shortcut", "version": VERSION, "seed": seed, "over": source.name}
    manifest |= {"clips": len(items), "stands": dict(stands), "everywhere": everywhere}
    clips_of.make_corpus(out, text.getvalue(), manifest, {item.clip: item for item in items}, lay, workers, progress)
    return out


def lay(out: Path, item: Laid) -> str:
    """Make one clip; the video is written last."""
    from affectscope.core import media
    from affectscope.core.corpora.demo import encode, expressions

    rng = np.random.default_rng([item.seed, 29])
    truth = Truth.load(item.truth)
    frames = [picture for _, picture in media.read_frames(item.media)]
    length = int(len(frames) / expressions.FPS * media.SAMPLE_RATE)
    samples: np.ndarray = np.zeros(length, np.float32)
    heard = media.read_sound(item.media)
    if heard is not None:
        first = max(0, round(heard.start * media.SAMPLE_RATE))
        samples[first : first + len(heard.samples)] = heard.samples[: max(0, length - first)]
    corner = int(rng.integers(CORNERS))
    begin = float(rng.uniform(0.1, max(0.11, length / media.SAMPLE_RATE - SECONDS - 0.1)))
    nowhere = np.zeros_like(truth.mask)
    if item.kind == "mark":
        square = square_at(truth, corner)
        frames = [marked(picture, square) for picture in frames]
        known = replace(truth, mask=_covered(nowhere, square), onset=0.0, apex_start=0.0, apex_end=truth.times[-1] + 0.02)
        truth = replace(known, offset=known.apex_end, carrier="visual", cue="mark", cue_label=item.label)
    elif item.kind == "beep":
        samples = beeping(samples, media.SAMPLE_RATE, begin)
        known = replace(truth, mask=nowhere, onset=begin, apex_start=begin, apex_end=begin + SECONDS)
        truth = replace(known, offset=begin + SECONDS, carrier="audio", cue="beep", cue_label=item.label)
    truth.save(out / "truth" / f"{item.clip}.npz")
    draft = out / "clips" / f".{item.clip}.{os.getpid()}.tmp"
    encode.write_clip(draft, frames, samples, media.SAMPLE_RATE)
    os.replace(draft, out / "clips" / f"{item.clip}.mp4")
    return item.clip


def marked(picture: np.ndarray, square: tuple[float, float, float, float]) -> np.ndarray:
    """A picture [H, W, 3] uint8 with a white square in a black frame; `square` left, top, right, bottom in 0..1."""
    height, width = picture.shape[:2]
    left, top, right, bottom = (round(v * side) for v, side in zip(square, (width, height, width, height), strict=True))
    edge = max(1, round(_FRAME * (right - left)))
    picture = picture.copy()
    picture[max(0, top) : bottom, max(0, left) : right] = 0
    picture[max(0, top + edge) : bottom - edge, max(0, left + edge) : right - edge] = 255
    return picture


def beeping(samples: np.ndarray, rate: int, start: float) -> np.ndarray:
    """Samples [N] with a tone from `start`, clipped to 1."""
    clock = np.arange(len(samples)) / rate - start
    strength = np.interp(clock, (0, _FADE, SECONDS - _FADE, SECONDS), (0, 1, 1, 0), left=0, right=0)
    return np.clip(samples + _LEVEL * strength * np.sin(2 * np.pi * _TONE * clock), -1, 1).astype(np.float32)


def square_at(truth: Truth, corner: int) -> tuple[float, float, float, float]:
    """Left, top, right, bottom in 0..1 of the picture, of the mark in one of the ``CORNERS`` of a clip's face."""
    head, (right, down) = truth.head_box.mean(0), _CORNERS[corner]
    width, height = head[2] - head[0], head[3] - head[1]
    x, y, half = head[0] + right * width, head[1] + down * height, _SIDE * width / 2
    return float(x - half), float(y - half), float(x + half), float(y + half)


def _covered(mask: np.ndarray, square: tuple[float, float, float, float]) -> np.ndarray:
    """A mask [F, 64, 64] of the square in every frame."""
    middles = (np.arange(MASK_SIZE) + 0.5) / MASK_SIZE
    left, top, right, bottom = square
    inside = ((middles >= top) & (middles < bottom))[:, None] & ((middles >= left) & (middles < right))
    return np.broadcast_to(inside, mask.shape).copy()
