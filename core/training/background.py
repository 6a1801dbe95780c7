"""Background training runs: start, stop, resume. A run outlives the process that started it.

``python -m affectscope.core.training.background FOLDER`` waits for its device, and then executes `affectscope train`.
"""

from __future__ import annotations

import os
import re
import runpy
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import psutil

from affectscope.core import paths
from affectscope.core.cache import sealed
from affectscope.core.cache.stamps import stamp
from affectscope.core.errors import UserError
from affectscope.core.training import runs
from affectscope.core.training.runs import Order, Run

_COMMAND = paths.python("affectscope.core.training.background")
_MOST = 8
_MOST_EPOCHS, _LARGEST_RATE, _LARGEST_SEED = 10_000, 10.0, 2**31 - 1
_POLL = 1.0
_PATIENCE = 5.0
_FOR_BOTH = ("optimised", "modality-dropout")
# Seconds until the starting process has written the process id, or must have died.
_LAUNCH = 30.0


def devices() -> dict[str, str]:
    """Devices for training: name -> display name."""
    import torch

    return {"cpu": "CPU"} | {f"cuda:{i}": torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())}


def strategies(system: str, preset: str, corpus: str = "", also: str = "") -> tuple[str, ...]:
    """The strategies that apply to a system, its own first.

    If a corpus joins one on which a shipped checkpoint was trained, adding to that checkpoint comes before all others.
    """
    import torch

    from affectscope.core.models.base import MODELS
    from affectscope.core.training import beside
    from affectscope.core.training.recipes import DEMO, PAPER, recipe

    own = [recipe(system, preset).strategy] + [known[system].strategy for known in (DEMO, PAPER) if system in known]
    with torch.device("meta"):
        both = len(MODELS[system].preset(preset).spec.inputs) > 1
    onto = [beside.NAME] if _joins_shipped(system, preset, corpus, also) else []
    return tuple(dict.fromkeys([*onto, *own, *(_FOR_BOTH if both else ()), "standard"]))


def _joins_shipped(system: str, preset: str, corpus: str, also: str) -> bool:
    """Whether ``core.training.beside`` applies. False for unreadable corpora, which are reported when a run is started."""
    from affectscope.core.corpora import open_corpus
    from affectscope.core.training import beside
    from affectscope.core.training.presets import adapt_preset

    if not corpus.strip() or not also.strip():
        return False
    try:
        corpora = [open_corpus(corpus), open_corpus(also)]
        return bool(beside.beginning(system, preset, corpora, *adapt_preset(system, preset, corpora[0])))
    except (UserError, OSError, ValueError):
        return False


def check(order: Order) -> Order:
    """Validate an order, and make its corpus's path absolute.

    Raises:
        UserError: when it names something unknown, or a setting is invalid.
    """
    import torch

    from affectscope.core.corpora import is_named, open_corpus
    from affectscope.core.models.base import MODELS, choose_preset
    from affectscope.core.training import beside
    from affectscope.core.training.joined import opened
    from affectscope.core.training.presets import adapt_preset
    from affectscope.core.training.splits import split_speakers
    from affectscope.core.training.strategies import STRATEGIES

    choose_preset(MODELS[order.system].presets(), order.preset)
    onto = order.strategy == beside.NAME
    if not onto and not STRATEGIES[order.strategy]:
        raise UserError(f"There is no training strategy {order.strategy!r}.")
    if order.device not in devices():
        raise UserError(f"There is no device {order.device!r} on this machine; choose one of {', '.join(devices())}.")
    if onto != (order.epochs == 0) or not 0 <= order.epochs <= _MOST_EPOCHS:
        raise UserError(f"{order.epochs} epochs make no run: choose 1 to {_MOST_EPOCHS:,}.")
    if not 0 < order.learning_rate <= _LARGEST_RATE:
        raise UserError(f"A learning rate of {order.learning_rate:g} is too low: choose one above 0, such as 0.001.")
    if not 0 <= order.seed <= _LARGEST_SEED:
        raise UserError(f"The seed {order.seed} is out of range: choose 0 to {_LARGEST_SEED:,}.")
    if not is_named(order.corpus):
        if "\0" in order.corpus or not order.corpus.strip():
            raise UserError("Name the corpus's folder.")
        order = Order(**asdict(order) | {"corpus": str(Path(order.corpus).expanduser().resolve())})
    if order.also.strip() and not is_named(order.also):
        order = Order(**asdict(order) | {"also": str(Path(order.also).expanduser().resolve())})
    corpus = open_corpus(order.corpus)
    changes, _ = adapt_preset(order.system, order.preset, corpus)
    split_speakers(corpus.table, order.seed, order.split)
    if order.also:
        with torch.device("meta"):
            spec = MODELS[order.system].preset(order.preset, **changes).spec
        opened(corpus, [open_corpus(order.also)], spec, {})
    if onto and not _joins_shipped(order.system, order.preset, order.corpus, order.also):
        raise UserError("This corpus cannot extend an included model: choose another strategy.")
    return order


