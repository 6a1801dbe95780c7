"""Aff-Wild2: valence and arousal per frame of people in YouTube videos, and its split by video.

Layout, as distributed: ``VA_Estimation_Challenge/Train_Set`` and ``.../Validation_Set`` (before 2021 ``VA_Set/Training_Set``;
``Test_Set`` if available), each with ``<video>.txt``: a header ``valence,arousal`` and then one line per frame, both in -1..1, -5
where unlabelled. If a video shows two people, each has a file, ``<video>_left.txt`` and ``<video>_right.txt``, or ``<video>.txt``
and one of these. Videos may be in any folder beside them (``batch1``, ``batch2``). Line i belongs to frame i of the video, at
that frame's own time, or at 30 frames per second (parthasarathy2020detecting, section 4.1) if the video is missing. The video
counts as the speaker, so that people of one video stay together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.lengths import frame_counts, frame_times
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import matched, media_files, read_text
from affectscope.core.errors import UserError
from affectscope.core.media.kinds import VIDEO

if TYPE_CHECKING:
    from affectscope.core.streams import Stream

UNLABELLED = -5.0
FRAME_RATE = 30.0
_NAMED = 3
_SETS = {
    "train_set": "train", "training_set": "train", "validation_set": "development", "val_set": "development", "test_set": "test",
}  # fmt: skip
_NEAR = ("", "*/", "*/*/", "*/*/*/")
_ATTRIBUTES = ("valence", "arousal")
# Contains millions of cropped pictures.
_SKIPPED = ("cropped",)


def recognises(path: Path) -> bool:
    """A folder of one of its sets that contains a valid annotation."""
    return path.is_dir() and any(_is_annotation(file) for folder in _folders(path) for file in sorted(folder.glob("*.txt"))[:3])


def read(path: Path, options: Options) -> Corpus:
    """The annotated people in a folder's videos.

    Raises:
        UserError: when there is none, or an annotation is damaged.
    """
    remarks: list[str] = []
    rows = []
    folders = [folder for folder in _folders(path) if options["release"] in ("", *folder.relative_to(path).parts)]
    for folder in folders:
        files = sorted(folder.glob("*.txt"))
        stray = [file.name for file in files if not _is_annotation(file)]
        if stray:
            remarks.append(f"{len(stray):,} files of {folder.name} are no annotations and were left out ({stray[0]}).")
        rows += [_row(file, path, folder, remarks) for file in files if file.name not in stray]
    if not rows:
        raise UserError(
            f"{path} has no annotations: put the folder VA_Estimation_Challenge with Train_Set and Validation_Set into it."
        )
    table = pd.DataFrame(rows).set_index("clip")
    releases = sorted({str(folder.parent.relative_to(path)) for folder in folders})
    if table.index.has_duplicates and len(releases) > 1:
        raise UserError(
            f"{path} has the annotations of several years ({', '.join(releases)}): choose one by --option release=FOLDER."
        )
    if table.index.has_duplicates:
        raise UserError(f"{table.index[table.index.duplicated()][0]} is annotated in two sets: keep one of its files.")
    media = media_files(path, remarks, VIDEO, _SKIPPED)
    people = {clip: media[_video(clip, media)] for clip in table.index if _video(clip, media) in media}
    strangers = {name: place for name, place in media.items() if place not in set(people.values())}
    table.insert(0, "path", matched(table.index, people | strangers, remarks))
    _count(table, path, remarks)
    table["speaker"] = [_video(clip, media) for clip in table.index]
    absent = [part for part in ("train", "development") if part not in set(table["split"])]
    if absent:
        remarks.append(f"There is no {' or '.join(absent)} set.")
    return Corpus(path.name, path, table, (), facts=_facts(table), missing=tuple(remarks), read_annotations=read_annotations)


def read_annotations(root: Path, row: pd.Series) -> Mapping[str, Stream]:
    """Valence and arousal per frame, absent where unlabelled; lines beyond the video's last frame are left out."""
    from affectscope.core.streams import Stream

    values = _values(root / row["annotation"], [])
    times = _times(root / row["path"]) if row["path"] else None
    if times is None:
        times = (np.arange(len(values)) + 0.5) / FRAME_RATE
    values = values.iloc[: len(times)]
    times = times[: len(values)]
    known = _labelled(values)
    return {
        name: Stream(np.where(known, values[name], 0).astype(np.float32)[:, None], times, known.to_numpy())
        for name in _ATTRIBUTES
    }


def _times(video: Path) -> np.ndarray | None:
    try:
        times = frame_times(video)
    except (UserError, OSError):
        return None
    return times if len(times) else None


