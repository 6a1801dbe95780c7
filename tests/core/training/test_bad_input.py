"""Bad input to training, evaluation and experiments: one sentence, or work goes on without it and says so; nothing is lost."""

from __future__ import annotations

import errno
import json
import os
import resource
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from affectscope.core.cache.store import FeatureStore, cache_root
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.errors import UserError
from affectscope.core.experiments import cells
from affectscope.core.experiments.plan import Run
from affectscope.core.features.extract import extract
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.streams import Stream
from affectscope.core.training.loop import TrainConfig
from affectscope.core.training.recipes import Recipe
from affectscope.core.training.run import train_checkpoint
from affectscope.core.training.splits import by_speaker
from tests.media_files import clip, tone
from tests.small_corpus import Corpus, affectscope, is_one_sentence

TINY = {"width": 8, "heads": 2, "layers": 1, "aux_hidden": (8, 8)}


@pytest.fixture(scope="module")
def film(tmp_path_factory) -> bytes:
    return clip(tmp_path_factory.mktemp("film") / "film.mp4", frames=5, sound=tone(0.3)).read_bytes()


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def corpus(tmp_path, film) -> Corpus:
    return Corpus(tmp_path / "corpus").make(film)


@dataclass
class Road:
    """One way to work on a corpus: its exit code, its results, and what it says of clips that it left out."""

    name: str
    tmp_path: Path
    monkeypatch: Any
    capsys: Any

    def go(self, corpus: Path) -> tuple[int, str, str]:
        return getattr(self, f"_{self.name}")(corpus)

    def _train(self, corpus: Path) -> tuple[int, str, str]:
        out = self.tmp_path / "out" / "model.safetensors"
        return affectscope(
            *("train", "-o", out, "--corpus", corpus, "--epochs", 1, "--workers", 1, "--json"),
            monkeypatch=self.monkeypatch,
            capsys=self.capsys,
        )

    def _evaluate(self, corpus: Path) -> tuple[int, str, str]:
        path = self.tmp_path / "some.safetensors"
        torch.manual_seed(0)
        checkpoints.save(path, AuxFormer.preset("demo", labels=EMOTIONS, **TINY), checkpoints.Normaliser(), {})
        return affectscope(
            "evaluate", "-c", path, "--corpus", corpus, "--workers", 1, "--json", monkeypatch=self.monkeypatch, capsys=self.capsys
        )

    def _fill(self, corpus: Path) -> tuple[int, str, str]:
        run = Run("auxformer", changes=TINY, training=TrainConfig(epochs=1))
        try:
            cell = cells.Cell(run, str(corpus), 0)
            measured = cells.fill(cell, ["whole"])
        except UserError as error:
            return 1, "", f"Error: {error}\n"
        card = checkpoints.load(cell.folder() / "model.safetensors").card
        rows = [{"head": head, **metrics} for head, metrics in measured["whole"].items()]
        return 0, json.dumps(rows), "".join(f"{why}\n" for why in card["unreadable"])


@pytest.fixture(params=["train", "evaluate", "fill"])
def road(request, tmp_path, monkeypatch, capsys) -> Road:
    return Road(request.param, tmp_path, monkeypatch, capsys)


def missing_file(corpus: Corpus) -> None:
    corpus.file("c03").unlink()


def garbage(corpus: Corpus) -> None:
    corpus.file("c03").write_bytes(b"this is no film" * 99)


def truncated(corpus: Corpus) -> None:
    # What is left has neither an index nor features in the store.
    corpus.file("c03").write_bytes(corpus.file("c03").read_bytes()[:300])


def features_that_are_no_numbers(corpus: Corpus) -> None:
    corpus.keep("clips/c03.mp4", 3, shift=np.nan)


def locked_file(corpus: Corpus) -> None:
    corpus.file("c03").unlink()
    corpus.file("c03").mkdir()


@pytest.mark.parametrize("harm", [missing_file, garbage, truncated, features_that_are_no_numbers, locked_file])
def test_one_bad_clip_among_many_is_left_out_and_named(corpus, road, harm):
    harm(corpus)
    code, out, err = road.go(corpus.root)
    assert code == 0, err
    assert [line for line in err.splitlines() if line.startswith("c03: ")] == err.splitlines()
    assert len(err.splitlines()) == 1
    numbers = [v for row in json.loads(out) for v in row.values() if isinstance(v, int | float)]
    assert np.isfinite(numbers).all()
    if road.name == "evaluate":
        assert json.loads(out)[0]["clips"] == len(corpus.table) - 1
    if road.name == "train":
        card = checkpoints.load(road.tmp_path / "out" / "model.safetensors").card
        assert [why.split(":")[0] for why in card["unreadable"]] == ["c03"]
        assert sum(card["clips"].values()) == len(corpus.table) - 1


