import math
import re
from dataclasses import asdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from affectscope.core.analysis.distance import stage_name
from affectscope.core.cache.store import key_of
from affectscope.core.errors import UserError
from affectscope.core.experiments import plan, report
from affectscope.core.experiments.cells import broken
from affectscope.core.experiments.report import Filled
from affectscope.core.metrics.metrics import classification_metrics, regression_metrics
from affectscope.core.models.base import MODELS
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.streams import Clip, Stream
from affectscope.core.training.presets import adapt_preset
from affectscope.core.training.strategies import STRATEGIES

CONDITION = re.compile(
    r"whole|cost|speed|map|shared layers|latency( without (audio|visual))?|without (audio|visual)( zeros)?"
    r"|(random|burst|tail) (audio|visual)( zeros)?( x\d+)? (0(\.\d+)?|1)"
)
OF_THE_MODEL = {
    "cost": {"parameters", "megabytes", "epochs"},
    "speed": {"seconds_an_epoch", "milliseconds_a_clip"},
    "latency": {"seconds", "real_time_factor"},
}


@pytest.mark.parametrize("name", list(plan.experiments()))
def test_every_file_can_be_read(name):
    experiment = plan.load(name)
    assert experiment.rows
    assert experiment.columns


@pytest.mark.parametrize("size", ["demo", "paper"])
@pytest.mark.parametrize("name", list(plan.experiments()))
def test_every_column_can_be_measured(name, size):
    for row in plan.load(name, plan.Setting(size)).rows:
        run = row.run
        STRATEGIES[run.strategy](**run.options)
        corpus = SimpleNamespace(labels=EMOTIONS, given={})
        changes, _ = adapt_preset(run.system, run.preset, corpus, published=run.features)
        with torch.device("meta"):
            spec = MODELS[run.system].preset(run.preset, **{**changes, **run.changes}).spec
        for column in row.columns:
            assert CONDITION.fullmatch(column.condition)
            assert column.metric in _metrics(spec, column.condition), (row.name, column.name)
            of_the_model = column.condition.split()[0] in (*OF_THE_MODEL, "map", "shared")
            assert column.head in (("decision",) if of_the_model else ("decision", *spec.heads))


def _metrics(spec, condition):
    """The numbers that a model can give under a condition, by the functions that measure them."""
    if condition.split()[0] in OF_THE_MODEL:
        return OF_THE_MODEL[condition.split()[0]]
    if condition == "map":
        return {"silhouette", "knn_accuracy"} if spec.embeddings and spec.task == "classification" else set()
    if condition == "shared layers":
        return {"distance", "mismatched", *(f"distance {stage_name(pair)}" for pair in spec.shared)} if spec.shared else set()
    if spec.task == "regression":
        return set(regression_metrics(torch.zeros(2, len(spec.labels)), torch.zeros(2, len(spec.labels)), spec.labels))
    known = set(classification_metrics(torch.zeros(2, len(spec.labels)), torch.zeros(2, dtype=torch.long))) - {"confusion"}
    # A mean over draws has no confusion matrix to read recalls from.
    by_class = {f"recall {label}" for label in spec.labels} if condition.split()[0] in ("whole", "without") else set()
    return known | by_class


