"""Aff-Wild2: valence and arousal, a class or action units by frame of people in videos from YouTube, and its split by video.

Layout, as its owners send it: ``VA_Estimation_Challenge/Train_Set`` and ``.../Validation_Set`` (before 2021
``VA_Set/Training_Set``; ``Test_Set`` where one has it), and the same of ``EXPR_Classification_Challenge`` and
``AU_Detection_Challenge``, each with ``<video>.txt``: see ``core.corpora.framewise``. Of several tasks one is read, as the option
``task`` says. A clip's class is the one that most of its annotated frames show; its value of an action unit is the share of
annotated frames that show it. Where two people are in a video, they have a file each, ``<video>_left.txt`` and
``<video>_right.txt``, or ``<video>.txt`` and one of these. Videos lie anywhere beside them (``batch1``, ``batch2``). Line i of
the file is frame i of the video, and lies at that frame's own time; 30 frames a second (parthasarathy2020detecting, section 4.1)
where the video is not there to say. The speaker is the video, so that the people of one stay together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.framewise import CLASS, TASKS, beyond, classes, known, task_of, values
from affectscope.core.corpora.lengths import frame_counts, frame_times
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import matched, media_files
from affectscope.core.corpora.votes import settled
from affectscope.core.errors import UserError
from affectscope.core.media.kinds import VIDEO

if TYPE_CHECKING:
    from affectscope.core.streams import Stream

FRAME_RATE = 30.0
_NAMED = 3
_SETS = {
    "train_set": "train", "training_set": "train", "validation_set": "development", "val_set": "development", "test_set": "test",
}  # fmt: skip
_NEAR = ("", "*/", "*/*/", "*/*/*/")
AUTO = "auto"
_LOOKED_AT = 3
_RANGES = {"va": "-1..1", "expr": "the classes and -1", "au": "0, 1 and -1"}
# Crops by the million.
_SKIPPED = ("cropped",)


def recognises(path: Path) -> bool:
    """A folder of one of its sets with an annotation in it, that begins as they do."""
    return path.is_dir() and any(_tasks(folder) for folder in _folders(path))


def read(path: Path, options: Options) -> Corpus:
    """The annotated people in a folder's videos.

    Raises:
        UserError: when there is none, or an annotation is damaged.
    """
    remarks: list[str] = []
    rows = []
    task, found = _chosen(path, options["task"], remarks)
    folders = [folder for folder in found if options["release"] in ("", *folder.relative_to(path).parts)]
    spaces: dict[tuple[str, ...], None] = {}
    for folder in folders:
        files = sorted(folder.glob("*.txt"))
        stray = [file.name for file in files if task_of(file) != task]
        if stray:
            remarks.append(f"{len(stray):,} files of {folder.name} are no annotations and were left out ({stray[0]}).")
        rows += [_row(file, path, folder, task, remarks) for file in files if file.name not in stray]
        spaces |= dict.fromkeys(classes(file) for file in files if file.name not in stray and task == "expr")
    if not rows:
        raise UserError(f"{path} has no release {options['release']}: name a folder above Train_Set.")
    if len(spaces) > 1:
        raise UserError(
            f"{path} has annotations with {len(spaces)} lists of classes: choose one year's by --option release=FOLDER."
        )
    table = pd.DataFrame(rows).set_index("clip")
    releases = sorted({str(folder.parent.relative_to(path)) for folder in folders if folder != path})
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
    labels = next(iter(spaces), ())
    if labels:
        _settle(table, remarks)
    facts = _facts(table, task, labels)
    return Corpus(path.name, path, table, labels, facts=facts, missing=tuple(remarks), read_annotations=read_annotations)


def read_annotations(root: Path, row: pd.Series) -> Mapping[str, Stream]:
    """Valence and arousal, action units as 0 and 1, or how much each class is shown as 0 and 1, by frame.

    Absent where nobody labelled them; lines beyond the video's last frame are left out.
    """
    from affectscope.core.streams import Stream

    file = root / row["annotation"]
    task = task_of(file)
    table = values(file, task, [])
    names = classes(file) if task == "expr" else ()
    there = known(table, task, len(names))
    if names:
        shown = {name: table[CLASS].to_numpy() == place for place, name in enumerate(names)}
        table, there = pd.DataFrame(shown, dtype=float), np.repeat(there, len(names), 1)
    times = _times(root / row["path"]) if row["path"] else None
    if times is None:
        times = (np.arange(len(table)) + 0.5) / FRAME_RATE
    count = min(len(table), len(times))
    return {
        str(name): Stream(
            np.where(there[:count, place], table[name][:count], 0).astype(np.float32)[:, None],
            times[:count],
            there[:count, place],
        )
        for place, name in enumerate(table)
    }


def _settle(table: pd.DataFrame, remarks: list[str]) -> None:
    """One class a clip: what most of its annotated frames show; of several, one drawn by the clip's name."""
    ties = int(table["label"].str.contains(":").sum())
    table["label"] = settled(table["label"], "drawn")
    drawn = f"; of {ties:,} that show several as often, one was drawn by the clip's name" if ties else ""
    remarks.append(f"A clip's label is the class that most of its annotated frames show (share CLASS says how many){drawn}.")
    if without := int((table["label"] == "").sum()):
        remarks.append(f"{without:,} clips have no annotated frame, and so no label.")


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
    """The folders of the sets, of all tasks."""
    folders = [
        folder
        for near in _NEAR
        for folder in sorted(path.glob(near + "*_[Ss]et"))
        if folder.name.lower() in _SETS and folder.is_dir()
    ]
    return [path] if not folders and path.name.lower() in _SETS else folders