def test_a_class_with_one_clip_is_no_obstacle(corpus, road):
    keep = (corpus.table["label"] != "fear") | (corpus.table["speaker"] == "s1")
    corpus.table = corpus.table[keep]
    corpus.write()
    code, out, err = road.go(corpus.root)
    assert (code, err) == (0, "")
    assert np.isfinite([v for row in json.loads(out) for v in row.values() if isinstance(v, int | float)]).all()


def empty(corpus: Corpus) -> None:
    corpus.table = corpus.table.iloc[:0]
    corpus.write()


def no_table(corpus: Corpus) -> None:
    (corpus.root / "labels.csv").write_text("")


def duplicates(corpus: Corpus) -> None:
    corpus.table = pd.concat([corpus.table, corpus.table.iloc[3:9]])
    corpus.write()


def boredom(corpus: Corpus) -> None:
    corpus.table.loc[3, "label"] = "boredom"
    corpus.write()
    # A corpus of ours has our label space; a folder of one's own would have boredom as a class.
    (corpus.root / "manifest.json").write_text("{}")


def no_speaker_named(corpus: Corpus) -> None:
    corpus.table.loc[3, "speaker"] = ""
    corpus.write()


def one_speaker(corpus: Corpus) -> None:
    corpus.table["speaker"] = "s1"
    corpus.write()


def no_film_at_all(corpus: Corpus) -> None:
    for name in corpus.table["clip"]:
        corpus.file(name).write_bytes(b"no film")


def no_number_at_all(corpus: Corpus) -> None:
    for name in corpus.table["clip"]:
        corpus.keep(f"clips/{name}.mp4", 0, shift=np.nan)


def no_folder(corpus: Corpus) -> None:
    corpus.root.rename(corpus.root.with_name("elsewhere"))


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (empty, "is empty"),
        (no_table, "cannot be read as a table"),
        (duplicates, "c03"),
        (boredom, "boredom"),
        (no_film_at_all, "No clip of corpus can be read"),
        (no_number_at_all, "not numbers"),
        (no_folder, "There is no corpus"),
    ],
)
def test_what_cannot_be_worked_on_is_one_sentence(corpus, road, harm: Callable[[Corpus], None], says: str):
    harm(corpus)
    code, out, err = road.go(corpus.root)
    if road.name == "evaluate" and harm is boredom:
        # What can be measured is, and what was left out is said.
        assert (code, json.loads(out)[0]["clips"]) == (0, len(corpus.table) - 1)
        assert err.startswith("1 clip of 30 carry labels that the model has no class for (boredom 1)")
        return
    assert is_one_sentence(code, err), err
    assert says in err
    assert out == ""
    assert not (road.tmp_path / "out" / "model.safetensors").exists()


@pytest.mark.parametrize(("harm", "says"), [(one_speaker, "three speakers"), (no_speaker_named, "name no speaker")])
def test_training_needs_speakers_and_evaluation_does_not(corpus, road, harm, says):
    harm(corpus)
    code, out, err = road.go(corpus.root)
    if road.name == "evaluate":
        assert (code, err) == (0, "")
        assert json.loads(out)[0]["clips"] == len(corpus.table)
    else:
        assert is_one_sentence(code, err), err
        assert says in err


def no_room(*_: object) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_no_room_for_features_is_one_sentence(corpus, road, monkeypatch):
    corpus.forget_features("c03")
    monkeypatch.setattr(FeatureStore, "put", no_room)
    code, _, err = road.go(corpus.root)
    assert is_one_sentence(code, err), err
    assert str(cache_root()) in err
    assert "make room" in err


def test_no_room_for_results_is_one_sentence_and_loses_nothing(corpus, road, monkeypatch):
    if road.name == "evaluate":
        pytest.skip("evaluation writes no file")
    with monkeypatch.context() as full:
        real = os.replace
        full.setattr(os, "replace", lambda a, b: no_room() if str(b).endswith((".safetensors", "measured.json")) else real(a, b))
        code, _, err = road.go(corpus.root)
        assert is_one_sentence(code, err), err
        assert "make room" in err
    assert len(list(road.tmp_path.rglob("*.resume.pt"))) == 1
    assert not list(road.tmp_path.rglob(".partial-*"))
    code, _, err = road.go(corpus.root)
    assert (code, err) == (0, "")
    assert not list(road.tmp_path.rglob("*.resume.pt"))