@pytest.mark.parametrize(
    "places",
    [
        {
            "goncalves2022robust-table-1": "AuxFormer, optimised",
            "goncalves2022robust-table-2": "AuxFormer",
            "goncalves2022robust-table-3": "With positions",
            "goncalves2022robust-table-4": "1/3; 1/3; 1/3",
            "goncalves2022robust-table-5": "AuxFormer",
            "goncalves2022robust-figure-3": "AuxFormer",
            "goncalves2022robust-figure-4": "AuxFormer, optimised",
            "goncalves2022robust-figure-5-audio": "AuxFormer",
            "goncalves2022robust-figure-5-visual": "AuxFormer",
            "goncalves2022robust-figure-6": "Self-attention, learned scales",
            "goncalves2022robust-figure-7": "Last time-step",
            "goncalves2022robust-figure-8": "AuxFormer",
        },
        {
            "goncalves2022robust-table-1": "AuxFormer, standard",
            "goncalves2022robust-figure-4": "AuxFormer, standard",
            "goncalves2022auxformer-table-1": "AuxFormer",
            "goncalves2022auxformer-figure-2": "AuxFormer, standard",
        },
        {
            "goncalves2022robust-table-2": "Baseline 4 (sound alone)",
            "goncalves2022robust-figure-5-visual": "Baseline 4 (sound alone)",
            "goncalves2022auxformer-table-2": "Sound alone",
        },
        {"goncalves2022auxformer-table-2": "AuxFormer", "goncalves2022auxformer-figure-2": "AuxFormer, optimised"},
        {
            "goncalves2022robust-table-1": "AuxFormer, optimised",
            "goncalves2025versatile-table-1": "AuxFormer",
            "goncalves2025versatile-figure-4": "AuxFormer",
            "mocanu2023multimodal-table-5": "Goncalves et al., 2022 (AuxFormer)",
        },
        {"goncalves2022robust-table-1": "Baseline 2 (MulT), standard", "goncalves2025versatile-table-1": "MulT"},
        {
            "goncalves2025versatile-table-1": "VAVL",
            "goncalves2025versatile-table-3-emotions": "VAVL",
            "goncalves2025versatile-figure-2-audio": "Sound's head",
            "goncalves2025versatile-figure-2-visual": "Audio-visual head",
            "goncalves2025versatile-figure-4": "VAVL",
            "goncalves2025versatile-broken-pairs": "Whole pairs",
        },
        {
            "goncalves2025versatile-table-2": "VAVL",
            "goncalves2025versatile-table-3-attributes": "VAVL",
            "goncalves2025versatile-figure-3-audio": "Valence, sound's head",
            "goncalves2025versatile-figure-3-visual": "Arousal, audio-visual head",
        },
        {
            "parthasarathy2020detecting-table-1": "Transformer (A + V)",
            "parthasarathy2020detecting-figure-4": "Valence, picture missing",
        },
        {
            "mocanu2023multimodal-table-1": "AT + VS + VC + VT",
            "mocanu2023multimodal-table-2": "AT + VS + VC + VT",
            "mocanu2023multimodal-table-3": "Triplet loss",
        },
        {
            "mocanu2023multimodal-table-3": "Emotion constraint loss",
            "mocanu2023multimodal-table-4": "AT + VS + VC + VT, emotion constraint loss",
            "mocanu2023multimodal-table-5": "Proposed method",
            "mocanu2023multimodal-figure-5": "Emotion constraint loss",
            "mocanu2023multimodal-figures-6-7": "Emotion constraint loss",
        },
        {"mocanu2023multimodal-table-3": "Softmax", "mocanu2023multimodal-figures-6-7": "Softmax"},
    ],
)  # fmt: skip
def test_what_several_files_train_is_trained_once(places):
    runs = {key_of(asdict(row.run)) for name, place in places.items() for row in plan.load(name).rows if row.name == place}
    assert len(runs) == 1
    assert all(place in {row.name for row in plan.load(name).rows} for name, place in places.items())


def test_an_unknown_experiment_is_one_sentence():
    with pytest.raises(UserError, match="experiment list"):
        plan.load("goncalves2022robust-table-99")


def test_a_table_by_hand():
    experiment = plan.load("goncalves2022robust-table-1")
    ours, theirs = experiment.rows[0].name, experiment.rows[1].name
    values = {(ours, "micro-F1"): (0.8, 0.9, 0.7), (theirs, "micro-F1"): (0.5, 0.61, 0.4)}
    filled = Filled(experiment, "made up", (0, 1, 2), values)
    assert filled.mean(experiment.rows[0], experiment.columns[0]) == pytest.approx(0.8)
    assert filled.sd(experiment.rows[0], experiment.columns[0]) == pytest.approx(0.1)
    assert filled.sd(experiment.rows[1], experiment.columns[0]) == pytest.approx(
        math.sqrt((0.01**2 / 9 + 0.32**2 / 9 + 0.31**2 / 9) / 2), abs=1e-6
    )
    # Differences 0.30, 0.29, 0.30: t = 0.29667 / (0.0057735 / sqrt(3)) = 89.
    found = filled.test(experiment.columns[0], experiment.rows[1])
    assert found is not None
    assert found.statistic == pytest.approx(89, abs=0.1)
    text = report.markdown(filled)
    assert "0.800 ± 0.100" in text
    assert "0.503 ± 0.105*" in text
    assert "The paper's own figures, on CREMA-D" in text
    assert "0.769" in text
    assert "The paper's own figures, on MSP-IMPROV" in text
    assert "| AuxFormer, standard | 0.762 | 0.706 |" in text


