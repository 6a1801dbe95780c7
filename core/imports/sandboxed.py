"""Imports an uploaded table in a sandboxed process, with limits on memory and time."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from affectscope.core.cache.disk import owned
from affectscope.core.cache.store import cache_root
from affectscope.core.errors import UserError
from affectscope.core.files import sandbox

MOST_TOLD = 20
_MEMORY = 3 << 30
_COPIES = 12
_SECONDS = 60.0
_BYTES_PER_SECOND = 1e6


@dataclass(frozen=True)
class Outcome:
    """The result: the names of its models with remarks, or one sentence about why nothing was usable.

    Attributes:
        problems: one sentence each, the first ``MOST_TOLD`` of ``count``.
        notes: remarks on how it was read, where not obvious.
    """

    models: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()
    count: int = 0
    notes: tuple[str, ...] = ()
    error: str = ""


def take_in_sandboxed(path: Path, called: str, check: Callable[[], object] = lambda: None, beside: str = "") -> Outcome:
    """As ``intake.take_in``.

    Args:
        called: the file's original name.
        beside: the current corpus.
        check: called a few times per second; an exception from it cancels the import.
    """
    size = path.stat().st_size
    report = cache_root() / "imports" / f".report-{owned()}.json"
    report.parent.mkdir(parents=True, exist_ok=True)
    try:
        arguments = [str(path), called, beside, str(report)]
        sandbox.run(
            "affectscope.core.imports.sandboxed", arguments, _MEMORY + _COPIES * size, _SECONDS + size / _BYTES_PER_SECOND, check
        )
        outcome = json.loads(report.read_text(encoding="utf-8"))
        models, problems, notes = (tuple(map(str, outcome[name])) for name in ("models", "problems", "notes"))
        return Outcome(models, problems, int(outcome["count"]), notes, str(outcome["error"]))
    except (OSError, ValueError, KeyError, TypeError):
        return Outcome(error="This table asks for more memory or time than any of its size: it is damaged or hostile.")
    finally:
        report.unlink(missing_ok=True)


def _main() -> None:
    path, called, beside, report, memory, seconds = sys.argv[1:]
    from affectscope.core.imports.intake import Options, take_in
    from affectscope.core.imports.names import taken

    sandbox.limit(int(memory), int(seconds))
    outcome: dict[str, Any] = {"models": [], "problems": [], "count": 0, "notes": [], "error": ""}
    try:
        made = take_in(Path(path), Options(beside=beside), taken(), called)
        outcome |= {"models": [model.name for model in made.models], "notes": made.notes}
        outcome |= {"problems": made.problems[:MOST_TOLD], "count": len(made.problems)}
    except UserError as error:
        outcome["error"] = str(error)
    Path(report).write_text(json.dumps(outcome), encoding="utf-8")


if __name__ == "__main__":
    _main()
