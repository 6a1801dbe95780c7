"""A corpus without media, and a packed store with features as wide as the papers': random numbers whose mean tells the class."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.packing import Packing
from affectscope.core.models.labels import EMOTIONS

# Of each paper: 000, 002 | 001 | 003 | 004's sound.
SETS = ("llds-32-16", "vgg-face-unit", "vgg-face", "wav2vec2", "efficientnet-b2", "llds-25-10-2s", "spectrogram-256")


def corpus(folder: Path, clips: int, speakers: int = 10) -> Path:
    """A table of clips with labels, speakers and attributes; no media."""
    chance = np.random.default_rng(0)
    lines = ["clip,label,speaker,arousal,valence,dominance,sentiment,duration"]
    for i in range(clips):
        numbers = ",".join(f"{x:.3f}" for x in chance.uniform(-1, 1, 4))
        lines.append(f"c{i:04d},{EMOTIONS[i % len(EMOTIONS)]},s{i // len(EMOTIONS) % speakers},{numbers},1.0")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def store(folder: Path, clips: int, seconds: float = 1.0, sets: tuple[str, ...] = SETS) -> Path:
    """Every set of features of these clips, a few seconds each; pixels among them take gigabytes."""
    order = {f"c{i:04d}": hashlib.sha256(str(i).encode()).hexdigest() for i in range(clips)}
    for name in sets:
        feature_set = FEATURE_SETS[name]
        packing = Packing(folder, feature_set, {"set": name, "made": "at random"}, order)
        for i, content in enumerate(order.values()):
            if content in packing.missing:
                packing.put(content, _arrays(name, i, seconds))
        packing.finish({})
    return folder


def _arrays(name: str, number: int, seconds: float) -> dict[str, np.ndarray]:
    feature_set = FEATURE_SETS[name]
    frames = 96 if name.startswith("snippets") else max(2, round(seconds * feature_set.rate))
    chance = np.random.default_rng([number, feature_set.dim])
    if feature_set.pixels:
        values = chance.integers(0, 256, (frames, feature_set.dim), np.uint8)
    else:
        values = (chance.standard_normal((frames, feature_set.dim)) + number % len(EMOTIONS) / 3).astype(np.float32)
    times = (np.arange(frames) + 0.5) * seconds / frames
    return {"values": values, "times": times, "present": np.ones(frames, bool), "duration": np.array(seconds)}


def annotated(folder: Path, clips: int, frames: int = 120) -> Path:
    """Aff-Wild2's layout: valence and arousal of every frame in a text file a video; no videos."""
    for i in range(clips):
        part = folder / "VA_Estimation_Challenge" / ("Validation_Set" if i % 5 == 4 else "Train_Set")
        part.mkdir(parents=True, exist_ok=True)
        chance = np.random.default_rng([i, 1])
        course = np.clip(np.cumsum(chance.normal(0, 0.05, (frames, 2)), 0), -1, 1)
        lines = ["valence,arousal", *(f"{valence:.3f},{arousal:.3f}" for valence, arousal in course)]
        (part / f"c{i:04d}.txt").write_text("\n".join(lines) + "\n")
    return folder
