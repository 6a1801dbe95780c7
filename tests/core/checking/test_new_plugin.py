"""`affectscope new-plugin`: the file that it writes is a model that keeps every promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from affectscope.core import cli
from affectscope.core.errors import UserError
from affectscope.core.paths import ROOT

run = CliRunner()


def test_what_is_written_keeps_every_promise(tmp_path):
    file = tmp_path / "My_second-net.py"
    result = run.invoke(cli.app, ["new-plugin", str(file)])
    assert result.exit_code == 0, result.output
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "AFFECTSCOPE_CACHE": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "affectscope", "check", str(file), "--json"]
    checked = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert checked.returncode == 0, checked.stderr
    rows = json.loads(checked.stdout)
    assert {row["model"] for row in rows} == {"my-second-net"}
    assert {row["name"]: row["detail"] for row in rows if row["state"] != "kept" and row["name"] != "elsewhere"} == {}


def test_a_name_that_python_keeps_for_itself_is_changed(tmp_path):
    run.invoke(cli.app, ["new-plugin", str(tmp_path / "class.py")])
    text = (tmp_path / "class.py").read_text()
    compile(text, "class.py", "exec")
    assert '@afs.model("class", ' in text
    assert "def class_():" in text


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("net.txt", "net.txt cannot be a plugin: call it as a Python module is called, such as my_net.py."),
        ("3d.py", "3d.py cannot be a plugin: call it as a Python module is called, such as my_net.py."),
        ("there.py", "There is already a file {}: choose another name."),
        ("none/net.py", "There is no folder {}: make it first."),
    ],
)
def test_what_cannot_be_written_is_one_sentence(tmp_path, name, message):
    (tmp_path / "there.py").write_text("mine")
    result = run.invoke(cli.app, ["new-plugin", str(tmp_path / name)])
    assert isinstance(result.exception, UserError)
    path = tmp_path / name
    assert str(result.exception) == message.format(path.parent if name.startswith("none") else path)
    assert (tmp_path / "there.py").read_text() == "mine"
