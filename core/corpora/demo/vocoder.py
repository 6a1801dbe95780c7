"""Analysis and resynthesis of speech by WORLD (Morise et al. 2016): pitch, envelope, aperiodicity.

Frames are 5 ms. An utterance is `pitch` [T] in Hz (0 where unvoiced), `envelope` [T, 513] (power) and `aperiodicity` [T, 513] in
0..1, at 16 kHz.
"""

import importlib.machinery
import importlib.util
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter1d

from affectscope.core.corpora.demo.assets import MISSING
from affectscope.core.corpora.demo.speech import RATE, Speech
from affectscope.core.errors import UserError

FRAME_MS = 5.0
SIZE = 1024
FREQUENCIES = np.linspace(0, RATE / 2, SIZE // 2 + 1)
_OCTAVES = np.log2(np.maximum(FREQUENCIES, 60) / 500)


@dataclass(frozen=True)
class Utterance:
    """See the module; `phonemes` P names and `edges` [P + 1] seconds between them."""

    pitch: np.ndarray
    envelope: np.ndarray
    aperiodicity: np.ndarray
    phonemes: tuple[str, ...]
    edges: np.ndarray

    @property
    def voiced(self) -> np.ndarray:
        return self.pitch > 0

    @property
    def median(self) -> float:
        """Median pitch in Hz."""
        return float(np.median(self.pitch[self.voiced])) if self.voiced.any() else 120.0


def analyse(spoken: Speech) -> Utterance:
    """Analyse speech.

    Raises:
        UserError: without the package `pyworld`.
    """
    world = _package()
    # WORLD needs some noise in silence.
    samples = spoken.samples.astype(np.float64) + np.random.default_rng(0).normal(0, 1e-5, len(spoken.samples))
    coarse, times = world.dio(samples, RATE, f0_floor=60.0, f0_ceil=450.0, frame_period=FRAME_MS)
    pitch = world.stonemask(samples, coarse, times, RATE)
    envelope = world.cheaptrick(samples, pitch, times, RATE, fft_size=SIZE)
    aperiodicity = world.d4c(samples, pitch, times, RATE, fft_size=SIZE)
    return Utterance(pitch, envelope, aperiodicity, spoken.phonemes, spoken.edges)


def synthesise(utterance: Utterance) -> np.ndarray:
    """Samples [N] float32 at `RATE`."""
    parts = (utterance.pitch, utterance.envelope, utterance.aperiodicity)
    return _package().synthesize(*(np.ascontiguousarray(part) for part in parts), RATE, FRAME_MS).astype(np.float32)


def stretched(utterance: Utterance, factors: np.ndarray) -> Utterance:
    """Stretch each phoneme by `factors` [P]; the time before and after is unchanged."""
    edges = utterance.edges
    durations = np.diff(edges) * factors
    new_edges = edges[0] + np.concatenate([[0.0], np.cumsum(durations)])
    old_end = len(utterance.pitch) * FRAME_MS / 1000
    new_end = new_edges[-1] + max(0.0, old_end - edges[-1])
    clock = np.arange(0, new_end, FRAME_MS / 1000)
    old = np.interp(clock, [0, *new_edges, new_end], [0, *edges, old_end])
    place = np.clip(old / (FRAME_MS / 1000), 0, len(utterance.pitch) - 1.001)
    below, share = place.astype(int), (place % 1)[:, None]
    nearest = np.round(place).astype(int)
    logs = np.log(utterance.envelope + 1e-16)
    envelope = np.exp((1 - share) * logs[below] + share * logs[below + 1])
    aperiodicity = (1 - share) * utterance.aperiodicity[below] + share * utterance.aperiodicity[below + 1]
    return Utterance(utterance.pitch[nearest], envelope, aperiodicity, utterance.phonemes, new_edges)


def warped(utterance: Utterance, factors: np.ndarray) -> Utterance:
    """Shift formants: what was at f moves to f times the factor; `factors` [513], by the new frequency."""
    source = np.clip(FREQUENCIES / factors, 0, RATE / 2) / (FREQUENCIES[1])
    below = np.minimum(source.astype(int), SIZE // 2 - 1)
    share = source - below
    logs = np.log(utterance.envelope + 1e-16)
    envelope = np.exp((1 - share) * logs[:, below] + share * logs[:, below + 1])
    aperiodicity = (1 - share) * utterance.aperiodicity[:, below] + share * utterance.aperiodicity[:, below + 1]
    return replace(utterance, envelope=envelope, aperiodicity=aperiodicity)


def contour(utterance: Utterance) -> np.ndarray:
    """Pitch in semitones relative to its median [T], interpolated through unvoiced frames."""
    voiced = np.flatnonzero(utterance.voiced)
    if not len(voiced):
        return np.zeros(len(utterance.pitch))
    semitones = 12 * np.log2(utterance.pitch[voiced] / utterance.median)
    return gaussian_filter1d(np.interp(np.arange(len(utterance.pitch)), voiced, semitones.clip(-9, 9)), 3)


def levels(utterance: Utterance) -> np.ndarray:
    """Loudness of the frames in dB [T]."""
    return 10 * np.log10(utterance.envelope.sum(1) + 1e-12)


def tilt_gain(tilt: float, low: float = 0.0) -> np.ndarray:
    """dB [513]: `tilt` per octave above 500 Hz up to 4 kHz, and `low` dB at and below 300 Hz, around the fundamental."""
    return tilt * np.clip(_OCTAVES, 0, 3) + low * np.clip(-_OCTAVES / np.log2(500 / 300), 0, 1)


def gained(utterance: Utterance, decibels: np.ndarray) -> Utterance:
    """The envelope changed by dB, [T, 1], [513] or [T, 513]."""
    return replace(utterance, envelope=utterance.envelope * 10 ** (decibels / 10))


def breathy(utterance: Utterance, amount: float) -> Utterance:
    """Raise aperiodicity (amount > 0, more at higher frequencies) or lower it (< 0); -1..1."""
    reach = 1 / (1 + np.exp(-(FREQUENCIES - 1800) / 500))
    share = abs(amount) * (0.25 + 0.75 * reach)
    goal = 1.0 if amount > 0 else 0.001
    mixed = (
        utterance.aperiodicity ** (1 - share) * goal**share
        if amount < 0
        else (utterance.aperiodicity + (goal - utterance.aperiodicity) * share)
    )
    kept = np.where(utterance.voiced[:, None], mixed, utterance.aperiodicity)
    return replace(utterance, aperiodicity=np.clip(kept, 0.001, 0.999999))


@lru_cache(maxsize=1)
def _package() -> Any:
    """pyworld's compiled part only: its `__init__` needs `pkg_resources`, which setuptools has removed."""
    package = importlib.util.find_spec("pyworld")
    folder = Path(package.origin).parent if package and package.origin else Path("none")
    files = [file for suffix in importlib.machinery.EXTENSION_SUFFIXES for file in sorted(folder.glob(f"pyworld*{suffix}"))]
    if not files:
        raise UserError(MISSING)
    spec = importlib.util.spec_from_file_location("pyworld.pyworld", files[0])
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
