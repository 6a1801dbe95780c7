"""`affectscope check`, as a person uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from affectscope.core import checking, cli
from affectscope.core.checking import kept
from affectscope.core.checkpoints import saved
from affectscope.core.paths import ROOT

run = CliRunner()
PLUGIN = """
import torch
from torch import nn
import affectscope as afs

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.listen = nn.GRU(130, 8, batch_first=True)
        self.look = nn.Linear(135, 8)
        self.out = nn.Linear(16, 3)

    def forward(self, sound, faces):
        return self.out(torch.cat([self.listen(sound)[0].mean(1), self.look(faces).relu().mean(1)], 1))

@afs.model("checked", labels=["anger", "joy", "neutral"], inputs={"audio": "llds", "visual": "face-maps"})
def checked():
    return Net()
"""


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))


def test_a_shipped_model_keeps_all_and_what_was_found_is_kept():
    result = run.invoke(cli.app, ["check", "unimodal-attention", "--json"])
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [row["name"] for row in rows] == list(checking.PROMISES)
    assert {row["model"] for row in rows} == {"unimodal-attention"}
    by_name = {row["name"]: row for row in rows}
    assert by_name["gradients"]["state"] == "not applicable"
    assert by_name["padding"]["state"] == "kept"
    assert by_name["padding"]["measured"] <= by_name["padding"]["tolerance"] == 1e-4
    digest = saved.load(saved.shipped()["unimodal-attention"]).digest
    assert [promise.name for promise in kept.find(digest)] == list(checking.PROMISES)
    assert kept.find("another") is None


def test_a_kept_result_that_is_damaged_is_none():
    promises = [checking.Promise(name, "", "kept", "") for name in checking.PROMISES]
    kept.keep("one", promises)
    assert kept.find("one") == promises
    place = kept.place("one")
    place.write_bytes(place.read_bytes().replace(b"kept", b"kapt", 1))
    assert kept.find("one") is None
    kept.keep("one", promises[1:])
    assert kept.find("one") is None
    kept.keep("", promises)
    assert kept.find("") is None


def test_a_plugins_file_is_checked_and_a_broken_promise_ends_with_one(tmp_path):
    (tmp_path / "nets.py").write_text(PLUGIN)
    result = _in_a_process("check", str(tmp_path / "nets.py"))
    assert result.returncode == 1, result.stderr
    printed = " ".join(result.stdout.split())
    assert "checked: 11 kept, 1 broken, 4 not applicable" in printed or "checked: 12 kept, 1 broken, 3 not applicable" in printed
    assert "broken Absent frames cannot move an answer This network knows no absence: zeros stand for frames" in printed


def test_a_plugin_without_a_model_is_one_sentence(tmp_path):
    (tmp_path / "nothing.py").write_text("")
    result = _in_a_process("check", str(tmp_path / "nothing.py"))
    assert result.returncode == 1
    assert result.stderr.strip() == (
        "Error: nothing.py registers no model: decorate the function that builds it with @affectscope.model."
    )


def test_a_plugin_that_fails_is_told_with_its_line(tmp_path):
    (tmp_path / "wrong.py").write_text("import math\nmath.no_such()\n")
    result = _in_a_process("check", str(tmp_path / "wrong.py"))
    assert result.returncode == 1
    assert "wrong.py, line 2" in result.stderr
    assert "Traceback" not in result.stderr


TWO = """
import affectscope as afs
from torch import nn

class Fixed(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(130 * 7, 3)

    def forward(self, sound):
        return self.out(sound.flatten(1))

@afs.model("fixed", labels=["anger", "joy", "neutral"], inputs={"audio": "llds"})
def fixed():
    return Fixed()

@afs.model("fine", labels=["anger", "joy", "neutral"], inputs={"audio": "llds"})
def fine():
    return nn.Sequential(nn.AdaptiveAvgPool2d((1, 130)), nn.Flatten(), nn.Linear(130, 3))
"""


def test_a_model_that_cannot_answer_is_told_and_the_others_are_checked(tmp_path):
    (tmp_path / "two.py").write_text(TWO)
    result = _in_a_process("check", str(tmp_path / "two.py"), "--json")
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    rows = json.loads(result.stdout)
    by_model = {model: [row for row in rows if row["model"] == model] for model in ("fixed", "fine")}
    assert [row["name"] for row in by_model["fixed"]] == list(checking.PROMISES)
    first, *others = by_model["fixed"]
    assert first["state"] == "broken"
    assert "could not answer, given audio [1, 200, 130]" in first["detail"]
    assert {row["state"] for row in others} == {"not applicable"}
    assert {row["name"]: row["state"] for row in by_model["fine"]}["answers"] == "kept"


def test_to_train_a_plugins_network_is_refused_with_what_to_do(tmp_path):
    (tmp_path / "nets.py").write_text(PLUGIN)
    result = _in_a_process("--plugin", str(tmp_path / "nets.py"), "train", "checked", "-o", str(tmp_path / "x.safetensors"))
    assert result.returncode == 1
    assert " ".join(result.stderr.split()).startswith(
        "Error: checked is a plugin's network, and only AffectScope's own systems are trained here: train it with your own code,"
    )


def _in_a_process(*words):
    """Plugins stay in the process that imports them."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    environment.pop("AFFECTSCOPE_PLUGINS", None)
    command = [sys.executable, "-m", "affectscope", *words]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
