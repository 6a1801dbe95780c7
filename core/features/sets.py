"""The feature sets of the papers: what each one needs of a clip, and how it is made of that; see ``core.features.base``.

Deviations:

- goncalves2022robust (4.2.2), goncalves2022auxformer (4.1.2), parthasarathy2020detecting (4.2.2): the windows of 60 ms that the
  set of 2013 has for pitch, voice quality and zero crossings stay 60 ms long; the paper gives one length for all.
- goncalves2022robust (4.2.2), goncalves2022auxformer (4.1.2), goncalves2025versatile (IV-B), parthasarathy2020detecting (4.2.2):
  a digitally silent frame (below -95 dB) is absent, and so is an entire track below -75 dB.
- goncalves2022robust (4.2.1), goncalves2022auxformer (4.1.1), goncalves2025versatile (IV-B), parthasarathy2020detecting (4.2.1),
  mocanu2023multimodal (4.2): faces are detected ten times a second, and their boxes are smoothed and interpolated; the paper
  detects them in every frame. A crop is a square whose side is the longer side of the box, from an image with no side longer than
  640 pixels. Of several people, the one seen largest and longest is used.
- goncalves2022robust (4.2.1): faces are detected by this project's MTCNN, not by OpenFace.
- goncalves2022robust (4.2.1), goncalves2022auxformer (4.1.1), parthasarathy2020detecting (4.3): the 4,096 values of VGG-Face's
  first fully connected layer are taken after its ReLU, which the paper does not say; goncalves2022auxformer does not say which of
  the two layers of that width it takes.
- goncalves2022robust (4.2.1): VGG-Face fine-tuned on AffectNet is not shipped. ``affectscope features finetune`` fine-tunes it on
  a folder of labelled faces, with the paper's learning rate and epochs; the paper does not give the widths of the three layers
  that it adds.
- goncalves2022auxformer (4.1.1): faces are detected by MTCNN instead of an SSD; the mean colour is subtracted from the pixels, as
  the published VGG-Face requires, whereas the paper scales them to -1..1.
- goncalves2025versatile (IV-B): the user provides wav2vec 2.0; it is not fine-tuned on MSP-Podcast here.
- goncalves2025versatile (IV-B): EfficientNet-B2 is torchvision's network with the user's weights, its pooled features before the
  classifier; pixels are normalised by ImageNet's means and standard deviations, which the paper does not say.
- parthasarathy2020detecting (4.2.1): faces are detected by MTCNN instead of an SSD. Crops of 96 pixels don't fit VGG-Face's first
  fully connected layer: ``vgg-face`` uses crops of 224. The mean colour is subtracted from the pixels, as the published VGG-Face
  requires, whereas the paper scales them to -1..1.
- parthasarathy2020detecting (4.3): two seconds of 65 descriptors, subsampled by 3.3, are 63 concatenated frames, 4,095 values,
  and one zero; beyond the ends there are zeros. The two seconds are centred on the frame, and each video frame takes the window
  nearest to it in time; the paper says neither.
- parthasarathy2020detecting (4.2.2): the training set normalises the 4,096 values of a window, including zeros beyond the ends,
  and not the descriptors before concatenation.
- mocanu2023multimodal (4.2): faces are cropped, not aligned by landmarks.
- mocanu2023multimodal (3.2): a silent frame of the spectrogram is absent; levels are clipped at -80 dB.
- mocanu2023multimodal (4.2): the paper does not define the spectrogram's values: here decibels of the power. "256 frequency
  components" are those of 512 samples at 16 kHz without the first, the constant component.
- mocanu2023multimodal (4.2): the 96 frames are chosen among those with a detected face; a snippet uses the middle frames of 16
  equal parts of its share, where the paper says "consecutively or not" (3.1).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import cv2
import numpy as np
import torch

from affectscope.core.cache.store import Arrays
from affectscope.core.features import families, published  # noqa: F401  (they register sets)
from affectscope.core.features.base import FEATURE_SETS, FeatureSet
from affectscope.core.features.extractors import networks, opensmile, spectrogram
from affectscope.core.features.extractors.encoders import FaceViews, MiniXception, load_face_encoder, load_face_views
from affectscope.core.features.extractors.networks import Weights
from affectscope.core.features.extractors.opensmile import SILENT_FRAME_DB, SILENT_TRACK_DB, frame_levels_db, level_db
from affectscope.core.media import SAMPLE_RATE, Sound
from affectscope.core.streams import Stream

# Crops per batch when reading a recording. It equals the encoders' own batch size, so that the results do not change.
CHUNK = 256
CLOSE_CROPS = f"close-{FaceViews.SIDE}"
SNIPPETS, SNIPPET_FRAMES = 6, 16
# parthasarathy2020detecting (4.3): 100 frames per second divided by 3.3, each with as many frames around it, about two seconds,
# as 4096 values can hold: 63 of 65 descriptors.
AFFECT_FRAMES, AFFECT_THINNING, AFFECT_DIM = 63, 3.3, 4096

_VGG_FACE = Weights(
    "vgg_face_dag.pth",
    "goncalves2022robust, goncalves2022auxformer and parthasarathy2020detecting take VGG-Face of Parkhi et al. 2015, "
    "https://www.robots.ox.ac.uk/~vgg/software/vgg_face/, in PyTorch at "
    "https://www.robots.ox.ac.uk/~albanie/pytorch-models.html",
)
_VGG_FACE_UNIT = Weights(
    "vgg_face_unit.pth",
    "a state_dict of VGG-Face fine-tuned on pixels in -1..1, as the authors of goncalves2022robust did on AffectNet",
)
_EFFICIENTNET = Weights(
    "efficientnet_b2.pth",
    "goncalves2025versatile takes one trained on AffectNet, HSEmotion's at "
    "https://github.com/av-savchenko/face-emotion-recognition, saved as the state_dict of torchvision's network",
)
_WAV2VEC2 = Weights(
    "wav2vec2-large-robust",
    "goncalves2025versatile takes facebook/wav2vec2-large-robust from https://huggingface.co and fine-tunes it on MSP-Podcast; "
    "audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim is a public one of that kind",
)


def sound_of(arrays: Mapping[str, np.ndarray]) -> Sound | None:
    return Sound(arrays["sound"], float(arrays["sound_start"])) if "sound" in arrays else None


# Feature set -> face encoder whose weights come with a package.
FACE_ENCODERS: Mapping[str, Callable[[], MiniXception | FaceViews]] = {
    "face-maps": load_face_encoder,
    "face-views": load_face_views,
}


def encode_faces(crops: np.ndarray, name: str = "face-views", chunk: int = 256) -> np.ndarray:
    """Face features [N, 135] of grey crops: [N, 72, 72] for ``face-views``, [N, 64, 64] for ``face-maps``."""
    encoder = FACE_ENCODERS[name]()
    with torch.inference_mode():
        parts = [encoder(encoder.prepare(crops[i : i + chunk])).numpy() for i in range(0, len(crops), chunk)]
    return np.concatenate(parts) if parts else np.zeros((0, encoder.dim), np.float32)


def affect_windows(stream: Stream) -> Stream:
    """Descriptors [T, 65] every 10 ms as input of parthasarathy2020detecting's transformer (4.3): [T / 3.3, 4096].

    Frames are subsampled by 3.3. Each is the concatenation of the 63 around it, two seconds, plus a zero to make 4096. Absent
    frames and those beyond the ends are zeros.
    """
    chosen = np.round(np.arange(0, len(stream.times), AFFECT_THINNING)).astype(int)
    chosen = chosen[chosen < len(stream.times)]
    half = AFFECT_FRAMES // 2
    frames = np.pad(stream.values[chosen] * stream.present[chosen, None], ((half, half), (0, 0)))
    values = np.zeros((len(chosen), AFFECT_DIM), np.float32)
    for i in range(len(chosen)):
        window = frames[i : i + AFFECT_FRAMES].ravel()
        values[i, : len(window)] = window
    return Stream(values, stream.times[chosen], stream.present[chosen])


def _present(arrays: Arrays) -> np.ndarray:
    return ~np.isnan(arrays["boxes"][:, 0])


def _faces(arrays: Arrays, encode: Callable[[np.ndarray], np.ndarray], crops: str, dim: int) -> Stream:
    present = _present(arrays)
    values = np.zeros((len(present), dim), np.float32)
    there = np.flatnonzero(present)
    for begin in range(0, len(there), CHUNK):
        chosen = there[begin : begin + CHUNK]
        values[chosen] = encode(arrays[crops][chosen])
    return Stream(values, arrays["times"], present)


def _pixels(arrays: Arrays, crops: str) -> Stream:
    kept = arrays[crops]
    # Pixels stay bytes until they reach a model: a quarter of the memory.
    return Stream(kept.reshape(len(kept), int(np.prod(kept.shape[1:]))), arrays["times"], _present(arrays))


def _small(arrays: Arrays, side: int) -> Stream:
    crops = [cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA) for crop in arrays["grey-64"]]
    values = np.stack(crops).reshape(len(crops), -1) if crops else np.zeros((0, side * side), np.uint8)
    return Stream(values, arrays["times"], _present(arrays))


def _snippets(arrays: Arrays) -> Stream:
    from affectscope.core.models.blocks.snippets import snippets

    present = _present(arrays)
    crops, times = arrays["rgb-224"], arrays["times"]
    chosen = np.zeros(0, int)
    if present.any():
        chosen = snippets(torch.from_numpy(present)[None], SNIPPETS, SNIPPET_FRAMES).flatten().numpy()
    # Channels first, which the model expects.
    values = np.ascontiguousarray(crops[chosen].transpose(0, 3, 1, 2)).reshape(len(chosen), int(np.prod(crops.shape[1:])))
    return Stream(values, times[chosen], present[chosen])


def _wav2vec2(arrays: Arrays, encoder: networks.Wav2Vec2) -> Stream:
    sound = sound_of(arrays)
    if sound is None or len(sound.samples) < encoder.window or level_db(sound.samples) < SILENT_TRACK_DB:
        return Stream.absent(encoder.dim)
    values = encoder(sound)
    times = (np.arange(len(values)) * encoder.step + encoder.window / 2) / SAMPLE_RATE
    present = frame_levels_db(sound.samples, times, encoder.window / SAMPLE_RATE) >= SILENT_FRAME_DB
    return Stream(values, times + sound.start, present)


def _affect(arrays: Arrays, _: Any) -> Stream:
    stream = opensmile.extract_windows(sound_of(arrays), 0.025, 0.010, opensmile.DESCRIPTORS)
    return affect_windows(stream)


for _set in (
    FeatureSet(
        name="llds",
        modality="audio",
        dim=130,
        rate=100,
        needs="sound",
        source="65 LLDs and deltas of ComParE 2016, 20 ms every 10 ms: the demo models'",
        encode=lambda given, _: opensmile.extract_llds(sound_of(given)),
    ),
    FeatureSet(
        name="llds-32-16",
        modality="audio",
        dim=130,
        rate=62.5,
        needs="sound",
        source="goncalves2022robust (4.2.2), goncalves2022auxformer (4.1.2): 65 LLDs and deltas, 32 ms every 16 ms",
        encode=lambda given, _: opensmile.extract_windows(sound_of(given), 0.032, 0.016),
    ),
    FeatureSet(
        name="llds-25-10",
        modality="audio",
        dim=65,
        rate=100,
        needs="sound",
        source="parthasarathy2020detecting (4.2.2): 65 LLDs, 25 ms every 10 ms",
        encode=lambda given, _: opensmile.extract_windows(sound_of(given), 0.025, 0.010, opensmile.DESCRIPTORS),
    ),
    FeatureSet(
        name="llds-25-10-2s",
        modality="audio",
        dim=AFFECT_DIM,
        rate=30.3,
        needs="sound",
        source="parthasarathy2020detecting (4.3): the 65 LLDs of two seconds side by side, 30 a second",
        encode=_affect,
    ),
    FeatureSet(
        name="spectrogram-256",
        modality="audio",
        dim=256,
        rate=100,
        needs="sound",
        source="mocanu2023multimodal (4.2): log-spectrograms, 32 ms every 10 ms",
        encode=lambda given, _: spectrogram.log_spectrogram(sound_of(given), 256),
    ),
    FeatureSet(
        name="spectrogram-64",
        modality="audio",
        dim=64,
        rate=100,
        needs="sound",
        source="the same, averaged to 64 frequencies: the demo models'",
        encode=lambda given, _: spectrogram.log_spectrogram(sound_of(given), 64),
    ),
    FeatureSet(
        name="wav2vec2",
        modality="audio",
        dim=1024,
        rate=50,
        needs="sound",
        source="goncalves2025versatile (IV-B): wav2vec2-large-robust, last layer",
        encode=_wav2vec2,
        weights=_WAV2VEC2,
        network=(networks.Wav2Vec2, {}),
    ),
    FeatureSet(
        name="face-maps",
        modality="visual",
        dim=MiniXception.dim,
        rate=30,
        needs="grey-64",
        source="mini-XCEPTION on FER2013, the face's whole box: the demo models' of before",
        encode=lambda given, _: _faces(given, partial(encode_faces, name="face-maps"), "grey-64", MiniXception.dim),
    ),
    FeatureSet(
        name="face-views",
        modality="visual",
        dim=FaceViews.dim,
        rate=30,
        needs=CLOSE_CROPS,
        source="mini-XCEPTION on FER2013, two close views of the face: the demo models'",
        encode=lambda given, _: _faces(given, encode_faces, CLOSE_CROPS, FaceViews.dim),
    ),
    FeatureSet(
        name="vgg-face",
        modality="visual",
        dim=4096,
        rate=30,
        needs="rgb-224",
        source="goncalves2022auxformer (4.1.1), parthasarathy2020detecting (4.3): VGG-Face fc6",
        encode=lambda given, encoder: _faces(given, encoder.encode, "rgb-224", encoder.dim),
        weights=_VGG_FACE,
        network=(networks.VggFace, {}),
    ),
    FeatureSet(
        name="vgg-face-unit",
        modality="visual",
        dim=4096,
        rate=30,
        needs="rgb-224",
        source="goncalves2022robust (4.2.1): VGG-Face fc6, fine-tuned on pixels in -1..1",
        encode=lambda given, encoder: _faces(given, encoder.encode, "rgb-224", encoder.dim),
        weights=_VGG_FACE_UNIT,
        network=(networks.VggFace, {"unit": True}),
    ),
    FeatureSet(
        name="efficientnet-b2",
        modality="visual",
        dim=1408,
        rate=30,
        needs="rgb-224",
        source="goncalves2025versatile (IV-B): EfficientNet-B2 before its classifier",
        encode=lambda given, encoder: _faces(given, encoder.encode, "rgb-224", encoder.dim),
        weights=_EFFICIENTNET,
        network=(networks.EfficientNetB2, {}),
    ),
    FeatureSet(
        name="faces-48",
        modality="visual",
        dim=48 * 48,
        rate=30,
        needs="grey-64",
        source="grey faces: the demo models'",
        encode=lambda given, _: _small(given, 48),
        pixels=True,
    ),
    FeatureSet(
        name="faces-96",
        modality="visual",
        dim=96 * 96 * 3,
        rate=30,
        needs="rgb-96",
        source="parthasarathy2020detecting (4.2.1): faces, 96x96 RGB",
        encode=lambda given, _: _pixels(given, "rgb-96"),
        pixels=True,
    ),
    FeatureSet(
        name="faces-224",
        modality="visual",
        dim=224 * 224 * 3,
        rate=30,
        needs="rgb-224",
        source="goncalves2022robust, goncalves2025versatile, goncalves2022auxformer: faces, 224x224 RGB",
        encode=lambda given, _: _pixels(given, "rgb-224"),
        pixels=True,
    ),
    FeatureSet(
        name="snippets-224",
        modality="visual",
        dim=224 * 224 * 3,
        rate=32,
        needs="rgb-224",
        source="mocanu2023multimodal (4.2): six snippets of 16 faces, 224x224 RGB",
        encode=lambda given, _: _snippets(given),
        pixels=True,
        shape=(3, 224, 224),
    ),
):
    FEATURE_SETS.register(_set.name)(_set)
