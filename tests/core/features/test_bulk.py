"""Extraction of whole corpora: a test's own feature set, which writes down what it encodes, over clips of half a second."""

import json
import os
import signal
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file
from typer.testing import CliRunner

from affectscope.core.cache.store import FeatureStore, content_hash
from affectscope.core.cli.features import features_app
from affectscope.core.corpora import Corpus, bundled
from affectscope.core.errors import UserError
from affectscope.core.features.bulk import engines, stages
from affectscope.core.features.bulk import run as bulk
from affectscope.core.features.bulk.run import extract_corpus
from affectscope.core.features.clips import load_clips
from affectscope.core.features.extract import extract
from affectscope.core.features.sets import FEATURE_SETS, FeatureSet
from affectscope.core.features.stored import packing
from affectscope.core.features.stored.packed import choose_sets
from affectscope.core.features.stored.packing import Packing
from affectscope.core.features.stored.shards import Shard
from affectscope.core.streams import Stream
from affectscope.core.training.recipes import Recipe, recipe
from affectscope.core.training.run import train_checkpoint
from tests.core.features.test_packed import files
from tests.media_files import clip, tone

COUNT = 5


@pytest.fixture
def corpus(tmp_path, monkeypatch) -> Corpus:
    """Five clips whose sounds are of different loudness, and the set ``loud``, which says how loud they are."""
    monkeypatch.setattr(packing, "MOST_CLIPS", 2)
    folder = tmp_path / "clips"
    folder.mkdir()
    for i in range(COUNT):
        clip(folder / f"{i}.mp4", frames=4, sound=tone(0.2, 0.1 * (i + 1)))
    table = pd.DataFrame({"path": [f"{i}.mp4" for i in range(COUNT)], "label": "calm"}, index=[f"c{i}" for i in range(COUNT)])
    entries = dict(FEATURE_SETS._entries)
    log = tmp_path / "encoded"

    def loud(arrays, _):
        level = np.float32(np.abs(arrays["sound"]).max())
        with log.open("a") as out:
            out.write(f"{level:.1f}\n")
        if os.path.exists(tmp_path / "crash") and 0.25 < level < 0.35:
            os._exit(1)
        return Stream(np.full((3, 2), level, np.float32), np.arange(3.0), np.ones(3, bool))

    FEATURE_SETS._entries["loud"] = FeatureSet("loud", "audio", 2, 10, "sound", "this test", loud)
    yield Corpus("tiny", folder, table, ("calm",))
    FEATURE_SETS._entries.clear()
    FEATURE_SETS._entries.update(entries)


def encoded(corpus: Corpus) -> list[str]:
    log = corpus.root.parent / "encoded"
    lines = log.read_text().split() if log.is_file() else []
    log.unlink(missing_ok=True)
    return lines


def test_what_is_finished_is_not_done_again(corpus, tmp_path):
    seen = []
    outcome = extract_corpus(corpus, ["loud"], tmp_path / "s", 1, progress=lambda done, of: seen.append((done, of)))
    assert (outcome.clips, outcome.extracted, outcome.kept, outcome.broken) == (5, 5, 0, {})
    assert seen == [(1, 5), (2, 5), (3, 5), (4, 5), (5, 5)]
    before = files(tmp_path / "s")
    assert [name.split("/")[1] for name in before] == [
        "00000.safetensors", "00001.safetensors", "00002.safetensors", "broken.csv", "clips.csv", "set.json",
    ]  # fmt: skip
    encoded(corpus)
    outcome = extract_corpus(corpus, ["loud"], tmp_path / "s", 1)
    assert (outcome.extracted, outcome.kept) == (0, 5)
    assert files(tmp_path / "s") == before
    assert not encoded(corpus)
    stream = choose_sets(tmp_path / "s", {})["audio"].stream("c1")
    assert stream.values.max() == pytest.approx(0.2, abs=0.03)


