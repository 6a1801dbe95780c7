"""Applies a person's voice and mood to an utterance."""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from affectscope.core.corpora.demo import vocoder
from affectscope.core.corpora.demo.identities import Voice
from affectscope.core.corpora.demo.manner import Manner
from affectscope.core.corpora.demo.speech import RATE, Speech
from affectscope.core.corpora.demo.vocoder import FREQUENCIES, Utterance

_VOWELS = "aeiouyAEIOUV03@"
# Accent in semitones on stressed syllables, even for a neutral voice.
_ACCENT, _FRAMES = 1.2, 1000 / vocoder.FRAME_MS
# Spectral tilt in dB per octave, and dB around the fundamental, of a shouted relative to a plain voice.
_TILT, _LOW = 3.2, -4.0


def speak(plain: Utterance, voice: Voice, mood: Manner, rng: np.random.Generator) -> Speech:
    """The utterance spoken by this person in this mood; before `mood.energy`, speech has a level of -26 dB."""
    vowels = np.array([name.lstrip("',%=_|!")[:1] in tuple(_VOWELS) for name in plain.phonemes])
    stressed = vowels & (rng.random(len(vowels)) < 0.45)
    utterance = vocoder.stretched(plain, _durations(voice, mood, vowels, stressed, rng))
    factors = _formants(voice, mood)
    utterance = vocoder.warped(utterance, factors)
    count = len(utterance.pitch)
    bumps = _bumps(utterance, stressed, rng)
    pitch = _pitch(utterance, voice, mood, bumps, rng)
    loudness = _loudness(utterance, mood, bumps, rng)
    tilt = vocoder.tilt_gain(voice.tilt + _TILT * mood.effort, _LOW * mood.effort)
    # Effort brightens vowels more than consonants.
    share = np.where(utterance.voiced, 1.0, 0.4)
    utterance = vocoder.gained(utterance, loudness[:, None] + gaussian_filter1d(share, 3)[:, None] * tilt)
    utterance = vocoder.breathy(utterance, float(np.clip(voice.breath + mood.breath, -0.9, 0.85)))
    voiced = utterance.voiced
    spoken = Utterance(
        np.where(voiced, pitch, 0.0), utterance.envelope, utterance.aperiodicity, utterance.phonemes, utterance.edges
    )
    samples = vocoder.synthesise(spoken)[: int(count / _FRAMES * RATE)]
    active = samples[np.abs(samples) > 0.05 * np.abs(samples).max()] if len(samples) else samples
    samples = samples * 10 ** ((-26 + mood.energy) / 20) / max(float(np.sqrt(np.mean(active**2))), 1e-6)
    return Speech(samples.astype(np.float32), spoken.phonemes, np.minimum(spoken.edges, len(samples) / RATE))


def _durations(voice: Voice, mood: Manner, vowels: np.ndarray, stressed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Factors [P] on the phonemes' lengths."""
    logs = np.full(len(vowels), -(voice.tempo + mood.tempo)) + rng.normal(0, 0.18, len(vowels))
    # Vowels are stretched more than consonants.
    logs = np.where(vowels, 1.2, 0.8) * logs + stressed * (0.12 + mood.drawl)
    return 2**logs


def _formants(voice: Voice, mood: Manner) -> np.ndarray:
    """Frequency factors [513]: the person's size, mouth opening (below 1 kHz) and lip spreading (above)."""
    low = np.clip((1600 - FREQUENCIES) / 800, 0, 1)
    return voice.formants * 2 ** (low * (mood.open_ + 0.7 * mood.smile) + (1 - low) * mood.smile)


def _bumps(utterance: Utterance, stressed: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Accents [T]: a bump over each stressed vowel, with a height of 0.5 to 1.5."""
    clock = np.arange(len(utterance.pitch)) / _FRAMES
    hills = np.zeros(len(clock))
    for index in np.flatnonzero(stressed):
        start, end = utterance.edges[index : index + 2]
        middle, width = start + 0.55 * (end - start), max(0.05, 0.6 * (end - start))
        hills = np.maximum(hills, rng.uniform(0.5, 1.5) * np.exp(-0.5 * ((clock - middle) / width) ** 2))
    return hills


def _pitch(utterance: Utterance, voice: Voice, mood: Manner, bumps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Pitch [T] in Hz."""
    count = len(utterance.pitch)
    clock, place = np.arange(count) / _FRAMES, np.linspace(-0.5, 0.5, count)
    wander = gaussian_filter1d(rng.normal(0, 1, count + 200), 30)[100 : 100 + count] * 8
    movement = 1.7 * (0.8 * vocoder.contour(utterance) + wander) * voice.lively
    movement = movement * 2**mood.range_ + bumps * max(0.0, _ACCENT + mood.accent) + mood.slope * place
    movement = movement + mood.tremor * np.sin(2 * np.pi * rng.uniform(5, 8) * clock + rng.uniform(0, 6.28))
    # Natural jitter: about a hundredth of a period.
    movement = movement + gaussian_filter1d(rng.normal(0, 1, count), 0.7) * (0.3 + mood.jitter)
    # Creak lowers the pitch irregularly towards the end.
    late = np.clip(place + 0.2, 0, 0.5) * 2
    movement = movement - late * mood.creak * np.abs(rng.normal(3, 2.5, count))
    return np.clip(voice.pitch * 2 ** ((mood.pitch + movement) / 12), 55, 700)


def _loudness(utterance: Utterance, mood: Manner, bumps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Gain [T] in dB for the frames."""
    count = len(utterance.pitch)
    level = gaussian_filter1d(vocoder.levels(utterance), 3)
    below = np.clip(level - np.percentile(level, 90), -30, 6)
    swell = gaussian_filter1d(rng.normal(0, 1, count + 200), 40)[100 : 100 + count] * 8
    flicker = gaussian_filter1d(rng.normal(0, 1, count), 0.7) * (0.8 + mood.shimmer) * 1.5
    trembling = 2.0 * mood.tremor * np.sin(2 * np.pi * 6 * np.arange(count) / _FRAMES)
    fading = np.linspace(1, -1, count) * (1.5 - 0.4 * mood.slope)
    return below * (2**mood.dynamics - 1) + bumps * (1.0 + 0.5 * mood.accent) + swell + flicker + trembling + fading
