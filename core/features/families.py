"""Feature sets with a size in their name, and the waveform: for networks whose input is pictures, log-mels or samples."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from affectscope.core.cache.store import Arrays
from affectscope.core.errors import UserError
from affectscope.core.features.base import FEATURE_SETS, FeatureSet
from affectscope.core.features.extractors.opensmile import SILENT_TRACK_DB, level_db
from affectscope.core.media import SAMPLE_RATE
from affectscope.core.streams import Stream

SAMPLES = 320
MEL_WINDOW, MEL_STEP, MEL_FFT = 400, 160, 1024
MEL_FLOOR = 1e-10
SIDES, BANDS = range(8, 513), range(4, 129)


def _faces_of(dim: int) -> list[str]:
    sides = {colour: math.isqrt(dim // channels) for colour, channels in (("rgb", 3), ("grey", 1))}
    sizes = {"rgb": 3 * sides["rgb"] ** 2, "grey": sides["grey"] ** 2}
    return [f"faces-{side}-{colour}" for colour, side in sides.items() if side in SIDES and sizes[colour] == dim]


@FEATURE_SETS.family(r"faces-(\d{1,4})-(rgb|grey)", "faces-SIDE-rgb, faces-SIDE-grey", _faces_of)
def _faces(name: re.Match[str]) -> FeatureSet:
    side, colour = int(name[1]), name[2]
    if side not in SIDES:
        raise UserError(f"{name[0]} is none of the face pictures: they are {SIDES[0]} to {SIDES[-1]} pixels wide.")
    shape = (3 if colour == "rgb" else 1, side, side)

    def encode(given: Arrays, _: Any) -> Stream:
        crops = given[f"{colour}-{side}"]
        first = crops.transpose(0, 3, 1, 2) if colour == "rgb" else crops
        values = np.ascontiguousarray(first).reshape(len(crops), int(np.prod(shape)))
        return Stream(values, given["times"], ~np.isnan(given["boxes"][:, 0]))

    return FeatureSet(
        name=name[0],
        modality="visual",
        dim=int(np.prod(shape)),
        rate=30,
        needs=f"{colour}-{side}",
        source=f"the face as {shape[0]} x {side} x {side} pixels, 0 to 1, channels first",
        encode=encode,
        pixels=True,
        shape=shape,
        low=0.0,
    )


@FEATURE_SETS.family(r"log-mel-(\d{1,4})", "log-mel-BANDS", lambda dim: [f"log-mel-{dim}"] if dim in BANDS else [])
def _mels(name: re.Match[str]) -> FeatureSet:
    bands = int(name[1])
    if bands not in BANDS:
        raise UserError(f"{name[0]} is none of the log-mels: they have {BANDS[0]} to {BANDS[-1]} bands.")
    return FeatureSet(
        name=name[0],
        modality="audio",
        dim=bands,
        rate=SAMPLE_RATE / MEL_STEP,
        needs="sound",
        source=f"natural logarithm of the power in {bands} mel bands, 25 ms every 10 ms",
        encode=lambda given, _: log_mels(given, bands),
    )


def log_mels(given: Arrays, bands: int) -> Stream:
    """ln of the power [T, bands] in mel bands (librosa's, unit area), floored at 1e-10.

    Hann windows of 25 ms every 10 ms, padded to 1,024 samples.
    Pauses count as present, because models trained on log-mels have seen silence. A silent track has no frames.
    """
    # librosa imports Numba, which takes seconds.
    import librosa

    samples = given.get("sound", np.zeros(0, np.float32))
    if len(samples) < MEL_WINDOW or level_db(samples) < SILENT_TRACK_DB:
        return Stream.absent(bands)
    count = 1 + (len(samples) - MEL_WINDOW) // MEL_STEP
    starts = np.arange(count) * MEL_STEP
    window = np.hanning(MEL_WINDOW + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(samples, MEL_WINDOW)[starts] * window
    power = np.abs(np.fft.rfft(frames, MEL_FFT)) ** 2
    filters = librosa.filters.mel(sr=SAMPLE_RATE, n_fft=MEL_FFT, n_mels=bands)
    values = np.log(np.maximum(power @ filters.T, MEL_FLOOR)).astype(np.float32)
    times = (starts + MEL_WINDOW / 2) / SAMPLE_RATE
    return Stream(values, times + float(given["sound_start"]), np.ones(count, bool))


def waveform(given: Arrays, _: Any) -> Stream:
    """The samples as frames [T, 320], the last padded with zeros; no frames for a silent track.

    Pauses count as present, because models trained on samples have seen silence.
    """
    samples = given.get("sound", np.zeros(0, np.float32))
    if not len(samples) or level_db(samples) < SILENT_TRACK_DB:
        return Stream.absent(SAMPLES)
    count = -(-len(samples) // SAMPLES)
    values = np.pad(samples, (0, count * SAMPLES - len(samples))).reshape(count, SAMPLES).astype(np.float32)
    times = (np.arange(count) + 0.5) * SAMPLES / SAMPLE_RATE + float(given["sound_start"])
    return Stream(values, times, np.ones(count, bool))


FEATURE_SETS.register("waveform-20ms")(
    FeatureSet(
        name="waveform-20ms",
        modality="audio",
        dim=SAMPLES,
        rate=SAMPLE_RATE / SAMPLES,
        needs="sound",
        source="the samples themselves at 16 kHz, 20 ms side by side",
        encode=waveform,
        shape=(SAMPLES,),
    )
)