def test_a_disk_that_is_full_in_epoch_five_keeps_epoch_four(corpus, tmp_path, monkeypatch, capsys):
    def train(out: Path, *more: object) -> tuple[int, str, str]:
        return affectscope(
            *("train", "-o", out, "--corpus", corpus.root, "--epochs", 6, "--batch-size", 8, "--workers", 1, "--json", *more),
            monkeypatch=monkeypatch,
            capsys=capsys,
        )

    out, whole = tmp_path / "out.safetensors", tmp_path / "whole.safetensors"
    written = []
    with monkeypatch.context() as full:
        save = torch.save
        full.setattr(torch, "save", lambda *a: no_room() if len(written) == 4 else (written.append(1), save(*a)))
        code, _, err = train(out)
    assert is_one_sentence(code, err), err
    assert "make room" in err
    kept = torch.load(out.with_suffix(".resume.pt"), weights_only=True)
    assert [row["epoch"] for row in kept["history"]] == [0, 1, 2, 3]
    assert len(json.loads(out.with_suffix(".history.json").read_text())["epochs"]) == 4
    assert train(out, "--resume")[0] == 0
    assert train(whole)[0] == 0
    resumed, undisturbed = (checkpoints.load(path).model.state_dict() for path in (out, whole))
    for name, value in undisturbed.items():
        torch.testing.assert_close(resumed[name], value, atol=0, rtol=0)


@pytest.mark.parametrize("what", ["progress", "checkpoint"])
def test_libraries_that_really_cannot_write_are_one_sentence_too(corpus, tmp_path, monkeypatch, what):
    """torch and safetensors tell a full disk each in its own way, and neither as an OSError."""
    if what == "checkpoint":
        # The progress, several times as large, was written before.
        monkeypatch.setattr("affectscope.core.training.loop._store", lambda *_: None)
    out, config = tmp_path / "model.safetensors", TrainConfig(epochs=1)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file of this process may grow beyond it: to what writes, a disk that is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(UserError, match="make room"):
            train_checkpoint("auxformer", "demo", str(corpus.root), Recipe("standard", config), out, workers=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not [path for path in tmp_path.iterdir() if path.is_file()]


def test_a_resume_file_that_is_damaged_is_one_sentence(corpus, tmp_path, monkeypatch, capsys):
    out = tmp_path / "out.safetensors"
    out.with_suffix(".resume.pt").write_bytes(b"half a file")
    code, _, err = affectscope(
        "train", "-o", out, "--corpus", corpus.root, "--workers", 1, "--resume", monkeypatch=monkeypatch, capsys=capsys
    )
    assert is_one_sentence(code, err), err
    assert "out.resume.pt is damaged" in err


@pytest.mark.parametrize(
    "setting",
    [
        "--epochs=0",
        "--batch-size=0",
        "--learning-rate=0",
        "--devices=0",
        "--precision=17",
        "--accelerator=abacus",
        "--strategy=drill",
    ],
)
def test_settings_that_cannot_be_are_one_sentence(corpus, tmp_path, monkeypatch, capsys, setting):
    out = tmp_path / "out.safetensors"
    code, _, err = affectscope(
        "train", "-o", out, "--corpus", corpus.root, "--workers", 1, setting, monkeypatch=monkeypatch, capsys=capsys
    )
    assert is_one_sentence(code, err), err


def test_a_folder_that_cannot_be_made_is_told_before_training(corpus, tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr("affectscope.core.training.run.train", no_room)
    code, _, err = affectscope(
        *("train", "-o", tmp_path / "file" / "out.safetensors", "--corpus", corpus.root, "--workers", 1),
        monkeypatch=monkeypatch,
        capsys=capsys,
    )
    assert is_one_sentence(code, err), err
    assert "cannot be written to" in err


def test_the_corpus_of_these_tests_is_read_from_its_own_features(corpus):
    store = FeatureStore(corpus.root / "cache", [corpus.root / "features"])
    streams = extract(corpus.file("c03"), store).streams
    assert {m: s.values.shape for m, s in streams.items()} == {"audio": (8, 130), "visual": (5, 135)}
    assert not (corpus.root / "cache").exists()
    assert all(isinstance(s, Stream) and s.any for s in streams.values())
    assert set(by_speaker(corpus.table, 0)) == {"train", "development", "test"}
