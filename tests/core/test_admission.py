"""A checkpoint that is let in can answer; what it tries while it is read is refused; and the same from a terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from affectscope.core import paths
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.untrusted import examine
from affectscope.core.cli import app
from affectscope.core.errors import UserError
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from affectscope.core.models.mult import MulT
from tests import public_states as public
from tests.reference import SHARED

SMALL = AuxFormerConfig(audio_dim=6, visual_dim=9, width=8, heads=2, layers=1, aux_hidden=(12, 10))


@pytest.mark.parametrize("value", [0, -1, -8, 3, 10**7, 10**30, 2.5, 8.0, True, "8", [8], None, {}])
@pytest.mark.parametrize("field", ["heads", "width", "layers", "audio_dim"])
def test_a_size_that_no_model_has_is_named(tmp_path: Path, field: str, value: object) -> None:
    path = tmp_path / "x.safetensors"
    checkpoints.save(path, AuxFormer(SMALL), checkpoints.Normaliser(), {})
    tensors, metadata = checkpoints.read_tensors(path)
    header = json.loads(metadata["affectscope"])
    header["config"][field] = value
    checkpoints.safetensors.torch.save_file(tensors, path, {**metadata, "affectscope": json.dumps(header)})
    report = examine(path, tmp_path / "out.safetensors")
    assert report.error.startswith("x.safetensors")
    assert report.error.isprintable()
    assert "cannot be read" not in report.error
    assert not (tmp_path / "out.safetensors").exists()


def test_weights_that_answer_with_nan_are_refused(tmp_path: Path) -> None:
    model = AuxFormer(SMALL)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(1e30)
    path = tmp_path / "x.safetensors"
    checkpoints.save(path, model, checkpoints.Normaliser(), {})
    assert "answers with NaN or infinite numbers" in examine(path, tmp_path / "out.safetensors").error
    state = public.filled(public.auxformer(10, 12, 10, layers=1, classes=4))
    torch.save({k: v * 1e30 for k, v in state.items()}, tmp_path / "y.pth")
    assert "answers with NaN" in examine(tmp_path / "y.pth", tmp_path / "out.safetensors").error


@pytest.mark.skipif(not (SHARED / "cases").is_dir(), reason="the shared cases are not here")
def test_the_case_of_a_config_that_cannot_run(tmp_path: Path) -> None:
    report = examine(SHARED / "cases" / "checkpoints" / "04-cfgkind.safetensors", tmp_path / "out.safetensors")
    assert "its config has heads = -1" in report.error


def test_what_is_tried_in_the_process_that_reads_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    code = (
        "import os, sys, socket\nfrom pathlib import Path\nfrom affectscope.core.files import sandbox\n"
        f"sandbox.confine([Path({str(tmp_path / 'in')!r})], [Path({str(tmp_path / 'out')!r})])\n"
        "def refused(call):\n    try:\n        call()\n    except PermissionError:\n        return True\n"
        f"os.makedirs({str(tmp_path / 'out')!r})\n"
        f"open({str(tmp_path / 'out' / 'mine')!r}, 'w').close()\n"
        f"assert refused(lambda: open({str(tmp_path / 'other')!r}, 'w'))\n"
        f"assert refused(lambda: open({str(tmp_path / 'in' / 'x')!r}, 'w'))\n"
        "assert refused(lambda: open('/etc/passwd'))\n"
        "assert refused(lambda: os.system('true'))\n"
        "assert refused(lambda: os.fork())\n"
        "assert refused(lambda: os.execv('/bin/true', ['true']))\n"
        "assert refused(lambda: socket.create_connection(('127.0.0.1', 9)))\n"
        f"assert refused(lambda: os.remove({str(tmp_path / 'in')!r}))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=paths.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_converted_in_a_terminal(tmp_path: Path) -> None:

    path = tmp_path / "x.pth"
    torch.save(public.filled(public.mult({"a": 6, "v": 5}, 10, 2, 1, 1)), path)
    out = tmp_path / "new" / "out.safetensors"
    asked = [
        "convert",
        str(path),
        "--layout",
        "mult",
        "--labels",
        "no, yes",
        "--heads",
        "2",
        "--no-causal",
        "-o",
        str(out),
        "--json",
    ]
    done = CliRunner().invoke(app, asked)
    assert done.exit_code == 0, done.output
    kept = checkpoints.load(out)
    assert isinstance(kept.model, MulT)
    assert (kept.spec.labels, kept.model.config.heads, kept.model.config.causal) == (("no", "yes"), 2, False)
    own = CliRunner().invoke(app, ["convert", str(out), "--labels", "a,b", "--heads", "1", "-o", str(tmp_path / "2.safetensors")])
    assert "contains these settings: leave --labels, --heads out" in str(own.exception)
    assert not (tmp_path / "2.safetensors").exists()
    wrong = CliRunner().invoke(app, [*asked[:4], "--labels", "a", "-o", str(out)])
    assert isinstance(wrong.exception, UserError)
    assert checkpoints.load(out).spec.labels == ("no", "yes")
