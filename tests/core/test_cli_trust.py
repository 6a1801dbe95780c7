"""`affectscope trust`, as a stranger would use it. What is measured is made up: tests/core/trust says whether it is right."""

import csv
import json
from dataclasses import replace

import pandas as pd
import pytest
from typer.testing import CliRunner

from affectscope.core import cli
from affectscope.core.analyzer import Analyzer
from affectscope.core.corpora import bundled
from affectscope.core.errors import UserError
from affectscope.core.trust.trust import Request
from tests.app import fake

run = CliRunner()


@pytest.fixture(scope="module")
def media() -> str:
    corpus = bundled()
    return str(corpus.media(corpus.table.index[0]))


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, tmp_path) -> list[Request]:
    found: list[Request] = []

    def trust(self, media, request, progress=None):
        found.append(request)
        return replace(fake.trust(request.target or "fear", "av"), seed=request.seed)

    monkeypatch.setattr(Analyzer, "trust", trust)
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    return found


def test_the_terminal_says_the_level_with_its_reasons_and_writes_the_table(media, asked, tmp_path):
    out = tmp_path / "deep" / "trust.csv"
    result = run.invoke(cli.app, ["trust", media, "--class", "sadness", "--methods", "contrast, occlusion", "--out", str(out)])
    assert result.exit_code == 0, result.output
    assert "Heatmap, Change for the class: high. What it marks matters to sadness more than" in result.output
    assert asked[0].methods == asked[0].sounds == ("contrast", "occlusion")
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert {row["explanation"] for row in rows} == {"contrast", "attention"}
    assert next(row for row in rows if row["measure"] == "p")["value"] == "0.05"


def test_json_is_all_numbers(media, asked):
    result = run.invoke(cli.app, ["trust", media, "--json", "--no-lanes", "--seed", "3"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["measured"][0]["level"] == "high"
    assert found["measured"][0]["deletion"] == [0.3] * 5
    assert (asked[0].lanes, asked[0].seed) == (False, 3)


def test_a_corpus_is_drawn_by_the_seed_explains_its_labels_and_is_measured_once(asked, tmp_path):
    out = tmp_path / "trust.csv"
    words = ["trust", "--corpus", "demo", "--clips", "3", "--seed", "5", "--json", "--out", str(out)]
    result = run.invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    table = pd.read_csv(out)
    assert len(table) == 6
    labels = bundled().table["label"]
    assert [request.target for request in asked] == [labels[request.clip] for request in asked]
    assert [request.clip for request in asked] == sorted(set(table["clip"]))
    rows = json.loads(result.stdout)
    assert [(row["explanation"], row["clips"], row["seed"]) for row in rows] == [("contrast", 3, 5), ("attention", 3, 5)]
    assert rows[0]["significant"] == 1
    assert rows[0]["high"] == 1
    assert rows[1]["low"] == 1
    assert run.invoke(cli.app, words).exit_code == 0
    assert len(asked) == 3


def test_models_are_compared_over_a_corpus(asked):
    words = ["trust", "--corpus", "demo", "--clips", "1", "-c", "auxformer", "-c", "vavl", "--json"]
    result = run.invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    assert [row["model"] for row in json.loads(result.stdout)] == ["auxformer", "auxformer", "vavl", "vavl"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["trust"], "a clip's file, or --corpus NAME"),
        (["trust", "MEDIA", "--corpus", "demo"], "a clip's file, or --corpus NAME"),
        (["trust", "MEDIA", "--out", "numbers.txt"], "numbers.txt does not end in .json or .csv"),
        (["trust", "--corpus", "demo", "--out", "numbers.json"], "does not end in .csv"),
        (["trust", "MEDIA", "--methods", "grad"], "There is no explanation called 'grad'"),
        (["trust", "MEDIA", "-c", "auxformer", "-c", "vavl"], "compared over a corpus"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(media, words, sentence):
    result = run.invoke(cli.app, [media if word == "MEDIA" else word for word in words])
    assert isinstance(result.exception, UserError)
    assert sentence in str(result.exception)
