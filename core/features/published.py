"""Which features the papers and their public code use, by input width; and their sets that cannot be computed here.

Widths of the public layouts: OFFICIAL_CODE.md. AuxFormer v1 (goncalves2022robust, goncalves2022auxformer) takes 130 descriptors
and VGG-Face, its second version wav2vec 2.0 and 50 features of EMOCA; VAVL (goncalves2025versatile) wav2vec 2.0 and
EfficientNet-B2, which that paper also uses for UAVM and SFAV; MulT CMU-MOSEI's own; UAVM's code two ConvNeXts, SFAV's ten MFCC
and EfficientFace.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from affectscope.core.features.base import FEATURE_SETS, FeatureSet
from affectscope.core.features.clipfile import ClipFile
from affectscope.core.features.extractors.opensmile import SILENT_FRAME_DB, SILENT_TRACK_DB, frame_levels_db, level_db
from affectscope.core.streams import Stream

# (modality, features per frame) -> set.
_BY_WIDTH = {
    ("audio", 10): "mfcc-10",
    ("audio", 65): "llds-25-10",
    ("audio", 74): "covarep",
    ("audio", 130): "llds-32-16",
    ("audio", 256): "spectrogram-256",
    ("audio", 1024): "wav2vec2",
    ("audio", 4096): "llds-25-10-2s",
    ("visual", 35): "facet",
    ("visual", 50): "emoca-50",
    ("visual", 713): "openface",
    ("visual", 1024): "efficientface",
    ("visual", 1408): "efficientnet-b2",
    ("visual", 4096): "vgg-face",
    ("text", 300): "glove",
}
# Widths with a meaning in one system only, if all of its inputs have them.
_OF_SYSTEM = {("uavm", 1024): {"audio": "convnext-audio", "visual": "convnext-visual"}}
MFCC_RATE, MFCC_STEP, MFCC_COUNT = 22_050, 512, 10


def by_width(system: str, inputs: Mapping[str, int]) -> dict[str, str]:
    """Modality -> the set that the system's paper or public code used, where the input's width identifies it.

    >>> by_width("vavl", {"audio": 1024, "visual": 1408})
    {'audio': 'wav2vec2', 'visual': 'efficientnet-b2'}
    """
    widths = sorted(set(inputs.values()))
    whole = _OF_SYSTEM.get((system, widths[0])) if len(widths) == 1 and len(inputs) > 1 else None
    if whole:
        return {modality: whole[modality] for modality in inputs if modality in whole}
    return {m: _BY_WIDTH[m, dim] for m, dim in inputs.items() if (m, dim) in _BY_WIDTH}


def mfcc(clip: ClipFile) -> Stream:
    """Ten MFCC [T, 10] at 22,050 Hz, every 512 samples, with librosa's defaults; silent frames are absent.

    SFAV crops or pads a clip to 3.6 s first; here its length is kept.
    """
    import librosa

    recorded = clip.recorded
    if not recorded.samples.size or not len(clip.sound) or level_db(clip.sound) < SILENT_TRACK_DB:
        return Stream.absent(MFCC_COUNT)
    mono = librosa.resample(recorded.samples.mean(0), orig_sr=recorded.rate, target_sr=MFCC_RATE)
    values = librosa.feature.mfcc(y=mono, sr=MFCC_RATE, n_mfcc=MFCC_COUNT, hop_length=MFCC_STEP).T.astype(np.float32)
    times = np.arange(len(values)) * MFCC_STEP / MFCC_RATE
    present = frame_levels_db(clip.sound, times, MFCC_STEP / MFCC_RATE) >= SILENT_FRAME_DB
    return Stream(values, times + recorded.start, present)


FEATURE_SETS.register("mfcc-10")(
    FeatureSet(
        name="mfcc-10",
        modality="audio",
        dim=MFCC_COUNT,
        rate=MFCC_RATE / MFCC_STEP,
        needs="file",
        source="SFAV: ten MFCC at 22,050 Hz, every 23 ms",
        read=mfcc,
    )
)
for _name, _modality, _dim, _source in (
    ("emoca-50", "visual", 50, "AuxFormer v2: 50 expression values of EMOCA a frame, https://github.com/radekd91/emoca"),
    ("covarep", "audio", 74, "MulT: COVAREP as the CMU Multimodal SDK gives it for CMU-MOSEI"),
    ("facet", "visual", 35, "MulT: FACET as the CMU Multimodal SDK gives it for CMU-MOSEI"),
    ("openface", "visual", 713, "OpenFace 2 as the CMU Multimodal SDK gives it for CMU-MOSEI"),
    ("glove", "text", 300, "MulT: GloVe vectors of the words, as the CMU Multimodal SDK gives them"),
    ("convnext-audio", "audio", 1024, "UAVM: ConvNeXt-Base on spectrograms, https://github.com/YuanGongND/uavm"),
    ("convnext-visual", "visual", 1024, "UAVM: ConvNeXt-Base on pictures, https://github.com/YuanGongND/uavm"),
    ("efficientface", "visual", 1024, "SFAV: EfficientFace, https://github.com/zengqunzhao/EfficientFace"),
):
    FEATURE_SETS.register(_name)(FeatureSet(_name, _modality, _dim, 0, "arrays", _source))
