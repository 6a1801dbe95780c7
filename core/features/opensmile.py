"""Acoustic low-level descriptors by openSMILE (Eyben et al. 2010): 65 of ComParE_2016 and their 65 deltas, every 10 ms.

The package carries a research licence; it is an extra. Papers 000 (section 4.2.2) and 002 (4.1.2) take 65 descriptors and their
deltas too, of the Interspeech 2013 set, with windows of 32 ms every 16 ms; this set's windows are 20 ms (60 ms for pitch and
voice quality, which so look 40 ms ahead), every 10 ms.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from core.errors import UserError
from core.media import SAMPLE_RATE, Sound
from core.streams import Stream

DIM = 130
STEP = 0.010
# openSMILE's longest analysis window in this set is 60 ms: shorter sounds give no frame.
SHORTEST = 0.1
# Digital silence and a lossy codec's dither lie below; a quiet recording (RAVDESS: -47 dB mean) well above.
SILENT_TRACK_DB = -75.0
# A pause in a recording still holds the room's noise; only what is digitally silent is absent.
SILENT_FRAME_DB = -95.0
_SHORT_WINDOW, _LONG_WINDOW = 0.020, 0.060


def extract_llds(sound: Sound | None) -> Stream:
    """Low-level descriptors [T, 130] at 10 ms, unnormalised; silent frames are absent.

    Raises:
        UserError: when the package ``opensmile`` is not installed.
    """
    if sound is None or len(sound.samples) < SHORTEST * SAMPLE_RATE or level_db(sound.samples) < SILENT_TRACK_DB:
        return Stream.absent(DIM)
    values, deltas = (smile.process_signal(sound.samples, SAMPLE_RATE) for smile in _extractors())
    # The deltas' regression window makes two more frames than there are descriptors.
    frames = min(len(values), len(deltas))
    features = np.concatenate([values.to_numpy()[:frames], deltas.to_numpy()[:frames]], 1).astype(np.float32)
    # openSMILE's own index repeats itself at the last frame.
    times = np.arange(frames) * STEP + _SHORT_WINDOW / 2
    present = frame_levels_db(sound.samples, times) >= SILENT_FRAME_DB
    return Stream(np.nan_to_num(features), times + sound.start, present)


def level_db(samples: np.ndarray) -> float:
    """Root mean square in dB of full scale."""
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


def frame_levels_db(samples: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Level in dB of the 60 ms that begin with the short window centred at each time."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    begin = times - _SHORT_WINDOW / 2
    first = np.clip((begin * SAMPLE_RATE).astype(int), 0, len(samples) - 1)
    last = np.clip(((begin + _LONG_WINDOW) * SAMPLE_RATE).astype(int), first + 1, len(samples))
    return 10 * np.log10((energy[last] - energy[first]) / (last - first) + 1e-12)


@lru_cache(maxsize=1)
def _extractors() -> tuple:
    try:
        import opensmile
    except ImportError as error:
        raise UserError(
            "Reading sound needs openSMILE (research licence): run `make setup`, or `pip install opensmile`."
        ) from error
    levels = (opensmile.FeatureLevel.LowLevelDescriptors, opensmile.FeatureLevel.LowLevelDescriptors_Deltas)
    return tuple(opensmile.Smile(opensmile.FeatureSet.ComParE_2016, level) for level in levels)
