"""CMU-MOSEI: segments of YouTube monologues, sentiment -3..3 and six emotions 0..3, and its distributed features.

Any of these in a folder, in this order:

- ``CMU_MOSEI_Labels.csv``, one row per segment: ``file, index, start, end`` (seconds), ``label2a`` (1 from neutral up),
  ``label2b`` (-1, 0, 1), ``label6`` (the strongest emotion; happiness where there is none), ``label7`` (-3..3, rounded), and
  ``split``: 0, 1 and 2 are the standard folds train, valid and test, 3 is none of them.
- computational sequences (``csdfiles``): ``*Labels*.csd`` has for each video [segments, 7], sentiment and the emotions happiness,
  sadness, anger, surprise, disgust and fear; ``*COVAREP*.csd`` (74 features) and ``*Facet*.csd`` (35) or ``*OpenFace*.csd`` are
  sound and picture. Folds then come from ``cmu_mosei_std_folds.py`` in CMU's SDK, which is parsed as a list of names and not run.
- the pickles of MulT, MultiBench and MMSA (``mosei_data_noalign.pkl``, ``mosei_senti_data.pkl``, ``unaligned_50.pkl``): train,
  valid and test, each with ``audio`` [N, T, 74], ``vision`` [N, T, 35], ``text``, ``labels`` or ``regression_labels``, and
  ``id``. Their frames are zero-padded and have no times: the present ones are spread evenly over the segment.

Segmented videos are called ``<video>_<number>.mp4``, or ``<video>/<number>.mp4`` in MMSA's copy; see ``moseimedia``. The video
counts as the speaker, because one person talks in each.
"""

from __future__ import annotations

import ast
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affectscope.core.corpora.base import Corpus, Given
from affectscope.core.corpora.mosei import csd as csdfiles
from affectscope.core.corpora.mosei import media as moseimedia
from affectscope.core.corpora.mosei import pickles as moseipickles
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import columns_of, expect, matched, media_paths, numbers, once, read_table, read_text
from affectscope.core.errors import UserError

if TYPE_CHECKING:
    from affectscope.core.streams import Stream

SENTIMENTS = tuple(str(n) for n in range(-3, 4))
EMOTIONS = ("happiness", "sadness", "anger", "surprise", "disgust", "fear")
_LABELS: dict[str, tuple[str, ...]] = {
    "sentiment7": SENTIMENTS,
    "sentiment3": ("negative", "neutral", "positive"),
    "sentiment2": ("negative", "non-negative"),
    "emotion": EMOTIONS,
}
_FOLDS = {0: "train", 1: "development", 2: "test", 3: "none"}
_SEGMENTS = 23_259
_NEEDED = ("file", "index", "start", "end")
_OWN = (*_NEEDED, "label2a", "label2b", "label6", "label7", "split")
_NEAR = ("", "*/", "*/*/")
_PASSED_ON = re.compile(r"mosei|mosi|aligned_\d+")
_SEQUENCES = {"audio": ("covarep", "coavarep"), "visual": ("facet", "openface"), "text": ("glove", "wordvectors")}


def recognises(path: Path) -> bool:
    """Its table, sequences or pickles, in a folder or as a path."""
    return path.exists() and (bool(_table(path)) or bool(_sequences(path)) or bool(_pickle(path)))


def read(path: Path, options: Options) -> Corpus:
    """The corpus, from whichever source gives its segments.

    Raises:
        UserError: when there is none, or a file is damaged.
    """
    remarks: list[str] = []
    root = path if path.is_dir() else path.parent
    given: dict[str, Given] = {}
    sequences = _sequences(path)
    labels = next((file for name, file in sequences.items() if "label" in name.lower()), None)
    if file := _table(path):
        table = _of_table(file, remarks)
    elif labels is not None:
        table = _of_sequence(labels, _folds(path, remarks), remarks)
    elif file := _pickle(path):
        table, given = moseipickles.read(file, remarks)
        table = _classed(table)
    else:
        raise UserError(f"{path} has no labels of CMU-MOSEI: put CMU_MOSEI_Labels.csv, CMU_MOSEI_Labels.csd or a pickle into it.")
    given = _of_features(sequences, root) or given
    paths = media_paths(root, remarks) if path.is_dir() else []
    segments = moseimedia.segments(paths, table, root, remarks, positions="start" in table)
    recordings = moseimedia.whole(paths, table)
    known = {*segments.values(), *recordings.values()}
    others = {f"{place} ": place for place in paths if place not in known and Path(place).stem not in recordings}
    table.insert(0, "path", matched(table.index, segments | others, remarks))
    uncut = int(((table["path"] == "") & table["speaker"].isin(list(recordings))).sum())
    if uncut:
        remarks.append(f"{uncut:,} segments lie in whole recordings: `affectscope corpus cut {path}` makes files of them.")
    expect(len(table), _SEGMENTS, "segments", remarks)
    facts = _facts(table)
    kind = options["label"]
    if kind not in table:
        raise UserError(f"The labels of {path.name} have no {kind}: choose another label.")
    table["label"] = table[kind]
    if unlabelled := int((table["label"] == "").sum()):
        remarks.append(f"{unlabelled:,} segments have no {kind}: they count as unlabelled.")
    return Corpus(
        path.stem if path.is_file() else path.name, root, table, _LABELS[kind], facts=facts, missing=tuple(remarks), given=given
    )


