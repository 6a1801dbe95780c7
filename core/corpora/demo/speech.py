"""espeak-ng through ctypes: a sentence in, samples and phonemes with their times out."""

import _ctypes
import ctypes
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from affectscope.core.corpora.demo.assets import MISSING
from affectscope.core.errors import UserError

# Sample rate of the recorded voices, and of the analysis.
RATE = 16_000
_ESPEAK_RATE = 22_050
_RETRIEVAL, _PHONEME_EVENTS, _DO_NOT_EXIT = 1, 0x0001, 0x8000
_PARAMETERS = {"rate": 1, "volume": 2, "pitch": 3, "range": 4}
_PHONEME, _LIST_END, _UTF8 = 7, 0, 1


class _Name(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int), ("identifier", ctypes.c_uint), ("text_position", ctypes.c_int), ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int), ("sample", ctypes.c_int), ("user_data", ctypes.c_void_p), ("id", _Name),
    ]  # fmt: skip


_CALLBACK = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


@dataclass(frozen=True)
class Speech:
    """`samples` [N] float32 in -1..1 at 16 kHz; `phonemes` P names; `edges` [P + 1] seconds between them."""

    samples: np.ndarray
    phonemes: tuple[str, ...]
    edges: np.ndarray


@contextmanager
def _library() -> Iterator[ctypes.CDLL]:
    """espeak-ng, loaded anew: it keeps its oscillators' phases between sentences, even over a restart of its engine.

    Only a fresh library speaks a sentence reproducibly.
    """
    try:
        import espeakng_loader
    except ImportError as error:
        raise UserError(MISSING) from error
    library = ctypes.CDLL(espeakng_loader.get_library_path())
    try:
        options = _PHONEME_EVENTS | _DO_NOT_EXIT
        if library.espeak_Initialize(_RETRIEVAL, 0, espeakng_loader.get_data_path().encode(), options) != _ESPEAK_RATE:
            raise UserError("espeak-ng did not start: reinstall it with `make corpus-tools`")
        # By default its noise is seeded with the time of day.
        library.espeak_ng_SetRandSeed(ctypes.c_long(1))
        ctypes.CDLL(None).srand(1)
        yield library
    finally:
        library.espeak_Terminate()
        _ctypes.dlclose(library._handle)


def say(text: str, variant: str, *, rate: float, pitch: float, range_: float) -> Speech:
    """Speak `text` in American English: `rate` in words per minute (80-450), `pitch` and `range_` on espeak's 0-99."""
    chunks: list[np.ndarray] = []
    phones: list[tuple[str, float]] = []

    def receive(samples: Any, count: int, events: Any) -> int:
        if samples and count > 0:
            chunks.append(np.ctypeslib.as_array(samples, (count,)).copy())
        index = 0
        while events[index].type != _LIST_END:
            if events[index].type == _PHONEME:
                phones.append((bytes(events[index].id.string).decode("utf-8", "replace"), events[index].audio_position / 1000))
            index += 1
        return 0

    with _library() as library:
        _speak(library, _CALLBACK(receive), text, variant, rate, pitch, range_)
    samples = resampled(np.concatenate(chunks).astype(np.float32) / 32768, _ESPEAK_RATE)
    loud = np.flatnonzero(np.abs(samples) > 0.003)
    stop = min(len(samples), int(loud[-1]) + RATE // 25) if len(loud) else len(samples)
    samples = samples[:stop]
    end = len(samples) / RATE
    spoken = [(name, start) for name, start in phones if start < end]
    edges = np.array([start for _, start in spoken] + [end])
    return Speech(samples, tuple(name for name, _ in spoken), edges)


def resampled(samples: np.ndarray, rate: int) -> np.ndarray:
    """Samples [N] at `rate` as float32 at `RATE`."""
    common = math.gcd(rate, RATE)
    return resample_poly(samples, RATE // common, rate // common).astype(np.float32) if rate != RATE else samples


def _speak(library: ctypes.CDLL, callback: object, text: str, variant: str, rate: float, pitch: float, range_: float) -> None:
    library.espeak_SetSynthCallback(callback)
    if library.espeak_SetVoiceByName(f"en-us+{variant}".encode()) != 0:
        raise UserError(f"espeak-ng has no voice {variant}: reinstall it with `make corpus-tools`")
    values = {"rate": np.clip(rate, 80, 400), "volume": 90, "pitch": np.clip(pitch, 0, 99), "range": np.clip(range_, 0, 99)}
    for name, value in values.items():
        library.espeak_SetParameter(_PARAMETERS[name], round(float(value)), 0)
    data = text.encode()
    library.espeak_Synth(data, len(data) + 1, 0, 1, 0, _UTF8, None, None)
    library.espeak_Synchronize()