def start(order: Order, taken: Iterable[str] = ()) -> str:
    """Start a run, or queue it behind others on its device. Returns its id, which is also its checkpoint's name.

    Args:
        taken: names of other checkpoints.

    Raises:
        UserError: as ``check``, and when too many runs are in progress.
    """
    order = check(order)
    if sum(run.alive for run in runs.all_runs().values()) >= _MOST:
        raise UserError(f"{_MOST} runs are under way or waiting: stop one first.")
    folder = _new_folder(order, set(taken))
    sealed.write_kept(folder / "order.json", asdict(order))
    _launch(folder)
    return folder.name


def stop(run: Run) -> None:
    """Stop the run's processes. Finished epochs stay on disk."""
    found = runs.process(run.folder)
    (run.folder / "stopped").touch()
    if found is None:
        return
    with suppress(psutil.NoSuchProcess):
        family = [*found.children(recursive=True), found]
        for member in family:
            with suppress(psutil.NoSuchProcess):
                member.terminate()
        for left in psutil.wait_procs(family, _PATIENCE)[1]:
            with suppress(psutil.NoSuchProcess):
                left.kill()


def go_on(run: Run) -> None:
    """Resume a stopped or failed run after its last finished epoch.

    Raises:
        UserError: when it is in progress or done.
    """
    if run.alive or run.state == "done":
        raise UserError(f"{run.id} is {'under way' if run.alive else 'done'}: it cannot be resumed.")
    for name in ("stopped", "end.json"):
        (run.folder / name).unlink(missing_ok=True)
    _launch(run.folder)


def remove(run: Run) -> None:
    """Delete a run with all its files.

    Raises:
        UserError: while it is in progress.
    """
    if runs.process(run.folder):
        raise UserError(f"{run.id} is under way: stop it first.")
    shutil.rmtree(run.folder, ignore_errors=True)


def noting(path: Path, report: Callable[[str, float], None], every: float = 0.5) -> Callable[[str, float], None]:
    """Make a progress report also append JSON lines to a file: new stages at once, the rest every ``every`` seconds."""
    told: dict[str, float | str] = {"stage": "", "at": 0.0}

    def tell(stage: str, share: float) -> None:
        report(stage, share)
        now = time.time()
        if stage != told["stage"] or now - float(told["at"]) >= every:
            told.update(stage=stage, at=now)
            with path.open("a", encoding="utf-8") as file:
                file.write(sealed.line({"stage": stage, "share": share, "at": now}))

    return tell


def _new_folder(order: Order, taken: set[str]) -> Path:
    stem = re.sub(r"[^a-z0-9-]+", "-", f"{order.system}-{order.preset}-seed{order.seed}".lower())
    number = 1
    while True:
        folder = runs.root() / (stem if number == 1 else f"{stem}-{number}")
        number += 1
        if folder.name in taken:
            continue
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue
        return folder


def _launch(folder: Path) -> None:
    environment = paths.environment(PYTHONUNBUFFERED="1")
    with (folder / "log.txt").open("ab") as log:
        child = subprocess.Popen(
            [*_COMMAND, str(folder)],
            cwd=paths.ROOT, env=environment, stdin=subprocess.DEVNULL, stdout=log,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    began = psutil.Process(child.pid).create_time()
    sealed.write_kept(folder / "process.json", {"pid": child.pid, "began": began, "queued": time.time()})


def main(folder: Path) -> int:
    """The run's process: wait, train, and write the exit status."""
    until = time.monotonic() + _LAUNCH
    while runs.process(folder) is None or runs.in_front(folder):
        if runs.process(folder) is None and time.monotonic() > until:
            return 1
        time.sleep(_POLL)
    order = Order.of(sealed.read_kept(folder / "order.json")[0] or {})
    device, _, number = order.device.partition(":")
    if device == "cpu":
        # Low priority: the dashboard and other users come first.
        with suppress(OSError):
            os.nice(10)
    else:
        visible = os.environ.get("CUDA_VISIBLE_DEVICES")
        os.environ["CUDA_VISIBLE_DEVICES"] = visible.split(",")[int(number)] if visible else number
    noting(folder / "progress.jsonl", lambda stage, share: None)("Starting", 0.0)
    code = 1
    try:
        code = _train(order, folder)
    finally:
        sealed.write_kept(folder / "end.json", {"code": code})
    return code


def _train(order: Order, folder: Path) -> int:
    out = folder / f"{folder.name}.safetensors"
    sys.argv = ["affectscope", *order.arguments(out), f"--progress={folder / 'progress.jsonl'}", "--resume"]
    try:
        runpy.run_module("affectscope", run_name="__main__")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    if out.is_file():
        stamp(out)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
