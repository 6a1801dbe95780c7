"""Acoustic descriptors of the LLD sets by name, in phonetic groups.

ComParE_2016 and the Interspeech 2013 set (Schuller et al. 2013; Weninger et al. 2013, Table 2) have the same 65 descriptors in
the same order, followed by their deltas. Weninger et al. sort them into energy (4), spectral (55) and voicing (6). Here voicing
is split into pitch and voice quality, and MFCC are separated from the rest of the spectrum. The zero-crossing rate, which they
count as energy, is grouped with the spectrum, because it measures how high the spectrum lies.
"""

from __future__ import annotations

import re

import numpy as np

GROUPS = ("loudness", "pitch", "voice quality", "spectral shape", "MFCC")
MEANINGS = {
    "loudness": "Loudness (sum of the auditory spectrum, with and without RASTA filter) and root-mean-square energy.",
    "pitch": "Fundamental frequency and probability of voicing.",
    "voice quality": "Jitter, shimmer, and harmonics-to-noise ratio.",
    "spectral shape": "26 auditory bands, energy of two bands, roll-off, flux, centroid, entropy, variance, skewness, kurtosis, "
    "slope, sharpness, harmonicity, zero crossings.",
    "MFCC": "Mel-frequency cepstral coefficients 1 to 14.",
}
"""Group -> its content, one sentence."""

_MAGNITUDE = tuple(
    f"pcm_fftMag_{name}_sma"
    for name in (
        "fband250-650", "fband1000-4000", *(f"spectralRollOff{share}.0" for share in (25, 50, 75, 90)), "spectralFlux",
        "spectralCentroid", "spectralEntropy", "spectralVariance", "spectralSkewness", "spectralKurtosis", "spectralSlope",
        "psySharpness", "spectralHarmonicity",
    )
)  # fmt: skip
NAMES = (
    "F0final_sma", "voicingFinalUnclipped_sma", "jitterLocal_sma", "jitterDDP_sma", "shimmerLocal_sma", "logHNR_sma",
    "audspec_lengthL1norm_sma", "audspecRasta_lengthL1norm_sma", "pcm_RMSenergy_sma", "pcm_zcr_sma",
    *(f"audSpec_Rfilt_sma[{band}]" for band in range(26)), *_MAGNITUDE, *(f"mfcc_sma[{number}]" for number in range(1, 15)),
)  # fmt: skip
"""The 65 descriptors in openSMILE's order."""

_KINDS = (
    (r"F0final|voicingFinal", "pitch"),
    (r"jitter|shimmer|logHNR", "voice quality"),
    (r"audspec(Rasta)?_lengthL1norm|pcm_RMSenergy", "loudness"),
    (r"audSpec_Rfilt|pcm_fftMag|pcm_zcr", "spectral shape"),
    (r"mfcc", "MFCC"),
)


def group_of(name: str) -> str:
    """The group of a descriptor or its delta, by openSMILE's name.

    Raises:
        ValueError: when it is not in these sets.
    """
    groups = [group for pattern, group in _KINDS if re.match(pattern, name)]
    if len(groups) != 1:
        raise ValueError(f"{name} is no descriptor of ComParE_2016")
    return groups[0]


def columns(feature_set: str, dim: int) -> dict[str, np.ndarray]:
    """Group -> the columns [N] of its descriptors in a stream of ``dim`` features per frame; empty for other sets.

    Concatenated frames, as in ``llds-25-10-2s``, repeat the 65 in order; padding columns belong to no group.
    """
    count = len(NAMES)
    if not feature_set.startswith("llds") or dim < count:
        return {}
    places = np.arange(dim // count * count)
    groups = np.array([GROUPS.index(group_of(name)) for name in NAMES])[places % count]
    return {group: places[groups == number] for number, group in enumerate(GROUPS)}
