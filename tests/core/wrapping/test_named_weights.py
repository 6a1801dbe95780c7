"""Other weights for a plugin's model, named when the dashboard is opened: in every process that it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from affectscope.core import cli
from affectscope.core.cli import dashboard
from affectscope.core.library import named
from affectscope.core.plugins import loading, weights
from affectscope.core.wrapping.declared import WRAPPED

PLUGIN = """
import torch
import affectscope as afs

@afs.model("net-w", labels=["a", "b"], inputs={"audio": "llds"}, weights="own.pt")
def net(state):
    network = torch.nn.Linear(130, 2)
    network.load_state_dict(state)
    return network

net.forward(lambda network, batch: network(batch.audio.mean(1)))

@afs.model("net-bare", labels=["a", "b"], inputs={"audio": "llds"})
def bare():
    return torch.nn.Linear(130, 2)

bare.forward(lambda network, batch: network(batch.audio.mean(1)))
"""


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """A file of a plugin with weights beside it, and others; the server is not started."""
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv(loading.NAMED, "")
    monkeypatch.setenv(weights.NAMED, "")
    monkeypatch.setattr(loading, "_TRIED", {})
    monkeypatch.setattr(WRAPPED, "_entries", {})
    monkeypatch.setattr(dashboard, "_check_free", lambda *_: None)
    monkeypatch.setattr(dashboard.os, "execv", lambda *_: None)
    monkeypatch.chdir(tmp_path)
    for name, bias in (("own", 1.0), ("other", 5.0)):
        torch.save({"weight": torch.zeros(2, 130), "bias": torch.tensor([bias, 0.0])}, tmp_path / f"{name}.pt")
    (tmp_path / "net_w.py").write_text(PLUGIN)
    yield tmp_path / "net_w.py"
    for module in [name for name in sys.modules if name.startswith("affectscope_plugin_")]:
        del sys.modules[module]


def bias() -> float:
    """Of the model, as another process would have it: from its name alone."""
    return float(next(p for name, p in named.checkpoint("net-w").model.named_parameters() if name.endswith("bias"))[0])


def opened(plugin: Path, *given: str) -> str:
    """What the command says where it starts nothing; the command turns to the project's folder."""
    os.chdir(plugin.parent)
    done = CliRunner().invoke(cli.app, ["app", "--no-browser", "--plugin", plugin.name, *given])
    return str(done.exception or "")


def test_the_dashboard_has_the_weights_that_were_named_for_it(plugin: Path) -> None:
    assert opened(plugin) == ""
    assert bias() == 1.0
    # A process that is started has imported nothing yet; it stands in another folder.
    loading._TRIED.clear()
    WRAPPED._entries.clear()
    assert opened(plugin, "--weights", "net-w=other.pt") == ""
    assert weights.named() == {"net-w": plugin.parent / "other.pt"}
    assert bias() == 5.0


@pytest.mark.parametrize(("given", "told"), [
    ("net-w", "should read MODEL=PATH"),
    ("net-w=gone.pt", "There is nothing at gone.pt"),
    ("net-x=other.pt", "No plugin declares a model net-x that takes weights: those of plugins are net-w, net-bare"),
    ("net-bare=other.pt", "net-bare takes no weights"),
])  # fmt: skip
def test_weights_that_nothing_can_take_are_refused_before_anything_starts(plugin: Path, given: str, told: str) -> None:
    assert told in opened(plugin, "--weights", given)
