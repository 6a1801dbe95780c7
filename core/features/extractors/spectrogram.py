"""Log-spectrograms of mocanu2023multimodal (section 4.2): Hamming windows of 32 ms every 10 ms, 256 frequencies."""

from __future__ import annotations

import numpy as np

from affectscope.core.features.extractors.opensmile import SILENT_FRAME_DB, SILENT_TRACK_DB, frame_levels_db, level_db
from affectscope.core.media import SAMPLE_RATE, Sound
from affectscope.core.streams import Stream

FREQUENCIES = 256
WINDOW, STEP = 0.032, 0.010
# Below this, a pause would contain only a lossy codec's noise.
FLOOR_DB = -80.0


def log_spectrogram(sound: Sound | None, bins: int = FREQUENCIES) -> Stream:
    """Levels in dB of full scale, divided by 10, [T, bins]; silent frames are absent.

    Args:
        bins: a divisor of 256; neighbouring frequencies are averaged.
    """
    # librosa imports Numba, which takes seconds.
    import librosa

    window, step = round(WINDOW * SAMPLE_RATE), round(STEP * SAMPLE_RATE)
    if sound is None or len(sound.samples) < window or level_db(sound.samples) < SILENT_TRACK_DB:
        return Stream.absent(bins)
    spectrum = librosa.stft(
        sound.samples, n_fft=2 * FREQUENCIES, hop_length=step, win_length=window, window="hamming", center=False
    )
    # Without the first row, which is the signal's constant component.
    power = np.abs(spectrum[1:]).astype(np.float64) ** 2 / window**2
    power = power.reshape(bins, FREQUENCIES // bins, -1).mean(1).T
    values = np.maximum(10 * np.log10(power + 1e-12), FLOOR_DB) / 10
    times = np.arange(len(values)) * STEP + WINDOW / 2
    present = frame_levels_db(sound.samples, times) >= SILENT_FRAME_DB
    return Stream(values.astype(np.float32), times + sound.start, present)
