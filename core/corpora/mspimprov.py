"""MSP-IMPROV: six sessions of two actors; four classes and three attributes, by at least five raters per turn.

Layout, as distributed: ``Evaluation.txt`` (in some copies ``Evalution.txt``), and ``session<n>/S<sentence><emotion>/<P|R|S|T>/``
with an ``.avi`` and a ``.wav`` per turn, sometimes under ``Audio`` and ``Video``. A turn is called
``MSP-IMPROV-S01A-F01-P-FM01``: sentence 1 targeting Anger, the Female actor of session 1, condition, addressee and number. The
conditions are S (other turns of the improvisation), T (its target sentence), R (the target sentence read) and P (natural, between
recordings): 4,381, 652, 620 and 2,785 turns in goncalves2022robust, section 4.1, and almost as many in the files of VAVL's
repository.

``Evaluation.txt`` has a paragraph per turn: ``UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.6; V:3.2; D:3.0 ; N:4.2;`` is the plurality
vote of its raters (A, H, N, S, Other, X without agreement) and the mean activation, valence, dominance and naturalness from 1 to
5; then a line per rater: ``name; Neutral; Neutral,Concerned,; A:3; V:3; D:3; N:4;``. There, activation 1 is the most active;
here, arousal increases with activity (the label files of VAVL's repository hold 6 - A, which confirms this). Attributes are
rescaled from 1..5 to -1..1.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import expect, hollow_videos, matched, media_files, read_text
from affectscope.core.corpora.votes import shares
from affectscope.core.errors import UserError
from affectscope.core.media.kinds import SOUND, VIDEO
from affectscope.core.models.labels import FOUR_EMOTIONS

_TURN = re.compile(r"(?:MSP|UTD)-IMPROV-(S\d{2}[AHNS]-[FM]\d{2}-[PRST]-[FM]{1,2}\d{2,3})(?:\.\w+)?", re.IGNORECASE)
_LETTERS = {"A": "anger", "H": "happiness", "N": "neutral", "S": "sadness", "O": "other", "X": ""}
_WORDS = {"angry": "anger", "happy": "happiness", "neutral": "neutral", "sad": "sadness", "other": "other"}
_CONDITIONS = {"S": "other-improvised", "T": "target-improvised", "R": "target-read", "P": "natural"}
_VALUE = re.compile(r"([AVDN])\s*:\s*(\S+)")
_TURNS = 8438
_FILES = ("Evaluation.txt", "Evalution.txt")
_NEAR = ("", "*/", "*/*/")


def recognises(path: Path) -> bool:
    """Its evaluation file, or media of its naming scheme in session folders."""
    if not path.is_dir():
        return False
    if _evaluation(path) is not None:
        return True
    places = ("*", "session*/S*/*/*", "*/session*/S*/*/*")
    return any(_TURN.fullmatch(file.stem) for place in places for file in path.glob(place))


def read(path: Path, options: Options) -> Corpus:
    """The corpus in a folder, complete or not.

    Raises:
        UserError: when the evaluation file is damaged, or nothing is found.
    """
    remarks: list[str] = []
    file = _evaluation(path)
    turns, votes = _evaluated(file, remarks) if file else ({}, {})
    if file is None:
        remarks.append("Evaluation.txt is missing: the turns have no labels.")
    media = {
        f"MSP-IMPROV-{m[1].upper()}" if (m := _TURN.fullmatch(name)) else name: place
        for name, place in _media(path, remarks).items()
    }
    clips = sorted({*turns, *(name for name in media if _TURN.fullmatch(name))})
    if not clips:
        raise UserError(f"{path} names no turn of MSP-IMPROV: put Evaluation.txt or the folders of the sessions into it.")
    every = _named(clips, matched(clips, media, remarks), turns)
    expect(len(every), _TURNS, "turns", remarks)
    table = _chosen(every, options)
    if options["votes"] == "soft":
        counts = pd.DataFrame.from_dict(votes, orient="index", columns=list(dict.fromkeys(_WORDS.values()))).astype(float)
        table = table.join(shares(counts).add_prefix("share "))
    labels = FOUR_EMOTIONS if options["classes"] == "four" else (*FOUR_EMOTIONS, "other")
    return Corpus(path.name, path, table, labels, facts=_facts(every), missing=tuple(remarks))


def _evaluation(path: Path) -> Path | None:
    return next((file for near in _NEAR for name in _FILES for file in sorted(path.glob(near + name))), None)


def _media(path: Path, remarks: list[str]) -> dict[str, str]:
    """Turn -> its video where there is one, else its sound."""
    sounds, videos = media_files(path, remarks, SOUND), media_files(path, remarks, VIDEO)
    hollow = hollow_videos([file for name, file in videos.items() if name in sounds], path, remarks)
    return sounds | {name: file for name, file in videos.items() if file not in hollow}


def _evaluated(file: Path, remarks: list[str]) -> tuple[dict[str, tuple[str, list[float]]], dict[str, list[int]]]:
    """Turn -> its plurality vote and the means of A, V, D and N; and turn -> number of raters per word."""
    turns: dict[str, tuple[str, list[float]]] = {}
    raters: dict[str, dict[str, str]] = {}
    turn = ""
    for number, line in enumerate(read_text(file, remarks).split("\n"), 1):
        cells = [cell.strip() for cell in line.split(";")]
        if not line.strip():
            continue
        if named := _TURN.fullmatch(cells[0]):
            turn = f"MSP-IMPROV-{named[1].upper()}"
            evaluation = (_letter(cells, file, number), _values(cells, file, number))
            if turn in turns and repr(turns[turn]) != repr(evaluation):
                raise UserError(
                    f"{file.name} says different things of {turn}, again in line {number}: keep one of its paragraphs."
                )
            if turn in turns:
                remarks.append(f"{file.name} has {turn} more than once; one was kept.")
            turns[turn] = evaluation
        elif turn and len(cells) > 2 and cells[1].lower() in _WORDS:
            # Some raters' lines are duplicated.
            raters.setdefault(turn, {})[cells[0]] = _WORDS[cells[1].lower()]
        else:
            remarks.append(f"{file.name} has a line that is neither a turn nor a rater (line {number}).")
    if not turns:
        raise UserError(f"{file.name} holds no turn of MSP-IMPROV: put back the file that the corpus came with.")
    words = list(dict.fromkeys(_WORDS.values()))
    return turns, {name: [list(own.values()).count(word) for word in words] for name, own in raters.items()}


def _letter(cells: list[str], file: Path, number: int) -> str:
    letter = cells[1].upper() if len(cells) > 1 else ""
    if letter not in _LETTERS:
        raise UserError(f"{file.name} has the class {letter!r} in line {number}: A, H, N, S, O or X is expected.")
    return letter


def _values(cells: list[str], file: Path, number: int) -> list[float]:
    values = {match[1]: match[2] for cell in cells[2:] if (match := _VALUE.fullmatch(cell))}
    try:
        return [float(values[name]) for name in "AVDN"]
    except (KeyError, ValueError) as error:
        raise UserError(
            f"{file.name} lacks one of A, V, D and N in line {number}: put back the file that the corpus came with."
        ) from error


def _named(clips: list[str], paths: pd.Series, turns: dict[str, tuple[str, list[float]]]) -> pd.DataFrame:
    parts = [clip.split("-")[2:] for clip in clips]
    letters = [turns[clip][0] if clip in turns else "X" for clip in clips]
    values = np.array([turns[clip][1] if clip in turns else [np.nan] * 4 for clip in clips])
    return pd.DataFrame(
        {
            "path": paths.to_numpy(),
            "label": [_LETTERS[letter] for letter in letters],
            "speaker": [part[1] for part in parts],
            "sex": ["female" if part[1][0] == "F" else "male" for part in parts],
            "session": [int(part[1][1:]) for part in parts],
            "sentence": [part[0][1:3] for part in parts],
            "acted": [_LETTERS[part[0][3]] for part in parts],
            "condition": [_CONDITIONS[part[2]] for part in parts],
            "arousal": (3 - values[:, 0]) / 2,
            "valence": (values[:, 1] - 3) / 2,
            "dominance": (values[:, 2] - 3) / 2,
            "naturalness": values[:, 3],
        },
        pd.Index(clips, name="clip"),
    )


def _chosen(every: pd.DataFrame, options: Options) -> pd.DataFrame:
    table = every
    wanted = options["condition"]
    if wanted == "not-read":
        table = table[table["condition"] != "target-read"]
    elif wanted != "all":
        table = table[table["condition"] == wanted]
    # Without any labels, classes cannot be filtered.
    return table[table["label"].isin(FOUR_EMOTIONS)] if options["classes"] == "four" and (every["label"] != "").any() else table


def _facts(every: pd.DataFrame) -> dict[str, Any]:
    counts = every["label"].replace("", "no agreement").value_counts()
    people = every.drop_duplicates("speaker")
    return {
        "turns": len(every),
        "consensus": {label: int(counts.get(label, 0)) for label in (*FOUR_EMOTIONS, "other", "no agreement")},
        "conditions": {name: int((every["condition"] == name).sum()) for name in _CONDITIONS.values()},
        "sessions": {str(n): int(c) for n, c in every["session"].value_counts().sort_index().items()},
        "actors": {"total": len(people), **{sex: int((people["sex"] == sex).sum()) for sex in ("male", "female")}},
    }


READERS.register("msp-improv")(
    Reader(
        recognises,
        read,
        {
            "classes": ("four", "all"),
            "condition": ("all", "not-read", *_CONDITIONS.values()),
            "votes": ("plurality", "soft"),
        },
    )
)
