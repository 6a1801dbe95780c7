"""TESS: two Canadian women, 200 words, seven emotions, 2,800 audio clips (Pichora-Fuller and Dupuis, 2020).

Layout: doi.org/10.5683/SP2/E8H2MF. Files are called ``OAF_back_angry.wav``: the older or younger woman, the word, the emotion
(``ps`` is pleasant surprise), in one folder or in one per woman and emotion (``OAF_angry``).
"""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.folder import clip_tables
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import expect, sounds_named
from affectscope.core.media.kinds import SOUND

_WORDS = {
    "angry": "anger", "disgust": "disgust", "fear": "fear", "happy": "happiness", "neutral": "neutral", "sad": "sadness",
    "ps": "surprise", "pleasant_surprise": "surprise", "pleasant_surprised": "surprise",
}  # fmt: skip
EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise")
_AGES = {"o": ("OAF", 64), "y": ("YAF", 26)}
# One file of the published set is called OA_bite_neutral.
_CLIP = re.compile(rf"([oy])af?_([a-z]+)_({'|'.join(_WORDS)})", re.IGNORECASE)
_CLIPS = 2800


def recognises(path: Path) -> bool:
    """Clips of its naming scheme, at most three levels below. A table of clips beside them makes it a user's own corpus."""
    if not path.is_dir() or clip_tables(path):
        return False
    patterns = (f"{'*/' * depth}[OYoy]*_*_*" for depth in range(4))
    return any(_CLIP.fullmatch(file.stem) and file.suffix.lower() in SOUND for pattern in patterns for file in path.glob(pattern))


def read(path: Path, options: Options) -> Corpus:
    """The clips in a folder; all metadata is in their names.

    Raises:
        UserError: when there is none.
    """
    remarks: list[str] = []
    parsed = sounds_named(path, _CLIP, "TESS", "its folders", remarks)
    rows = []
    for file, match in parsed.items():
        speaker, age = _AGES[match[1].lower()]
        label = _WORDS[match[3].lower()]
        rows.append({"path": file, "label": label, "speaker": speaker, "sex": "female", "age": age, "word": match[2].lower()})
    table = pd.DataFrame(rows, pd.Index([match[0] for match in parsed.values()], name="clip"))
    expect(len(table), _CLIPS, "clips", remarks)
    return Corpus(path.name, path, table, EMOTIONS, missing=tuple(remarks))


READERS.register("tess")(Reader(recognises, read))
