"""Trust measures as readable tables, for one clip and for a corpus."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from affectscope.core.inference.asked import DECISION
from affectscope.core.text import percent, signed
from affectscope.core.trust.corpus import MEASURES
from affectscope.core.trust.measure import Measured
from affectscope.core.trust.trust import Trust
from affectscope.core.trust.verdict import LEVELS, verdict

_NOUNS = {"audio": "sound", "visual": "picture"}
_SHARES = ("place", "time")


def name_of(measured: Measured) -> str:
    """A map's display name."""
    return (
        f"{_NOUNS.get(measured.modality, measured.modality)}, {measured.title}"
        if measured.is_lane
        else f"Heatmap, {measured.title}"
    )


def title_of(row: Mapping[str, Any]) -> str:
    """The display name of a row of ``corpus.summary``."""
    what = _NOUNS.get(row["modality"], row["modality"])
    return f"{row['title']}, {what}" if row["head"] == DECISION else f"{row['title']}, {what}, {row['head']} head"


def rows(found: Trust) -> list[dict[str, Any]]:
    """A row of texts for each map of one clip."""
    return [_row(measured) for measured in found.measured]


def _row(measured: Measured) -> dict[str, Any]:
    rated, drawn = verdict(measured), measured.curves
    return {
        "explanation": name_of(measured), "class": measured.target, "trust": rated.level, "reasons": rated.reasons,
        "p": f"{drawn.p:.2f}", "other places": f"{drawn.beaten} of {len(drawn.areas)}",
        "deletion": _signed(drawn.deletion_areas), "insertion": _signed(drawn.insertion_areas),
        "model random": _plain(measured.headless), "all random": _plain(measured.random_weights),
        "other classes": _plain(measured.any_class), "stable": _plain(measured.stable),
        "max-sensitivity": _plain(measured.max_sensitivity),
    }  # fmt: skip


def cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of ``corpus.summary`` with each measure, its interval and its chance level in one cell."""
    found: dict[str, Any] = {name: row[name] for name in ("model", "title", "modality", "clips")}
    low, high = percent(row["significant_low"]), percent(row["significant_high"])
    found["p ≤ 0.05"] = f"{percent(row['significant'])} ({low} to {high}; chance 5 %)"
    for name, title in MEASURES.items():
        value, low, high = row[name], row[f"{name}_low"], row[f"{name}_high"]
        if value is None or not np.isfinite(value):
            found[title] = ""
        elif name in _SHARES:
            found[title] = f"{percent(value)} ({percent(low)} to {percent(high)}; chance {percent(row[f'{name}_chance'])})"
        else:
            found[title] = f"{value:.2f} ({low:.2f} to {high:.2f})"
    found["high / medium / low"] = " / ".join(percent(row[level]) for level in LEVELS)
    return found


def _signed(values: np.ndarray) -> str:
    return signed(float(values.mean())) if len(values) else ""


def _plain(value: float) -> str:
    return f"{value:.2f}" if np.isfinite(value) else ""
