"""The exported page: the code of the player and the masking board, with all their data embedded.

The page loads nothing: its policy only allows its own script and style, and embedded media. Large data is gzip in base64, decoded
by the browser (DecompressionStream). Names, labels and cards are escaped.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from affectscope.core import __version__, browser, masking, player
from affectscope.core.export.answers import Predictions
from affectscope.core.library.cards import Card
from affectscope.core.metrics.metrics import tabled
from affectscope.core.perturbation import IMPUTATION_MEANINGS, IMPUTATION_TITLES, PATTERN_TITLES, Perturbation, meaning
from affectscope.core.timeline.lanes import head_title
from affectscope.core.why import Why, in_words, tables
from affectscope.core.why.tables import Table

_HERE = Path(__file__).parent
_PAGES = Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=True, lstrip_blocks=True)


@dataclass(frozen=True)
class Model:
    """One model of the case.

    Attributes:
        grid: its answers at every share of sound and picture, ``Grid.to_json``; empty if not computed.
        change: pattern and imputation of that grid.
        why: the explanation of its answer, if computed.
        trust: how far its explanations can be trusted, as in ``core.trust.tables.rows``, the shown map first; empty if not
            measured.
    """

    predictions: Predictions
    card: Card | None = None
    grid: str = ""
    change: Perturbation = field(default_factory=Perturbation)
    why: Why | None = None
    trust: Sequence[Mapping[str, str]] = ()

    @property
    def reasons(self) -> tuple[str, tuple[Table, ...]]:
        """The sentence, and the tables behind it."""
        return (in_words(self.why), tables(self.why, every=True)) if self.why else ("", ())

    @property
    def facts(self) -> list[tuple[str, str]]:
        """The card's rows, title and text."""
        card = self.card
        if card is None:
            return []
        spec = card.spec
        heads = ", ".join(
            f"{head_title(head)} ({' and '.join(spec.modalities.get(head, ()))})".replace(" ()", "") for head in spec.heads
        )
        rows = [("System", spec.system), ("Parameters", f"{card.parameters:,}" if card.parameters else "")]
        rows += [("Classes" if spec.task == "classification" else "Attributes", ", ".join(spec.labels)), ("Heads", heads)]
        return [(name, text) for name, text in (*rows, *card.training.items(), *card.imported.items()) if text]

    @property
    def metrics(self) -> tuple[list[str], list[list[str]]]:
        """Column titles, and a row per head, the decision first."""
        by_head = self.card.metrics if self.card else {}
        columns = tabled(by_head.values())
        ordered = sorted(by_head.items(), key=lambda pair: pair[0] != "decision")
        rows = [
            [head_title(head), *(metric.written(values.get(name)) for name, metric in columns.items())]
            for head, values in ordered
        ]
        return [metric.title for metric in columns.values()], rows


@dataclass(frozen=True)
class Home:
    """An exported case.

    Attributes:
        clip: the bytes of a browser-playable file.
        timeline: ``Timeline.to_bytes`` of one model, or of two merged.
        models: one, or two compared.
        explained: heatmap id -> the class that it explains.
        truth: the true label, if known.
        facts: the corpus's other facts.
        view: initial view, as in ``app.player.player``.
    """

    title: str
    clip: bytes
    timeline: bytes
    models: tuple[Model, ...]
    explained: Mapping[str, str] = field(default_factory=dict)
    truth: str | None = None
    facts: Sequence[str] = ()
    view: Mapping[str, Any] = field(default_factory=dict)

    @property
    def cautions(self) -> list[str]:
        return list(dict.fromkeys(model.predictions.caution for model in self.models if model.predictions.caution))


def page(home: Home, when: datetime | None = None) -> str:
    """The page as text.

    Args:
        when: the stated date; default: now.
    """
    script = _script()
    styles = {"page": _read("page.css"), "player": player.css(), "board": masking.css()}
    known = " ".join(f"'{_hash(style)}'" for style in styles.values())
    policy = (
        f"default-src 'none'; script-src '{_hash(script)}'; style-src {known}; img-src data: blob:; media-src blob:; "
        "base-uri 'none'; form-action 'none'"
    )
    return _PAGES.get_template("page.html").render(
        home=home,
        sides="AB" if len(home.models) > 1 else " ",
        policy=policy,
        script=Markup(script),
        styles={name: Markup(style) for name, style in styles.items()},
        player=Markup(player.html()),
        board=Markup(masking.html()),
        facts=_json(_browser_facts(home)),
        blobs={"clip": _base64(home.clip), "timeline": _base64(_packed(home.timeline)), **_grids(home)},
        version=__version__,
        date=f"{when or datetime.now():%Y-%m-%d}",
    )


def _browser_facts(home: Home) -> dict[str, Any]:
    """The data for the page's script."""
    view = {k: v for k, v in home.view.items() if k not in ("stamp", "serial", "choice", "stay", "explain")}
    boards = [_board(home, number, model) for number, model in enumerate(home.models) if model.grid]
    return {
        "view": view,
        "options": {"title": home.title, "truth": home.truth, "explained": dict(home.explained)},
        "boards": boards,
    }


def _board(home: Home, number: int, model: Model) -> dict[str, Any]:
    grid, change, kind = json.loads(model.grid), model.change, model.change.imputation
    state: dict[str, Any] = {
        "keep": {}, "pattern": change.pattern, "imputation": change.imputation, "seed": change.seed, "burst": change.burst,
        "spans": {}, "head": "", "class": "",
    }  # fmt: skip
    heads = [{"id": head, "title": head_title(head)} for head in grid["answers"]]
    meaning_of = meaning(kind, model.card.spec) if model.card else IMPUTATION_MEANINGS[kind]
    options = {
        "subject": f"{number}", "title": f"{home.title}-{model.predictions.model}", "heads": heads, "truth": home.truth,
        "alone": True,
        "patterns": [{"id": change.pattern, "title": PATTERN_TITLES[change.pattern]}],
        "imputations": [{"id": kind, "title": IMPUTATION_TITLES[kind], "meaning": meaning_of}],
    }  # fmt: skip
    return {"number": number, "state": state, "options": options}


def _grids(home: Home) -> dict[str, str]:
    return {f"grid-{i}": _base64(_packed(model.grid.encode())) for i, model in enumerate(home.models) if model.grid}


def _script() -> str:
    """Player, board, and startup code."""
    return browser.script(_HERE / "page.js")


def _json(value: Any) -> Markup:
    """JSON that cannot close its enclosing element."""
    return Markup(json.dumps(value, allow_nan=False).replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _packed(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _read(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")
