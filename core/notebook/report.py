"""The report of notes: an HTML page, Markdown with pictures in a zip, and a table.

Names, labels and notes are escaped in all three.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from affectscope.core.notebook.notes import Note
from affectscope.core.text import percent, spreadsheet_cell
from affectscope.core.timeline.colours import class_hex
from affectscope.core.timeline.timeline import Timeline

_STYLE = (Path(__file__).parent / "report.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; img-src data:; media-src data:; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'none'"
)
_PAGES = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, trim_blocks=True, lstrip_blocks=True)
# Markup in CommonMark and GitHub's extensions: anywhere, and at the start of a line.
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>|~$&#!:@^]|(?<=www)\.)")
_START = re.compile(r"^(\d*)([-+=.)])")


@dataclass(frozen=True)
class State:
    """The clip in one state, and the system's decision for it.

    Attributes:
        title: what was removed, in words.
        outputs: class -> probability, or attribute -> value.
    """

    title: str
    outputs: Mapping[str, float]


@dataclass(frozen=True)
class Entry:
    """A note with the report's additions.

    Attributes:
        url: opens the case.
        picture: a PNG, or None.
        caption: of the picture, or why there is none.
        states: the whole clip, and with something removed.
        classes: whether the states hold probabilities.
        truth: the true label, if known.
        strips: the lanes, title and PNG.
        clip: the clip itself, an MP4, if included.
        caution: warning about the model.
        why: the sentence of ``core.why``.
        reasons: tables of the numbers behind it: title, columns, rows.
    """

    note: Note
    url: str
    picture: bytes | None = None
    caption: str = ""
    states: tuple[State, ...] = ()
    classes: bool = True
    truth: str | None = None
    strips: tuple[tuple[str, bytes], ...] = ()
    clip: bytes | None = field(default=None, repr=False)
    caution: str = ""
    why: str = ""
    reasons: tuple[tuple[str, Sequence[str], Sequence[Sequence[str]]], ...] = ()

    @property
    def facts(self) -> list[tuple[str, str]]:
        return [("Corpus", self.note.corpus), ("Model", self.note.model), *self.note.facts.items()]

    @property
    def needs(self) -> str:
        """What has to exist for the link to open the case."""
        return (
            f"The link needs the corpus {self.note.corpus or 'of that name'} and the model {self.note.model} where the app runs."
        )

    @property
    def image(self) -> str:
        return _data_url("image/png", self.picture)

    @property
    def video(self) -> str:
        return _data_url("video/mp4", self.clip)

    @property
    def lanes(self) -> list[tuple[str, str]]:
        return [(title, _data_url("image/png", data)) for title, data in self.strips]

    @property
    def bars(self) -> list[tuple[str, str, list[tuple[str, float, bool]]]]:
        """A row per class or attribute: name, colour, and per state its text, the bar's length, and whether it leads."""
        names = list(self.states[0].outputs) if self.states else []
        return [
            (name, f"#{class_hex(name, i)}", [self._bar(state.outputs, name) for state in self.states])
            for i, name in enumerate(names)
        ]

    def _bar(self, outputs: Mapping[str, float], name: str) -> tuple[str, float, bool]:
        if not self.classes:
            return f"{outputs[name]:+.2f}", 0.0, False
        return percent(outputs[name]), 100 * outputs[name], outputs[name] == max(outputs.values())


def case_url(root: str, note: Note) -> str:
    """The URL that opens a case: the app's, with the selection."""
    return f"{root.rstrip('/')}/{quote(note.page, safe='')}?{urlencode(note.link)}"


def strongest(timeline: Timeline, heatmap: str) -> float:
    """The time of a heatmap's maximum, among frames with a face; the middle of the clip without a heatmap."""
    chosen = next((drawn for drawn in timeline.heatmaps if drawn.id == heatmap), None)
    faces = np.isfinite(timeline.boxes).all(1) if len(timeline.boxes) else np.zeros(0, bool)
    if chosen is None or not faces.any():
        return timeline.duration / 2
    strength = np.where(faces, np.nan_to_num(chosen.peaks), -1.0)
    return float(timeline.frame_times[int(strength.argmax())])


