"""`affectscope analyze`: one clip or many, and what is written of each."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import typer

from affectscope.core.analyzer import Analysis, Analyzer
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.cli.common import printable, progress_bar, remarks, show
from affectscope.core.errors import UserError
from affectscope.core.export import files as export
from affectscope.core.export.answers import answers_of
from affectscope.core.export.sheet import Facts
from affectscope.core.familiarity.words import UNKNOWN
from affectscope.core.features.extract import Progress
from affectscope.core.media import stretch
from affectscope.core.text import shown, unlike

_NOTHING = {"written": "", "seconds": None, "says": "", "probability": None}
_COLUMNS = ("file", "seconds", "says", "probability")
_LONGEST_TITLE = 200
# File systems allow 255 bytes; an ending is added.
_LONGEST_NAME = 200


@dataclass(frozen=True)
class Asked:
    """What a command line wants of each clip."""

    out: Path | None
    html: Path | None
    explain: str | None = None
    explanation: str | None = None
    video: bool = True
    attention: bool = True
    start: str | None = None
    end: str | None = None
    track: int | None = None
    face: int | None = None
    sound: str | None = None

    @property
    def places(self) -> str:
        return " and ".join(str(path) for path in (self.out, self.html) if path)


def analyse_clip(loaded: Checkpoint, file: Path, asked: Asked, as_json: bool) -> None:
    """Analyse a clip and print what each head says.

    Raises:
        UserError: when the file cannot be played, or what is made of it cannot be written.
    """
    with progress_bar() as report:
        media, analysis, notices = _analysed(Analyzer(loaded), file, asked, report)
        # A cut holds the one track that was asked for.
        _write(loaded, media, analysis, asked, asked.track if media == file else None, report)
    for notice in notices:
        remarks.print(f"Note: {printable(notice)}", markup=False)
    _caution(loaded)
    if not analysis.familiar.known:
        remarks.print(f"Note: {UNKNOWN}", markup=False)
    rows: list[dict[str, Any]] = []
    for head, scores in analysis.predictions.items():
        evidence = analysis.evidence.get(head, any(analysis.evidence.values()))
        best = {"says": max(scores, key=scores.__getitem__)} if _chooses(loaded) else {}
        near = analysis.familiar.of_decision if head == "decision" else analysis.familiar.of(loaded.spec.modalities.get(head, ()))
        rows.append({"head": head, **best, "evidence": evidence, **({"near": near} if analysis.familiar.known else {}), **scores})
    show(rows, as_json, f"{media.name}, analysed by {loaded.name}: written to {asked.places}")


def each(loaded: Checkpoint, places: Sequence[Path], asked: Asked, as_json: bool) -> None:
    """Analyse files, and the media in folders, one after the other; a broken one has its sentence in its row.

    Raises:
        UserError: when a stretch is asked for, or there is no file.
        typer.Exit: with status 1 when one was broken.
    """
    if asked.start is not None or asked.end is not None:
        raise UserError("--start and --end are for one file: analyse the long ones one by one.")
    files = [file for place in places for file in _files(place)]
    if not files:
        raise UserError(f"There are no media in {', '.join(map(str, places))}: name files, or a folder with some in it.")
    analyzer, rows, taken = Analyzer(loaded), list[dict[str, Any]](), set[str]()
    # One clip's files are written while the next is analysed; never more than one waits, whose arrays would fill the memory.
    with progress_bar() as report, ThreadPoolExecutor(1) as writer:
        writing: Future[None] | None = None
        for number, file in enumerate(files, 1):
            name = unlike(_name(file), taken)
            taken.add(name)

            def told(stage: str, share: float, before: str = f"{number} of {len(files)}: ") -> None:
                report(before + stage, share)

            row, write = _row(analyzer, file, name, asked, told)
            rows.append(row)
            if writing is not None:
                writing.result()
            writing = writer.submit(_noted, row, write)
        report("Writing the last one's files", 1.0)
        if writing is not None:
            writing.result()
    _caution(loaded)
    # A terminal has room for one sentence.
    table = [{name: row[name] for name in _COLUMNS} | {"remarks": row["error"] or row["notes"]} for row in rows]
    show(rows if as_json else table, as_json, f"{len(files)} files, analysed by {loaded.name}: written to {asked.places}")
    if any(row["error"] for row in rows):
        raise typer.Exit(1)


def _row(analyzer: Analyzer, file: Path, name: str, asked: Asked, report: Progress) -> tuple[dict[str, Any], Callable[[], None]]:
    """A file's row of the table, and what writes its files."""
    own = replace(asked, out=asked.out and asked.out / name, html=asked.html and asked.html / f"{name}.html")
    row: dict[str, Any] = {"file": printable(str(file)), **_NOTHING, "notes": "", "error": ""}
    try:
        media, analysis, notices = _analysed(analyzer, file, own, report)
    except UserError as error:
        return row | {"error": printable(str(error))}, lambda: None
    scores = analysis.predictions["decision"]
    row |= {"written": printable(name), "seconds": round(analysis.timeline.duration, 3), "notes": printable(" ".join(notices))}
    if _chooses(analyzer.checkpoint):
        best = max(scores, key=scores.__getitem__)
        row |= {"says": best, "probability": scores[best]}
    else:
        row |= {"says": ", ".join(f"{attribute} {value:+.2f}" for attribute, value in scores.items())}
    return row, lambda: _write(analyzer.checkpoint, media, analysis, own, own.track, lambda stage, share: None)


