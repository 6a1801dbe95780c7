"""CREMA-D: 7,442 clips of 91 actors, six acted emotions, labels by raters who heard, saw, or did both.

Layout: github.com/CheyneyComputerScience/CREMA-D. ``AudioWAV/<clip>.wav`` and ``VideoFlash/<clip>.flv``; a clip is called
``<actor>_<sentence>_<ANG|DIS|FEA|HAP|NEU|SAD>_<LO|MD|HI|XX>``. Tables beside them (or in ``processedResults``):
``SentenceFilenames.csv`` lists the clips, ``VideoDemographics.csv`` the actors, ``summaryTable.csv`` the winning votes (``F:S``
for ties), and ``tabulatedVotes.csv`` the votes: its unnamed first column is 1, 2 or 3 (voice, face, both) times 100,000 plus the
clip's number. audEERING's split of the actors, if it is there, is a JSON file of ``train``, ``dev`` and ``test``.

Ties: goncalves2022robust and goncalves2022auxformer count 7,442 labelled clips, 420 more than have a single winner, by an
unstated rule. Their counts are consistent with a random draw among the winners (expected: anger 1,070, disgust 1,219, fear 1,169,
happiness 1,230, neutral 2,083, sadness 670; reported: 1,067, 1,222, 1,180, 1,230, 2,071, 672), and with no fixed order.
``ties=drawn`` also draws, by the clip's name; ``ties=dropped`` keeps the clips with one winner.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import (
    expect,
    hollow_videos,
    is_sound,
    matched,
    media_files,
    numbers,
    once,
    read_table,
    read_text,
)
from affectscope.core.corpora.votes import TIES, settled, shares, winners
from affectscope.core.errors import UserError
from affectscope.core.media.kinds import MEDIA
from affectscope.core.models.labels import EMOTIONS

_CLIP = re.compile(r"(\d{4})_([A-Z]{3})_(ANG|DIS|FEA|HAP|NEU|SAD)_(LO|MD|HI|XX?)")
_LETTERS = dict(zip("ADFHNS", EMOTIONS, strict=True))
_INTENSITY = {"LO": "low", "MD": "medium", "HI": "high"}
_MODALITIES = {"audio-visual": "MultiModalVote", "voice": "VoiceVote", "face": "FaceVote"}
_CODES = {1: "voice", 2: "face", 3: "audio-visual"}
_CLIPS, _ACTORS = 7442, 91
_FOLDERS = ("AudioWAV", "VideoFlash")
_PARTS = {"train": "train", "dev": "development", "test": "test"}
_TABLES = ("SentenceFilenames.csv", "VideoDemographics.csv", "summaryTable.csv", "tabulatedVotes.csv")


def recognises(path: Path) -> bool:
    """Its own tables, or media folders with clips of its naming scheme."""
    if not path.is_dir():
        return False
    if any(_find(path, name) for name in _TABLES[1:]):
        return True
    folders = [folder for name in _FOLDERS if (folder := _folder(path, name)) is not None]
    return any(
        _CLIP.fullmatch(file.stem.upper())
        for folder in [path, *folders]
        for file in folder.iterdir()
        if file.suffix.lower() in MEDIA
    )


def read(path: Path, options: Options) -> Corpus:
    """The corpus in a folder, complete or not: media without tables, or tables without media.

    Raises:
        UserError: when a table is damaged, or lacks the requested votes.
    """
    remarks: list[str] = []
    votes, counted = _votes(path, remarks)
    listed = _listed(path, remarks)
    media = _media(path, remarks)
    every = {*listed, *(clip for table in votes.values() for clip in table.index), *media}
    clips = sorted(clip for clip in every if _CLIP.fullmatch(clip))
    if not clips:
        raise UserError(f"{path} names no clip of CREMA-D: put AudioWAV, VideoFlash or the repository's tables into it.")
    table = _named(clips, matched(clips, media, remarks))
    expect(len(clips), _CLIPS, "clips", remarks)
    table = table.join(_actors(path, set(table["speaker"]), remarks), on="speaker")
    for modality, counts in votes.items():
        table[f"vote {modality}"] = winners(counts).reindex(table.index).fillna("")
    if split := _split(path, remarks):
        table["split"] = table["speaker"].map(split).fillna("")
    facts = _facts(table)
    label = options["label"]
    if label == "perceived" and not votes:
        remarks.append("Neither tabulatedVotes.csv nor summaryTable.csv: the labels are the acted emotions.")
        label = "acted"
    if label == "acted":
        table["label"] = table["acted"]
    else:
        table["label"] = _perceived(table, votes, options)
        if unvoted := int((table[f"vote {options['modality']}"] == "").sum()):
            remarks.append(f"{unvoted:,} clips have no votes on {options['modality']} and were left out.")
    if options["votes"] == "soft":
        table = table.join(_soft(counted, options["modality"]))
    return Corpus(path.name, path, table[table["label"] != ""], EMOTIONS, facts=facts, missing=tuple(remarks))


def _find(path: Path, name: str) -> Path | None:
    return next((place / name for place in (path, path / "processedResults") if (place / name).is_file()), None)


def _listed(path: Path, remarks: list[str]) -> list[str]:
    file = _find(path, "SentenceFilenames.csv")
    if file is None:
        remarks.append("SentenceFilenames.csv is missing: the clips are those of the other tables and the media.")
        return []
    return _known(once(read_table(file, ["Filename"], remarks, ()), "Filename", file, remarks), file, remarks).index.tolist()


def _votes(path: Path, remarks: list[str]) -> tuple[dict[str, pd.DataFrame], dict[str, pd.DataFrame]]:
    """Modality -> votes [clips, emotions], or the summary's winners where there are no counts; and only those with counts."""
    file, summary = _find(path, "tabulatedVotes.csv"), _find(path, "summaryTable.csv")
    counted = _tabulated(file, remarks) if file else {}
    told = _summarised(summary, remarks) if summary else {}
    if not counted:
        if told:
            remarks.append(
                "tabulatedVotes.csv has no votes: the winners are those of summaryTable.csv, and there are no soft votes."
            )
        return told, {}
    _compare(counted, told, remarks)
    votes = dict(counted)
    for modality, winning in told.items():
        rest = winning[~winning.index.isin(counted[modality].index)] if modality in counted else winning
        if len(rest):
            remarks.append(
                f"tabulatedVotes.csv lacks {len(rest):,} clips ({modality}): their winners are those of summaryTable.csv."
            )
            votes[modality] = pd.concat([counted[modality], rest]) if modality in counted else rest
    return votes, counted


