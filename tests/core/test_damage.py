"""200 random flips of every kind of file that core writes and reads again, and worse: a miss or the same, nothing else."""

from __future__ import annotations

import json
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import safetensors.numpy
import torch

from affectscope.core.analysis import atlas
from affectscope.core.cache import sealed, stamps
from affectscope.core.cache.store import FeatureStore, read_arrays
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.saved import Normaliser
from affectscope.core.corpora import known, lengths
from affectscope.core.corpora.demo.truth import Truth
from affectscope.core.corpora.known import Known
from affectscope.core.corpora.mosei import pickles as moseipickles
from affectscope.core.errors import UserError
from affectscope.core.experiments.cells import Cell
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored import packing
from affectscope.core.features.stored.packed import PackedSet
from affectscope.core.features.stored.packing import Packing
from affectscope.core.imports import stored
from affectscope.core.imports.intake import Options, take_in
from affectscope.core.imports.model import Imported
from affectscope.core.inference.table import PredictionTable
from affectscope.core.library import dropped as library
from affectscope.core.library.dropped import Entry
from affectscope.core.models.base import MODELS
from affectscope.core.notebook import notes
from affectscope.core.training import background, forecast, loop, robustness, runs
from affectscope.core.training.loop import Progress, TrainConfig
from affectscope.core.training.runs import Order
from tests.damage import MISS, Read, outcome, outcomes

KINDS: dict[str, Callable[[Path], tuple[list[Path], Read]]] = {}
ORDER = Order("auxformer", "demo", "demo", "optimised", 5, 1e-3, 0)


def kind(make):
    KINDS[make.__name__] = make
    return make