def _tasks(folder: Path) -> set[str]:
    """The tasks of the first annotations in a folder."""
    return {task_of(file) for file in sorted(folder.glob("*.txt"))[:_LOOKED_AT]} - {""}


def _chosen(path: Path, wanted: str, remarks: list[str]) -> tuple[str, list[Path]]:
    """Which task is read, and the folders that hold annotations of it.

    Raises:
        UserError: when there is none.
    """
    there = {folder: _tasks(folder) for folder in _folders(path)}
    found = [task for task in TASKS if any(task in tasks for tasks in there.values())]
    if not found:
        raise UserError(
            f"{path} has no annotations: put VA_Estimation_Challenge, EXPR_Classification_Challenge or AU_Detection_Challenge "
            "with Train_Set and Validation_Set into it."
        )
    if wanted != AUTO and wanted not in found:
        raise UserError(f"{path} has annotations of {' and '.join(found)}, and none of {wanted}: choose another task.")
    task = found[0] if wanted == AUTO else wanted
    if len(found) > 1:
        others = " and ".join(other for other in found if other != task)
        remarks.append(f"Annotations of {task} are read; there are others of {others} (--option task={found[found[0] == task]}).")
    return task, [folder for folder, tasks in there.items() if task in tasks]


def _row(file: Path, path: Path, folder: Path, task: str, remarks: list[str]) -> dict[str, Any]:
    table = values(file, task, remarks)
    names = classes(file) if task == "expr" else ()
    there = known(table, task, len(names))
    if odd := beyond(table, there, task):
        remarks.append(f"{file.name} has {odd:,} frames beyond {_RANGES[task]}; they count as unlabelled.")
    person = re.search(r"_(left|right)$", file.stem)
    row: dict[str, Any] = {
        "clip": file.stem,
        "label": "",
        "speaker": "",
        "person": person[1] if person else "",
        "split": _SETS[folder.name.lower()],
        "frames": len(table),
        "labelled": int(there.any(axis=1).sum()),
    }
    if task == "expr":
        places = table[CLASS][there[:, 0]].astype(int).to_numpy()
        counts = np.bincount(places, minlength=len(names))
        most = np.flatnonzero((counts == counts.max()) & (counts > 0))
        row["label"] = ":".join(names[place] for place in most)
        row |= {
            f"share {name}": count / len(places) if len(places) else np.nan for name, count in zip(names, counts, strict=True)
        }
    else:
        row |= {str(name): float(mean) for name, mean in table.where(there).mean().items()}
    return row | {"annotation": str(file.relative_to(path))}


def _video(clip: str, media: Mapping[str, str]) -> str:
    return clip if clip in media else re.sub(r"_(left|right)$", "", clip)


def _facts(table: pd.DataFrame, task: str, labels: tuple[str, ...]) -> dict[str, Any]:
    two = table.groupby("speaker").size()
    facts: dict[str, Any] = {
        "videos": int(table["speaker"].nunique()),
        "videos_with_two_people": int((two > 1).sum()),
        "videos_by_set": {str(part): int(own["speaker"].nunique()) for part, own in table.groupby("split")},
        "frames": int(table["frames"].sum()),
        "labelled_frames": int(table["labelled"].sum()),
    }
    if task == "expr":
        frames = {label: (table[f"share {label}"] * table["labelled"]).sum() for label in labels}
        facts["frames_by_class"] = {label: round(float(count)) for label, count in frames.items()}
    return facts


READERS.register("aff-wild2")(Reader(recognises, read, {"release": (), "task": (AUTO, *TASKS)}))
