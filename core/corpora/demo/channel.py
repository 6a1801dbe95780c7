"""Simulates a recording channel: room, microphone, noise, bandwidth, level.

Rooms are exponentially decaying noise after the direct sound (Polack 1988), from a booth to a hall; microphones are smooth random
frequency responses; noise is coloured, hum, or babble of the speech itself.
"""

import numpy as np
from scipy.signal import butter, fftconvolve, sosfilt

from affectscope.core.corpora.demo.speech import RATE


def roomy(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Add reverberation; 30 % of the rooms are booths. Length and direct sound are unchanged."""
    if rng.random() < 0.3:
        return samples
    seconds = float(np.exp(rng.uniform(np.log(0.12), np.log(0.6))))
    clock = np.arange(int(seconds * RATE)) / RATE
    tail = rng.normal(0, 1, len(clock)) * 10 ** (-3 * clock / seconds)
    tail[: int(0.003 * RATE)] = 0
    # High frequencies decay first.
    tail = sosfilt(butter(1, rng.uniform(2000, 6000), fs=RATE, output="sos"), tail)
    tail *= 10 ** (-rng.uniform(3, 18) / 20) / np.sqrt(np.sum(tail**2))
    return (samples + fftconvolve(samples, tail)[: len(samples)]).astype(np.float32)


def through(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Apply a microphone: a smooth response of some dB, without the lowest and sometimes without high frequencies."""
    frequencies = np.fft.rfftfreq(len(samples), 1 / RATE)
    octaves = np.log2(np.maximum(frequencies, 50) / 50)
    curve = np.zeros(len(frequencies))
    for ripple in (0.5, 1.0, 2.0, 3.0):
        curve += rng.normal(0, 1.1 / ripple**0.5) * np.cos(2 * np.pi * (ripple * octaves / 7.3 + rng.random()))
    heard = np.fft.irfft(np.fft.rfft(samples) * 10 ** (curve / 20), len(samples))
    heard = sosfilt(butter(2, rng.uniform(40, 140), "highpass", fs=RATE, output="sos"), heard)
    if rng.random() < 0.25:
        heard = sosfilt(butter(4, rng.uniform(3400, 7000), fs=RATE, output="sos"), heard)
    return heard.astype(np.float32)


def noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Noise [count] of unit power, from white to brown, sometimes with mains hum."""
    slope = rng.uniform(0.0, 1.2)
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    spectrum /= np.maximum(np.fft.rfftfreq(count, 1 / RATE), 60) ** slope
    sound = np.fft.irfft(spectrum, count)
    sound /= np.sqrt(np.mean(sound**2))
    if rng.random() < 0.2:
        base, clock = rng.choice([50.0, 60.0]), np.arange(count) / RATE
        sound = sound + sum(rng.uniform(0, 0.8) * np.sin(2 * np.pi * base * k * clock + rng.uniform(0, 6)) for k in (1, 2, 3))
    return sound / np.sqrt(np.mean(sound**2))


def levelled(sound: np.ndarray, loudness: float) -> np.ndarray:
    """Normalise the level, as recordings are: the level then says almost nothing about the speaker.

    `loudness` in dB is the remaining random variation.
    """
    peak = float(np.abs(sound).max()) + 1e-9
    goal = 10 ** ((-3 + 1.6 * loudness) / 20)
    return (sound * min(goal, 0.98) / peak).astype(np.float32)
