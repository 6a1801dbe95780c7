"""The exam on planted truth: a toy model whose only cue is known, answers marked by hand, and a model that has learnt nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.corpora import Corpus, Truth
from affectscope.core.corpora.base import Cue
from affectscope.core.evaluation import answering, planted
from affectscope.core.evaluation.answering import Answer, frames, middle, region
from affectscope.core.features.extractors.landmarks import REGIONS, regions
from affectscope.core.streams import Stream
from affectscope.core.why import Question
from tests.core.why.small import Config, Small

SECONDS, COUNT, DIM = 2.0, 40, 24
TIMES = (np.arange(COUNT) + 0.5) * SECONDS / COUNT


def toy(learnt: bool, seed: int = 0) -> Checkpoint:
    """A model that looks at the first column alone, for joy; or at all columns, at random."""
    model = Small(Config({"audio": DIM, "visual": DIM}), seed)
    for weight in model.weights.values():
        if learnt:
            weight.zero_()
            weight[0, 1] = 4.0
    normaliser = Normaliser({m: torch.zeros(DIM) for m in model.weights}, {m: torch.ones(DIM) for m in model.weights})
    return Checkpoint(model, normaliser, {"features": {"audio": "spectrogram-64", "visual": "face-maps"}})


def clip(number: int) -> tuple[dict[str, Stream], Cue]:
    """Every column is 2 for half a second, each at its own time; the first, which is the cue, in one modality only."""
    chance = np.random.default_rng(number)
    cue_of = ("audio", "visual")[number % 2]
    start = float(chance.uniform(0.1, 1.4))
    streams = {}
    for name in ("audio", "visual"):
        values = 0.1 * chance.standard_normal((COUNT, DIM), np.float32)
        for column, begin in enumerate([start, *chance.uniform(0.1, 1.4, DIM - 1)]):
            if column or name == cue_of:
                values[(begin <= TIMES) & (begin + 0.5 > TIMES), column] = 2.0
        streams[name] = Stream(values, TIMES, np.ones(COUNT, bool))
    return streams, Cue("pitch" if cue_of == "audio" else "brow", cue_of, start, start + 0.5, "joy")


def exam(checkpoint: Checkpoint, clips: int = 40, every: bool = False) -> planted.Exam:
    known = {f"c{i}": clip(i) for i in range(clips)}
    table = pd.DataFrame({"path": "", "label": "joy", "speaker": "s"}, index=list(known))
    nowhere = np.zeros((1, 64, 64), bool)

    def truth(root, row):
        return Truth(np.zeros(1), np.zeros(1), (), (), nowhere, "", cue=known[row.name][1])

    corpus = Corpus("toy", None, table, ("joy",), read_truth=truth)  # type: ignore[arg-type]

    def asked(name, target):
        return Question(checkpoint, known[name][0], SECONDS, target), None

    return planted.examine(asked, corpus, every=every)


def test_what_is_planted_is_found():
    found = exam(toy(learnt=True))
    assert found.asked == found.clips == 40
    rows = {(row.question, row.method, row.cues): row for row in found.rows}
    for method in ("Shapley value", "alone", "taken away"):
        row = rows["modality", method, "all"]
        assert row.share == 1.0
        # 20 clips of either modality: of the 39 others, 19 have the same.
        assert row.chance == pytest.approx(19 / 39)
    assert rows["time", "window taken away", "all"].share >= 0.9
    assert rows["time", "window alone", "audio"].clips == 20
    assert rows["time", "window taken away", "all"].chance < 0.4
    assert rows["time", "integrated-gradients", "audio"].share >= 0.9
    assert found.best("modality").share == 1.0
    assert {use.cue: (use.with_cue, use.clips) for use in found.uses} == {"pitch": (1.0, 20), "brow": (1.0, 20)}


def test_models_that_have_learnt_nothing_are_at_chance():
    """The cue is one of 24 columns, and a single one may have drawn a large weight: the mean over models."""
    gaps: dict[str, list[float]] = {}
    for seed in range(8):
        for row in exam(toy(learnt=False, seed=seed), clips=16, every=True).rows:
            if row.cues == "all":
                gaps.setdefault(f"{row.question}, {row.method}", []).append(row.share - row.chance)
    means = {name: np.mean(values) for name, values in gaps.items()}
    assert len(means) >= 6
    assert max(means.values()) < 0.12, means
    assert np.mean(list(means.values())) < 0.06, means


def test_a_clip_is_asked_about_only_where_the_cue_made_the_answer():
    """Two clips with the cue, both answered with its class; one of them is without the cue as well."""
    streams, cue = clip(0)
    plain, _ = clip(1)
    without = {m: Stream(np.zeros_like(stream.values), stream.times, stream.present) for m, stream in plain.items()}
    known = {"a": streams, "a0": without, "b": streams, "b0": streams}
    cues = {"a": cue, "b": cue}
    rows = [("a", "mark", "first"), ("a0", "none", "first"), ("b", "mark", "second"), ("b0", "none", "second")]
    table = pd.DataFrame(rows, columns=["clip", "cue", "of"]).set_index("clip")
    nowhere = np.zeros((1, 64, 64), bool)

    def truth(root, row):
        return Truth(np.zeros(1), np.zeros(1), (), (), nowhere, "", cue=cues.get(row.name))

    checkpoint = toy(learnt=True)
    asked: list[tuple[str, str]] = []

    def question(name, target):
        asked.append((name, target))
        return Question(checkpoint, known[name], SECONDS, target), None

    corpus = Corpus("toy", None, table.assign(path="", label="joy", speaker="s"), ("joy",), read_truth=truth)  # type: ignore[arg-type]
    found = planted.examine(question, corpus)
    assert (found.asked, found.clips) == (1, 2)
    assert [name for name, target in asked if target] == ["a"]
    assert planted.examine(question, corpus, every=True).asked == 2
    # Without the column that says which clips belong together, it is whoever speaks: of one person half are named anyway.
    alone = corpus.table.drop(columns="of")
    assert planted.examine(question, replace(corpus, table=alone)).asked == 2
    table = alone.assign(speaker=["s", "s", "t", "t"])
    assert planted.examine(question, replace(corpus, table=table)).asked == 1


def test_answers_are_marked_by_hand():
    assert planted.hit("time", 1.0, (0.6, 1.1))
    assert not planted.hit("time", 1.01, (0.6, 1.1))
    assert not planted.hit("time", None, (0.6, 1.1))
    cells = np.zeros((16, 16), bool)
    cells[2, 3] = True
    assert planted.hit("place", 2 * 16 + 3, cells)
    assert not planted.hit("place", 3 * 16 + 2, cells)
    assert planted.hit("shortcut", ("visual", 35), ("visual", cells, "place"))
    assert not planted.hit("shortcut", ("audio", 35), ("visual", cells, "place"))


def test_chance_is_the_share_over_all_other_clips():
    def answer(given, true):
        return Answer("region", "map", "brow", "visual", given, true)

    # Always "brows", of two brows and one mouth: held against the others it is right in 1 + 1 + 2 of 6.
    answers = [answer("brows", "brows"), answer("brows", "brows"), answer("brows", "mouth")]
    assert planted.chance(answers) == pytest.approx(4 / 6)
    assert np.isnan(planted.chance(answers[:1]))


def test_a_class_that_is_named_anyway_is_no_use_of_a_cue():
    cue = Cue("mark", "visual", 0, 1, "anger")
    (use,) = planted.uses([(cue, "anger"), (cue, "anger"), (None, "anger"), (None, "fear")])
    assert (use.with_cue, use.without_cue, use.clips, use.others) == (1.0, 0.5, 2, 2)


def test_the_middle_of_a_span_and_of_frames():
    edges = np.arange(6) * 0.25
    # The largest and its neighbour above half of it: 0.5 to 1.0.
    assert middle(edges, np.array([0.1, 0.2, 1.0, 0.6, 0.0])) == 0.75
    assert middle(edges, np.zeros(5)) is None
    times = (np.arange(50) + 0.5) / 25
    values = ((times > 0.8) & (times < 1.2)).astype(float)
    assert middle(*frames(times, values)) == pytest.approx(1.0, abs=0.02)


def test_a_region_is_named_by_what_it_has_for_its_size():
    points = np.repeat(np.array([[(0.3, 0.37), (0.7, 0.37), (0.5, 0.58), (0.34, 0.77), (0.66, 0.77)]]), 3, 0)
    masks = regions(points, 16, 16)[0]
    for name in ("brows", "mouth"):
        maps = np.repeat((masks[REGIONS.index(name)] + 0.2)[None], 3, 0)
        assert region(maps, points) == name
    assert region(np.zeros((3, 16, 16)), points) is None


def test_the_cells_of_a_cue_are_those_it_covers_and_their_neighbours():
    mask = np.zeros((4, 64, 64), bool)
    mask[:, 0:4, 0:4] = True
    truth = Truth((np.arange(4) + 0.5) / 4, np.zeros(4), (), (), mask, "visual")

    class Faces:
        times = truth.times
        present = np.ones(4, bool)
        boxes = np.repeat([[0.0, 0.0, 1.0, 1.0]], 4, 0)

    class Seen:
        faces = Faces()

    cells = answering.cells_of(truth, Seen(), Cue("mark", "visual", 0.0, 1.0, "anger"))  # type: ignore[arg-type]
    # One cell of 4 x 4 pixels in the corner, and the three beside it.
    assert cells.sum() == 4
    assert cells[:2, :2].all()
