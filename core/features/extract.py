"""From a media file to streams: the one place that knows which extractor feeds which modality.

A model's spec names the feature set of each modality; the default ones are read from every clip, since the player
needs the face's track and the sound's envelope in any case.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from affectscope.core import media
from affectscope.core.cache.store import Arrays, FeatureStore, content_hash, key_of, of_clip
from affectscope.core.errors import UserError
from affectscope.core.features.base import EXTRACTION_VERSION, NO_CROPS
from affectscope.core.features.bulk import stages
from affectscope.core.features.clipfile import ClipFile
from affectscope.core.features.extractors import opensmile
from affectscope.core.features.extractors.encoders import MiniXception
from affectscope.core.features.extractors.faces import FaceTrack, cut_crops, track_faces
from affectscope.core.features.sets import FEATURE_SETS, encode_faces
from affectscope.core.features.stored.arrays import OVER, missing, source_of, stream_of
from affectscope.core.streams import Stream
from affectscope.core.text import percent

ENVELOPE_STEP = 0.010
DEFAULT_SETS = {"audio": "llds", "visual": "face-maps"}

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Extraction:
    """What was read out of one file.

    Attributes:
        streams: modality -> the features that were asked for, as extracted.
        faces: the main face's boxes, on the video's frames.
        envelope: [2, N] float32, smallest and largest sample in each 10 ms.
        envelope_times: [N] seconds, bin centres.
        notices: one sentence each, about what is missing.
    """

    streams: dict[str, Stream]
    faces: FaceTrack
    envelope: np.ndarray
    envelope_times: np.ndarray
    duration: float
    notices: tuple[str, ...]


def extract(
    path: Path,
    store: FeatureStore | None = None,
    progress: Progress | None = None,
    sets: Mapping[str, str] = DEFAULT_SETS,
    track: int | None = None,
    clip: str = "",
) -> Extraction:
    """Read a file's faces and sound, from the store where it has them.

    Args:
        sets: modality -> feature set.
        track: the sound track that is heard, counted from 1; the first with sound if left out.
        clip: what the corpus calls it; of a file without a corpus, the file's name says it.

    Raises:
        UserError: when the file cannot be played, or has no such track.
    """
    report = progress or (lambda stage, share: None)
    info = media.probe(path, track=track)
    store = store or FeatureStore()
    content, seen, heard = content_hash(path), media.reading(path), media.hearing(path, track)
    visual = store.get_or_make(_key("visual", content, *seen), lambda: _visual(path, info.duration, report))
    silent_why = ""
    try:
        audio = _heard(store, _key("audio", content, *seen, *heard), lambda: _audio(path, report, track))
    except UserError as error:
        audio, silent_why = _no_audio(), str(error)
    streams = {
        "audio": Stream(audio["values"], audio["times"], audio["present"]),
        "visual": Stream(visual["values"], visual["times"], ~np.isnan(visual["boxes"][:, 0])),
    }
    faces = FaceTrack(visual["times"], visual["boxes"])
    own = ClipFile(path, clip, faces, track)
    for modality, name in sets.items():
        if name != DEFAULT_SETS.get(modality) or source_of(name):
            report(f"Reading {name}", 0.0)
            streams[modality] = _other(name, own, faces, store, content, track)
    notices = (
        *_notices(info, streams, faces, audio, silent_why),
        *map(str, audio.get("notices", ())),
        *media.lost_pictures(path, faces.times),
        *media.remarks(path, track),
        *_short(streams, sets, info.duration),
    )
    return Extraction(streams, faces, audio["envelope"], audio["envelope_times"], info.duration, notices)


def _short(streams: Mapping[str, Stream], sets: Mapping[str, str], duration: float) -> list[str]:
    """Which arrays end long before their clip does."""
    ends = {m: float(streams[m].times[-1]) for m, name in sets.items() if source_of(name) and len(streams[m].times)}
    return [
        f"The {modality} arrays ({sets[modality]}) end at {end:.1f} s of {duration:.1f} s: see to their rate or their file."
        for modality, end in ends.items()
        if end < duration - OVER
    ]


def _key(name: str, content: str, *settings: object) -> str:
    return of_clip(content, key_of(name, EXTRACTION_VERSION, content, *settings))


def can_hear() -> bool:
    """Whether openSMILE is installed; without it, only sound whose features were stored is heard."""
    return importlib.util.find_spec("opensmile") is not None


def _visual(path: Path, duration: float, report: Progress) -> Arrays:
    track = track_faces(path, lambda share: report("Finding the face", share), duration)
    report("Reading the face", 0.0)
    values = np.zeros((len(track.times), MiniXception.dim), np.float32)
    present = track.present
    values[present] = encode_faces(cut_crops(path, track)[present])
    return {"times": track.times, "boxes": track.boxes, "values": values}


def _heard(store: FeatureStore, key: str, make: Callable[[], Arrays]) -> Arrays:
    """The sound's features, from the store where it has them. Silence without ``notices`` was stored before channels that cancel
    each other were heard: it is made again."""
    found = store.get(key)
    if found is None or not (found["present"].any() or "notices" in found):
        found = make()
        store.put(key, found)
    return found


def _audio(path: Path, report: Progress, track: int | None) -> Arrays:
    report("Reading the sound", 0.0)
    sound = media.read_sound(path, track=track)
    stream = opensmile.extract_llds(sound)
    arrays = {"values": stream.values, "times": stream.times, "present": stream.present}
    notices = np.array(sound.notices if sound is not None else (), str)
    return arrays | envelope(sound) | {"track": np.array(sound is not None), "notices": notices}


def _other(name: str, clip: ClipFile, faces: FaceTrack, store: FeatureStore, content: str, track: int | None) -> Stream:
    one, path = FEATURE_SETS[name], clip.path
    weights = one.check(None)
    if (given := stream_of(name, one.dim, clip.ids, lambda: clip.duration)) is not None:
        return given

    def make() -> Arrays:
        found: Arrays = {}
        if one.needs == "sound":
            sound = media.read_sound(path, track=track)
            found = {"sound": sound.samples, "sound_start": np.array(sound.start)} if sound is not None else {}
        elif one.needs not in NO_CROPS:
            found = {"times": faces.times, "boxes": faces.boxes, one.needs: stages.cut(one.needs, path, faces)}
        stream = one.make(clip, found, one.load(weights))
        return {"values": stream.values, "times": stream.times, "present": stream.present}

    if one.needs == "arrays":
        raise UserError(missing(name, clip.id))
    settings: list[object] = [one.settings(weights)] if one.weights or one.read else ["bytes", *one.shape] if one.pixels else []
    settings += [clip.id] if one.code else []
    settings += media.reading(path)
    settings += media.hearing(path, track) if one.needs in ("sound", "file") else ()
    return one.as_stream(store.get_or_make(_key(name, content, *settings), make))


def _no_audio() -> Arrays:
    stream = Stream.absent(opensmile.DIM)
    return {"values": stream.values, "times": stream.times, "present": stream.present} | envelope(None)


def envelope(sound: media.Sound | None) -> Arrays:
    """Smallest and largest sample in each 10 ms, ``envelope`` [2, N], and the bins' centres, ``envelope_times`` [N] seconds."""
    step = round(ENVELOPE_STEP * media.SAMPLE_RATE)
    samples = sound.samples if sound is not None else np.zeros(0, np.float32)
    bins = samples[: len(samples) // step * step].reshape(-1, step)
    times = (sound.start if sound is not None else 0.0) + (np.arange(len(bins)) + 0.5) * ENVELOPE_STEP
    low, high = (bins.min(1), bins.max(1)) if len(bins) else (np.zeros(0), np.zeros(0))
    return {"envelope": np.stack([low, high]).astype(np.float32), "envelope_times": times}


def _notices(
    info: media.MediaInfo, streams: dict[str, Stream], faces: FaceTrack, audio: Arrays, silent_why: str
) -> tuple[str, ...]:
    notices = []
    if info.video_codec is None:
        notices.append("The file has no picture: the answer comes from the sound alone.")
    elif not streams["visual"].any:
        notices.append("No face was found: the answer comes from the sound alone.")
    elif not faces.present.all():
        gone = percent(1 - faces.present.mean())
        notices.append(f"The face is out of sight in {gone} of the frames; these are left out.")
    if silent_why:
        notices.append(silent_why)
    elif not audio.get("track", np.array(True)):
        notices.append("The file has no sound track: the answer comes from the picture alone.")
    elif not streams["audio"].any:
        notices.append("The sound track is silent or too short: the answer comes from the picture alone.")
    if not streams["visual"].any and not streams["audio"].any:
        notices = ["Neither a face nor a sound was found: the answer is the prior, it says nothing about this clip."]
    return tuple(notices)
