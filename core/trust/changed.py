"""Slightly changed versions of a clip: re-encoded, shifted, or with noise.

Each version is a file that is analysed like any clip, except that the face track is reused.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from affectscope.core import media
from affectscope.core.features.base import NO_CROPS
from affectscope.core.features.bulk.stages import cut
from affectscope.core.features.clipfile import ClipFile
from affectscope.core.features.extractors.faces import DETECTION_SIDE, FaceTrack
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.arrays import source_of
from affectscope.core.media.sounds import Sound
from affectscope.core.models.inputs import model_streams
from affectscope.core.streams import Stream
from affectscope.core.why import Question, View

# H.264 and AAC quality as in messengers, and high quality for versions that test something else.
_POOR, _GOOD, _BITS = 36, 10, 24_000
_ASIDE, _LATER = 0.03, 0.01
_GREY, _QUIET = 4.0, 30.0
TITLES = {
    "re-encoded": f"encoded again (H.264, CRF {_POOR}; AAC, {_BITS // 1000} kb/s)",
    "shifted": f"{_ASIDE:.0%} of the face's box aside, {_LATER * 1000:.0f} ms later",
    "noisy": f"noise (σ of {_GREY:.0f} grey levels of 255; {_QUIET:.0f} dB below the sound)",
}
"""The changes by name, as shown to users."""


@dataclass(frozen=True)
class Changed:
    """The question for a changed clip.

    Attributes:
        name: one of ``TITLES``.
    """

    name: str
    question: Question
    view: View | None


@dataclass(frozen=True)
class Source:
    """The source of a clip, as in the analyzer.

    Attributes:
        sets: modality -> feature set.
        track: the audio track.
        clip: the clip's id in its corpus.
    """

    path: Path
    sets: Mapping[str, str]
    faces: FaceTrack
    track: int | None = None
    clip: str = ""


def changes(
    question: Question,
    view: View | None,
    source: Source,
    seed: int = 0,
    report: Callable[[str], None] = lambda name: None,
) -> Iterator[Changed]:
    """All changed versions of a clip; none where its features were computed elsewhere, and so would not change.

    Args:
        question: its class remains the explained one.
        report: called with the name of the next change.
    """
    sets, faces = source.sets, source.faces
    if any(source_of(name) or FEATURE_SETS[name].needs == "arrays" for name in sets.values()):
        return
    fixed = replace(question, target=question.explained)
    with tempfile.TemporaryDirectory(prefix="affectscope-") as folder:
        for name in TITLES:
            report(name)
            file = Path(folder) / f"{name}.mp4"
            _write(name, source, file, seed)
            read = {m: _read(sets[m], file, source) for m in fixed.streams if m in sets}
            spec, normaliser = fixed.checkpoint.spec, fixed.checkpoint.normaliser
            streams = {**fixed.streams, **read}
            asked = replace(fixed, streams={**streams, **model_streams(streams, spec, normaliser)})
            yield Changed(name, asked, _seen(view, file, faces, read))


def _write(name: str, source: Source, out: Path, seed: int) -> None:
    path, faces, track = source.path, source.faces, source.track
    sound = media.read_sound(path, track=track)
    frames = media.read_frames(path, DETECTION_SIDE)
    fps = media.probe(path, track=track).fps or 25
    chance = np.random.default_rng(seed)
    if name == "re-encoded":
        media.encode(out, frames, sound, fps, _POOR, _BITS, same=True)
    elif name == "shifted":
        later = sound and replace(sound, samples=_later(sound.samples))
        media.encode(out, ((time, _aside(picture, faces)) for time, picture in frames), later or None, fps, _GOOD, same=True)
    else:
        noisy = sound and replace(sound, samples=_hiss(sound, chance))
        media.encode(out, ((time, _grain(picture, chance)) for time, picture in frames), noisy or None, fps, _GOOD, same=True)


def _aside(picture: np.ndarray, faces: FaceTrack) -> np.ndarray:
    if not faces.present.any():
        return picture
    width = np.nanmedian(faces.boxes[:, 2] - faces.boxes[:, 0]) * picture.shape[1]
    steps = max(1, round(_ASIDE * float(width)))
    return np.pad(picture, ((0, 0), (steps, 0), (0, 0)), mode="edge")[:, : picture.shape[1]]


def _grain(picture: np.ndarray, chance: np.random.Generator) -> np.ndarray:
    noise = chance.normal(0, _GREY, picture.shape).round()
    return (picture + noise).clip(0, 255).astype(np.uint8)


def _later(samples: np.ndarray) -> np.ndarray:
    steps = round(_LATER * media.SAMPLE_RATE)
    return np.concatenate([np.zeros(steps, samples.dtype), samples])[: len(samples)]


def _hiss(sound: Sound, chance: np.random.Generator) -> np.ndarray:
    size = np.sqrt(np.mean(sound.samples**2)) * 10 ** (-_QUIET / 20)
    return (sound.samples + size * chance.standard_normal(len(sound.samples))).astype(np.float32)


def _read(name: str, file: Path, source: Source) -> Stream:
    """A modality of a changed file, extracted as in ``features.extract``, but not cached."""
    feature_set, faces = FEATURE_SETS[name], source.faces
    weights, found = feature_set.check(None), {}
    if feature_set.needs == "sound":
        sound = media.read_sound(file)
        found = {"sound": sound.samples, "sound_start": np.array(sound.start)} if sound is not None else {}
    elif feature_set.needs not in NO_CROPS:
        found = {"times": faces.times, "boxes": faces.boxes, feature_set.needs: cut(feature_set.needs, file, faces)}
    stream = feature_set.make(ClipFile(file, source.clip, faces), found, feature_set.load(weights))
    return feature_set.as_stream({"values": stream.values, "times": stream.times, "present": stream.present})


def _seen(view: View | None, file: Path, faces: FaceTrack, read: Mapping[str, Stream]) -> View | None:
    if view is None:
        return None
    crops = cut(view.looks.features.needs, file, faces) if view.looks.encoder is not None else np.zeros((0, 0, 0), np.uint8)
    return replace(view, crops=lambda: crops, raw=read.get("visual", view.raw))
