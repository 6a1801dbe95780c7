"""Weights and arrays that are named once: the file of settings, and the terminal."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import torch
from torchvision.models import efficientnet_b2
from typer.testing import CliRunner

from affectscope.core import cli
from affectscope.core.cache import roots, sealed
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.features import settings
from affectscope.core.features.base import FEATURE_SETS
from affectscope.core.features.clips import load_clips
from affectscope.core.features.settings import ArraySource
from affectscope.core.models.inputs import Normaliser
from affectscope.core.models.mult import MulT, MulTConfig
from tests.media_files import clip, tone

run = CliRunner()


@pytest.fixture(autouse=True)
def places(monkeypatch, tmp_path):
    for name in ("AFFECTSCOPE_CACHE", "AFFECTSCOPE_CONFIG", "AFFECTSCOPE_WEIGHTS"):
        monkeypatch.setenv(name, str(tmp_path / name))
    return tmp_path


def invoke(*arguments: object):
    return run.invoke(cli.app, ["features", *map(str, arguments)])


def refused(*arguments: object) -> str:
    result = invoke(*arguments)
    assert isinstance(result.exception, UserError), result.output
    return str(result.exception)


def test_settings_lie_where_they_are_told_to(monkeypatch, tmp_path):
    assert roots.config_root() == tmp_path / "AFFECTSCOPE_CONFIG"
    monkeypatch.delenv("AFFECTSCOPE_CONFIG")
    monkeypatch.setenv("AFFECTSCOPE_DATA", str(tmp_path / "data"))
    assert roots.config_root() == tmp_path / "data" / "config"


def test_what_was_said_is_kept_and_forgotten(tmp_path):
    settings.tell_weights("vgg-face", tmp_path / "a.pth")
    settings.tell_arrays("mine", ArraySource("/arrays", "visual", 7, 25.0, shape=(7,)))
    settings.tell_model("abc", {"audio": "wav2vec2"})
    assert settings.weights() == {"vgg-face": tmp_path / "a.pth"}
    assert settings.arrays() == {"mine": ArraySource("/arrays", "visual", 7, 25.0, shape=(7,))}
    assert settings.of_model("abc") == {"audio": "wav2vec2"}
    before = settings.mark()
    settings.tell_weights("vgg-face", None)
    assert settings.mark() != before
    settings.tell_model("abc", {})
    assert (settings.weights(), settings.of_model("abc")) == ({}, {})
    assert list(settings.arrays()) == ["mine"]


def test_damage_is_said_and_the_version_before_is_read(tmp_path, caplog):
    settings.tell_weights("vgg-face", tmp_path / "a.pth")
    settings.tell_weights("wav2vec2", tmp_path / "w")
    file = tmp_path / "AFFECTSCOPE_CONFIG" / "features.json"
    file.write_bytes(file.read_bytes().replace(b"a.pth", b"b.pth"))
    assert list(settings.weights()) == ["vgg-face"]
    assert "was damaged on the disk: it is read as before its last change" in caplog.text
    sealed.previous(file).unlink()
    file.write_bytes(b"{")
    with pytest.raises(UserError, match="is damaged: delete it and name weights and arrays again"):
        settings.weights()
    file.write_text(json.dumps({"arrays": {"mine": {"route": 1}}}))
    with pytest.raises(UserError, match="cannot be read: delete it"):
        settings.arrays()


def test_weights_are_named_once_and_tried(tmp_path):
    torch.save(efficientnet_b2().state_dict(), tmp_path / "b2.pth")
    result = invoke("weights", "efficientnet-b2", tmp_path / "b2.pth")
    assert result.exit_code == 0, result.output
    assert FEATURE_SETS["efficientnet-b2"].check(None) == tmp_path / "b2.pth"
    listed = {row["name"]: row for row in json.loads(invoke("list", "--json").stdout)}
    assert listed["efficientnet-b2"]["at hand"] == str(tmp_path / "b2.pth")
    assert listed["vgg-face"]["at hand"].startswith("no (needs vgg_face_dag.pth)")
    assert listed["waveform-20ms"]["shape"] == "320"
    assert invoke("weights", "efficientnet-b2", "--forget").exit_code == 0
    assert settings.weights() == {}


def test_weights_that_cannot_be_are_one_sentence(tmp_path):
    torch.save({"w": torch.zeros(1)}, tmp_path / "other.pth")
    assert "needs no weights" in refused("weights", "llds", tmp_path / "other.pth")
    assert "There is no " in refused("weights", "vgg-face", tmp_path / "nowhere.pth")
    assert "no feature set called 'vgg'" in refused("weights", "vgg", tmp_path / "other.pth")
    assert "does not fit" in refused("weights", "efficientnet-b2", tmp_path / "other.pth")
    assert "features weights vgg-face PATH" in refused("weights", "vgg-face")
    assert settings.weights() == {}


def test_weights_that_went_away_are_missed_by_where_they_were(tmp_path):
    settings.tell_weights("vgg-face", tmp_path / "gone.pth")
    with pytest.raises(UserError, match=r"which is not at .*gone\.pth"):
        FEATURE_SETS["vgg-face"].check(None)


def arrays_of(folder, dim: int = 50, name: str = "c1"):
    folder.mkdir(exist_ok=True)
    np.save(folder / f"{name}.npy", np.full((4, dim), 0.5, np.float32))
    return folder


def test_arrays_are_named_once(tmp_path):
    folder = arrays_of(tmp_path / "emoca")
    assert invoke("arrays", "emoca-50", folder).exit_code == 0
    assert invoke("arrays", "mine", folder, "--modality", "visual", "--rate", "10", "--shape", "5,10").exit_code == 0
    assert FEATURE_SETS["mine"].shape == (5, 10)
    listed = {row["name"]: row for row in json.loads(invoke("list", "--json").stdout)}
    assert listed["emoca-50"]["at hand"] == listed["mine"]["at hand"] == f"arrays in {folder}"
    assert invoke("arrays", "mine", "--forget").exit_code == 0
    assert "mine" not in FEATURE_SETS


def test_arrays_that_cannot_be_are_one_sentence(tmp_path):
    folder = arrays_of(tmp_path / "emoca")
    assert "Say where the arrays of mine are" in refused("arrays", "mine")
    assert "of audio, visual or another modality" in refused("arrays", "mine", folder)
    assert "whole numbers with commas" in refused("arrays", "mine", folder, "--shape", "a,b")
    assert "50 features a frame, and facet has 35" in refused("arrays", "facet", folder)


def test_extraction_workers_know_what_was_named(tmp_path):
    (tmp_path / "clips").mkdir()
    for i in range(2):
        clip(tmp_path / "clips" / f"c{i}.mp4", 4, sound=tone(0.2))
        arrays_of(tmp_path / "mine", 3, f"c{i}")
    invoke("arrays", "mine", tmp_path / "mine", "--modality", "visual")
    table = pd.DataFrame({"path": ["c0.mp4", "c1.mp4"], "label": "calm", "speaker": "s"}, index=["c0", "c1"])
    corpus = Corpus("two", tmp_path / "clips", table, ("calm",))
    clips, broken = load_clips(corpus, workers=2, sets={"visual": "mine"})
    assert not broken
    assert [clip_.streams["visual"].values.shape for clip_ in clips] == [(4, 3), (4, 3)]


@pytest.fixture
def model(tmp_path):
    torch.manual_seed(0)
    made = MulT(MulTConfig(inputs=(("audio", 64), ("visual", 7)), labels=("a", "b"), layers=1, memory_layers=1))
    checkpoints.save(tmp_path / "own.safetensors", made, Normaliser(), {})
    return tmp_path / "own.safetensors"


def test_a_command_line_says_what_a_model_takes(tmp_path, model):
    video = clip(tmp_path / "c1.mp4", sound=tone(1))
    asked = ["analyze", str(video), "-c", str(model), "-o", str(tmp_path / "out"), "--no-video", "--json"]
    result = run.invoke(cli.app, asked)
    assert "64 audio features a frame, which no known feature set has" in str(result.exception)
    assert "--features audio=NAME" in str(result.exception)
    invoke("arrays", "mine", arrays_of(tmp_path / "mine", 7), "--modality", "visual")
    chosen = ["--features", "audio=spectrogram-64", "--features", "visual=mine"]
    result = run.invoke(cli.app, asked + chosen)
    assert result.exit_code == 0, result.output
    # The same width is not the same features.
    other = run.invoke(cli.app, [*asked, "--features", "audio=log-mel-64", "--features", "visual=mine"])
    assert json.loads(other.stdout) != json.loads(result.stdout)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ("text=glove", "takes no text"),
        ("audio=llds", "llds has 130 features a frame, and the model takes 64 of audio: choose log-mel-64, spectrogram-64"),
        ("audio=nothing", "no feature set called 'nothing'"),
        ("audio", "NAME=VALUE"),
    ],
)
def test_what_a_model_cannot_take_is_one_sentence(tmp_path, model, given, sentence):
    asked = ["analyze", str(tmp_path / "c.mp4"), "-c", str(model), "-o", str(tmp_path / "out"), "--features", given]
    assert sentence in str(run.invoke(cli.app, asked).exception)


def test_the_terminal_lists_sets_by_a_size_in_their_name():
    command = [sys.executable, "-m", "affectscope", "features", "list"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "log-mel-BANDS" in result.stderr
