"""SAVEE: four British men, seven emotions, 480 utterances, audio or audio-visual (Haq and Jackson, 2009).

Layout, as distributed: ``AudioData/DC/a01.wav`` and ``AudioVisualClip/DC/a01.avi``: the speaker's folder, the emotion's letters
and the utterance's number. Copies in one folder are called ``DC_a01.wav``.
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.folder import clip_tables
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import expect, is_sound, media_paths
from affectscope.core.errors import UserError

_LETTERS = {
    "a": "anger", "d": "disgust", "f": "fear", "h": "happiness", "n": "neutral", "sa": "sadness", "su": "surprise",
}  # fmt: skip
EMOTIONS = tuple(_LETTERS.values())
_SPEAKERS = ("DC", "JE", "JK", "KL")
_CLIP = re.compile(rf"({'|'.join(_SPEAKERS)})[/_](sa|su|[adfhn])(\d\d)\.\w+", re.IGNORECASE)
_CLIPS = 480


def recognises(path: Path) -> bool:
    """Clips of its naming scheme, at most three levels below. A table of clips beside them makes it a user's own corpus."""
    if not path.is_dir() or clip_tables(path):
        return False
    names = [f"{'*/' * depth}*_[adfhnsADFHNS]*.*" for depth in range(3)]
    folders = [f"{'*/' * depth}{speaker}/*.*" for depth in range(3) for speaker in _SPEAKERS]
    return any(_parsed(str(file.relative_to(path.parent))) for pattern in (*names, *folders) for file in path.glob(pattern))


def read(path: Path, options: Options) -> Corpus:
    """The clips in a folder; all metadata is in their names.

    Raises:
        UserError: when there is none.
    """
    remarks: list[str] = []
    rows: dict[str, dict[str, str]] = {}
    stray: list[str] = []
    # If a clip exists as video and as audio only, use the video.
    for place in sorted(media_paths(path, remarks), key=lambda place: (is_sound(place), place)):
        match = _parsed(f"{path.name}/{place}")
        if match is None:
            stray.append(place)
            continue
        speaker, letters, number = match[1].upper(), match[2].lower(), match[3]
        row = {"path": place, "label": _LETTERS[letters], "speaker": speaker, "sex": "male", "utterance": number}
        rows.setdefault(f"{speaker}_{letters}{number}", row)
    if stray:
        remarks.append(f"{len(stray):,} files have no name of SAVEE's and were left out ({stray[0]}).")
    if not rows:
        raise UserError(f"{path} holds no clip of SAVEE: unpack its folder AudioData or AudioVisualClip into it.")
    table = pd.DataFrame([rows[name] for name in sorted(rows)], pd.Index(sorted(rows), name="clip"))
    expect(len(table), _CLIPS, "clips", remarks)
    return Corpus(path.name, path, table, EMOTIONS, missing=tuple(remarks))


def _parsed(place: str) -> re.Match[str] | None:
    return _CLIP.fullmatch("/".join(place.split("/")[-2:])) or _CLIP.fullmatch(place.rpartition("/")[2])


READERS.register("savee")(Reader(recognises, read))
