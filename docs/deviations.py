"""The table of deviations, out of the docstrings: ``python -m docs.generate`` writes it to deviations.md."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from affectscope.core.experiments import plan

ROOT = Path(__file__).parents[1]
PAPERS = {
    "goncalves2022robust": "Robust Audiovisual Emotion Recognition (AuxFormer, journal)",
    "goncalves2022auxformer": "AuxFormer (ICASSP)",
    "goncalves2025versatile": "Versatile Audio-Visual Learning (VAVL)",
    "parthasarathy2020detecting": "Detecting Expressions with Multimodal Transformers",
    "mocanu2023multimodal": "Cross-modal fusion with attention and deep metric learning",
}
SOURCES = (
    "core/models/*.py",
    "core/features/sets.py",
    "core/training/strategies.py",
    "core/training/faces.py",
    "core/experiments/protocols.py",
)
_SECTION = "Deviations|Where the paper cannot be followed or is silent, and what was chosen"
_HEADS = re.compile(rf"^(?:{_SECTION}):\n\n((?:- .*\n?(?:  .*\n?)*)+)", re.MULTILINE)
_NAMED = re.compile(rf"({'|'.join(PAPERS)})(?: \(([^)]*)\))?")
_ITEM = re.compile(rf"(?P<papers>{_NAMED.pattern}(?:, {_NAMED.pattern})*): (?P<text>.*)", re.DOTALL)
_PLACE = re.compile(r"\((?P<where>\d[\d., ]*|Eq\.[^)]*|Fig\.[^)]*)\):? (?P<text>.*)", re.DOTALL)
_HEAD = """# Deviations

Written by `make docs` from the docstrings (their sections *Deviations*) and from the notes that the experiments have at demo
size. What is not here is as the paper has it, as far as this project's authors could read it. Experiments follow a paper's
protocol at its own size, or with `--protocol paper`; `affectscope train` takes a preset with its recipe alone: all modalities
are normalised, and what a clip loses in training is absent. Where public code differs from its paper is in the systems'
docstrings (`variant="code"`).
"""


@dataclass(frozen=True)
class Deviation:
    """One difference: of which paper, where in it, in which part of the code, and what."""

    paper: str
    where: str
    part: str
    text: str


def found() -> list[Deviation]:
    """All that the docstrings and the experiments' notes say."""
    every = [deviation for pattern in SOURCES for path in sorted(ROOT.glob(pattern)) for deviation in of_file(path)]
    return every + list(_of_experiments())


def of_file(path: Path) -> Iterator[Deviation]:
    """The items of a module's section, once for each paper that an item names; without a paper's key, of the first paper that the
    docstring cites."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    usual = next(iter(re.findall("|".join(PAPERS), text)), "")
    for section in _HEADS.finditer(text + "\n"):
        for item in re.split(r"\n(?=- )", section[1].rstrip()):
            joined = " ".join(item.removeprefix("- ").split())
            named = _ITEM.fullmatch(joined)
            placed = _PLACE.fullmatch(joined)
            papers = _NAMED.findall(named["papers"]) if named else [(usual, placed["where"] if placed else "")]
            body = named["text"] if named else placed["text"] if placed else joined
            for paper, where in papers:
                yield Deviation(paper, where, f"`{path.stem}`", body[:1].upper() + body[1:])


def _of_experiments() -> Iterator[Deviation]:
    for name in plan.experiments():
        experiment = plan.load(name)
        if experiment.note:
            yield Deviation(experiment.paper, experiment.item, f"experiment `{name}`", experiment.note)


def page() -> str:
    """The page, in Markdown: a table a paper."""
    every = found()
    parts = [_HEAD]
    for key, title in PAPERS.items():
        rows = [deviation for deviation in every if deviation.paper == key]
        parts += [f"## {title}", "", f"`{key}`", "", "| in the paper | in the code | what differs |", "|---|---|---|"]
        parts += [f"| {row.where} | {row.part} | {_cell(row.text)} |" for row in rows]
        parts.append("")
    return "\n".join(parts).rstrip() + "\n"


def _cell(text: str) -> str:
    return text.replace("``", "`").replace("|", "\\|").replace("<", "&lt;")
