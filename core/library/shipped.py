"""The page of cards of the shipped checkpoints: training data, settings, and performance on held-out speakers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.metrics.calibration import BINS
from affectscope.core.metrics.metrics import MAIN, tabled

_WITHOUT = {"audio": "without audio", "visual": "without visual"}


def rows(paths: Mapping[str, Path]) -> list[dict[str, Any]]:
    """One row per checkpoint: its size, and its main score on whole clips and with one modality missing."""
    return [_row(name, path, dict(checkpoints.load(path).card)) for name, path in paths.items()]


def _row(name: str, path: Path, card: Mapping[str, Any]) -> dict[str, Any]:
    score = MAIN[card.get("task", "classification")]

    def of(metrics: Mapping[str, Any]) -> float:
        return float(metrics.get("decision", {}).get(score, float("nan")))

    missing = {column: of(card.get("metrics_without", {}).get(m, {})) for m, column in _WITHOUT.items()}
    return {
        "name": name, "system": card.get("system", ""), "parameters": card.get("parameters", 0),
        "megabytes": path.stat().st_size / 1e6, "score": score, "whole": of(card.get("metrics", {})), **missing,
    }  # fmt: skip


def markdown(paths: Mapping[str, Path]) -> str:
    """The page in Markdown: a table of all, then a section each."""
    table = rows(paths)
    lines = [
        "# Shipped checkpoints",
        "",
        "Written by `make docs` from the cards inside the files; `make checkpoints` trains them again. **All were trained on "
        "rendered faces and synthetic voices: none has ever seen or heard a person.** Scores are those of the system's own "
        "answer on clips of held-out speakers of that corpus, one seed; docs/results.md has several. `ece` is the expected "
        f"calibration error of the answer's confidence over {BINS} equal-width bins.",
        "",
        "| checkpoint | system | parameters | MB | score | whole clips | without audio | without visual |",
        "|---|---|---:|---:|---|---:|---:|---:|",
    ]
    for row in table:
        values = " | ".join(_number(row[k]) for k in ("whole", "without audio", "without visual"))
        lines.append(
            f"| {row['name']} | {row['system']} | {row['parameters']:,} | {row['megabytes']:.1f} | {row['score']} | {values} |"
        )
    for name, path in paths.items():
        lines += ["", f"## {name}", "", *_card(dict(checkpoints.load(path).card))]
    return "\n".join(lines) + "\n"


def _card(card: Mapping[str, Any]) -> list[str]:
    config, clips = card.get("config", {}), card.get("clips", {})
    facts = {
        "system": f"{card.get('system')} ({card.get('preset')}), {card.get('parameters', 0):,} parameters",
        "answers": ", ".join(card.get("labels", [])),
        "features": ", ".join(f"{modality}: {name}" for modality, name in card.get("features", {}).items()),
        "corpus": card.get("corpus"),
        "clips": ", ".join(f"{part} {count}" for part, count in clips.items()),
        "held-out speakers": ", ".join(card.get("speakers", {}).get("test", [])),
        "training": f"strategy {card.get('strategy')}, {card.get('epochs_run')} of {config.get('epochs')} epochs, "
        f"learning rate {config.get('learning_rate')}, seed {config.get('seed')}, on {card.get('device')}",
        "made": f"{card.get('date')}, commit {card.get('commit')}",
    }
    metrics = card.get("metrics", {})
    shown = [
        score
        for name, metric in tabled(metrics.values()).items()
        for score in ([f"{name}_{label}" for label in card.get("labels", [])] if metric.by_attribute else [name])
        if any(score in values for values in metrics.values())
    ]
    lines = [f"- **{name}**: {value}" for name, value in facts.items() if value]
    lines += ["", "| head | " + " | ".join(shown) + " |", "|---|" + "---:|" * len(shown)]
    for head, values in metrics.items():
        lines.append(f"| {head} | " + " | ".join(_number(values.get(score)) for score in shown) + " |")
    return lines


def _number(value: float | None) -> str:
    return "" if value is None or value != value else f"{value:.3f}"
