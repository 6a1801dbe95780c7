"""Acoustic low-level descriptors by openSMILE (Eyben et al. 2010): 65 of ComParE_2016 and their 65 deltas, every 10 ms.

The package has a research licence, so it is an optional dependency. goncalves2022robust (section 4.2.2) and
goncalves2022auxformer (4.1.2) also use 65 descriptors and their deltas, of the Interspeech 2013 set, with windows of 32 ms every
16 ms. The windows here are 20 ms every 10 ms; those for pitch and voice quality are 60 ms, and so look 40 ms ahead.
``extract_windows`` computes the 2013 set with the short windows and the step of a given paper. Its long windows stay 60 ms, which
pitch needs and no paper specifies.
"""

from __future__ import annotations

import re
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from affectscope.core.cache.store import cache_root, key_of, write_atomically
from affectscope.core.errors import UserError
from affectscope.core.media import SAMPLE_RATE, Sound
from affectscope.core.streams import Stream

DIM = 130
DESCRIPTORS = 65
STEP = 0.010
# Columns of the set by what they measure; each has its delta 65 columns later.
PITCH, QUALITY = slice(0, 2), slice(2, 6)
LEVEL, BANDS = (*range(6, 9), 36, 37, 42, 45, 48, 50), slice(10, 36)
SHAPE, CEPSTRUM = (9, 38, 39, 40, 41, 43, 44, 46, 47, 49), slice(51, 65)
# openSMILE's longest analysis window in this set is 60 ms: shorter sounds give no frame.
SHORTEST = 0.1
# Digital silence and a lossy codec's dither are below this; a quiet recording (RAVDESS: -47 dB mean) is well above.
SILENT_TRACK_DB = -75.0
# A pause in a recording still contains room noise; only digital silence counts as absent.
SILENT_FRAME_DB = -95.0
_SHORT_WINDOW, _LONG_WINDOW = 0.020, 0.060
_HEAD = """[componentInstances:cComponentManager]
instance[dataMemory].type=cDataMemory
\\{\\cm[source{?}:include external source]}
"""
_TAIL = """
[componentInstances:cComponentManager]
instance[frames].type=cVectorConcat
[frames:cVectorConcat]
reader.dmLevel = is13_lld_nzsmo;is13_lldA_smo;is13_lldB_smo;is13_lld_nzsmo_de;is13_lldA_smo_de;is13_lldB_smo_de
writer.dmLevel = frames
includeSingleElementFields = 1
\\{\\cm[sink{?}:include external sink]}
"""


def extract_llds(sound: Sound | None) -> Stream:
    """Low-level descriptors [T, 130] at 10 ms, unnormalised; silent frames are absent.

    Raises:
        UserError: when the package ``opensmile`` is not installed.
    """
    if sound is None or _says_nothing(sound):
        return Stream.absent(DIM)
    values, deltas = (smile.process_signal(sound.samples, SAMPLE_RATE) for smile in _extractors())
    # The deltas' regression window adds two frames.
    frames = min(len(values), len(deltas))
    return _stream(np.concatenate([values.to_numpy()[:frames], deltas.to_numpy()[:frames]], 1), sound, _SHORT_WINDOW, STEP)


def extract_windows(sound: Sound | None, window: float, step: float, dim: int = DIM) -> Stream:
    """Interspeech 2013 descriptors [T, dim], with windows of ``window`` seconds every ``step``; silent frames are absent.

    Args:
        dim: 130, or 65 without the deltas.

    Raises:
        UserError: when the package ``opensmile`` is not installed.
    """
    if sound is None or _says_nothing(sound):
        return Stream.absent(dim)
    values = _windowed(window, step).process_signal(sound.samples, SAMPLE_RATE).to_numpy()
    return _stream(values[:, :dim], sound, window, step)


def _says_nothing(sound: Sound) -> bool:
    return len(sound.samples) < SHORTEST * SAMPLE_RATE or level_db(sound.samples) < SILENT_TRACK_DB


def _stream(features: np.ndarray, sound: Sound, window: float, step: float) -> Stream:
    # openSMILE's own index repeats the last frame's time.
    times = np.arange(len(features)) * step + window / 2
    present = frame_levels_db(sound.samples, times, window) >= SILENT_FRAME_DB
    return Stream(np.nan_to_num(features.astype(np.float32)), times + sound.start, present)


def level_db(samples: np.ndarray) -> float:
    """Root mean square in dB of full scale."""
    return float(10 * np.log10(np.mean(np.square(samples, dtype=np.float64)) + 1e-12))


def frame_levels_db(samples: np.ndarray, times: np.ndarray, window: float = _SHORT_WINDOW) -> np.ndarray:
    """Level in dB of the 60 ms that begin with the short window centred at each time."""
    energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
    begin = times - window / 2
    first = np.clip((begin * SAMPLE_RATE).astype(int), 0, len(samples) - 1)
    last = np.clip(((begin + _LONG_WINDOW) * SAMPLE_RATE).astype(int), first + 1, len(samples))
    return 10 * np.log10((energy[last] - energy[first]) / (last - first) + 1e-12)


@lru_cache(maxsize=1)
def _extractors() -> tuple:
    opensmile = _package()
    levels = (opensmile.FeatureLevel.LowLevelDescriptors, opensmile.FeatureLevel.LowLevelDescriptors_Deltas)
    return tuple(opensmile.Smile(opensmile.FeatureSet.ComParE_2016, level) for level in levels)


def _windowed(window: float, step: float) -> Any:
    """openSMILE's configuration of the 2013 set with other short windows, and the deltas after their descriptors."""
    root = Path(_package().__file__).parent / "core" / "config"
    lines = (root / "is09-13" / "IS13_ComParE_core.lld.conf.inc").read_text(encoding="utf-8", errors="replace")
    lines = re.sub(r"frameSize = 0\.020\b", f"frameSize = {window}", lines)
    lines = re.sub(r"frameStep = 0\.010\b", f"frameStep = {step}", lines).replace("{../shared/", f"{{{root}/shared/")
    text = _HEAD + lines + _TAIL
    path = cache_root() / "opensmile" / f"{key_of(text)}.conf"
    # openSMILE reads the file again for every clip.
    if not path.is_file() or path.read_bytes() != text.encode():
        write_atomically(path, lambda part: part.write_text(text, encoding="utf-8", newline=""))
    return _smile(str(path))


@lru_cache
def _smile(configuration: str) -> Any:
    return _package().Smile(configuration, "frames")


def check() -> None:
    """Check that openSMILE is installed.

    Raises:
        UserError: when it is not.
    """
    _package()


def _package() -> Any:
    try:
        import opensmile
    except ImportError as error:
        raise UserError(
            "Reading sound needs openSMILE (research licence): run `make setup`, or `pip install opensmile`."
        ) from error
    return opensmile
