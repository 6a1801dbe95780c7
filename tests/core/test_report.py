"""The report: what people wrote stays text in every form."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from markdown_it import MarkdownIt

from affectscope.core.notebook.notes import Note
from affectscope.core.notebook.report import Entry, State, case_url, escaped, html, markdown, markdown_zip, strongest, table_csv
from affectscope.core.timeline.timeline import Heatmap, Timeline

EVIL = '<script>alert("x")</script> **bold** [a](javascript:b) `c` ![i](j) <img src=x onerror=y>'
NOTE = Note(
    "demo", "clip/<b>1", "aux&former", EVIL, f"{EVIL}\n# heading\n    code\n1. one\n\n- two", (EVIL, "=tag"),
    {"clip": "clip/<b>1", "explain": "a&b"}, {"Truth": EVIL, "Said": "=1+1"},
)  # fmt: skip
ENTRY = Entry(NOTE, case_url("http://localhost:8501", NOTE), b"\x89PNG", f"Frame {EVIL}")


class Seen(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.attributes, self.text = [], [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += [(tag, *attr) for attr in attrs]

    def handle_data(self, data):
        self.text += data


def test_html_holds_no_markup_of_others():
    seen = Seen(html([ENTRY], EVIL, EVIL))
    assert not {"script", "b", "strong", "h3"} & set(seen.tags)
    assert seen.tags.count("img") == 1
    assert not any(name.startswith("on") for _, name, _ in seen.attributes)
    # The title and the heading, the lead, the case's name, its caption, its note, its tag and its fact.
    assert seen.text.count(EVIL) == 8


def test_html_opens_the_case_and_carries_its_picture():
    seen = Seen(html([ENTRY], "Notes"))
    assert ("a", "href", "http://localhost:8501/?clip=clip%2F%3Cb%3E1&explain=a%26b") in seen.attributes
    assert ("img", "src", "data:image/png;base64,iVBORw==") in seen.attributes


FULL = replace(
    ENTRY,
    states=(State("the whole clip", {EVIL: 0.75, "joy": 0.25}), State(EVIL, {EVIL: 0.4, "joy": 0.6})),
    truth="joy",
    strips=((EVIL, b"\x89PNG lane"),),
    clip=b"mp4",
    caution="It has never seen a person.",
)


def test_a_case_shows_its_answers_lanes_and_clip_and_what_its_link_needs():
    page = html([FULL], "Notes", local=True)
    seen = Seen(page)
    assert not {"script", "b", "strong"} & set(seen.tags)
    assert [v for tag, name, v in seen.attributes if (tag, name) == ("rect", "width")] == ["75.00", "40.00", "25.00", "60.00"]
    assert seen.text.count("75\N{NO-BREAK SPACE}%") == seen.text.count("60\N{NO-BREAK SPACE}%") == 1
    # In the row of "joy" its second state leads, in the other row the first one.
    assert page.count('class="leads"') == 2
    assert ("video", "src", "data:video/mp4;base64,bXA0") in seen.attributes
    assert "joy (true label)" in " ".join(seen.text.split())
    assert "It has never seen a person." in seen.text
    assert "needs the corpus demo and the model aux&former" in seen.text
    assert "the machine on which" in seen.text
    policy = next(v for tag, name, v in seen.attributes if (tag, name) == ("meta", "content") and "default-src" in v)
    assert "media-src data:;" in policy
    assert "unsafe" not in policy


def test_the_pages_style_is_the_one_that_its_policy_lets_in():
    page = html([ENTRY], "Notes")
    style = page[page.index("<style>") + 7 : page.index("</style>")]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"sha256-{digest}" in page.replace("&#43;", "+").replace("&#39;", "'").replace("&#61;", "=")


def test_markdown_tells_the_same():
    text = markdown([FULL], "Notes")
    assert "Decision, the whole clip: " in text
    assert "joy 60 %" in text
    assert "It has never seen a person." in text


def test_markdown_holds_no_markup_of_others():
    seen = Seen(MarkdownIt().render(markdown([ENTRY], EVIL, EVIL)))
    assert set(seen.tags) <= {"h1", "h2", "p", "img", "blockquote", "br", "ul", "li", "a"}
    assert [v for tag, name, v in seen.attributes if name == "href"] == [ENTRY.url]
    assert [v for tag, name, v in seen.attributes if name == "src"] == ["pictures/1.png"]
    assert EVIL in seen.text
    assert "# heading" in seen.text
    assert "1. one" in seen.text
    assert "\\" not in seen.text
    assert seen.tags.count("h2") == 1


@pytest.mark.parametrize(
    "text",
    [
        "a*b_c",
        "<b>",
        "a | b",
        "~x~",
        "$x$",
        ":red[x]",
        "&lt;",
        "back\\slash",
        "1. one",
        "2) two",
        "- a",
        "+ b",
        "===",
        "- 3",
        "http://x.y",
        "www.x.y",
        "(c)",
    ],
)
def test_escaped_text_reads_as_it_was(text: str):
    seen = Seen(MarkdownIt().enable(["table", "strikethrough"]).render(escaped(text)))
    assert (seen.text.strip(), seen.tags) == (text, ["p"])


def test_zip_has_the_pictures_that_the_text_names():
    with zipfile.ZipFile(io.BytesIO(markdown_zip([Entry(NOTE, "u"), ENTRY], "Notes"))) as box:
        assert sorted(box.namelist()) == ["pictures/2.png", "report.md"]
        assert "pictures/2.png" in box.read("report.md").decode()
        assert box.read("pictures/2.png") == b"\x89PNG"


def test_zip_has_the_numbers_that_a_sentence_rests_on():
    entry = replace(ENTRY, why=EVIL, reasons=((EVIL, ("a|b", "c"), ((EVIL, "+0.50"), ("x", "-1.00"))),))
    with zipfile.ZipFile(io.BytesIO(markdown_zip([Entry(NOTE, "u"), entry], "Notes"))) as box:
        assert "numbers/1.md" not in box.namelist()
        assert "(numbers/2.md)" in box.read("report.md").decode()
        seen = Seen(MarkdownIt().enable("table").render(box.read("numbers/2.md").decode()))
    assert (seen.tags.count("table"), seen.tags.count("tr"), seen.tags.count("td")) == (1, 3, 4)
    assert not {"script", "b", "strong", "a", "img"} & set(seen.tags)
    assert seen.text.count(EVIL) == 4
    assert "+0.50" in seen.text


def test_no_cell_of_the_table_is_a_formula():
    header, row = csv.reader(io.StringIO(table_csv([ENTRY])))
    cells = dict(zip(header, row, strict=True))
    assert cells["Said"] == "'=1+1"
    assert cells["note"] == NOTE.text
    assert cells["Truth"] == EVIL
    assert not any(cell[:1] in "=+-@" for cell in row if cell)


def test_strongest_moment_has_a_face():
    maps = np.array([[[9.0, 9.0]], [[1.0, 3.0]], [[5.0, 5.0]]])
    boxes = np.array([[np.nan] * 4, [0, 0, 1, 1], [0, 0, 1, 1]], np.float32)
    timeline = Timeline(3.0, np.array([0.0, 1.0, 2.0]), boxes, (Heatmap.of("av", "", maps),))
    assert strongest(timeline, "av") == 2.0
    assert strongest(timeline, "none") == 1.5
    assert strongest(Timeline(3.0, np.zeros(0), np.zeros((0, 4))), "av") == 1.5


def test_a_case_opens_on_the_page_where_it_was_seen():
    assert case_url("http://h/app/", Note("c", "x", "m", page="masking", link={"clip": "x"})) == "http://h/app/masking?clip=x"
    assert case_url("http://h", Note("c", "x", "m", page="//evil", link={})) == "http://h/%2F%2Fevil?"