def _table(path: Path) -> Path | None:
    files = [path] if path.is_file() else [file for near in _NEAR for file in _near(path, near + "*.csv")]
    return next((file for file in files if file.suffix.lower() == ".csv" and set(_NEEDED) <= set(columns_of(file))), None)


def _sequences(path: Path) -> dict[str, Path]:
    """Sequence's name -> its file."""
    files = [path] if path.is_file() else [file for near in _NEAR for file in _near(path, near + "*.csd")]
    return {f"{csdfiles.name_of(file)} {file.stem}": file for file in files if file.suffix.lower() == ".csd"}


def _pickle(path: Path) -> Path | None:
    """The pickle at a path, or one with a known name in a folder, preferably unaligned."""
    if path.is_file():
        return path if path.suffix.lower() in (".pkl", ".pickle") else None
    files = [file for near in _NEAR[:2] for file in _near(path, near + "*.pkl") if _PASSED_ON.search(file.stem.lower())]
    return min(files, key=lambda file: (file.stem.lower().startswith("aligned"), files.index(file)), default=None)


def _near(path: Path, pattern: str) -> list[Path]:
    # macOS leaves a "._" file beside each one that it copies.
    return [file for file in sorted(path.glob(pattern)) if not file.name.startswith(".")]


def _of_table(file: Path, remarks: list[str]) -> pd.DataFrame:
    raw = read_table(file, _NEEDED, remarks, _OWN)
    raw.insert(0, "segment", raw["file"] + "_" + raw["index"])
    raw = once(raw, "segment", file, remarks)
    raw.index.name = "clip"
    values = {column: numbers(raw, column, file) for column in raw if column != "file"}
    table = pd.DataFrame({"speaker": raw["file"], "index": values["index"].fillna(0).astype(int)})
    table["start"], table["end"] = values["start"], values["end"]
    table["duration"] = table["end"] - table["start"]
    if "label7" in values:
        table["sentiment"] = values["label7"]
        table["sentiment7"] = _words(values["label7"], {float(n): str(n) for n in range(-3, 4)}, file)
    if "label2b" in values:
        table["sentiment3"] = _words(values["label2b"], dict(zip((-1.0, 0.0, 1.0), _LABELS["sentiment3"], strict=True)), file)
    if "label2a" in values:
        table["sentiment2"] = _words(values["label2a"], dict(zip((0.0, 1.0), _LABELS["sentiment2"], strict=True)), file)
    if "label6" in values:
        table["emotion"] = _words(values["label6"], {float(n): name for n, name in enumerate(EMOTIONS)}, file)
    if "split" in values:
        table["split"] = _words(values["split"], {float(n): name for n, name in _FOLDS.items()}, file)
    return table


def _words(values: pd.Series, words: dict[float, str], file: Path) -> pd.Series:
    named = values.map(words).where(values.notna(), "")
    if named.isna().any():
        place = int(named.isna().to_numpy().argmax())
        told, expected = f"{values.iloc[place]:g} for {values.name}", f"{min(words):g} to {max(words):g}"
        raise UserError(f"{file.name} has {told} in line {place + 2}: {expected} is expected.")
    return named