def test_a_broken_clip_is_listed_and_the_rest_goes_on(corpus, tmp_path):
    (corpus.root / "1.mp4").write_bytes(b"this is no film")
    (corpus.root / "3.mp4").unlink()
    outcome = extract_corpus(corpus, ["loud"], tmp_path / "s", 1)
    assert (outcome.extracted, list(outcome.broken)) == (3, ["c1", "c3"])
    assert "damaged" in outcome.broken["c1"]
    assert "missing" in outcome.broken["c3"]
    assert choose_sets(tmp_path / "s", {})["audio"].broken == outcome.broken
    # Mended, it is extracted, and nothing else is.
    encoded(corpus)
    clip(corpus.root / "1.mp4", frames=4, sound=tone(0.2, 0.9))
    outcome = extract_corpus(corpus, ["loud"], tmp_path / "s", 1)
    assert (outcome.extracted, outcome.kept, list(outcome.broken)) == (1, 3, ["c3"])
    assert len(encoded(corpus)) == 1


def test_a_recording_too_long_to_look_at_is_extracted_whole(corpus, tmp_path):
    clip(corpus.root / "1.mp4", frames=130, fps=2, sound=tone(65, 0.2))
    extract_corpus(corpus, ["loud", "faces-48"], tmp_path / "s", 1)
    found = choose_sets(tmp_path / "s", {})
    assert found["audio"].durations["c1"] == pytest.approx(65, abs=0.6)
    assert len(found["visual"].stream("c1").times) == 130
    with pytest.raises(UserError, match="lasts 65 s: cut it to 60 s or less"):
        extract(corpus.media("c1"), FeatureStore(tmp_path / "cache"))


@pytest.mark.parametrize(("name", "track"), [("llds-32-16", "audio"), ("faces-48", "video")])
def test_a_download_that_was_cut_off_is_broken_and_not_half_a_clip(tmp_path, name, track):
    demo = bundled()
    whole = demo.media(str(demo.table.index[0])).read_bytes()
    for clip_name, share in (("half", 0.5), ("most", 0.97)):
        (tmp_path / f"{clip_name}.mp4").write_bytes(whole[: int(share * len(whole))])
    table = pd.DataFrame({"path": ["half.mp4", "most.mp4"], "label": "calm"}, index=["half", "most"])
    outcome = extract_corpus(Corpus("cut", tmp_path, table, ("calm",)), [name], tmp_path / "s", 1)
    assert list(outcome.broken) == ["half"]
    assert f"({track}): it is cut short" in outcome.broken["half"]


def test_crops_that_take_too_much_memory_lie_in_a_file_and_give_the_same_bytes(tmp_path, monkeypatch):
    demo, sets = bundled(), ["face-maps", "faces-48", "faces-96"]
    corpus = replace(demo, table=demo.table.head(2))
    extract_corpus(corpus, sets, tmp_path / "held", 1)
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(stages, "MOST_PICTURES", 10_000)
    passed = []
    detect = stages.detect
    monkeypatch.setattr(stages, "detect", lambda task, arrays: passed.append(detect(task, arrays)) or passed[-1])
    extract_corpus(corpus, sets, tmp_path / "filed", 1)
    assert passed
    assert not any("rgb-96" in arrays for arrays in passed)
    assert files(tmp_path / "filed") == files(tmp_path / "held")
    assert choose_sets(tmp_path / "filed", {"visual": "face-maps"}, ["visual"])["visual"].stream(str(corpus.table.index[0])).any
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_second_set_joins_the_store(corpus, tmp_path):
    extract_corpus(corpus, ["loud"], tmp_path / "s", 1)
    encoded(corpus)
    outcome = extract_corpus(corpus, ["loud", "faces-48"], tmp_path / "s", 1)
    assert outcome.extracted == 5
    assert not encoded(corpus)
    sets = choose_sets(tmp_path / "s", {})
    assert {m: s.name for m, s in sets.items()} == {"visual": "faces-48", "audio": "loud"}
    assert not sets["visual"].stream("c0").any


