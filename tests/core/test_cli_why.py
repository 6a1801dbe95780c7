"""`affectscope why`, as a stranger would use it."""

import csv
import json

import pytest
from typer.testing import CliRunner

from affectscope.core import cli
from affectscope.core.corpora import bundled
from affectscope.core.errors import UserError

run = CliRunner()


@pytest.fixture(scope="module")
def media() -> str:
    corpus = bundled()
    return str(corpus.media(corpus.table.index[0]))


def test_json_is_all_numbers(media):
    result = run.invoke(cli.app, ["why", media, "--json", "--model", "unimodal-attention", "--label", "anger"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["system"] == "unimodal-attention"
    assert found["label"] == "anger"
    assert found["modality"]["names"] == ["audio"]
    assert found["groups"]["names"][0] == "loudness"


def test_the_terminal_says_the_sentence_and_writes_the_table(media, tmp_path):
    out = tmp_path / "deep" / "why.csv"
    words = ["why", media, "-c", "unimodal-attention", "--class", "sadness", "--against", "anger", "--out", str(out)]
    result = run.invoke(cli.app, words)
    assert result.exit_code == 0, result.output
    rows = list(csv.DictReader(out.open(encoding="utf-8")))
    assert {row["part"] for row in rows} >= {"modality", "time", "sound"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["why"], "a clip's file, or --corpus NAME"),
        (["why", "MEDIA", "--corpus", "demo"], "a clip's file, or --corpus NAME"),
        (["why", "MEDIA", "--out", "numbers.txt"], "numbers.txt does not end in .json or .csv"),
        (["why", "--corpus", "demo", "--out", "numbers.json"], "does not end in .csv"),
        (["why", "MEDIA", "--class", "boredom"], "knows no class 'boredom'"),
        (["why", "MEDIA", "--explanation", "grad"], "There is no explanation called 'grad'"),
    ],
)
def test_what_cannot_be_asked_is_one_sentence(media, words, sentence):
    result = run.invoke(cli.app, [media if word == "MEDIA" else word for word in words])
    assert isinstance(result.exception, UserError)
    assert sentence in str(result.exception)
