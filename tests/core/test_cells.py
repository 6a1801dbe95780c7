"""A cell on a tiny corpus: what is trained on, what is measured, by which split, which strategy, and with which changes."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.corpora import open_corpus
from affectscope.core.evaluation.masking import Missing, mask
from affectscope.core.experiments import measuring
from affectscope.core.experiments.cells import Cell, fill, thinned
from affectscope.core.experiments.plan import Data, Run
from affectscope.core.features.clips import load_clips
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.streams import Batch, Stream
from affectscope.core.training import batches as training_batches
from affectscope.core.training import loop
from affectscope.core.training.loop import TrainConfig
from affectscope.core.training.splits import split_speakers
from tests.media_files import clip, tone
from tests.small_corpus import Corpus

TINY = {"width": 8, "heads": 2, "layers": 1, "aux_hidden": (8, 8)}
RUN = Run("auxformer", strategy="optimised", changes=TINY, training=TrainConfig(epochs=2, learning_rate=5e-3, batch_size=8))
CONDITIONS = ("whole", "without audio", "random visual 0.5", "cost")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("cells")
    film = clip(folder / "film.mp4", frames=5, sound=tone(0.3)).read_bytes()
    return Corpus(folder / "corpus").make(film).root


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))


class Watched:
    """Which clips were learned from, chosen by, and measured; with which strategy and settings."""

    def __init__(self, monkeypatch) -> None:
        self.learned: list[list[str]] = []
        self.developed: list[list[str]] = []
        self.measured: list[list[str]] = []
        self.strategies, self.configs, self.targets = [], [], []
        init, run_through = training_batches.Batches.__init__, training_batches.Batches.__iter__
        epoch, development = loop._epoch, loop._development
        inside = []

        def noted(batches, clips, *rest, **more):
            batches.ids = [item.id for item in clips]
            init(batches, clips, *rest, **more)

        def gone_through(batches):
            if not inside:
                self.measured.append(batches.ids)
            return run_through(batches)

        def one_epoch(fabric, step, optimiser, batches, strategy, config):
            self.learned.append(batches.ids)
            self.strategies.append(strategy)
            self.configs.append(config)
            self.targets.append(batches.targets)
            return epoch(fabric, step, optimiser, batches, strategy, config)

        def chosen(model, batches, strategy):
            self.developed.append(batches.ids)
            inside.append(1)
            try:
                return development(model, batches, strategy)
            finally:
                inside.pop()

        monkeypatch.setattr(training_batches.Batches, "__init__", noted)
        monkeypatch.setattr(training_batches.Batches, "__iter__", gone_through)
        monkeypatch.setattr(loop, "_epoch", one_epoch)
        monkeypatch.setattr(loop, "_development", chosen)


@pytest.fixture
def watched(monkeypatch) -> Watched:
    return Watched(monkeypatch)


def parts(place: Path, seed: int, way: str = "speaker") -> dict[str, list[str]]:
    table = open_corpus(str(place)).table
    split = split_speakers(table, seed, way)
    return {name: [clip_id for clip_id in table.index if split[clip_id] == name] for name in ("train", "development", "test")}


@pytest.mark.parametrize("seed", [0, 1])
def test_each_seed_has_its_own_split_and_each_part_its_own_task(place, watched, seed):
    fill(Cell(RUN, str(place), seed), ["whole", "without visual", "tail audio 0.5"])
    own = parts(place, seed)
    assert own != parts(place, 1 - seed)
    assert watched.learned == [own["train"]] * 2
    assert watched.developed == [own["development"]] * 2
    assert watched.measured
    assert all(ids == own["test"] for ids in watched.measured)
    assert {config.seed for config in watched.configs} == {seed}


def test_strategy_options_changes_and_settings_are_those_of_the_row(place, watched):
    changes = TINY | {"refine": "gru", "loss_weights": (0.6, 0.3, 0.1)}
    config = TrainConfig(epochs=1, learning_rate=2e-3, batch_size=4, clip_norm=0.3)
    row = Run("auxformer", strategy="optimised", changes=changes, options={"audio_share": 0.4}, training=config)
    cell = Cell(row, str(place), 3)
    fill(cell, ["whole"])
    (strategy,) = watched.strategies
    assert (type(strategy).__name__, strategy.audio_share, strategy.class_weights) == ("Optimised", 0.4, ())
    assert watched.configs == [replace(config, seed=3)]
    made = checkpoints.load(cell.folder() / "model.safetensors").model.config
    assert (made.width, made.refine, tuple(made.loss_weights)) == (8, "gru", (0.6, 0.3, 0.1))
    assert (made.audio_dim, made.visual_dim, tuple(made.labels)) == (130, 135, EMOTIONS)
    plain = replace(row, strategy="standard", options={}, changes=TINY)
    fill(Cell(plain, str(place), 3), ["whole"])
    assert type(watched.strategies[-1]).__name__ == "Strategy"
    assert Cell(plain, str(place), 3).folder() != cell.folder()


def copied(place: Path, root: Path, table: pd.DataFrame) -> Path:
    """The corpus with another table, clips and features where they were."""
    root.mkdir()
    for name in ("clips", "features"):
        (root / name).symlink_to(place / name)
    table = table.reset_index()
    table["path"] = [f"clips/{clip_id}.mp4" for clip_id in table["clip"]]
    table.to_csv(root / "labels.csv", index=False)
    return root


def test_balance_and_prior_come_from_the_training_clips(place, watched, tmp_path):
    whole = open_corpus(str(place)).table
    rare = (whole["label"] == "anger") & whole["speaker"].isin(["s0", "s1", "s2", "s3"])
    root = copied(place, tmp_path / "rare", whole[~rare])
    cell = Cell(replace(RUN, training=replace(RUN.training, balance=True)), str(root), 2)
    fill(cell, ["whole"])
    counts = whole.loc[parts(root, 2)["train"], "label"].value_counts()
    assert set(watched.learned[0]) == set(parts(root, 2)["train"])
    there = [int(counts.get(label, 0)) for label in EMOTIONS]
    assert min(there) < max(there)
    classes = sum(count > 0 for count in there)
    expected = [sum(there) / (classes * count) if count else 0.0 for count in there]
    assert watched.strategies[0].class_weights == pytest.approx(tuple(expected))
    shares = torch.tensor([count + 1.0 for count in there])
    torch.testing.assert_close(checkpoints.load(cell.folder() / "model.safetensors").model.prior, (shares / shares.sum()).log())


def streams_of(place: Path, ids: list[str]) -> list[dict[str, Stream]]:
    clips, _ = load_clips(open_corpus(str(place)), None, 1)
    return [dict(thinned(item, Data().step).streams) for item in clips if item.id in ids]


def test_statistics_are_of_the_training_clips_alone(place):
    cell = Cell(RUN, str(place), 4)
    fill(cell, ["whole"])
    normaliser = checkpoints.load(cell.folder() / "model.safetensors").normaliser
    for m in ("audio", "visual"):
        frames = np.concatenate([row[m].values[row[m].present] for row in streams_of(place, parts(place, 4)["train"])])
        torch.testing.assert_close(
            normaliser.mean[m].double(), torch.from_numpy(frames.mean(0, dtype=np.float64)), atol=1e-4, rtol=0
        )
        torch.testing.assert_close(
            normaliser.std[m].double(), torch.from_numpy(frames.std(0, dtype=np.float64)), atol=1e-4, rtol=0
        )


def measured_by_hand(place: Path, cell: Cell) -> dict[str, list[dict[str, np.ndarray]]]:
    """Condition -> draws of head -> the class that is answered, for the test clips in the order of the table."""
    loaded, ids = checkpoints.load(cell.folder() / "model.safetensors"), parts(place, cell.seed)["test"]
    rows = [
        {m: replace(s, values=loaded.normaliser(m, torch.from_numpy(s.values)).numpy()) for m, s in streams.items()}
        for streams in streams_of(place, ids)
    ]
    batch = Batch.collate(rows, loaded.spec.inputs)
    holed = mask(batch, Missing("visual", 0.5), draws=5, seed=cell.seed)
    changed = {"whole": [batch], "without audio": [batch.without("audio")], "random visual 0.5": [holed]}

    def answered(given: Batch) -> dict[str, np.ndarray]:
        with torch.inference_mode():
            output = loaded.model(given)
        heads = {h: output.predictions[h] for h in loaded.spec.heads} | {"decision": loaded.model.decide(output)}
        return {head: logits.argmax(1).numpy() for head, logits in heads.items()}

    return {name: [answered(row) for row in draws] for name, draws in changed.items()}


def test_conditions_are_what_their_names_say(place):
    cell = Cell(RUN, str(place), 5)
    measured = fill(cell, CONDITIONS)
    table = open_corpus(str(place)).table
    target = np.array([EMOTIONS.index(str(table.at[clip_id, "label"])) for clip_id in parts(place, 5)["test"]])
    for condition, draws in measured_by_hand(place, cell).items():
        for head, answers in draws[0].items():
            right = float((answers.reshape(-1, len(target)) == target).mean())
            assert measured[condition][head]["accuracy"] == pytest.approx(right), (condition, head)
    whole = np.zeros((6, 6), int)
    for true, answered in zip(target, measured_by_hand(place, cell)["whole"][0]["decision"], strict=True):
        whole[true, answered] += 1
    assert measured["whole"]["decision"]["confusion"] == whole.tolist()
    # Confidence is another where frames are missing, whatever the answers are.
    assert len({measured[name]["decision"]["ece"] for name in ("whole", "without audio", "random visual 0.5")}) == 3
    # Without its sound the sound's head says the prior, the same of every clip.
    assert np.count_nonzero(np.array(measured["without audio"]["audio"]["confusion"]).sum(0)) == 1
    cost = measured["cost"]["decision"]
    loaded = checkpoints.load(cell.folder() / "model.safetensors")
    assert cost["parameters"] == sum(p.numel() for p in loaded.model.parameters())
    assert cost["megabytes"] == (cell.folder() / "model.safetensors").stat().st_size / 2**20
    assert (cost["epochs"], cost["labels"]) == (2, list(EMOTIONS))
    speed = fill(cell, ["speed"])["speed"]["decision"]
    assert speed["seconds_an_epoch"] > 0
    assert speed["milliseconds_a_clip"] > 0


def test_another_seed_draws_other_frames(place, monkeypatch):
    asked = []
    sweep = measuring.sweep

    def watching(model, batches, modalities, rates, pattern, **more):
        asked.append((tuple(modalities), tuple(rates), pattern, more["draws"], more["seed"]))
        return sweep(model, batches, modalities, rates, pattern, **more)

    monkeypatch.setattr(measuring, "sweep", watching)
    fill(Cell(RUN, str(place), 6), ["burst audio 0.3"])
    fill(Cell(RUN, str(place), 7), ["tail visual 0.9"])
    assert asked == [(("audio",), (0.3,), "burst", 5, 6), (("visual",), (0.9,), "tail", 5, 7)]


def test_a_model_without_the_modality_is_measured_whole(place):
    row = Run("unimodal-attention", changes=TINY, training=RUN.training)
    found = fill(Cell(row, str(place), 0), ["whole", "without visual", "random visual 0.9", "without audio"])
    assert found["without visual"] == found["random visual 0.9"] == found["whole"]
    assert found["without audio"] != found["whole"]


def test_nothing_is_done_twice_and_what_is_missing_is_added(place, watched):
    cell = Cell(RUN, str(place), 8)
    first = fill(cell, ["whole"])
    trained, asked = len(watched.learned), len(watched.measured)
    weights = (cell.folder() / "model.safetensors").read_bytes()
    assert fill(cell, ["whole"]) == first == cell.measured()
    assert len(watched.measured) == asked
    more = fill(cell, ["without audio", "whole"])
    assert set(more) == {"whole", "without audio"}
    assert more["whole"] == first["whole"]
    assert len(watched.learned) == trained
    assert (cell.folder() / "model.safetensors").read_bytes() == weights


def test_broken_pairs_are_learned_from_and_the_test_stays_whole(place, watched, monkeypatch):
    seen: dict[str, list[tuple[bool, bool]]] = {"train": [], "test": []}
    own = parts(place, 9)
    init = training_batches.Batches.__init__

    def looked_at(batches, clips, *rest, **more):
        for name in seen:
            if [item.id for item in clips] == own[name]:
                seen[name] = [tuple(item.streams[m].any for m in ("audio", "visual")) for item in clips]
        init(batches, clips, *rest, **more)

    monkeypatch.setattr(training_batches.Batches, "__init__", looked_at)
    row = replace(RUN, data=Data(broken_pairs=0.5))
    fill(Cell(row, str(place), 9), ["whole"])
    lost = [not all(pair) for pair in seen["train"]]
    assert sum(lost) == round(0.5 * len(own["train"]))
    assert all(all(pair) for pair in seen["test"])
    assert len(seen["test"]) == len(own["test"])
    drawn = random.Random(9).sample(range(len(own["train"])), sum(lost))
    assert {i for i, gone in enumerate(lost) if gone} == set(drawn)


def test_frames_are_averaged_to_the_step_before_anything_is_learned(place, monkeypatch):
    lengths: dict[float, set[int]] = {}
    init = training_batches.Batches.__init__

    def measured(batches, clips, *rest, **more):
        lengths.setdefault(step, set()).update(len(item.streams["audio"].times) for item in clips)
        init(batches, clips, *rest, **more)

    monkeypatch.setattr(training_batches.Batches, "__init__", measured)
    for step in (0.08, 0.0):
        row = replace(RUN, data=Data(step=step), training=replace(RUN.training, epochs=1))
        fill(Cell(row, str(place), 0), ["whole"])
    # Eight frames, 20 ms apart: two steps of 80 ms.
    assert lengths == {0.08: {2}, 0.0: {8}}


def test_a_corpus_own_split_is_kept_to(place, watched, tmp_path):
    table = open_corpus(str(place)).table
    table = table.assign(split=["test" if s == "s4" else "dev" if s == "s3" else "train" for s in table["speaker"]])
    copy = copied(place, tmp_path / "official", table)
    row = replace(RUN, training=replace(RUN.training, split="official"))
    fill(Cell(row, str(copy), 0), ["whole"])
    by_speaker = {speaker: list(rows) for speaker, rows in table.groupby("speaker").groups.items()}
    assert watched.measured == [by_speaker["s4"]]
    assert watched.developed[0] == by_speaker["s3"]
    assert watched.learned[0] == [*by_speaker["s0"], *by_speaker["s1"], *by_speaker["s2"]]


def test_the_folder_is_named_after_all_that_numbers_depend_on(place):
    cell = Cell(RUN, str(place), 0)
    others = [
        replace(cell, seed=1),
        replace(cell, run=replace(RUN, strategy="standard")),
        replace(cell, run=replace(RUN, changes=TINY | {"layers": 2})),
        replace(cell, run=replace(RUN, options={"audio_share": 0.3})),
        replace(cell, run=replace(RUN, data=Data(step=0.1))),
        replace(cell, run=replace(RUN, data=Data(broken_pairs=0.1))),
        replace(cell, run=replace(RUN, training=replace(RUN.training, clip_norm=0.5))),
    ]
    assert len({variant.folder() for variant in [cell, *others]}) == len(others) + 1