def _of_sequence(file: Path, folds: dict[str, str], remarks: list[str]) -> pd.DataFrame:
    rows = []
    for key, (values, intervals) in csdfiles.everything(file).items():
        video, numbered = _key(key)
        for place, (told, (start, end)) in enumerate(zip(values, intervals, strict=True)):
            index = place if numbered is None else numbered + place
            emotions = dict(zip(EMOTIONS, told[1:7], strict=False)) if len(told) >= 7 else {}
            rows.append({"speaker": video, "index": index, "start": start, "end": end, "sentiment": told[0], **emotions})
    if not rows:
        raise UserError(f"{file.name} holds no segment: download it again.")
    table = pd.DataFrame(rows)
    table.index = pd.Index(table["speaker"] + "_" + table["index"].astype(str), name="clip")
    if table.index.has_duplicates:
        raise UserError(f"{file.name} has segment {table.index[table.index.duplicated()][0]} twice: download it again.")
    table["duration"] = table["end"] - table["start"]
    if folds:
        table["split"] = table["speaker"].map(folds).fillna("none")
    else:
        remarks.append("cmu_mosei_std_folds.py is missing: the segments are in no fold.")
    return _classed(table)


def _key(key: str) -> tuple[str, int | None]:
    match = re.fullmatch(r"(.+)\[(\d+)\]", key)
    return (match[1], int(match[2])) if match else (key, None)


def _classed(table: pd.DataFrame) -> pd.DataFrame:
    """Sentiment as classes: seven by rounding halves to even, as numpy does in the public code. NaN means unlabelled."""
    told = table["sentiment"].to_numpy(float)
    unknown = np.isnan(told)
    rounded = np.round(np.where(unknown, 0, told)).clip(-3, 3).astype(int)
    table["sentiment7"] = np.where(unknown, "", rounded.astype(str))
    table["sentiment3"] = np.select([unknown, told < 0, told > 0], ["", "negative", "positive"], "neutral")
    table["sentiment2"] = np.select([unknown, told >= 0], ["", "non-negative"], "negative")
    if set(EMOTIONS) <= set(table):
        felt = table[list(EMOTIONS)].to_numpy(float)
        table["emotion"] = np.where(np.isnan(felt).any(1), "", np.array(EMOTIONS)[np.nan_to_num(felt).argmax(1)])
    return table


def _folds(path: Path, remarks: list[str]) -> dict[str, str]:
    """Video -> fold, from the lists in the SDK's file, which is parsed and never run."""
    root = path if path.is_dir() else path.parent
    file = next((file for near in _NEAR for file in sorted(root.glob(near + "*std_folds.py"))), None)
    if file is None:
        return {}
    names = {"standard_train_fold": "train", "standard_valid_fold": "development", "standard_test_fold": "test"}
    try:
        lists = {
            node.targets[0].id: ast.literal_eval(node.value)
            for node in ast.parse(read_text(file, remarks)).body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id in names
        }
        return {str(video): names[name] for name, videos in lists.items() for video in videos}
    except (SyntaxError, ValueError, TypeError, RecursionError) as error:
        raise UserError(f"{file.name} holds no lists of videos: take it from CMU's SDK again.") from error


def _of_features(sequences: dict[str, Path], root: Path) -> dict[str, Given]:
    given = {}
    for modality, marks in _SEQUENCES.items():
        for mark in marks:
            file = next((file for name, file in sequences.items() if mark in name.lower().replace(" ", "")), None)
            if file is not None and modality not in given:
                dim = csdfiles.width(file)
                given[modality] = Given(mark, dim, partial(_of_csd, str(file.relative_to(root)), dim))
    return given


def _of_csd(file: str, dim: int, root: Path, row: pd.Series) -> Stream:
    return csdfiles.segment(root / file, str(row["speaker"]), int(row["index"]), float(row["start"]), float(row["end"]), dim)


def _facts(table: pd.DataFrame) -> dict[str, Any]:
    facts: dict[str, Any] = {"segments": len(table), "videos": int(table["speaker"].nunique())}
    if "split" in table:
        counts = table["split"].value_counts()
        names = {"train": "train", "valid": "development", "test": "test"}
        facts["folds"] = {name: int(counts.get(part, 0)) for name, part in names.items()}
        facts["no_fold"] = int(counts.get("none", 0))
    for kind, words in _LABELS.items():
        if kind in table:
            counts = table[kind].value_counts()
            facts[kind] = {word: int(counts.get(word, 0)) for word in words}
    return facts


READERS.register("cmu-mosei")(Reader(recognises, read, {"label": tuple(_LABELS)}))
