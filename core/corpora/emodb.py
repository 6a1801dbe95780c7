"""EMO-DB: ten German actors, ten sentences, seven emotions, sound only (Burkhardt et al., Interspeech 2005).

Layout, as distributed: a folder ``wav`` with files like ``03a01Fa.wav``: speaker, sentence, the emotion's German initial, and the
take. Copies as FLAC, or in folders by speaker, are supported. 535 clips; boredom is a class, surprise is not.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.folder import clip_tables
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import expect, sounds_named
from affectscope.core.media.kinds import SOUND

EMOTIONS = ("anger", "boredom", "disgust", "fear", "happiness", "neutral", "sadness")
_LETTERS = {
    "W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "N": "neutral", "T": "sadness",
}  # fmt: skip
# Speaker -> sex and age, from the owners' page.
_SPEAKERS = {
    "03": ("male", 31), "08": ("female", 34), "09": ("female", 21), "10": ("male", 32), "11": ("male", 26),
    "12": ("male", 30), "13": ("female", 32), "14": ("female", 35), "15": ("male", 25), "16": ("female", 31),
}  # fmt: skip
_SENTENCES = {
    "a01": "Der Lappen liegt auf dem Eisschrank.",
    "a02": "Das will sie am Mittwoch abgeben.",
    "a04": "Heute abend könnte ich es ihm sagen.",
    "a05": "Das schwarze Stück Papier befindet sich da oben neben dem Holzstück.",
    "a07": "In sieben Stunden wird es soweit sein.",
    "b01": "Was sind denn das für Tüten, die da unter dem Tisch stehen?",
    "b02": "Sie haben es gerade hochgetragen und jetzt gehen sie wieder runter.",
    "b03": "An den Wochenenden bin ich jetzt immer nach Hause gefahren und habe Agnes besucht.",
    "b09": "Ich will das eben wegbringen und dann mit Karl was trinken gehen.",
    "b10": "Die wird auf dem Platz sein, wo wir sie immer hinlegen.",
}
_CLIP = re.compile(rf"({'|'.join(_SPEAKERS)})({'|'.join(_SENTENCES)})([{''.join(_LETTERS)}])([a-z])", re.IGNORECASE)
_CLIPS = 535


def recognises(path: Path) -> bool:
    """Clips of its naming scheme in the folder or one below. A table of clips beside them makes it a user's own corpus."""
    if not path.is_dir() or clip_tables(path):
        return False
    return any(
        _CLIP.fullmatch(file.stem) and file.suffix.lower() in SOUND for near in ("*", "*/*", "*/*/*") for file in path.glob(near)
    )


def read(path: Path, options: Options) -> Corpus:
    """The clips in a folder; all metadata is in their names.

    Raises:
        UserError: when there is none.
    """
    remarks: list[str] = []
    parsed = sounds_named(path, _CLIP, "EMO-DB", "its folder wav", remarks)
    names = pd.Index([match[0] for match in parsed.values()], name="clip")
    table = pd.DataFrame([_row(file, match) for file, match in parsed.items()], names)
    expect(len(table), _CLIPS, "clips", remarks)
    absent = sorted(set(_SPEAKERS) - set(table["speaker"]))
    if absent:
        remarks.append(f"Speaker {', '.join(absent)} of ten is missing.")
    return Corpus(path.name, path, table, EMOTIONS, facts=_facts(table), missing=tuple(remarks))


def _row(file: str, match: re.Match[str]) -> dict[str, Any]:
    # On a case-insensitive disk names may have lost their capitals.
    speaker, sentence, letter, take = match[1], match[2].lower(), match[3].upper(), match[4].lower()
    sex, age = _SPEAKERS[speaker]
    return {
        "path": file, "label": _LETTERS[letter], "speaker": speaker, "sex": sex, "age": age,
        "sentence": _SENTENCES[sentence], "take": take,
    }  # fmt: skip


def _facts(table: pd.DataFrame) -> dict[str, Any]:
    people = table.drop_duplicates("speaker")
    return {"actors": {"total": len(people), **{sex: int((people["sex"] == sex).sum()) for sex in ("male", "female")}}}


READERS.register("emo-db")(Reader(recognises, read))
