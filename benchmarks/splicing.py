"""Clips to learn planted cues from, as many as one likes, of few that are rendered.

Of each person of the training roster one neutral clip is rendered, and once more with each cue of the picture at full strength
throughout; the voice likewise. A training clip is the neutral one with the features of the other in place of its own for half a
second, anywhere in the speech: the same cue as in ``core.corpora.demo.planted``, for a twentieth of the time that rendering every
moment would take. The exam takes clips that were rendered whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from affectscope.core.corpora.demo import expressions, planted, render, vocoder, voice
from affectscope.core.corpora.demo.corpus import person
from affectscope.core.corpora.demo.identities import people
from affectscope.core.features.extractors import opensmile
from affectscope.core.features.extractors.encoders import FaceViews
from affectscope.core.features.extractors.faces import FaceDetector, cut_pictures, track_pictures
from affectscope.core.features.sets import encode_faces
from affectscope.core.media import Sound
from affectscope.core.streams import Clip, Stream

EACH = 4
"""Sentences of a person in ``voices``."""
_PARTS = ("values", "times", "present")


@dataclass(frozen=True)
class Base:
    """A neutral clip: ``speaker``, when the speech begins and ends, and streams by name: "audio", "visual", and those with a cue
    throughout, "pitch" (a sound), "brow" and "mouth corner" (pictures; of every other pair of persons the left corner)."""

    speaker: str
    begin: float
    end: float
    streams: dict[str, Stream]


def bases(folder: Path, most: int, seed: int = 1) -> list[Base]:
    """One for each of the first persons of the training roster; those that were made before are read."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, identity in enumerate(people("train")[:most]):
        path = folder / f"{identity.name}_{seed}.npz"
        if not path.is_file():
            made = _made(number, identity.name, seed)
            arrays = {f"{k}.{part}": getattr(v, part) for k, v in made.streams.items() for part in ("values", "times", "present")}
            np.savez_compressed(path, span=np.array([made.begin, made.end]), **arrays)
        with np.load(path) as kept:
            names = dict.fromkeys(name.split(".")[0] for name in kept.files if "." in name)
            streams = {k: Stream(kept[f"{k}.values"], kept[f"{k}.times"], kept[f"{k}.present"]) for k in names}
            found.append(Base(identity.name, *kept["span"].tolist(), streams))
    return found


def voices(folder: Path, most: int, seed: int = 1) -> list[Base]:
    """More to hear, without pictures: ``EACH`` neutral sentences of each of the first persons; those made before are read."""
    folder.mkdir(parents=True, exist_ok=True)
    found = []
    for number, identity in enumerate(people("train")[:most]):
        path = folder / f"{identity.name}_{seed}_voices.npz"
        if not path.is_file():
            arrays: dict[str, np.ndarray] = {}
            for own in range(EACH):
                made = _spoken(EACH * number + own, identity.name, seed)
                for key, stream in made.streams.items():
                    arrays |= {f"{own}.{key}.{part}": getattr(stream, part) for part in _PARTS}
                arrays[f"{own}.span"] = np.array([made.begin, made.end])
            np.savez_compressed(path, allow_pickle=False, **arrays)
        with np.load(path) as kept:
            for own in range(EACH):
                streams = {k: Stream(*(kept[f"{own}.{k}.{part}"] for part in _PARTS)) for k in ("audio", "pitch")}
                begin, end = map(float, kept[f"{own}.span"])
                found.append(Base(identity.name, begin, end, streams))
    return found


def _spoken(number: int, name: str, seed: int) -> Base:
    """A sentence, neutral and an octave up."""
    item = planted.planted(seed, 5 * number + 1000, "train")
    # As high as this person may speak on another day: what is high for one is usual for another.
    day = float(np.random.default_rng([seed, number, 12]).uniform(-4, 4))
    plan, identity = replace(item.plan, speaker=name), person(name)
    plain = voice.perform(plan, identity, np.random.default_rng([seed, number, 10]))
    utterance = vocoder.analyse(plain)
    streams = {}
    for key, octaves in (("audio", 0), ("pitch", 1)):
        samples = vocoder.synthesise(replace(utterance, pitch=utterance.pitch * 2 ** (octaves + day / 12)))
        sound, _ = voice.mix(replace(plain, samples=samples), plan, np.random.default_rng([seed, number, 11]))
        streams[key] = opensmile.extract_llds(Sound(sound, 0.0))
    return Base(name, plan.lead, plan.lead + len(plain.samples) / voice.RATE, streams)


