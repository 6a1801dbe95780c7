"""A person's voice saying a sentence with an emotion: espeak-ng's prosody, then signal processing.

Prosody tells arousal better than valence: anger, happiness and fear share a high, fast, loud voice; sadness, disgust
and a neutral voice a low, slow, quiet one. What tells them apart inside those groups is small beside the spread from
clip to clip and from person to person.
"""

from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter

from affectscope.core.corpora.demo import speech
from affectscope.core.corpora.demo.identities import Identity
from affectscope.core.corpora.demo.script import SENTENCES, Plan

RATE = speech.RATE


@dataclass(frozen=True)
class Prosody:
    """Changes against the person's own neutral voice at level 1: `pitch` and `range_` on espeak's scale, `rate` factor,
    `tilt` dB an octave, `drive` (pressed voice), `tremor`, `creak`, `breath` in 0..1, `energy` dB."""

    pitch: float = 0.0
    range_: float = 0.0
    rate: float = 1.0
    tilt: float = 0.0
    drive: float = 0.0
    tremor: float = 0.0
    creak: float = 0.0
    breath: float = 0.0
    energy: float = 0.0


PROSODY = {
    "neutral": Prosody(),
    "anger": Prosody(pitch=9, range_=22, rate=1.12, tilt=2.8, drive=0.95, energy=5.5),
    "happiness": Prosody(pitch=24, range_=44, rate=1.09, tilt=1.5, drive=0.05, energy=3.5),
    "fear": Prosody(pitch=21, range_=-10, rate=1.2, tilt=0.2, tremor=0.95, breath=0.5, energy=0.0),
    "disgust": Prosody(pitch=-9, range_=4, rate=0.88, tilt=-0.2, drive=0.25, creak=0.85, energy=-0.5),
    "sadness": Prosody(pitch=-7, range_=-24, rate=0.82, tilt=-2.6, tremor=0.1, breath=0.7, energy=-5.0),
}
# Spread from clip to clip, a good part of the distance between the groups.
SPREAD = Prosody(pitch=3.5, range_=8.0, rate=0.045, tilt=0.6, drive=0.07, tremor=0.07, creak=0.07, breath=0.09, energy=1.2)


def perform(plan: Plan, identity: Identity, rng: np.random.Generator) -> speech.Speech:
    """Speak the plan's sentence as its `audio_emotion` at its level, without room or noise."""
    mood = _mood(plan, rng)
    voice = identity.voice
    said = speech.say(
        SENTENCES[plan.sentence], voice.variant,
        rate=voice.rate * mood.rate / voice.formants,
        pitch=voice.pitch + mood.pitch - 40 * np.log2(voice.formants),
        range_=45 + mood.range_,
    )  # fmt: skip
    edges = said.edges / voice.formants
    samples: np.ndarray = _tremble(_resample(said.samples, voice.formants), mood.tremor, rng)
    samples = _colour(samples, voice.tilt + mood.tilt)
    samples = _press(samples, mood.drive)
    samples = _creak(samples, mood.creak, rng)
    samples = _breathe(samples, voice.breath + 0.05 * mood.breath, rng)
    level = 10 ** ((-24 + mood.energy + plan.loudness) / 20)
    samples = samples * level / max(float(np.sqrt(np.mean(samples**2))), 1e-6)
    return speech.Speech(samples.astype(np.float32), said.phonemes, edges)


def _mood(plan: Plan, rng: np.random.Generator) -> Prosody:
    """The plan's prosody, with this clip's own deviation."""
    main = PROSODY[plan.audio_emotion]
    second = PROSODY[plan.second] if plan.second else main
    values = {}
    for name, neutral in vars(Prosody()).items():
        target = (1 - plan.second_share) * getattr(main, name) + plan.second_share * getattr(second, name)
        values[name] = neutral + (target - neutral) * plan.voice_level + rng.normal(0, getattr(SPREAD, name))
    for name in ("drive", "tremor", "creak", "breath"):
        values[name] = float(np.clip(values[name], 0, 1))
    values["rate"] = float(np.clip(values["rate"], 0.65, 1.4))
    return Prosody(**values)


