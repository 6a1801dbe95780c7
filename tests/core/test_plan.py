"""An experiment's file: what is left out, what a row says for itself, and what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectscope.core.errors import UserError
from affectscope.core.experiments import plan
from affectscope.core.experiments.plan import Data
from affectscope.core.training.recipes import recipe

FILE = """
paper = "goncalves2022robust"
item = "Table 0"
title = "by hand"
test = "matched"
against = "A"
published = ["C"]

[defaults]
preset = "demo"
training = { epochs = 3, learning_rate = 0.5 }
data = { step = 0.2 }

[[columns]]
name = "F1"
metric = "macro_f1"

[[columns]]
name = "lost"
metric = "accuracy"
condition = "without audio"
head = "av"

[[rows]]
name = "A"
system = "auxformer"

[[rows]]
name = "B"
system = "vavl"
strategy = "standard"
changes = { hidden = [4, 5], reconstruct = false }
options = { class_weights = [1.0, 2.0] }
training = { epochs = 7 }
data = { broken_pairs = 0.3 }
columns = ["lost"]
conditions = { lost = "tail visual 0.5" }
heads = { lost = "visual" }
metric = "uar"
against = "B"

[[paper_values]]
row = "C"
column = "F1"
value = 1
on = "CREMA-D"
"""


def load(folder: Path, text: str = FILE) -> plan.Experiment:
    path = folder / "made-up.toml"
    path.write_text(text)
    return plan.load(path)


def test_what_a_row_leaves_out_comes_from_the_file_and_then_from_the_recipe(tmp_path):
    experiment = load(tmp_path)
    assert (experiment.name, experiment.test, experiment.against, experiment.kind, experiment.better) == (
        "made-up",
        "matched",
        "A",
        "table",
        "higher",
    )
    plain = experiment.rows[0]
    usual = recipe("auxformer", "demo")
    assert (plain.run.strategy, plain.against) == (usual.strategy, "A")
    assert (plain.run.training.epochs, plain.run.training.learning_rate) == (3, 0.5)
    assert plain.run.training.frame_noise == usual.config.frame_noise > 0
    assert (plain.run.data, dict(plain.run.changes), dict(plain.run.options)) == (Data(step=0.2), {}, {})
    assert [(c.metric, c.condition, c.head) for c in plain.columns] == [
        ("macro_f1", "whole", "decision"), ("accuracy", "without audio", "av")
    ]  # fmt: skip


def test_what_a_row_says_goes_before_everything(tmp_path):
    own = load(tmp_path).rows[1]
    assert (own.run.system, own.run.strategy, own.against) == ("vavl", "standard", "B")
    assert dict(own.run.changes) == {"hidden": (4, 5), "reconstruct": False}
    assert dict(own.run.options) == {"class_weights": (1.0, 2.0)}
    assert (own.run.training.epochs, own.run.training.learning_rate) == (7, 0.5)
    assert own.run.data == Data(step=0.2, broken_pairs=0.3)
    assert [(c.name, c.metric, c.condition, c.head) for c in own.columns] == [("lost", "uar", "tail visual 0.5", "visual")]


def test_the_papers_figures_stand_beside(tmp_path):
    (figure,) = load(tmp_path).printed
    assert (figure.row, figure.column, figure.value, figure.on) == ("C", "F1", 1.0, "CREMA-D")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ('row = "C"', 'row = "D"'),
        ('strategy = "standard"', 'strategy = "sideways"'),
        ('system = "vavl"', 'system = "vaval"'),
        ('preset = "demo"', 'preset = "demi"'),
        ('columns = ["lost"]', 'columns = ["last"]'),
        ("epochs = 7", "epoch = 7"),
        ('against = "B"', 'against = "X"'),
        ("broken_pairs = 0.3", "broken_pair = 0.3"),
    ],
)
def test_what_does_not_exist_is_told_when_the_file_is_read(tmp_path, before, after):
    assert FILE.count(before) == 1
    with pytest.raises(UserError):
        load(tmp_path, FILE.replace(before, after))