@pytest.fixture(autouse=True)
def folders(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("AFFECTSCOPE_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(packing, "MOST_CLIPS", 2)


@kind
def features(folder):
    store = FeatureStore(folder)
    store.put("key", {"values": np.arange(40, dtype=np.float32), "times": np.arange(4.0)})
    return [folder / "key.npz"], lambda: store.get("key")


def packed_store(folder) -> Path:
    order = {f"c{i}": f"{i + 1:064x}" for i in range(3)}
    made = Packing(folder, FEATURE_SETS["llds"], {}, order)
    for number, clip_hash in enumerate(made.missing):
        values = np.arange(130 * 3, dtype=np.float32).reshape(3, 130) + number
        made.put(
            clip_hash,
            {"values": values, "times": np.arange(3.0), "present": np.array([1, 0, 1], bool), "duration": np.array(3.0)},
        )
    made.finish({})
    return made.folder


@kind
def packed(folder):
    place = packed_store(folder)

    def read():
        opened = PackedSet(place)
        rows = [opened.stream(clip) for clip in opened.content]
        return (
            [(r.values, r.times, r.present) for r in rows],
            opened.durations,
            dict(opened.broken),
            opened.settings,
            opened.content,
        )

    return sorted(path for path in place.iterdir() if path.is_file()), read


@kind
def prediction_table(folder):
    table = pd.DataFrame({"label": ["a", "b"], "duration": [1.5, 2.5]}, index=pd.Index(["c1", "c2"], name="clip"))
    predictions = PredictionTable(
        "s", "classification", ("a", "b"), ("av",), (), table, {"decision": np.eye(2)}, {"e": np.ones((2, 3))}, {}
    )
    predictions.save(folder / "one.npz")

    def read():
        found = PredictionTable.load(folder / "one.npz")
        return found and (found.table.to_dict(), dict(found.answers), dict(found.embeddings), found.outputs, found.broken)

    return [folder / "one.npz"], read


@kind
def curves(folder):
    table = pd.DataFrame({"modality": ["audio"] * 2, "rate": [0.0, 0.5], "draw": [0, 0], "head": ["av"] * 2, "uar": [0.71, 0.3]})
    robustness.save(table, folder / "c.csv")
    return [folder / "c.csv"], lambda: robustness.load(folder / "c.csv")


@kind
def points(folder):
    atlas.keep(np.arange(20, dtype=np.float32).reshape(10, 2), folder / "p.f32")
    return [folder / "p.f32"], lambda: atlas.load(folder / "p.f32", 10)


@kind
def media_lengths(folder):
    paths = pd.Series({"a": folder / "a.mp4", "b": folder / "b.mp4"})
    for path in paths:
        path.write_bytes(b"")
    answers = iter([1.25, 2.5])
    lengths.length, real = (lambda path: next(answers)), lengths.length
    try:
        lengths.lengths(paths)
    finally:
        lengths.length = real
    # A miss reads the empty files again, and finds no length.
    return list(folder.glob("cache/lengths/*.json")), lambda: dict(lengths.lengths(paths).dropna()) or None


@kind
def paces(folder):
    path = forecast.measured_path(ORDER)
    sealed.write_cached_json(path, {"clip": 0.25, "reading": 0.5, "basis": "measured"})
    return [path], lambda: forecast.pace(ORDER, lambda *_: pd.Series())


@kind
def resume(folder):
    files = folder / "x.safetensors"
    tensors = {"w": torch.arange(30.0)}
    loop._store(files, Progress(tensors, tensors, 0, {}, {}, [{"epoch": 0.0}], vars(TrainConfig())))

    def read():
        found = loop._stored(files, TrainConfig())
        return found and (found.model["w"].numpy(), found.best["w"].numpy(), found.history, found.config)

    return [folder / "x.resume.pt"], read


@kind
def progress_lines(folder):
    tell = background.noting(folder / "p.jsonl", lambda stage, share: None)
    tell("Epoch 1: dev loss 0.25", 0.5)
    return [folder / "p.jsonl"], lambda: runs.progress_lines(folder / "p.jsonl") or None


@kind
def cells(folder):
    cell = Cell.__new__(Cell)
    object.__setattr__(cell, "folder", lambda: folder)
    sealed.write_json(folder / "measured.json", {"whole": {"av": {"uar": 0.71}}})
    return [folder / "measured.json"], lambda: Cell.measured(cell) or None


@kind
def pickles(folder):
    sound = np.arange(3 * 4 * 5, dtype=np.float32).reshape(3, 4, 5) + 1
    part = {"audio": sound, "labels": np.arange(3.0).reshape(3, 1, 1), "id": ["v_0", "v_1", "w_0"]}
    (folder / "m.pkl").write_bytes(pickle.dumps({"train": part}))
    moseipickles.read(folder / "m.pkl", [])
    files = sorted((folder / "cache" / "pickles").rglob("*.*"))

    def read():
        # As while a corpus is open: what was unpacked is not unpacked again.
        content = sealed.read(files[0].parent / "segments.json")
        return content and (content, moseipickles._arrays(files[0].parent, "train", 1))

    return [path for path in files if path.is_file()], read


@kind
def checkpoint_kept_here(folder):
    path = folder / "model.safetensors"
    path.write_bytes(safetensors.numpy.save({"w": np.arange(40.0)}, {"format": "affectscope-1"}))
    stamps.stamp(path)
    return [path], lambda: path.read_bytes() if stamps.unchanged(path) else None


@pytest.mark.parametrize("name", KINDS)
def test_damage_is_a_miss(name, tmp_path):
    files, read = KINDS[name](tmp_path)
    truth = outcome(read)
    assert truth != MISS
    found = outcomes(files, read)
    assert len(found) >= 200
    assert [where for where, value in found if value not in (MISS, truth)] == []
    assert outcome(read) == truth
    # Not a reader that never finds anything wrong.
    assert sum(value == MISS for _, value in found) > 0.9 * len(found)


def test_a_zip_that_comes_with_the_app_has_sums_enough(tmp_path):
    np.savez_compressed(tmp_path / "a.npz", values=np.arange(40), times=np.arange(4.0))
    truth = outcome(lambda: read_arrays(tmp_path / "a.npz", old=True))
    found = outcomes([tmp_path / "a.npz"], lambda: read_arrays(tmp_path / "a.npz", old=True))
    assert [where for where, value in found if value not in (MISS, truth)] == []


def test_a_damaged_truth_is_one_sentence(tmp_path):
    np.savez_compressed(tmp_path / "t.npz", times=np.arange(3.0))
    content = (tmp_path / "t.npz").read_bytes()
    (tmp_path / "t.npz").write_bytes(content[:60] + bytes([content[60] ^ 4]) + content[61:])
    with pytest.raises(UserError, match="not a truth file"):
        Truth.load(tmp_path / "t.npz")


# What cannot be made again is never lost to one fault: the version before is read, and that is said.

NOTE = notes.Note("demo", "clip", "auxformer", "clip", "first", facts={"Said": "fear 71 %"})


def test_a_damaged_note_is_read_as_before_and_says_so():
    first = notes.save(NOTE)
    second = notes.save(replace(first, text="second"))
    path = notes._folder() / f"{NOTE.id}.json"
    found = outcomes([path], lambda: notes.find(NOTE.id))
    fine = [outcome(lambda: second), outcome(lambda: replace(first, recovered=True))]
    assert [where for where, value in found if value not in fine] == []
    assert sum(value == fine[1] for _, value in found) > 0.9 * len(found)
    assert notes.find_all() == ([second], [])


def test_a_note_of_one_version_has_a_copy():
    first = notes.save(NOTE)
    path = notes._folder() / f"{NOTE.id}.json"
    path.write_bytes(b"\0" * 99)
    assert notes.find_all() == ([replace(first, recovered=True)], [])
    again = notes.save(replace(notes.find(NOTE.id), text="mended"))
    assert (notes.find(NOTE.id), again.recovered, again.revision) == (again, False, 2)


def test_a_removed_note_does_not_come_back_by_its_copy():
    notes.save(notes.save(NOTE))
    notes.remove(NOTE.id)
    assert notes.find_all() == ([], [])
    notes.restore(NOTE.id)
    (notes._folder() / f"{NOTE.id}.json").write_bytes(b"")
    assert notes.find(NOTE.id).recovered


def test_a_note_from_before_there_were_seals_is_read_and_sealed():
    saved = notes.save(NOTE)
    path = notes._folder() / f"{NOTE.id}.json"
    facts = json.loads(path.read_text())
    del facts["sealed"]
    path.write_text(json.dumps(facts))
    assert notes.find(NOTE.id) == saved
    notes.save(saved)
    assert json.loads(path.read_text())["sealed"]


def kept_entry() -> Path:
    entry = Entry("a" * 24, "mine", "mine.pt", "auxformer-v2", 10, "2026-01-01")
    folder = library.root() / entry.id
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"")
    sealed.write_kept(folder / "facts.json", vars(entry))
    return folder / "facts.json"


def kept_device() -> Path:
    library.choose_device("mine", "cuda:0")
    return library.root() / "devices.json"


def kept_corpus() -> Path:
    known.remember("mine", Known("/data/mine", "folder", {"label": "emotion"}))
    return known._file()


def kept_order() -> Path:
    (runs.root() / "one").mkdir(parents=True)
    sealed.write_kept(runs.root() / "one" / "order.json", vars(ORDER))
    return runs.root() / "one" / "order.json"


KEPT = {
    "library": (kept_entry, library.entries),
    "devices": (kept_device, lambda: library.device("mine")),
    "corpora": (kept_corpus, known.known),
    "orders": (kept_order, lambda: {name: run.order for name, run in runs.all_runs().items()}),
}


@pytest.mark.parametrize("name", KEPT)
def test_what_cannot_be_made_again_survives_a_fault(name):
    make, read = KEPT[name]
    path = make()
    truth = outcome(read)
    assert [where for where, value in outcomes([path], read) if value != truth] == []


TABLE = """clip,label,m.a,m.b,m.attention.audio,m.attention.audio.rate
c1,a,0.9,0.1,"[1, 2, 1]",25
c2,b,0.25,0.75,"[1, 1, 2]",25
"""


def test_a_damaged_import_is_said_and_never_something_else(tmp_path):
    (tmp_path / "t.csv").write_text(TABLE)
    take_in(tmp_path / "t.csv", Options(), ())
    entry = stored.entries()["m"]

    def read():
        found = stored.entries().get("m")
        if found is None:
            return None
        lanes = stored.attention_of(found, 1)
        return found, Imported(found).answers("c2"), lanes, stored.corpus_of(found).table.to_dict()

    truth = outcome(read)
    assert truth != MISS
    files = [
        entry.prediction_table,
        entry.folder / "attention.h5",
        entry.folder / "facts.json",
        entry.folder.parent / "clips.json",
    ]
    assert [where for where, value in outcomes(files, read) if value not in (MISS, truth)] == []
    assert stored.remarks() == []
    entry.prediction_table.write_bytes(b"PK")
    assert stored.remarks() == ["The predictions of m are damaged on the disk: import their table again."]


def test_a_damaged_checkpoint_is_refused_by_whoever_reads_it(tmp_path):
    path = tmp_path / "model.safetensors"
    torch.manual_seed(0)
    checkpoints.save(path, MODELS["auxformer"].preset("demo"), Normaliser(), {"corpus": "demo"})
    stamps.stamp(path)
    whole = path.read_bytes()
    header = whole.index(b"demo")
    for place, read in ((len(whole) - 9, checkpoints.load), (header, checkpoints.peek)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        with pytest.raises(UserError, match="damaged on the disk"):
            read(path)
    path.write_bytes(whole)
    checkpoints.load(path)


def test_extraction_makes_again_what_is_damaged_and_nothing_else(tmp_path):
    place = packed_store(tmp_path)
    whole = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
    shard = place / "00000.safetensors"
    content = bytearray(shard.read_bytes())
    content[-5] ^= 16
    shard.write_bytes(content)
    order = {f"c{i}": f"{i + 1:064x}" for i in range(3)}
    again = Packing(tmp_path, FEATURE_SETS["llds"], {}, order)
    assert len(again.missing) <= 2
    for clip_hash in again.missing:
        number = int(clip_hash, 16) - 1
        values = np.arange(130 * 3, dtype=np.float32).reshape(3, 130) + number
        again.put(
            clip_hash,
            {"values": values, "times": np.arange(3.0), "present": np.array([1, 0, 1], bool), "duration": np.array(3.0)},
        )
    again.finish({})
    assert {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()} == whole
