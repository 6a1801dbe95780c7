"""The state of background training runs, all on disk, a folder per run.

    order.json         the request
    process.json       its process, and when it was queued
    stopped            exists while the user has stopped it
    end.json           the exit status, once the process has ended by itself
    progress.jsonl     stage, share done and time, as written by `affectscope train --progress`
    log.txt            the process's output
    NAME.safetensors, NAME.history.json, NAME.resume.pt    as `affectscope train` writes them

So every process sees the same state, also after a restart of the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import psutil

from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root

State = Literal["waiting", "running", "stopped", "done", "failed"]
_LINES = 12
# Tolerance in seconds for a process's start time, which moves when the clock is corrected.
_SAME_START = 5.0
_EPOCH = "Epoch "


@dataclass(frozen=True)
class Order:
    """What to train, in the terms of `affectscope train`.

    Attributes:
        corpus: a folder, or ``demo`` for the bundled clips.
        device: ``cpu``, or ``cuda:0`` and so on; runs on one device are queued.
        split: ``speaker`` or ``official``, see ``core.training.splits.split_speakers``.
        epochs: maximum; 0 for a strategy without epochs.
        also: a joining corpus, see ``core.training.joined``; empty for none.
    """

    system: str
    preset: str
    corpus: str
    strategy: str
    epochs: int
    learning_rate: float
    seed: int
    device: str = "cpu"
    split: str = "speaker"
    also: str = ""

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Order:
        """Parse an order from JSON.

        Raises:
            TypeError: when it is invalid.
        """
        # The former name of the strategy.
        named = {"strategy" if name == "regime" else name: value for name, value in told.items()}
        return cls(**named)

    def arguments(self, out: Path) -> list[str]:
        """Arguments for `affectscope`, in the form --name=value, so that no value can be taken for an option."""
        passes = [f"--epochs={self.epochs}", f"--learning-rate={self.learning_rate!r}"] if self.epochs else []
        return [
            "train", self.system, f"--out={out}", f"--corpus={self.corpus}", f"--preset={self.preset}",
            f"--strategy={self.strategy}", *passes, f"--seed={self.seed}", f"--accelerator={self.device.split(':')[0]}",
            f"--split={self.split}", *([f"--also={self.also}"] if self.also else []),
        ]  # fmt: skip


@dataclass(frozen=True)
class Run:
    """The state of a run.

    Attributes:
        queued: when it was started or resumed, in seconds since 1970.
        why: one sentence about what it waits for, or why it failed.
        stage, share: the current stage, and the share done of the whole, 0..1.
        history: a row per epoch, as the training loop writes it; ``best`` is the index of the selected row.
        pace: seconds per epoch; None before the first one of this process.
        log: the last lines of output.
    """

    id: str
    folder: Path
    order: Order
    state: State
    queued: float = 0.0
    why: str = ""
    stage: str = ""
    share: float = 0.0
    history: Sequence[Mapping[str, float]] = ()
    best: int = -1
    pace: float | None = None
    log: Sequence[str] = field(default=(), repr=False)

    @property
    def checkpoint(self) -> Path:
        return self.folder / f"{self.id}.safetensors"

    @property
    def alive(self) -> bool:
        return self.state in ("waiting", "running")

    @property
    def seconds_left(self) -> float | None:
        """Remaining time if it does not stop early; None if unknown."""
        return None if self.pace is None or self.state != "running" else self.pace * (self.order.epochs - len(self.history))


def root() -> Path:
    return cache_root() / "runs"


def all_runs() -> dict[str, Run]:
    """All runs by id, newest first."""
    found = [run for folder in root().glob("*/") if (run := read(folder))]
    return {run.id: run for run in sorted(found, key=lambda run: run.queued, reverse=True)}


def finished() -> dict[str, Path]:
    """The checkpoints of finished runs, by name."""
    return {path.stem: path for path in sorted(root().glob("*/*.safetensors")) if path.stem == path.parent.name}


def read(folder: Path) -> Run | None:
    """The state of the run in a folder; None where there is no run."""
    try:
        order = Order.of(_json(folder / "order.json"))
    except TypeError:
        return None
    alive = process(folder) is not None
    ahead = in_front(folder) if alive else ""
    log = tail(folder / "log.txt")
    lines = progress_lines(folder / "progress.jsonl")
    history = _json(folder / f"{folder.name}.history.json")
    state, why = judge(alive, ahead, _json(folder / "end.json"), (folder / "stopped").exists(), log)
    last = lines[-1] if lines else {}
    return Run(
        folder.name, folder, order, state, float(_json(folder / "process.json").get("queued", 0.0)), why,
        str(last.get("stage", "")), float(last.get("share", 0.0)),
        history.get("epochs", ()), int(history.get("best_epoch", -1)), pace(lines), log,
    )  # fmt: skip


def judge(alive: bool, ahead: str, end: Mapping[str, Any], stopped: bool, log: Sequence[str]) -> tuple[State, str]:
    """A run's state from its files, and one sentence if needed."""
    if alive:
        return ("waiting", f"It waits until {ahead} is done.") if ahead else ("running", "")
    if end.get("code") == 0:
        return "done", ""
    if stopped:
        return "stopped", ""
    error = next((line.removeprefix("Error: ") for line in reversed(log) if line.startswith("Error: ")), "")
    if error:
        return "failed", error
    if end:
        return "failed", "Something went wrong inside the training; the last lines of its log follow."
    return "failed", "Its process ended without a word, as when memory runs out or the machine restarts; it can go on."