def _noted(row: dict[str, Any], write: Callable[[], None]) -> None:
    try:
        write()
    except UserError as error:
        row |= {**_NOTHING, "notes": "", "error": printable(str(error))}


def _chooses(loaded: Checkpoint) -> bool:
    """Whether the model's answer is one of several classes; the largest of several attributes says nothing."""
    return loaded.spec.task == "classification"


def _files(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    notes: list[str] = []
    # pandas with it.
    from affectscope.core.corpora.tables import media_paths

    found = [place / inside for inside in media_paths(place, notes)]
    for sentence in notes:
        remarks.print(f"Note: {printable(sentence)}", markup=False)
    return found


def _name(file: Path) -> str:
    return os.fsdecode(os.fsencode(file.stem)[:_LONGEST_NAME])


def _caution(loaded: Checkpoint) -> None:
    if loaded.card.get("synthetic_training"):
        remarks.print("Note: this model was trained on rendered faces and synthetic voices; it has never seen a person.")


def _analysed(analyzer: Analyzer, file: Path, asked: Asked, report: Progress) -> tuple[Path, Analysis, tuple[str, ...]]:
    """The file that was analysed, what was made of it, and what is to be said of it."""
    folder, track = asked.out if asked.out is not None else Path(asked.html or file).parent, asked.track
    source = file
    file, origin = stretch.of_file(
        source, asked.start, asked.end, folder, lambda share: report("Cutting the stretch out", share), track
    )
    # A cut holds the one track that was asked for.
    track = track if file == source else None
    matrices = asked.attention and asked.out is not None
    analysis = analyzer.analyze(
        file,
        explain=asked.explain,
        track=track,
        explanation=asked.explanation,
        face=asked.face,
        sound=asked.sound,
        attention=matrices,
        progress=report,
    )
    if asked.html is not None:
        # A second of imports that nothing else needs.
        from affectscope.core.standalone.write import write_page

        write_page(analyzer, file, analysis, asked.html, report, track, asked.explain or "", asked.explanation)
    return file, analysis, (*origin, *analysis.notices, *_no_heatmap(analysis))


def _write(loaded: Checkpoint, media: Path, analysis: Analysis, asked: Asked, track: int | None, report: Progress) -> None:
    if asked.out is None:
        return
    try:
        write_files(loaded, media, analysis, asked.out, asked.video, report, track)
    except OSError as error:
        raise UserError(f"{asked.out} cannot be written ({error.strerror or error}): choose another folder.") from error


def _no_heatmap(analysis: Analysis) -> tuple[str, ...]:
    """Why there is none at all, as the player has it (core/player/legends.js)."""
    timeline = analysis.timeline
    reasons = () if timeline.heatmaps else tuple(dict.fromkeys(timeline.blind.values()))
    return tuple(f"No heatmap: {reason}." for reason in reasons[:1])


def write_files(
    loaded: Checkpoint, media: Path, analysis: Analysis, out: Path, video: bool, report: Progress, track: int | None = None
) -> None:
    """analysis.json, heatmaps.npz and, where they were asked for, attention.npz and overlay.mp4 in the folder ``out``.

    Args:
        track: the sound track that is heard; the first with sound if left out.
    """
    out.mkdir(parents=True, exist_ok=True)
    (out / "analysis.json").write_text(analysis.to_json())
    arrays = {h.id: h.linear for h in analysis.timeline.heatmaps}
    arrays |= {"times": analysis.timeline.frame_times, "boxes": analysis.timeline.boxes, "people": analysis.timeline.people}
    np.savez_compressed(out / "heatmaps.npz", **arrays)  # type: ignore[arg-type]
    if analysis.attention:
        np.savez_compressed(out / "attention.npz", **analysis.attention)  # type: ignore[arg-type]
    if video:
        answers = answers_of(loaded, analysis.predictions, analysis.evidence, analysis.familiar)
        read = f", face {analysis.timeline.face}" if analysis.timeline.face > 1 else ""
        facts = Facts(shown(media.stem, _LONGEST_TITLE) + read, (answers,))
        export.overlay(
            media,
            analysis.timeline,
            out / "overlay.mp4",
            facts=facts,
            progress=lambda share: report("Writing overlay.mp4", share),
            track=track,
        )