def _count(table: pd.DataFrame, root: Path, remarks: list[str]) -> None:
    """Report annotations whose number of lines differs from the video's frames: a lost frame shifts all later ones."""
    there = table.index[table["path"] != ""]
    counts = frame_counts(pd.Series([root / place for place in table.loc[there, "path"]], there, dtype=object))
    odd = []
    for clip in there[(counts.notna() & (counts != table.loc[there, "frames"])).to_numpy()]:
        # Headers may count differently; displayed frames decide.
        times = _times(root / table.at[clip, "path"])
        if times is not None and len(times) != table.at[clip, "frames"]:
            odd.append(f"{clip}: {table.at[clip, 'frames']:,} for {len(times):,}")
    if odd:
        named = "; ".join(odd[:_NAMED]) + ("; …" if len(odd) > _NAMED else "")
        remarks.append(
            f"{len(odd):,} annotation{'s have' if len(odd) > 1 else ' has'} another number of lines than the video has frames "
            f"({named}): frames without a line have no label, lines without a frame are left out."
        )


def _folders(path: Path) -> list[Path]:
    """The folders of the sets; if there are several tasks, those of valence and arousal."""
    folders = [
        folder
        for near in _NEAR
        for folder in sorted(path.glob(near + "*_[Ss]et"))
        if folder.name.lower() in _SETS and folder.is_dir() and not re.match(r"AU|EXPR|MTL", folder.parent.name)
    ]
    return [path] if not folders and path.name.lower() in _SETS else folders


def _is_annotation(file: Path) -> bool:
    try:
        with file.open("rb") as opened:
            head = opened.readline(200)
    except OSError:
        return False
    heading = head.decode("utf-16" if head[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig", errors="ignore")
    return {cell.strip().lower() for cell in heading.splitlines()[0].split(",")} == set(_ATTRIBUTES) if heading.strip() else False


def _values(file: Path, remarks: list[str]) -> pd.DataFrame:
    text = read_text(file, remarks)
    try:
        # Keep blank lines: skipping one would shift all later frames.
        table = pd.read_csv(StringIO(text.rstrip()), skipinitialspace=True, dtype=float, skip_blank_lines=False)
    except ValueError as error:
        for number, line in enumerate(text.split("\n")[1:], 2):
            if line.strip() and not re.fullmatch(r"\s*[-+.\deE]+\s*,\s*[-+.\deE]+\s*", line):
                raise UserError(f"{file.name} has {line[:40]!r} in line {number}: valence and arousal are expected.") from error
        raise UserError(f"{file.name} is damaged: put back the annotation that the corpus came with.") from error
    table.columns = [str(name).strip().lower() for name in table.columns]
    if table.isna().any().any():
        place = int(table.isna().any(axis=1).to_numpy().argmax())
        raise UserError(f"{file.name} lacks a number in line {place + 2}: put back the annotation that the corpus came with.")
    return table


def _labelled(values: pd.DataFrame) -> pd.Series:
    """The frames with both values: -5 means unlabelled, and values outside -1..1 are not labels."""
    return ((values[list(_ATTRIBUTES)] >= -1) & (values[list(_ATTRIBUTES)] <= 1)).all(axis=1)


def _row(file: Path, path: Path, folder: Path, remarks: list[str]) -> dict[str, Any]:
    values = _values(file, remarks)
    known = _labelled(values)
    beyond = int((~known & (values[list(_ATTRIBUTES)] != UNLABELLED).all(axis=1)).sum())
    if beyond:
        remarks.append(f"{file.name} has {beyond:,} frames beyond -1..1; they count as unlabelled.")
    person = re.search(r"_(left|right)$", file.stem)
    means = values[known].mean()
    return {
        "clip": file.stem,
        "label": "",
        "speaker": "",
        "person": person[1] if person else "",
        "split": _SETS[folder.name.lower()],
        "frames": len(values),
        "labelled": int(known.sum()),
        "valence": float(means["valence"]),
        "arousal": float(means["arousal"]),
        "annotation": str(file.relative_to(path)),
    }


def _video(clip: str, media: Mapping[str, str]) -> str:
    return clip if clip in media else re.sub(r"_(left|right)$", "", clip)


def _facts(table: pd.DataFrame) -> dict[str, Any]:
    two = table.groupby("speaker").size()
    return {
        "videos": int(table["speaker"].nunique()),
        "videos_with_two_people": int((two > 1).sum()),
        "videos_by_set": {str(part): int(own["speaker"].nunique()) for part, own in table.groupby("split")},
        "frames": int(table["frames"].sum()),
        "labelled_frames": int(table["labelled"].sum()),
    }


READERS.register("aff-wild2")(Reader(recognises, read, {"release": ()}))
