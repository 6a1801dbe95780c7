"""Runs in the background: what is read from disk, and a process that is started, stopped and goes on."""

from __future__ import annotations

import json
import os
import sys
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from typer.testing import CliRunner

from affectscope.core import cli
from affectscope.core.cache import sealed
from affectscope.core.errors import UserError
from affectscope.core.training import background, runs
from affectscope.core.training import run as training_run
from affectscope.core.training.runs import Order

ORDER = Order("auxformer", "demo", "demo", "optimised", 4, 1.5e-3, 7)


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    return tmp_path


def made(name: str, *, queued: float = 1.0, pid: int | None = None, device: str = "cpu", **files: object) -> Path:
    folder = runs.root() / name
    folder.mkdir(parents=True)
    (folder / "order.json").write_text(json.dumps({**ORDER.__dict__, "device": device}))
    pid = pid or os.getpid()
    began = psutil.Process(pid).create_time() if psutil.pid_exists(pid) else 0.0
    (folder / "process.json").write_text(json.dumps({"pid": pid, "began": began, "queued": queued}))
    for file, content in files.items():
        (folder / f"{file}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("alive", "ahead", "end", "stopped", "log", "state", "why"),
    [
        (True, "", {}, False, (), "running", ""),
        (True, "first", {}, False, (), "waiting", "It waits until first is done."),
        (False, "", {"code": 0}, False, (), "done", ""),
        (False, "", {"code": 0}, True, (), "done", ""),
        (False, "", {}, True, ("Error: old",), "stopped", ""),
        (False, "", {"code": 1}, False, ("a", "Error: The disk is full.", "b"), "failed", "The disk is full."),
        (False, "", {"code": 1}, False, ("KeyError: 'av'",), "failed", "Something went wrong inside the training"),
        (False, "", {}, False, (), "failed", "Its process ended without a word"),
    ],
)
def test_a_state_is_judged_from_what_is_on_disk(alive, ahead, end, stopped, log, state, why) -> None:
    found = runs.judge(alive, ahead, end, stopped, log)
    assert found[0] == state
    assert found[1].startswith(why)
    assert bool(why) == bool(found[1])


def lines(*told: tuple[str, float]) -> list[dict[str, object]]:
    return [{"stage": stage, "share": 0.0, "at": at} for stage, at in told]


def test_the_pace_is_seconds_an_epoch() -> None:
    assert runs.pace(lines(("Starting", 0), ("Reading clips", 5))) is None
    assert runs.pace(lines(("Starting", 0), ("Reading clips", 5), ("Epoch 1: x", 25))) == 20
    # (45 - 25) / 2: the first epoch sets everything up.
    assert runs.pace(lines(("Reading clips", 5), ("Epoch 1: x", 25), ("Epoch 2: x", 33), ("Epoch 3: x", 45))) == 10


def test_what_the_process_told_counts_since_it_began_and_half_a_line_does_not(tmp_path: Path) -> None:
    told = lines(("Starting", 0), ("Epoch 1: x", 9), ("Starting", 20), ("Epoch 2: x", 26))
    file = tmp_path / "progress.jsonl"
    file.write_text("\n".join(map(json.dumps, told)) + '\n{"stage": "Epo')
    assert [line["at"] for line in runs.progress_lines(file)] == [20, 26]
    assert runs.progress_lines(tmp_path / "none") == []


def test_runs_on_one_device_take_turns_in_the_order_of_their_coming() -> None:
    second, first, other = made("b", queued=2), made("c", queued=1), made("a", queued=1, device="cuda:0")
    assert [runs.in_front(folder) for folder in (first, second, other)] == ["", "c", ""]
    assert [runs.all_runs()[name].state for name in "bca"] == ["waiting", "running", "running"]


def test_another_process_with_the_same_number_is_not_the_run() -> None:
    folder = made("a")
    assert runs.process(folder) is not None
    facts = json.loads((folder / "process.json").read_text())
    (folder / "process.json").write_text(json.dumps(facts | {"began": facts["began"] - 60}))
    assert runs.process(folder) is None
    assert runs.read(folder).state == "failed"


def test_a_run_is_read_with_its_curves_and_the_time_that_it_takes() -> None:
    folder = made("a")
    history = {"best_epoch": 1, "epochs": [{"epoch": 0.0, "dev_loss": 2.0}, {"epoch": 1.0, "dev_loss": 1.5}]}
    (folder / "a.history.json").write_text(json.dumps(history))
    told = lines(("Starting", 0), ("Epoch 1: x", 10), ("Epoch 2: x", 16))
    (folder / "progress.jsonl").write_text("\n".join(map(json.dumps, told)))
    run = runs.read(folder)
    assert (run.best, run.history[run.best]["dev_loss"], run.stage) == (1, 1.5, "Epoch 2: x")
    # Two of four epochs are left, six seconds each.
    assert run.seconds_left == 12


@pytest.mark.parametrize("content", ["", "{", "[]", '{"system": "x"}'])
def test_a_damaged_folder_is_no_run(content: str) -> None:
    folder = made("a")
    (folder / "order.json").write_text(content)
    assert runs.all_runs() == {}


def test_an_order_of_before_says_its_strategy_too() -> None:
    told = {**ORDER.__dict__}
    told["regime"] = told.pop("strategy")
    assert Order.of(told) == ORDER


