"""RAVDESS: 24 actors, two sentences, eight emotions in speech at two intensities; audio-visual, video only or audio only.

Layout: zenodo.org/records/1188976. ``Actor_<nn>/<modality>-<channel>-<emotion>-<intensity>-<sentence>-<repetition>-<actor>`` as
.mp4 or .wav, in one folder or in one per download (``Video_Speech_Actor_01/Actor_01``, ``Audio_Speech_Actors_01-24/Actor_01``).
Modality 01 is audio-visual, 02 video only, 03 audio only; channel 01 is speech, 02 song; odd actors are men. There are 1,440
clips of speech in each modality. Clips 02 have a silent audio track, so an existing track does not imply an existing modality."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.folder import clip_tables
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import expect, media_files
from affectscope.core.errors import UserError
from affectscope.core.media.kinds import MEDIA

EMOTIONS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
_CLIP = re.compile(r"0[123]-0[12]-0[1-8]-0[12]-0[12]-0[12]-(?:0[1-9]|1\d|2[0-4])")
_MODALITIES = {"01": "audio-visual", "02": "video", "03": "audio"}
_CHANNELS = {"01": "speech", "02": "song"}
_SENTENCES = {"01": "Kids are talking by the door", "02": "Dogs are sitting by the door"}
# Actor 18 did not sing.
_CLIPS = {"speech": 1440, "song": 1012}


def recognises(path: Path) -> bool:
    """Clips of its naming scheme in the folder or at most four levels below, as in actors' folders and downloads.

    A table of clips beside them, which RAVDESS does not have, makes it a user's own corpus.
    """
    patterns = (f"{'*/' * depth}*-*-*-*-*-*-*" for depth in range(5))
    if not path.is_dir() or clip_tables(path):
        return False
    return any(_CLIP.fullmatch(file.stem) for pattern in patterns for file in path.glob(pattern))


def read(path: Path, options: Options) -> Corpus:
    """The clips in a folder; all metadata is in their names.

    Raises:
        UserError: when there is none.
    """
    remarks: list[str] = []
    media = media_files(path, remarks, MEDIA)
    stray = sorted(file for name, file in media.items() if not _CLIP.fullmatch(name))
    if stray:
        remarks.append(f"{len(stray):,} files have no name of RAVDESS's and were left out ({stray[0]}).")
    clips = sorted(name for name in media if _CLIP.fullmatch(name))
    if not clips:
        raise UserError(f"{path} holds no clip of RAVDESS: unpack Actor_01 to Actor_24 into it.")
    every = _named(clips, media)
    table = _chosen(every, options, remarks)
    speech = table[table["channel"] == "speech"]
    for modality, group in speech.groupby("modality"):
        expect(len(group), _CLIPS["speech"], f"{modality} clips of speech", remarks)
    absent = sorted({f"{n:02d}" for n in range(1, 25)} - set(every["speaker"]))
    if absent:
        remarks.append(f"Actor {', '.join(absent)} of 24 is missing.")
    labels = EMOTIONS if (table["channel"] == "speech").any() else EMOTIONS[:6]
    return Corpus(path.name, path, table, labels, facts=_facts(every), missing=tuple(remarks))


def _named(clips: list[str], media: dict[str, str]) -> pd.DataFrame:
    parts = pd.DataFrame([clip.split("-") for clip in clips], pd.Index(clips, name="clip"), list("mcewsra"))
    return pd.DataFrame(
        {
            "path": [media[clip] for clip in clips],
            "label": [EMOTIONS[int(code) - 1] for code in parts["e"]],
            "speaker": parts["a"],
            "sex": ["male" if int(actor) % 2 else "female" for actor in parts["a"]],
            "intensity": parts["w"].map({"01": "normal", "02": "strong"}),
            "sentence": parts["s"].map(_SENTENCES),
            "repetition": parts["r"].astype(int),
            "modality": parts["m"].map(_MODALITIES),
            "channel": parts["c"].map(_CHANNELS),
        }
    )


def _chosen(every: pd.DataFrame, options: Options, remarks: list[str]) -> pd.DataFrame:
    table = every
    for column in ("channel", "modality"):
        wanted = options[column]
        if wanted == "all":
            continue
        there = list(dict.fromkeys(table[column]))
        if wanted not in there:
            remarks.append(f"No {wanted} clips are there: the {there[0]} ones are read.")
            wanted = there[0]
        table = table[table[column] == wanted]
    return table


def _facts(every: pd.DataFrame) -> dict[str, Any]:
    people = every.drop_duplicates("speaker")
    counts = {
        channel: {
            modality: int(((every["modality"] == modality) & (every["channel"] == channel)).sum())
            for modality in _MODALITIES.values()
        }
        for channel in _CHANNELS.values()
    }
    return {
        "actors": {"total": len(people), **{sex: int((people["sex"] == sex).sum()) for sex in ("male", "female")}},
        "files": counts,
        "intensity": {str(name): int(count) for name, count in every["intensity"].value_counts().items()},
    }


READERS.register("ravdess")(
    Reader(recognises, read, {"modality": (*_MODALITIES.values(), "all"), "channel": (*_CHANNELS.values(), "all")})
)
