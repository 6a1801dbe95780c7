"""What a model takes of a clip, on its card in the Library: what is missing, what is chosen, and that it holds everywhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from affectscope.app import services
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.features import settings
from affectscope.core.features.own import described
from affectscope.core.models.inputs import Normaliser
from affectscope.core.models.uavm import UAVM, UAVMConfig
from tests.app.test_library import LOAD, PAGE, rows, sheets


@pytest.fixture
def public(app, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The page over a model of UAVM's layout, with nothing at hand that it takes."""
    monkeypatch.setenv("AFFECTSCOPE_WEIGHTS", str(tmp_path / "weights"))
    model = UAVM(UAVMConfig(width=8, heads=2, layers=1, shared_layers=1))
    checkpoints.save(tmp_path / "public.safetensors", model, Normaliser(), {"layout": "uavm"})
    monkeypatch.setattr(checkpoints, "load", LOAD)
    monkeypatch.setattr(checkpoints, "shipped", lambda: {"public": tmp_path / "public.safetensors"})
    app.run()
    return app.switch_page(PAGE).run()


def arrays(folder: Path, dim: int) -> Path:
    folder.mkdir()
    np.save(folder / "first.npy", np.ones((3, dim), np.float32))
    return folder


def ask(page):
    return next(button for button in page.button if button.label == "Ask it")


def choice(page, modality: str):
    return next(box for box in page.selectbox if box.label.startswith(f"{modality}, "))


def test_the_card_says_what_is_missing_until_it_is_at_hand(public, tmp_path: Path) -> None:
    assert not public.exception
    sheet = sheets(public)["public"]
    (line,) = sheet["lines"]
    assert line.startswith("The model takes wav2vec2 for audio (goncalves2025versatile takes facebook/wav2vec2-large-robust")
    assert "efficientnet-b2 for visual (" in line
    assert "meanwhile its card, its structure" in line
    assert rows(sheet, "Inputs") == {"audio": "1024 a frame, wav2vec2", "visual": "1408 a frame, efficientnet-b2"}
    assert ask(public).disabled
    for name, dim in (("wav2vec2", 1024), ("efficientnet-b2", 1408)):
        settings.tell_arrays(name, described(name, arrays(tmp_path / name, dim)))
    public.run()
    assert sheets(public)["public"]["lines"] == []
    assert not ask(public).disabled


def test_what_a_person_chooses_holds_for_the_terminal_too(public, tmp_path: Path) -> None:
    settings.tell_arrays("mine", described("mine", arrays(tmp_path / "mine", 1024), "audio"))
    public.run()
    box = choice(public, "Audio")
    assert box.value == "wav2vec2"
    assert set(box.options) == {"wav2vec2 (not available)", "convnext-audio (not available)", "mine"}
    box.set_value("mine").run()
    assert not public.exception
    assert checkpoints.load(tmp_path / "public.safetensors").sets["audio"] == "mine"
    sheet = sheets(public)["public"]
    assert sheet["lines"][0].startswith("The model takes efficientnet-b2 for visual")
    assert rows(sheet, "Inputs")["audio"] == "1024 a frame, mine"
    assert choice(public, "Audio").value == "mine"


def test_other_features_are_another_prediction_table(public, tmp_path: Path) -> None:
    for name, dim in (("wav2vec2", 1024), ("efficientnet-b2", 1408)):
        settings.tell_arrays(name, described(name, arrays(tmp_path / name, dim)))
    corpus = services.opened("demo")
    first = services.path_on_disk("public", corpus)
    assert first == services.path_on_disk("public", corpus)
    np.save(tmp_path / "wav2vec2" / "second.npy", np.ones((3, 1024), np.float32))
    assert services.path_on_disk("public", corpus) != first
