"""Let a checkpoint in that nobody vouches for: it is read in a process of its own, with limits on its memory and its time.

That process unpickles nothing either. But a made-up file can ask a parser for more memory or time than there is, and then the
process that reads it ends, not the server. What fits its model is written again as one of our own checkpoints; only that is read
from then on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import copyfile
from typing import Any

from core import guard
from core.errors import UserError

_MEMORY = 2 << 30
_COPIES = 4
_SECONDS = 60.0
_BYTES_PER_SECOND = 10e6
# A made-up file may have any number of keys; a person reads the first.
_LISTED = 200
_TOO_MUCH = "This file asks for more memory or time than any checkpoint of its size: it is damaged or hostile."


@dataclass(frozen=True)
class Report:
    """What became of a checkpoint at the door.

    Attributes:
        error: one sentence; empty when it was let in.
        layout: the public layout that it was read as; empty for our own.
        unknown: True where nobody could tell its layout: it may be tried again with one that a person chooses.
        missing, unexpected, misshapen: the first keys of each kind, with ``counts`` of all; see ``core.fit.Mismatch``.
    """

    error: str = ""
    layout: str = ""
    unknown: bool = False
    missing: tuple[str, ...] = ()
    unexpected: tuple[str, ...] = ()
    misshapen: tuple[str, ...] = ()
    counts: tuple[int, int, int] = (0, 0, 0)
    guess: str = ""


def admit(
    source: Path, out: Path, layout: str = "", check: Callable[[], object] = lambda: None, seconds: float = _SECONDS
) -> Report:
    """Read ``source`` (a file, or a folder of one layout's files) and write what fits to ``out`` as our own checkpoint.

    Args:
        layout: the public layout to read it as; empty to tell from its keys.
        check: called a few times a second; what it raises ends the reading.
        seconds: of work that reading may take; large files get more.
    """
    size = sum(file.stat().st_size for file in (source.glob("*.pt") if source.is_dir() else [source]))
    seconds += size / _BYTES_PER_SECOND
    report = out.with_name(out.name + ".report.json")
    try:
        guard.run("core.admit", [str(source), str(out), str(report), layout], _MEMORY + _COPIES * size, seconds, check)
        found: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(report.read_text(encoding="utf-8")).items()
        }
        return Report(**found)
    except (OSError, ValueError):
        return Report(_TOO_MUCH)
    finally:
        report.unlink(missing_ok=True)


def examine(source: Path, out: Path, layout: str = "") -> Report:
    """What ``admit`` does, in this process and without limits."""
    from core import checkpoints
    from core.fit import Mismatch
    from core.layouts import LAYOUTS, recognise

    try:
        if source.is_file() and checkpoints.is_ours(source):
            # The copy is what is looked at: the original may change under our hands.
            copyfile(source, out)
            try:
                checkpoints.load(out)
            except UserError:
                out.unlink()
                raise
            return Report()
        chosen = layout or recognise(checkpoints.foreign_tensors(source).keys())
        if not chosen:
            known = ", ".join(LAYOUTS)
            return Report(f"{source.name} is neither an AffectScope checkpoint nor of a known layout ({known}).", unknown=True)
        model = checkpoints.load_foreign(source, chosen)
        checkpoints.save(out, model, checkpoints.Normaliser(), _card(model, chosen))
        return Report(layout=chosen)
    except Mismatch as error:
        shapes = tuple(f"{key}: {_size(given)} instead of {_size(own)}" for key, given, own in error.misshapen)
        kinds = (tuple(error.missing), tuple(error.unexpected), shapes)
        listed = [kind[:_LISTED] for kind in kinds]
        counts = (len(kinds[0]), len(kinds[1]), len(kinds[2]))
        return Report(_of(error, source, out), layout, False, listed[0], listed[1], listed[2], counts, error.guess)
    except UserError as error:
        return Report(_of(error, source, out), layout, unknown=bool(layout))


def _of(error: UserError, source: Path, out: Path) -> str:
    return str(error).replace(out.name, source.name)


def _card(model: Any, layout: str) -> dict[str, Any]:
    from core.models.catalogue import count

    return {
        "system": model.spec.system,
        "variant": getattr(model.config, "variant", ""),
        "parameters": count(model),
        "task": model.spec.task,
        "labels": list(model.spec.labels),
        "layout": layout,
    }


def _size(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "one number"


def _main() -> None:
    source, out, report, layout, memory, seconds = sys.argv[1:]
    import core.checkpoints  # noqa: F401  (what it takes to read counts as what the process has)

    guard.limit(int(memory), int(seconds))
    try:
        found = examine(Path(source), Path(out), layout)
    except MemoryError:
        found = Report(_TOO_MUCH)
    Path(report).write_text(json.dumps(asdict(found)), encoding="utf-8")


if __name__ == "__main__":
    _main()