def _compare(votes: dict[str, pd.DataFrame], summary: dict[str, pd.DataFrame], remarks: list[str]) -> None:
    for modality in [name for name in votes if name in summary]:
        ours, theirs = winners(votes[modality]), winners(summary[modality])
        both = ours.index.intersection(theirs.index)
        if other := int((ours[both] != theirs[both]).sum()):
            remarks.append(
                f"summaryTable.csv has other winners than tabulatedVotes.csv for {other:,} clips ({modality}): the votes count."
            )


def _summarised(file: Path, remarks: list[str]) -> dict[str, pd.DataFrame]:
    """Modality -> one vote for each winner in the summary."""
    table = read_table(file, ["FileName", *_MODALITIES.values()], remarks, ())
    table = _known(once(table, "FileName", file, remarks), file, remarks)
    return {
        modality: pd.DataFrame({e: table[column].str.contains(letter).astype(float) for letter, e in _LETTERS.items()})
        for modality, column in _MODALITIES.items()
    }  # fmt: skip


def _tabulated(file: Path, remarks: list[str]) -> dict[str, pd.DataFrame]:
    # pandas names a column without a heading by its position.
    table = read_table(file, ["fileName", *_LETTERS], remarks, ("Unnamed: 0", "", "X"))
    code = next((name for name in ("Unnamed: 0", "", "X") if name in table), None)
    if code is None:
        raise UserError(f"{file.name} has lost its first column, which tells voice, face and both apart: put the table back.")
    modality = (numbers(table, code, file) // 100_000).map(_CODES)
    if modality.isna().any():
        line = int(modality.isna().to_numpy().argmax())
        raise UserError(f"{file.name} has {table[code].iloc[line]!r} in line {line + 2}: 1, 2 or 3 and five digits are expected.")
    votes = {}
    for name in _MODALITIES:
        own = once(table[modality == name].drop(columns=code), "fileName", file, remarks)
        own = _known(own, file, remarks)
        votes[name] = pd.DataFrame({emotion: numbers(own, letter, file) for letter, emotion in _LETTERS.items()})
    empty = [name for name, counts in votes.items() if counts.empty]
    if empty:
        remarks.append(f"{file.name} has no votes on {' and '.join(empty)}.")
    return {name: counts for name, counts in votes.items() if not counts.empty}


def _known(table: pd.DataFrame, file: Path, remarks: list[str]) -> pd.DataFrame:
    named = table.index.str.fullmatch(_CLIP.pattern)
    if not named.all():
        strange = table.index[~named]
        remarks.append(f"{file.name} names {len(strange):,} that are no clips of CREMA-D ({strange[0]}); they were left out.")
    return table[named]


def _media(path: Path, remarks: list[str]) -> dict[str, str]:
    """Clip -> its video where there is one, else its sound."""
    media: dict[str, str] = {}
    for name in _FOLDERS:
        folder = _folder(path, name)
        if folder is not None:
            inside = media_files(folder, remarks)
            expect(len(inside), _CLIPS, f"files in {folder.name}", remarks)
            named = {_whole(name): f"{folder.name}/{file}" for name, file in inside.items()}
            hollow = hollow_videos([file for name, file in named.items() if name in media and not is_sound(file)], path, remarks)
            media |= {name: file for name, file in named.items() if file not in hollow}
        else:
            remarks.append(f"The folder {name} is missing.")
    return media or {_whole(name): file for name, file in media_files(path, remarks).items() if _CLIP.fullmatch(name.upper())}


def _folder(path: Path, name: str) -> Path | None:
    """The folder of that name, ignoring case; MP3 as an alternative to WAV."""
    folders = {folder.name.lower(): folder for folder in sorted(path.iterdir()) if folder.is_dir()}
    return folders.get(name.lower()) or (folders.get("audiomp3") if name == "AudioWAV" else None)


def _whole(name: str) -> str:
    name = name.upper() if _CLIP.fullmatch(name.upper()) else name
    # One file of the repository, 1040_ITH_SAD_X.wav, lacks a letter that the tables have.
    return name + "X" if _CLIP.fullmatch(name) and name.endswith("_X") else name


def _named(clips: list[str], paths: pd.Series) -> pd.DataFrame:
    """The columns encoded in a clip's name: speaker, sentence, acted emotion and intensity."""
    table = pd.DataFrame(
        [clip.split("_") for clip in clips], pd.Index(clips, name="clip"), ["speaker", "sentence", "acted", "intensity"]
    )
    table["acted"] = table["acted"].map({emotion[:3].upper(): emotion for emotion in EMOTIONS})
    table["intensity"] = table["intensity"].map(_INTENSITY).fillna("")
    table.insert(0, "path", paths)
    return table


def _actors(path: Path, speakers: set[str], remarks: list[str]) -> pd.DataFrame:
    file = _find(path, "VideoDemographics.csv")
    if file is None:
        remarks.append("VideoDemographics.csv is missing: nothing is known of the actors.")
        return pd.DataFrame(index=pd.Index([], name="speaker"))
    table = read_table(file, ["ActorID", "Sex"], remarks, ("Age", "Race", "Ethnicity"))
    table = once(table, "ActorID", file, remarks)
    table["Sex"] = table["Sex"].str.lower()
    if "Age" in table:
        table["Age"] = numbers(table, "Age", file)
    unknown = sorted(speakers - set(table.index) - {""})
    if unknown:
        remarks.append(f"{file.name} says nothing of actor {', '.join(unknown[:3])}.")
    expect(len(table), _ACTORS, "actors", remarks)
    return table.rename(columns=str.lower)


def _split(path: Path, remarks: list[str]) -> dict[str, str]:
    """Actor -> part of audEERING's split."""
    for file in sorted(path.glob("*split*.json")):
        try:
            parts = json.loads(read_text(file, remarks))
            return {str(actor): _PARTS[part] for part, actors in parts.items() for actor in actors}
        except (ValueError, KeyError, AttributeError, TypeError) as error:
            raise UserError(f"{file.name} is no split of actors into train, dev and test: correct or remove it.") from error
    return {}


def _perceived(table: pd.DataFrame, votes: dict[str, pd.DataFrame], options: Options) -> pd.Series:
    modality = options["modality"]
    if modality not in votes:
        raise UserError(f"The corpus has no votes on {modality}: put tabulatedVotes.csv back, or choose label=acted.")
    return settled(table[f"vote {modality}"], options["ties"])


def _soft(votes: dict[str, pd.DataFrame], modality: str) -> pd.DataFrame:
    """Each clip's shares of the votes, ``share <emotion>``."""
    if modality not in votes:
        raise UserError(f"The corpus has no votes on {modality}: put tabulatedVotes.csv back, or choose votes=plurality.")
    return shares(votes[modality]).add_prefix("share ")


def _facts(table: pd.DataFrame) -> dict[str, Any]:
    """Facts about the corpus, independent of the chosen labels."""
    facts: dict[str, Any] = {"clips_listed": len(table), "actors": _people(table), "acted": _counted(table["acted"])}
    voted = [column.removeprefix("vote ") for column in table if column.startswith("vote ")]
    facts["agreement"] = {name: _agreement(table, f"vote {name}") for name in voted}
    facts["unique_winners"] = {name: _unique(table[f"vote {name}"]) for name in voted}
    if "split" in table:
        facts["audeering_split"] = {
            part: {"actors": int(own["speaker"].nunique()), "clips": len(own)}
            for part in _PARTS.values() for own in [table[table["split"] == part]]
        }  # fmt: skip
    return facts


def _people(table: pd.DataFrame) -> dict[str, int]:
    people = table.drop_duplicates("speaker")
    sexes = {sex: int((people["sex"] == sex).sum()) for sex in ("male", "female")} if "sex" in people else {}
    return {"total": len(people), **sexes}


def _agreement(table: pd.DataFrame, column: str) -> dict[str, float | int]:
    """How often the vote's winner is the acted emotion: ``percent`` with ties as misses, and among clips with one winner."""
    rated = table[table[column] != ""]
    ties = rated[column].str.contains(":")
    right = int((rated[column] == rated["acted"]).sum())
    single = int((~ties).sum())
    return {
        "clips": len(rated),
        "agree": right,
        "ties": int(ties.sum()),
        "percent": round(100 * right / max(len(rated), 1), 1),
        "percent_ties_dropped": round(100 * right / max(single, 1), 1),
    }


def _unique(winner: pd.Series) -> dict[str, int]:
    single = winner[(winner != "") & ~winner.str.contains(":")]
    return {"total": len(single), **_counted(single)}


def _counted(values: pd.Series) -> dict[str, int]:
    counts = values.value_counts()
    return {emotion: int(counts.get(emotion, 0)) for emotion in EMOTIONS}


READERS.register("crema-d")(
    Reader(
        recognises,
        read,
        {
            "label": ("perceived", "acted"),
            "modality": tuple(_MODALITIES),
            "votes": ("plurality", "soft"),
            "ties": TIES,
        },
    )
)