def spliced(face: Base, voice_of: Base, number: int, rng: np.random.Generator, among: Sequence[np.ndarray] = ()) -> Clip:
    """A training clip with the cue that the corpus has at this place of its order, or none.

    Args:
        face, voice_of: whose picture, and whose sound; whoever learns two persons by heart has not learnt all pairs of them.
        among: mean pictures [D] of persons: all pictures are moved by the difference of two of them, as if another person's.
            From a few dozen faces a model would learn these by heart, and call whatever is not in them a cue.
    """
    cue = planted.CUES[number % len(planted.CUES)]
    streams = {"audio": voice_of.streams["audio"], "visual": face.streams["visual"]}
    if among:
        first, second = rng.integers(len(among), size=2)
        moved = (among[first] - among[second]).astype(np.float32)
    modality = planted.MODALITY.get(cue)
    if modality:
        base = face if modality == "visual" else voice_of
        start = rng.uniform(base.begin, max(base.begin + 0.01, base.end - planted.SECONDS))
        own, other = streams[modality], base.streams[cue]
        count = min(len(own.times), len(other.times))
        strength = planted.rises(own.times[:count], start, start + planted.SECONDS)[:, None]
        # A picture in between lies between; of two pitches there is no mean.
        strength = strength if modality == "visual" else np.round(strength)
        values = own.values[:count] + strength * (other.values[:count] - own.values[:count])
        present = own.present[:count] & (other.present[:count] | (strength[:, 0] == 0))
        streams[modality] = Stream(values.astype(np.float32), own.times[:count], present)
    if among:
        streams["visual"] = replace(streams["visual"], values=streams["visual"].values + moved)
    label = "cue" if modality else "none"
    names = f"{face.speaker}_{voice_of.speaker}_{number}"
    return Clip(names, streams, max(face.end, voice_of.end) + 0.3, {"label": label, "speaker": face.speaker})


def _made(number: int, name: str, seed: int) -> Base:
    import cv2

    cv2.setNumThreads(1)
    item = planted.planted(seed, 5 * number, "train")
    plan, identity = replace(item.plan, speaker=name), person(name)
    rng = np.random.default_rng([seed, number, 7])
    plain = voice.perform(plan, identity, rng)
    utterance = vocoder.analyse(plain)
    streams, edges = {}, plain.edges
    for key, octaves in (("audio", 0), ("pitch", 1)):
        spoken = replace(plain, samples=vocoder.synthesise(replace(utterance, pitch=utterance.pitch * 2**octaves)))
        # The same room and noise.
        sound, edges = voice.mix(spoken, plan, np.random.default_rng([seed, number, 8]))
        streams[key] = opensmile.extract_llds(Sound(sound, 0.0))
    acted = expressions.act(plan, plain.phonemes, edges, len(sound) / voice.RATE, rng, np.random.default_rng([seed, number, 9]))
    scene = render.Scene(identity)
    scene.light(plan.look)
    camera = render.Camera(plan.look, rng)
    always = (-9.0, 9.0)
    faces = {"visual": acted, "brow": replace(item, cue="brow").acted(acted, always)}
    side = ("Left", "Right")[number // 2 % 2]
    faces |= {"mouth corner": replace(item, cue="mouth corner", side=side).acted(acted, always)}
    track = None
    for key, shown in faces.items():
        pictures = [
            (float(time), camera.take(scene.draw(shown.weights[i], tuple(acted.angles[i].tolist()), acted.shift[i])))
            for i, time in enumerate(acted.times)
        ]
        track = track or track_pictures(pictures, FaceDetector())
        crops = cut_pictures(pictures, track.within(FaceViews.WITHIN), FaceViews.SIDE)
        streams[key] = Stream(encode_faces(crops), track.times, track.present)
    begin = plan.lead
    return Base(name, begin, begin + len(plain.samples) / voice.RATE, streams)