def test_each_half_of_a_table_is_tested_against_its_own_row():
    experiment = plan.load("goncalves2022robust-table-1")
    column = experiment.columns[0]
    better, worse = (0.8, 0.91, 0.7), (0.5, 0.6, 0.41)
    names = ("AuxFormer, standard", "Baseline 2 (MulT), standard", "AuxFormer, optimised", "Baseline 2 (MulT), optimised")
    values = dict(zip(((name, column.name) for name in names), (worse, worse, better, worse), strict=True))
    filled = Filled(experiment, "made up", (0, 1, 2), values)
    found = {row.name: filled.test(column, row) for row in experiment.rows if row.name in names}
    # The standard AuxFormer is as good as what it is tested against, the optimised one is better.
    assert found[names[0]] is None
    assert found[names[2]] is None
    assert found[names[3]] is not None
    assert found[names[3]].significant
    assert found[names[1]] is None or not found[names[1]].significant


def test_parameters_are_in_the_table_not_among_the_bars():
    experiment = plan.load("goncalves2022robust-figure-8")
    values = {
        (row.name, column.name): (value,)
        for row in experiment.rows
        for column, value in zip(experiment.columns, (0.7, 4e5), strict=True)
    }
    filled = Filled(experiment, "made up", (0,), values)
    assert all(list(bar.x) == ["micro-F1"] for bar in report.figure(filled).data)
    text = report.markdown(filled)
    assert "| AuxFormer | 0.700 | 400,000 |" in text
    assert "| AuxFormer |  | 7,054,748 |" in text


def test_a_row_may_ask_for_another_head_and_metric_in_all_its_columns():
    rows = {row.name: row for row in plan.load("goncalves2025versatile-figure-3-audio").rows}
    asked = {(c.metric, c.head) for c in rows["Valence, sound's head"].columns}
    assert asked == {("ccc_valence", "audio")}
    assert {(c.metric, c.head) for c in rows["Arousal, audio-visual head"].columns} == {("ccc_arousal", "av")}


def test_what_only_the_paper_has_stands_in_the_papers_table_alone():
    experiment = plan.load("mocanu2023multimodal-table-5")
    text = report.markdown(Filled(experiment, "made up", (0,), {("Proposed method", "accuracy"): (0.75,)}))
    measured, *_, on_ravdess, on_crema_d = text.split("###")
    assert "| Proposed method | 0.750 |" in measured
    assert "Su et al." not in measured
    assert "| Su et al., 2020 | 0.7486 |" in on_ravdess
    assert "Su et al." not in on_crema_d
    assert "| Chang et al., 2021 | 0.8315 |" in on_crema_d


def test_broken_pairs_fall_on_every_class_alike():
    """The table lists its classes in turn, as the demo corpus does."""
    stream = Stream(np.ones((3, 2), np.float32), np.arange(3) / 10, np.ones(3, bool))
    labels = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
    clips = [Clip(f"c{i}", {"audio": stream, "visual": stream}, 1.0, {"label": labels[i % 6]}) for i in range(240)]
    found = broken(clips, plan.Data(broken_pairs=0.5), seed=0)
    gone = [(clip.labels["label"], name) for clip in found for name in clip.streams if not clip.streams[name].present.any()]
    assert len(gone) == 120
    assert [sum(name == m for _, name in gone) for m in ("audio", "visual")] == [60, 60]
    for label in labels:
        assert 10 <= sum(true == label for true, _ in gone) <= 30
    assert broken(clips, plan.Data(), seed=0) == clips