def test_clips_with_the_same_bytes_are_read_once(corpus, tmp_path):
    for i in (1, 2, 3):
        (corpus.root / f"{i}.mp4").write_bytes((corpus.root / "0.mp4").read_bytes())
    assert extract_corpus(corpus, ["loud"], tmp_path / "s", 1).extracted == 5
    assert len(encoded(corpus)) == 2
    sets = choose_sets(tmp_path / "s", {})["audio"]
    assert sets.stream("c3").values.tolist() == sets.stream("c0").values.tolist()


def finished(store: Path) -> list[str]:
    """The loudness of every clip that is finished, as the log has it."""
    shards = [Shard(path) for path in store.rglob("*.safetensors") if path.name[0] != "."]
    return [f"{shard.row(i).values[0, 0]:.1f}" for shard in shards for i in range(len(shard))]


def killed_at(number: int, corpus: Corpus, store: Path) -> None:
    """Extract in a process that is killed in the middle of its so-and-so-manieth rename."""
    child = os.fork()
    if not child:
        left, rename = [number], os.replace

        def replace(old, new):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)
            rename(old, new)

        os.replace = replace
        try:
            extract_corpus(corpus, ["loud"], store, 1)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def test_a_killed_run_goes_on_and_ends_with_the_same_bytes(corpus, tmp_path):
    extract_corpus(corpus, ["loud"], tmp_path / "whole", 1)
    encoded(corpus)
    store = tmp_path / "killed"
    # As a clip is kept, as a shard is closed, and as the set is declared whole (of the seven renames that are then left).
    for number in (2, 3, 7):
        done = Counter(finished(store)) if store.is_dir() else Counter()
        killed_at(number, corpus, store)
        assert not set(encoded(corpus)) & set(done)
        with pytest.raises(UserError):
            choose_sets(store, {})
    done = finished(store)
    outcome = extract_corpus(corpus, ["loud"], store, 1)
    assert not set(encoded(corpus)) & set(done)
    assert outcome.kept == len(set(done)) > 0
    assert files(store) == files(tmp_path / "whole")


@pytest.fixture
def forked(monkeypatch):
    """Processes that know this test's feature set, and need import nothing."""
    monkeypatch.setattr(engines, "_pool", lambda count: ProcessPoolExecutor(count, get_context("fork"), engines._begin))


def test_processes_give_the_same_bytes_and_survive_a_crash(corpus, tmp_path, forked):
    extract_corpus(corpus, ["loud", "faces-48"], tmp_path / "one", 1)
    extract_corpus(corpus, ["loud", "faces-48"], tmp_path / "two", 2)
    assert files(tmp_path / "one") == files(tmp_path / "two")
    (tmp_path / "crash").touch()
    outcome = extract_corpus(corpus, ["loud"], tmp_path / "crashed", 2)
    assert list(outcome.broken) == ["c2"]
    assert "ended by the system" in outcome.broken["c2"]
    assert outcome.extracted == 4
    assert not list(tmp_path.glob("*/.spool"))


@pytest.mark.skipif("AFFECTSCOPE_TEST_RAY" not in os.environ, reason="Ray takes long to start: set AFFECTSCOPE_TEST_RAY")
def test_ray_gives_the_same_bytes(tmp_path):
    pytest.importorskip("ray", reason="Ray is not installed")
    corpus = bundled()
    corpus = replace(corpus, table=corpus.table.iloc[:2])
    extract_corpus(corpus, ["face-maps"], tmp_path / "one", 1)
    extract_corpus(corpus, ["face-maps"], tmp_path / "ray", 2, engine="ray")
    assert files(tmp_path / "one") == files(tmp_path / "ray")