def test_only_a_finished_runs_checkpoint_is_a_model() -> None:
    (made("a") / "a.safetensors").touch()
    (made("b") / "elsewhere.safetensors").touch()
    assert runs.finished() == {"a": runs.root() / "a" / "a.safetensors"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"system": "resnet"}, "no model called 'resnet'"),
        ({"preset": "huge"}, "no preset 'huge'"),
        ({"strategy": "; rm -rf /"}, "no strategy called"),
        ({"device": "cuda:99"}, "no device 'cuda:99'"),
        ({"epochs": 0}, "0 epochs make no run"),
        ({"learning_rate": float("nan")}, "is too low"),
        ({"seed": -1}, "out of range"),
        ({"corpus": "/nowhere/at/all"}, "There is no corpus in /nowhere/at/all"),
        ({"corpus": " "}, "Name the corpus's folder"),
        ({"split": "official"}, "own split has no clip for train"),
        ({"corpus": "a\0b"}, "Name the corpus's folder"),
    ],
)
def test_an_order_that_makes_no_sense_is_refused_in_a_sentence(change: dict[str, object], message: str) -> None:
    with pytest.raises(UserError, match=message):
        background.start(replace(ORDER, **change))
    assert runs.all_runs() == {}


def test_the_command_line_takes_the_order_as_it_was_meant(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked: list[tuple[object, ...]] = []

    def remember(*arguments: object) -> dict[str, object]:
        asked.append(arguments)
        arguments[6]("Epoch 1: dev loss 1", 0.25)
        return {"unreadable": [], "metrics": {}}

    monkeypatch.setattr(training_run, "train_checkpoint", remember)
    order = replace(ORDER, corpus="--help; $(touch x)", split="official")
    told = tmp_path / "progress.jsonl"
    result = CliRunner().invoke(cli.app, [*order.arguments(tmp_path / "a.safetensors"), f"--progress={told}", "--resume"])
    assert result.exit_code == 0, result.output
    system, preset, corpus, recipe, out, _, _, resume, *_ = asked[0]
    config = recipe.config
    assert (system, preset, corpus, recipe.strategy) == ("auxformer", "demo", "--help; $(touch x)", "optimised")
    assert (config.epochs, config.learning_rate, config.seed, config.accelerator) == (4, 1.5e-3, 7, "cpu")
    assert config.split == "official"
    assert (out, resume) == (tmp_path / "a.safetensors", True)
    assert [(line["stage"], line["share"]) for line in runs.progress_lines(told)] == [("Epoch 1: dev loss 1", 0.25)]


@pytest.mark.parametrize(("ends", "code"), [(lambda: None, 0), (lambda: sys.exit(0), 0), (lambda: sys.exit(1), 1)])
def test_the_run_leaves_its_exit_status_behind(monkeypatch: pytest.MonkeyPatch, ends, code: int) -> None:
    folder = made("a")
    monkeypatch.setattr(cli, "main", ends)
    monkeypatch.setattr(os, "nice", lambda by: by)
    monkeypatch.setattr(sys, "argv", [])
    assert background.main(folder) == code
    assert sealed.read_json(folder / "end.json") == {"code": code}


def test_a_crash_leaves_a_status_too(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = made("a")

    def crash(*_: object) -> int:
        raise KeyError("av")

    monkeypatch.setattr(background, "_train", crash)
    monkeypatch.setattr(os, "nice", lambda by: by)
    with pytest.raises(KeyError):
        background.main(folder)
    assert sealed.read_json(folder / "end.json") == {"code": 1}


SLEEPER = (
    "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); time.sleep(600)"
)


def test_a_run_is_stopped_with_its_children_goes_on_and_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(background, "_COMMAND", (sys.executable, "-c", SLEEPER))
    name = background.start(ORDER)
    assert name == "auxformer-demo-seed7"
    assert background.start(ORDER, {"auxformer-demo-seed7-2"}) == "auxformer-demo-seed7-3"
    known = runs.all_runs()
    assert (known[name].state, known[f"{name}-3"].state) == ("running", "waiting")
    process = runs.process(known[name].folder)
    until = time.monotonic() + 60
    while not (children := process.children()) and time.monotonic() < until:
        time.sleep(0.05)
    with pytest.raises(UserError, match="stop it first"):
        background.remove(known[name])
    for run in known.values():
        background.stop(run)
    assert not any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children)
    stopped = runs.all_runs()[name]
    assert stopped.state == "stopped"
    background.go_on(stopped)
    again = runs.all_runs()[name]
    assert again.state == "running"
    with pytest.raises(UserError, match="under way"):
        background.go_on(again)
    background.stop(again)
    background.remove(runs.all_runs()[name])
    assert list(runs.all_runs()) == [f"{name}-3"]


def test_so_many_runs_are_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(8):
        made(f"run{i}")
    monkeypatch.setattr(background, "_launch", lambda folder: pytest.fail("it was started"))
    with pytest.raises(UserError, match="stop one first"):
        background.start(ORDER)


def test_strategies_are_those_that_the_system_can_be_trained_by() -> None:
    assert background.strategies("auxformer", "demo") == ("optimised", "modality-dropout", "standard")
    assert background.strategies("vavl", "demo") == ("vavl", "optimised", "modality-dropout", "standard")
    assert background.strategies("unimodal-attention", "demo") == ("standard",)