def process(folder: Path) -> psutil.Process | None:
    """The run's process, if it is alive: its id may have been reused since."""
    known = _json(folder / "process.json")
    try:
        found = psutil.Process(int(known["pid"]))
        same = abs(found.create_time() - float(known["began"])) < _SAME_START
        return found if same and found.status() != psutil.STATUS_ZOMBIE else None
    except (KeyError, TypeError, ValueError, psutil.Error):
        return None


def in_front(folder: Path) -> str:
    """The run on the same device that was queued earlier and is alive; empty when this one may start."""
    place, device = _place(folder), _json(folder / "order.json").get("device")
    for other in sorted(folder.parent.glob("*/")):
        same = other.name != folder.name and _json(other / "order.json").get("device") == device
        if same and _place(other) < place and process(other):
            return other.name
    return ""


def pace(lines: Sequence[Mapping[str, Any]]) -> float | None:
    """Seconds per epoch since the process began; the first one, which includes setup, counts only if it is the only one."""
    at = [float(line["at"]) for line in lines if str(line["stage"]).startswith(_EPOCH)]
    if len(at) > 1:
        return (at[-1] - at[0]) / (len(at) - 1)
    before = [float(line["at"]) for line in lines if not str(line["stage"]).startswith(_EPOCH)]
    return at[0] - before[-1] if at and before else None


def progress_lines(path: Path) -> list[dict[str, Any]]:
    """The progress since the process began; incomplete or damaged lines are left out."""
    lines: list[dict[str, Any]] = []
    for text in tail(path, 2000):
        line = sealed.read_line(text)
        if line is not None and {"stage", "share", "at"} <= line.keys():
            lines = [line] if line["stage"] == "Starting" else [*lines, line]
    return lines


def tail(path: Path, count: int = _LINES) -> tuple[str, ...]:
    """The last lines of a file; empty where there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - 300 * count))
            text = file.read().decode(errors="replace")
    except OSError:
        return ()
    return tuple(line.rstrip() for line in text.splitlines() if line.strip())[-count:]


def _place(folder: Path) -> tuple[float, str]:
    return float(_json(folder / "process.json").get("queued", 0.0)), folder.name


def _json(path: Path) -> dict[str, Any]:
    """The object in a JSON file; empty if it cannot be read."""
    return sealed.read_kept(path)[0] or {}