def test_what_is_packed_is_what_the_single_clip_gives(tmp_path):
    pytest.importorskip("opensmile", reason="openSMILE is not installed")
    corpus = bundled()
    corpus = replace(corpus, table=corpus.table.iloc[:1])
    name = corpus.table.index[0]
    extract_corpus(corpus, ["llds", "face-maps", "llds-32-16", "faces-48"], tmp_path / "s", 1)
    for sets in ({"audio": "llds", "visual": "face-maps"}, {"audio": "llds-32-16", "visual": "faces-48"}):
        single = extract(corpus.media(name), FeatureStore(tmp_path / "cache"), sets=sets)
        for modality, packed in choose_sets(tmp_path / "s", sets).items():
            stream = packed.stream(name)
            assert stream.values.tolist() == single.streams[modality].values.tolist()
            assert stream.times.tolist() == single.streams[modality].times.tolist()
            assert stream.present.tolist() == single.streams[modality].present.tolist()
            assert packed.durations[name] == pytest.approx(single.duration)
            assert packed.content[name] == content_hash(corpus.media(name))


def test_two_runs_do_not_meet_in_one_folder(corpus, tmp_path):
    with bulk._alone(tmp_path / "s"), pytest.raises(UserError, match="Another run"):
        extract_corpus(corpus, ["loud"], tmp_path / "s", 1)


def test_no_clip_at_all_is_an_error(corpus, tmp_path):
    for path in corpus.root.iterdir():
        path.write_bytes(b"no film")
    with pytest.raises(UserError, match="No clip of tiny"):
        extract_corpus(corpus, ["loud"], tmp_path / "s", 1)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["demo", "--features", "nothing"], "There is no feature set called 'nothing'"),
        (["demo", "--features", ","], "Say which features"),
        (["demo", "--features", "vgg-face", "--weights", "vgg-face"], "SET=PATH"),
        (["demo", "--features", "vgg-face", "--weights", "vgg-face=/nowhere/w.pth"], "vgg_face_dag.pth"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path, arguments, says):
    result = CliRunner().invoke(features_app, ["extract", *arguments, "--out", str(tmp_path / "s")])
    assert isinstance(result.exception, UserError)
    assert says in str(result.exception)


def test_the_command_prints_what_it_did(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr("affectscope.core.corpora.open_corpus", lambda name: corpus)
    (corpus.root / "4.mp4").write_bytes(b"no film")
    arguments = ["extract", "tiny", "--features", "loud", "--workers", "1", "--out", str(tmp_path / "s"), "--json"]
    result = CliRunner().invoke(features_app, arguments)
    assert json.loads(result.stdout) == [{"clips": 5, "extracted": 4, "kept": 0, "broken": 1, "store": str(tmp_path / "s")}]
    assert "c4: 4.mp4 cannot be read" in result.stderr


def test_a_model_trained_from_a_store_is_the_one_trained_from_the_clips(tmp_path, monkeypatch):
    pytest.importorskip("opensmile", reason="openSMILE is not installed")
    corpus = bundled()
    corpus = replace(corpus, table=corpus.table.groupby("speaker").head(1))
    monkeypatch.setattr("affectscope.core.training.run.open_corpus", lambda name: corpus)
    clips, _ = load_clips(corpus, workers=1)
    order = {clip.id: f"{i + 1:064x}" for i, clip in enumerate(clips)}
    for name, modality in (("llds", "audio"), ("face-views", "visual")):
        packed = Packing(tmp_path / "s", FEATURE_SETS[name], {}, order)
        for clip_ in clips:
            packed.put(order[clip_.id], vars(clip_.streams[modality]) | {"duration": np.array(clip_.duration)})
        packed.finish({})
    own = recipe("auxformer", "demo")
    config = replace(own.config, epochs=1, batch_size=4)
    for name, store in (("packed", tmp_path / "s"), ("single", None)):
        card = train_checkpoint(
            "auxformer", "demo", "demo", Recipe(own.strategy, config), tmp_path / f"{name}.safetensors", 1, store=store
        )
        assert card["features"] == {"audio": "llds", "visual": "face-views"}
    first, second = (load_file(tmp_path / f"{name}.safetensors") for name in ("packed", "single"))
    assert all(first[key].equal(second[key]) for key in second)
    out = tmp_path / "d.safetensors"
    with pytest.raises(UserError, match="Say which audio"):
        train_checkpoint("double-attention", "demo", "demo", Recipe(own.strategy, config), out, 1, store=tmp_path / "s")
