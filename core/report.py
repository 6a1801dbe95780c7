"""The notebook as something to send: a page of HTML, Markdown with its pictures in a zip, a table.

Names, labels and notes are text: none of them becomes markup in any of the three.
"""

from __future__ import annotations

import base64
import csv
import io
import re
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

import numpy as np
from jinja2 import Environment

from core.notes import Note
from core.timeline import Timeline

_PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string(
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; }
body { color: #1b2229; background: #fff; }
article { border-top: 1px solid #dbe0e5; padding: 1rem 0 1.5rem; break-inside: avoid; }
h2 { font-size: 1.15rem; overflow-wrap: anywhere; }
img { max-width: min(100%, 24rem); border-radius: 6px; }
figure { margin: 0 0 .6rem; } figcaption, .when { color: #5a6570; font-size: .9rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .1rem .8rem; margin: .4rem 0; } dt { color: #5a6570; }
dd { margin: 0; overflow-wrap: anywhere; }
.note { white-space: pre-wrap; overflow-wrap: anywhere; border-left: 3px solid #0b6e8f; padding-left: .8rem; }
.tag { background: #e5eef2; border-radius: 4px; padding: .05rem .5rem; margin-right: .3rem; }
a { color: #0b6e8f; }
@media (prefers-color-scheme: dark) {
  body { color: #e3e8ec; background: #12161a; } a { color: #3fa9cc; } .tag { background: #20323a; }
  article { border-color: #2c343b; } figcaption, .when, dt { color: #9aa5ae; }
}
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="when">{{ lead }}</p>
{% for entry in entries %}
<article>
<h2>{{ entry.note.title or entry.note.clip }}</h2>
{% if entry.image %}
<figure><img src="{{ entry.image }}" alt="{{ entry.caption }}"><figcaption>{{ entry.caption }}</figcaption></figure>
{% elif entry.caption %}
<p class="when">{{ entry.caption }}</p>
{% endif %}
{% if entry.note.text %}
<p class="note">{{ entry.note.text }}</p>
{% endif %}
{% if entry.note.tags %}
<p>{% for tag in entry.note.tags %}<span class="tag">{{ tag }}</span>{% endfor %}</p>
{% endif %}
<dl>
{% for name, value in entry.facts %}
<dt>{{ name }}</dt><dd>{{ value }}</dd>
{% endfor %}
</dl>
<p><a href="{{ entry.url }}">Open this case in AffectScope</a> <span class="when">· changed {{ entry.note.changed }}</span></p>
</article>
{% endfor %}
</body>
</html>
"""
)
# What CommonMark, and GitHub's extensions of it, read as markup: anywhere, and where a line begins.
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>|~$&#!:@^]|(?<=www)\.)")
_START = re.compile(r"^(\d*)([-+=.)])")


@dataclass(frozen=True)
class Entry:
    """A note with what the report adds.

    Attributes:
        url: where the case opens.
        picture: a PNG, or None.
        caption: what the picture shows, or why there is none.
    """

    note: Note
    url: str
    picture: bytes | None = None
    caption: str = ""

    @property
    def facts(self) -> list[tuple[str, str]]:
        return [("Corpus", self.note.corpus), ("Model", self.note.model), *self.note.facts.items()]

    @property
    def image(self) -> str:
        return f"data:image/png;base64,{base64.b64encode(self.picture).decode()}" if self.picture else ""


def case_url(root: str, note: Note) -> str:
    """The address that opens a case: the app's own, with the selection in it."""
    return f"{root.rstrip('/')}/{quote(note.page, safe='')}?{urlencode(note.link)}"


def strongest(timeline: Timeline, heatmap: str) -> float:
    """The time at which a heatmap is strongest, of those with a face; the middle of the clip where there is no heatmap."""
    found = next((one for one in timeline.heatmaps if one.id == heatmap), None)
    faces = np.isfinite(timeline.boxes).all(1) if len(timeline.boxes) else np.zeros(0, bool)
    if found is None or not faces.any():
        return timeline.duration / 2
    strength = np.where(faces, found.values.mean(1), -1.0)
    return float(timeline.frame_times[int(strength.argmax())])


def html(entries: Sequence[Entry], title: str, lead: str = "") -> str:
    """One page that needs no other file and runs no script."""
    return _PAGE.render(entries=entries, title=title, lead=lead)


def markdown(entries: Sequence[Entry], title: str, lead: str = "") -> str:
    """CommonMark; picture number N is ``pictures/N.png``, counted from 1."""
    lines = [f"# {escaped(title)}", "", escaped(lead), ""]
    for number, entry in enumerate(entries, 1):
        note = entry.note
        lines += [f"## {escaped(note.title or note.clip)}", ""]
        if entry.picture:
            lines += [f"![{escaped(entry.caption)}](pictures/{number}.png)", ""]
        if entry.caption:
            lines += [escaped(entry.caption), ""]
        lines += [f"> {line}".rstrip() for line in _quoted(note.text)]
        lines += [""] if note.text else []
        lines += [f"Tags: {', '.join(map(escaped, note.tags))}", ""] if note.tags else []
        lines += [f"- {escaped(name)}: {escaped(value)}" for name, value in entry.facts]
        lines += ["", f"[Open this case in AffectScope](<{entry.url}>), changed {escaped(note.changed)}", ""]
    return "\n".join(lines)


def markdown_zip(entries: Sequence[Entry], title: str, lead: str = "") -> bytes:
    """``report.md`` and its pictures."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as box:
        box.writestr("report.md", markdown(entries, title, lead))
        for number, entry in enumerate(entries, 1):
            if entry.picture:
                box.writestr(f"pictures/{number}.png", entry.picture)
    return buffer.getvalue()


def table_csv(entries: Sequence[Entry]) -> str:
    """A row a note. A text that a spreadsheet would take for a formula is put behind an apostrophe."""
    names = list(dict.fromkeys(name for entry in entries for name in entry.note.facts))
    columns = ["title", "corpus", "clip", "model", "tags", "note", *names, "created", "changed", "link"]
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(map(_cell, columns))
    for entry in entries:
        note = entry.note
        own = [note.title, note.corpus, note.clip, note.model, "; ".join(note.tags), note.text]
        writer.writerow(map(_cell, [*own, *(note.facts.get(name, "") for name in names), note.created, note.changed, entry.url]))
    return buffer.getvalue()


def escaped(text: str) -> str:
    """Text on one line of Markdown, none of it markup."""
    return _START.sub(r"\1\\\2", _MARKUP.sub(r"\\\1", " ".join(text.split())))


def _quoted(text: str) -> list[str]:
    """A backslash at its end keeps a line's break; at a paragraph's end it would be seen."""
    lines = [escaped(line) for line in text.splitlines()]
    return [f"{line}\\" if line and following else line for line, following in zip(lines, [*lines[1:], ""], strict=True)]


def _cell(text: str) -> str:
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