def html(entries: Sequence[Entry], title: str, lead: str = "", local: bool = False) -> str:
    """One standalone page without scripts.

    Args:
        local: whether the links only work on the machine that writes the report.
    """
    cautions = list(dict.fromkeys(entry.caution for entry in entries if entry.caution))
    return _PAGES.get_template("report.html").render(
        entries=entries, title=title, lead=lead, local=local, cautions=cautions, policy=_POLICY, style=Markup(_STYLE)
    )


def markdown(entries: Sequence[Entry], title: str, lead: str = "") -> str:
    """CommonMark with ``pictures/N.png`` and ``numbers/N.md`` (the numbers behind the sentence), N counted from 1."""
    lines = [f"# {escaped(title)}", "", escaped(lead), ""]
    for number, entry in enumerate(entries, 1):
        note = entry.note
        lines += [f"## {escaped(note.title or note.clip)}", ""]
        if entry.picture:
            lines += [f"![{escaped(entry.caption)}](pictures/{number}.png)", ""]
        if entry.caption:
            lines += [escaped(entry.caption), ""]
        lines += [escaped(entry.why), ""] if entry.why else []
        lines += [f"[The numbers that this rests on](numbers/{number}.md)", ""] if entry.reasons else []
        lines += [f"> {line}".rstrip() for line in _quoted(note.text)]
        lines += [""] if note.text else []
        lines += [f"Tags: {', '.join(map(escaped, note.tags))}", ""] if note.tags else []
        lines += [f"- {escaped(name)}: {escaped(value)}" for name, value in entry.facts]
        lines += [f"- Decision, {escaped(state.title)}: {escaped(_in_words(entry, state))}" for state in entry.states]
        lines += ["", escaped(entry.caution)] if entry.caution else []
        lines += ["", escaped(entry.needs)]
        lines += ["", f"[Open this case in AffectScope](<{entry.url}>), changed {escaped(note.changed)}", ""]
    return "\n".join(lines)


def markdown_numbers(entry: Entry) -> str:
    """The tables behind a case's sentence."""
    lines = [f"# {escaped(entry.note.title or entry.note.clip)}", "", escaped(entry.why)]
    for title, columns, rows in entry.reasons:
        lines += ["", f"## {escaped(title)}", "", _row(columns), _row(["---"] * len(columns), plain=True), *map(_row, rows)]
    return "\n".join([*lines, ""])


def markdown_zip(entries: Sequence[Entry], title: str, lead: str = "") -> bytes:
    """``report.md``, its pictures and numbers."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as box:
        box.writestr("report.md", markdown(entries, title, lead))
        for number, entry in enumerate(entries, 1):
            if entry.picture:
                box.writestr(f"pictures/{number}.png", entry.picture)
            if entry.reasons:
                box.writestr(f"numbers/{number}.md", markdown_numbers(entry))
    return buffer.getvalue()


def table_csv(entries: Sequence[Entry]) -> str:
    """A row per note. Texts that a spreadsheet would read as formulas are prefixed by an apostrophe."""
    names = list(dict.fromkeys(name for entry in entries for name in entry.note.facts))
    columns = ["title", "corpus", "clip", "model", "tags", "note", *names, "created", "changed", "link"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(spreadsheet_cell, columns))
    for entry in entries:
        note = entry.note
        own = [note.title, note.corpus, note.clip, note.model, "; ".join(note.tags), note.text]
        writer.writerow(
            map(spreadsheet_cell, [*own, *(note.facts.get(name, "") for name in names), note.created, note.changed, entry.url])
        )
    return buffer.getvalue()


def escaped(text: str) -> str:
    """Text escaped for one line of Markdown."""
    return _START.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", " ".join(text.split())))


def _row(cells: Sequence[str], plain: bool = False) -> str:
    return f"| {' | '.join(cells if plain else map(escaped, cells))} |"


def _in_words(entry: Entry, state: State) -> str:
    if entry.classes:
        label, share = max(state.outputs.items(), key=lambda pair: pair[1])
        return f"{label} {percent(share)}"
    return ", ".join(f"{name} {value:+.2f}" for name, value in state.outputs.items())


def _data_url(mime: str, data: bytes | None) -> str:
    return f"data:{mime};base64,{base64.b64encode(data).decode()}" if data else ""


def _quoted(text: str) -> list[str]:
    """A backslash at a line's end keeps the line break; at a paragraph's end it would be visible."""
    lines = [escaped(line) for line in text.splitlines()]
    return [f"{line}\\" if line and following else line for line, following in zip(lines, [*lines[1:], ""], strict=True)]
