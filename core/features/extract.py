"""From a media file to streams: decides which extractor feeds which modality.

A model's spec names the feature set of each modality. The default ones are always extracted, since the player needs the face
track and the sound's envelope.
"""

from __future__ import annotations

import hashlib
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
from affectscope.core.features.extractors.encoders import FaceViews
from affectscope.core.features.extractors.faces import FaceTrack, seeing, track_faces
from affectscope.core.features.extractors.landmarks import LANDMARKS_VERSION, find_points
from affectscope.core.features.sets import CLOSE_CROPS, FEATURE_SETS, encode_faces
from affectscope.core.features.stored.arrays import OVER, missing, source_of, stream_of
from affectscope.core.streams import Stream
from affectscope.core.text import percent

ENVELOPE_STEP = 0.010
DEFAULT_SETS = {"audio": "llds", "visual": "face-views"}

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Extraction:
    """What was extracted from one file.

    Attributes:
        streams: modality -> the requested features, unnormalised.
        faces: boxes of the analysed face and of all others, on the video's frames.
        envelope: [2, N] float32, minimum and maximum sample in each 10 ms.
        envelope_times: [N] seconds, bin centres.
        notices: one sentence each about what is missing.
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
    face: int | None = None,
) -> Extraction:
    """Extract a file's faces and sound, using the cache.

    Args:
        sets: modality -> feature set.
        track: the audio track, counted from 1; default: the first that has sound.
        clip: the clip's id in its corpus; default: the file's name.
        face: which face, counted from 1, in order of size and time on screen; default: the first.

    Raises:
        UserError: when the file cannot be decoded, or has no such track or face.
    """
    report = progress or (lambda stage, share: None)
    info = media.probe(path, track=track)
    store = store or FeatureStore()
    content, seen, heard = content_hash(path), media.reading(path), media.hearing(path, track)
    visual = store.get_or_make(_key("visual", content, *seen), lambda: _visual(path, info.duration, report))
    faces = _faces(visual).of(face)
    if faces.number > 1:
        key = _key("visual", content, *seen, *seeing(face))
        visual = store.get_or_make(key, lambda: _read(path, faces, report))
    silent_why = ""
    try:
        audio = _heard(store, _key("audio", content, *seen, *heard), lambda: _audio(path, report, track))
    except UserError as error:
        audio, silent_why = _no_audio(), str(error)
    streams = {
        "audio": Stream(audio["values"], audio["times"], audio["present"]),
        "visual": Stream(visual["values"], visual["times"], ~np.isnan(visual["boxes"][:, 0])),
    }
    own = ClipFile(path, clip, faces, track)
    for modality, name in sets.items():
        if name != DEFAULT_SETS.get(modality) or source_of(name):
            report(f"Reading {name}", 0.0)
            streams[modality] = _other(name, own, faces, store, content, track)
    notices = (
        *_notices(info, streams, faces, audio, silent_why),
        *_several(faces),
        *map(str, audio.get("notices", ())),
        *media.lost_pictures(path, faces.times),
        *media.remarks(path, track),
        *_short(streams, sets, info.duration),
    )
    return Extraction(streams, faces, audio["envelope"], audio["envelope_times"], info.duration, notices)


def points_of(path: Path, faces: FaceTrack, store: FeatureStore) -> np.ndarray:
    """Five landmarks of the face in every frame, [F, 5, 2], cached; see ``extractors.landmarks``."""
    content, boxes = content_hash(path), hashlib.sha256(faces.boxes.tobytes()).hexdigest()
    key = of_clip(content, key_of("points", LANDMARKS_VERSION, content, boxes, *media.reading(path)))
    return store.get_or_make(key, lambda: {"points": find_points(path, faces)})["points"]


def count_faces(path: Path, store: FeatureStore | None = None) -> int | None:
    """The number of people whose faces were found in a file; None if it was not extracted yet."""
    visual = (store or FeatureStore()).get(_key("visual", content_hash(path), *media.reading(path)))
    return None if visual is None else len(_faces(visual).everyone)


def _short(streams: Mapping[str, Stream], sets: Mapping[str, str], duration: float) -> list[str]:
    """One sentence for each array that ends long before its clip."""
    ends = {m: float(streams[m].times[-1]) for m, name in sets.items() if source_of(name) and len(streams[m].times)}
    return [
        f"The {modality} arrays ({sets[modality]}) end at {end:.1f} s of {duration:.1f} s: see to their rate or their file."
        for modality, end in ends.items()
        if end < duration - OVER
    ]


def _key(name: str, content: str, *settings: object) -> str:
    return of_clip(content, key_of(name, EXTRACTION_VERSION, content, *settings))


def can_hear() -> bool:
    """Whether openSMILE is installed. Without it, only cached sound features are available."""
    return importlib.util.find_spec("opensmile") is not None


def _visual(path: Path, duration: float, report: Progress) -> Arrays:
    track = track_faces(path, lambda share: report("Finding the face", share), duration)
    return _read(path, track, report) | {"everyone": track.everyone, "remarks": np.array(track.remarks, str)}


def _read(path: Path, track: FaceTrack, report: Progress) -> Arrays:
    report("Reading the face", 0.0)
    values = np.zeros((len(track.times), FaceViews.dim), np.float32)
    present = track.present
    values[present] = encode_faces(stages.cut(CLOSE_CROPS, path, track)[present])
    return {"times": track.times, "boxes": track.boxes, "values": values}


def _faces(visual: Arrays) -> FaceTrack:
    boxes = visual["boxes"]
    # Features that come with a corpus describe a single face.
    everyone = visual.get("everyone", boxes[None])
    return FaceTrack(visual["times"], boxes, everyone, remarks=tuple(map(str, visual.get("remarks", ()))))


def _several(faces: FaceTrack) -> tuple[str, ...]:
    """Notices about other people in the picture, and about uncertain identities."""
    count = len(faces.everyone)
    if count < 2:
        return faces.remarks
    whose = "the larger one" if count == 2 else "the largest one"
    whose = whose if faces.number == 1 else f"face {faces.number}"
    other = next(n for n in range(1, count + 1) if n != faces.number)
    return f"{count} people are in the picture; {whose} is read: click another, or take --face {other}.", *faces.remarks


def _heard(store: FeatureStore, key: str, make: Callable[[], Arrays]) -> Arrays:
    """The sound's features, cached.

    An entry of silence without ``notices`` is from before channels that cancel each other out were handled, and is recomputed.
    """
    arrays = store.get(key)
    if arrays is None or not (arrays["present"].any() or "notices" in arrays):
        arrays = make()
        store.put(key, arrays)
    return arrays


def _audio(path: Path, report: Progress, track: int | None) -> Arrays:
    report("Reading the sound", 0.0)
    sound = media.read_sound(path, track=track)
    stream = opensmile.extract_llds(sound)
    arrays = {"values": stream.values, "times": stream.times, "present": stream.present}
    notices = np.array(sound.notices if sound is not None else (), str)
    return arrays | envelope(sound) | {"track": np.array(sound is not None), "notices": notices}


def _other(name: str, clip: ClipFile, faces: FaceTrack, store: FeatureStore, content: str, track: int | None) -> Stream:
    feature_set, path = FEATURE_SETS[name], clip.path
    weights = feature_set.check(None)
    if (given := stream_of(name, feature_set.dim, clip.ids, lambda: clip.duration)) is not None:
        return given

    def make() -> Arrays:
        arrays: Arrays = {}
        if feature_set.needs == "sound":
            sound = media.read_sound(path, track=track)
            arrays = {"sound": sound.samples, "sound_start": np.array(sound.start)} if sound is not None else {}
        elif feature_set.needs not in NO_CROPS:
            arrays = {"times": faces.times, "boxes": faces.boxes, feature_set.needs: stages.cut(feature_set.needs, path, faces)}
        stream = feature_set.make(clip, arrays, feature_set.load(weights))
        return {"values": stream.values, "times": stream.times, "present": stream.present}

    if feature_set.needs == "arrays":
        raise UserError(missing(name, clip.id))
    settings: list[object] = []
    if feature_set.weights or feature_set.read:
        settings.append(feature_set.settings(weights))
    elif feature_set.pixels:
        settings += ["bytes", *feature_set.shape]
    settings += [clip.id] if feature_set.code else []
    settings += media.reading(path)
    settings += media.hearing(path, track) if feature_set.needs in ("sound", "file") else ()
    settings += seeing(faces.number) if feature_set.needs != "sound" else ()
    return feature_set.as_stream(store.get_or_make(_key(name, content, *settings), make))


def _no_audio() -> Arrays:
    stream = Stream.absent(opensmile.DIM)
    return {"values": stream.values, "times": stream.times, "present": stream.present} | envelope(None)


def envelope(sound: media.Sound | None) -> Arrays:
    """Minimum and maximum sample in each 10 ms, ``envelope`` [2, N], and bin centres, ``envelope_times`` [N] seconds."""
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