def mix(spoken: speech.Speech, plan: Plan, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The clip's sound [N] float32, with silence about the speech and noise under it, and the phonemes' edges in it."""
    start = plan.lead + plan.av_offset
    length = int((plan.lead + len(spoken.samples) / RATE + plan.tail) * RATE)
    sound: np.ndarray = np.zeros(length, np.float32)
    first = max(0, int(start * RATE))
    fitting = spoken.samples[: length - first]
    sound[first : first + len(fitting)] = fitting
    noise = _coloured_noise(length, rng)
    power = float(np.sqrt(np.mean(spoken.samples**2)))
    sound = sound + noise * power * 10 ** (-plan.snr / 20)
    peak = float(np.abs(sound).max())
    return (sound * min(1.0, 0.98 / peak)).astype(np.float32), spoken.edges + first / RATE


def _resample(samples: np.ndarray, factor: float) -> np.ndarray:
    """Play faster by `factor`: formants and pitch rise together (the pitch was asked for lower)."""
    places = np.arange(0, len(samples) - 1, factor)
    return np.interp(places, np.arange(len(samples)), samples).astype(np.float32)


def _tremble(samples: np.ndarray, depth: float, rng: np.random.Generator) -> np.ndarray:
    """A tremor of pitch and loudness at 6-8 Hz."""
    if depth < 0.02:
        return samples
    t = np.arange(len(samples)) / RATE
    speed, phase = rng.uniform(6, 8), rng.uniform(0, 2 * np.pi)
    warped = t + depth * 0.0011 * np.sin(2 * np.pi * speed * t + phase)
    swaying = np.interp(warped, t, samples)
    return swaying * (1 + 0.35 * depth * np.sin(2 * np.pi * speed * t + phase + 1))


def _colour(samples: np.ndarray, tilt: float) -> np.ndarray:
    """Spectral tilt in dB an octave about 500 Hz."""
    spectrum = np.fft.rfft(samples)
    octaves = np.log2(np.maximum(np.fft.rfftfreq(len(samples), 1 / RATE), 80) / 500)
    return np.fft.irfft(spectrum * 10 ** (np.clip(tilt * octaves, -24, 15) / 20), len(samples))


def _press(samples: np.ndarray, drive: float) -> np.ndarray:
    """A pressed voice: soft clipping, which adds harmonics."""
    if drive < 0.02:
        return samples
    gain = (1 + 8 * drive) / max(float(np.abs(samples).max()), 1e-6)
    return np.tanh(samples * gain) / gain


def _creak(samples: np.ndarray, depth: float, rng: np.random.Generator) -> np.ndarray:
    """Slow, uneven pulses of loudness, stronger towards the end of the sentence."""
    if depth < 0.02:
        return samples
    t = np.arange(len(samples)) / RATE
    pulse = np.sin(2 * np.pi * rng.uniform(30, 42) * t + 2 * np.sin(2 * np.pi * 3 * t))
    return samples * (1 - depth * np.linspace(0.2, 0.9, len(samples)) * (0.5 + 0.5 * pulse))


def _breathe(samples: np.ndarray, amount: float, rng: np.random.Generator) -> np.ndarray:
    """Breath: high noise that follows the voice's loudness."""
    envelope = lfilter([0.004], [1, -0.996], np.abs(samples))
    hiss = np.diff(rng.normal(0, 1, len(samples) + 1))
    return samples + amount * 6 * envelope * hiss


def _coloured_noise(count: int, rng: np.random.Generator) -> np.ndarray:
    """Room noise [count] of unit power, from white to brown."""
    slope = rng.uniform(0.0, 1.0)
    spectrum = np.fft.rfft(rng.normal(0, 1, count))
    spectrum /= np.maximum(np.fft.rfftfreq(count, 1 / RATE), 60) ** slope
    noise = np.fft.irfft(spectrum, count)
    return noise / np.sqrt(np.mean(noise**2))
