"""Plugins on the Library page: what they declare, what was left out, and how to name one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import affectscope as afs
from affectscope.app import services
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.untrusted import examine
from affectscope.core.library import dropped as library
from affectscope.core.plugins import loading
from affectscope.core.plugins.loading import Trouble
from affectscope.core.wrapping.declared import WRAPPED
from tests.app.test_library import LOAD, PAGE, read, rows, sheets, write


@pytest.fixture
def page(app, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The page over one shipped model and one of a plugin, beside a plugin that failed."""
    own = write(tmp_path / "own.safetensors")
    monkeypatch.setattr(checkpoints, "load", LOAD)
    monkeypatch.setattr(checkpoints, "shipped", lambda: {"own": own})
    monkeypatch.setattr(
        library, "load_untrusted", lambda source, out, layout, check, choices: examine(source, out, layout, choices)
    )
    monkeypatch.setattr(WRAPPED, "_entries", {})
    sentence = (
        "The plugin <b>x</b>.py was left out: NameError: name 'y' is not defined (<b>x</b>.py, line 3); mend it, and start again."
    )
    monkeypatch.setattr(loading, "_TRIED", {"<b>x</b>.py": Trouble("<b>x</b>.py", sentence)})

    @afs.model("*theirs*", labels=["a", "b"], inputs={"audio": "llds"}, absence="mean")
    def theirs(state=None):
        net = torch.nn.Linear(130, 2)
        if state is not None:
            net.load_state_dict(state)
        return net

    theirs.forward(lambda net, batch: net(batch.audio.mean(1)))
    app.run()
    return app.switch_page(PAGE).run()


def test_a_plugins_model_comes_first_and_its_card_says_where_it_is_from(page) -> None:
    assert not page.exception
    assert list(services.models()) == ["*theirs*", "own"]
    sheet = sheets(page)["*theirs*"]
    assert rows(sheet, "System")["Parameters"] == "262"
    told = rows(sheet, "Plugin")
    assert told["File"] == __file__
    assert "the mean of the clip's own frames" in told["Missing audio frames"]
    assert rows(sheet, "Inputs") == {"audio": "130 a frame, llds"}


def test_what_was_left_out_is_said_as_text(page) -> None:
    (line,) = sheets(page)["A plugin was left out"]["lines"]
    assert line.startswith("The plugin <b>x</b>.py was left out: NameError")
    assert "line 3" in line


def test_weights_that_nobody_knows_are_refused_with_the_way_to_name_a_plugin(page, tmp_path: Path) -> None:
    torch.save({"who.weight": torch.zeros(3, 3)}, tmp_path / "who.pt")
    app = read(page, tmp_path / "who.pt")
    refused = sheets(app)["who.pt"]
    assert refused["tone"] == "wrong"
    assert any("affectscope app --plugin my_net.py" in line for line in refused["lines"])


def test_weights_of_a_plugins_model_are_let_in_by_it(page, tmp_path: Path) -> None:
    torch.save({"weight": torch.zeros(2, 130), "bias": torch.tensor([1.0, 2.0])}, tmp_path / "trained.pt")
    app = read(page, tmp_path / "trained.pt")
    assert not app.exception
    assert "trained" in services.models()
    kept = checkpoints.load(services.models()["trained"])
    assert kept.model.network.bias.tolist() == [1, 2]
    assert services.digest("trained") == kept.digest
