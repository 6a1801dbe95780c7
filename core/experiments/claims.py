"""The papers' claims, as comparisons of measured numbers.

A file in ``experiments/claims/`` holds claims, TOML:

    margin       of "no worse", for all parts without their own
    [[claims]]   text, source (paper and section), parts; earlier: the claim's number for the previous corpus
    a part       kind "better" or "no worse", first and second: [experiment, row, column], scores where more is better; for
                 "no worse" a margin; others = [rows] instead of second: the same column of these rows, a part each; or
                 kind "bend", curve: [experiment, row]

The margin of "no worse" is fixed in the file before anything is measured. For the decision rule see ``verdicts``.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from affectscope.core.errors import UserError
from affectscope.core.experiments.plan import FOLDER

CLAIMS = FOLDER / "claims" / "papers.toml"


@dataclass(frozen=True)
class Place:
    """A cell of a table: experiment, row and column."""

    experiment: str
    row: str
    column: str


@dataclass(frozen=True)
class Part:
    """One comparison, or one curve.

    Attributes:
        margin: of "no worse": the largest acceptable difference, in the column's unit.
    """

    kind: Literal["better", "no worse", "bend"]
    first: Place | None = None
    second: Place | None = None
    curve: tuple[str, str] | None = None
    margin: float = 0.0

    @property
    def experiments(self) -> tuple[str, ...]:
        places = [place.experiment for place in (self.first, self.second) if place]
        return (*places, self.curve[0]) if self.curve else tuple(places)


@dataclass(frozen=True)
class Claim:
    """A paper's claim, in our words, and the comparisons that support it.

    Attributes:
        earlier: its number in ``docs/results/generator-3.md``, measured on the previous corpus; 0 if it is not there.
    """

    text: str
    source: str
    parts: tuple[Part, ...]
    earlier: int = 0


def load(path: Path = CLAIMS) -> list[Claim]:
    """Read a file of claims.

    Raises:
        UserError: when it is invalid, or a "no worse" has no margin.
    """
    try:
        content = tomllib.loads(path.read_text())
        margin = float(content.get("margin", 0))
        return [
            Claim(
                claim["text"],
                claim["source"],
                tuple(made for part in claim["parts"] for made in _parts(part, margin)),
                int(claim.get("earlier", 0)),
            )
            for claim in content["claims"]
        ]
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path.name} cannot be read as claims: {error}.") from error


def _parts(part: dict[str, Any], margin: float) -> list[Part]:
    if part["kind"] == "bend":
        experiment, row = part["curve"]
        return [Part("bend", curve=(experiment, row))]
    if part["kind"] not in ("better", "no worse"):
        raise ValueError(f"there is no kind {part['kind']!r}")
    first = Place(*part["first"])
    seconds = (
        [Place(first.experiment, row, first.column) for row in part["others"]] if "others" in part else [Place(*part["second"])]
    )
    margin = float(part.get("margin", margin)) if part["kind"] == "no worse" else 0.0
    if part["kind"] == "no worse" and not margin > 0:
        raise ValueError(f"{first.row} is to be no worse, by no margin: write margin, more than 0")
    return [Part(part["kind"], first, second, margin=margin) for second in seconds]


def needed(claims: Sequence[Claim]) -> list[str]:
    """The experiments that the claims refer to, each once."""
    return list(dict.fromkeys(name for claim in claims for part in claim.parts for name in part.experiments))
