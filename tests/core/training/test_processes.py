"""Two processes train one model: each sees its share of the clips, and the first alone writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.models.vavl import VAVL
from affectscope.core.streams import Batch
from affectscope.core.training.loop import _Step
from affectscope.core.training.strategies import VersatileTraining
from tests.media_files import clip, tone
from tests.small_corpus import Corpus

pytestmark = pytest.mark.skipif(
    not (torch.distributed.is_available() and torch.distributed.is_gloo_available()), reason="torch was built without gloo"
)
ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[Path, str]:
    """The folder and the output of ``two_processes``: started once, as torch takes seconds to import in each process."""
    folder = tmp_path_factory.mktemp("two")
    film = clip(folder / "film.mp4", frames=5, sound=tone(0.3)).read_bytes()
    Corpus(folder / "corpus").make(film)
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "AFFECTSCOPE_CACHE": str(folder / "cache"), "PYTHONPATH": str(ROOT)}
    command = [*launcher, str(Path(__file__).with_name("two_processes.py")), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT, timeout=240)
    assert done.returncode == 0, done.stderr
    return folder, done.stdout


def test_the_command_trains_with_two_processes_and_writes_once(run):
    folder, printed = run
    # One table, of one process.
    assert json.loads(printed)
    out = folder / "out"
    assert sorted(path.name for path in out.iterdir()) == ["model.history.json", "model.safetensors"]
    loaded = checkpoints.load(out / "model.safetensors")
    assert all(torch.isfinite(v).all() for v in loaded.model.state_dict().values())
    assert loaded.card["epochs_run"] == 2


def test_processes_share_out_the_clips_and_end_with_the_same_weights(run):
    first, second = (json.loads((run[0] / f"{rank}.json").read_text()) for rank in range(2))
    for epoch in range(2):
        seen = [first["seen"][epoch], second["seen"][epoch]]
        assert sorted(seen[0] + seen[1]) == list(range(16))
        assert len(seen[0]) == len(seen[1]) == 8
    assert first["seen"][0] != first["seen"][1]
    # How long an epoch took, each process says for itself.
    ours, theirs = (
        [{k: v for k, v in row.items() if k != "seconds"} for row in process["history"]] for process in (first, second)
    )
    assert ours == theirs
    assert first["weights"] == second["weights"]
    assert first["weights"] != first["start"]
    assert first["chance"] != second["chance"]


def test_what_the_first_process_complains_of_ends_them_all(run):
    complaints = [json.loads((run[0] / f"{rank}.json").read_text())["complaint"] for rank in range(2)]
    assert complaints == ["the disk is full"] * 2


def test_a_process_without_anything_to_teach_gives_zeros():
    model = VAVL.preset("demo", audio_dim=3, visual_dim=4)
    deaf = Batch.of(audio=torch.ones(2, 5, 3), visual=torch.ones(2, 5, 4)).without("audio")
    target = torch.tensor([0, 1])
    loss, teaches = _Step(model, VersatileTraining(), several=True)(dict(deaf.values), dict(deaf.present), target, "audio")
    loss.backward()
    assert (float(loss.detach()), float(teaches)) == (0, 0)
    assert all(not p.grad.any() for p in model.parameters())
    alone, _ = _Step(model, VersatileTraining())(dict(deaf.values), dict(deaf.present), target, "audio")
    assert not alone.requires_grad
