"""Corpora that are remembered by name, from the command line on."""

import json

import pytest
from typer.testing import CliRunner

from affectscope.core import cli
from affectscope.core.corpora import is_named, known, open_corpus
from affectscope.core.errors import UserError

run = CliRunner()


@pytest.fixture(autouse=True)
def data(tmp_path_factory, monkeypatch):
    folder = tmp_path_factory.mktemp("data")
    monkeypatch.setenv("AFFECTSCOPE_DATA", str(folder))
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(folder / "cache"))
    return folder


@pytest.fixture
def clips(tmp_path):
    for name in ("joy/1.mp4", "rage/2.mp4", "rage/3.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def affectscope(*arguments):
    result = run.invoke(cli.app, ["corpus", *map(str, arguments)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def test_a_corpus_that_was_added_opens_by_name(clips, data):
    added = json.loads(affectscope("add", "mine", clips, "--json").stdout)
    assert (added["corpus"], added["kind"], added["clips"]) == ("mine", "folder", 3)
    assert is_named("mine")
    assert open_corpus("mine").name == "mine"
    assert open_corpus("mine").table.index.tolist() == ["1", "2", "3"]
    described = json.loads(affectscope("describe", "mine", "--json").stdout)
    assert {label: counts["clips"] for label, counts in described["classes"].items()} == {"joy": 1, "rage": 2}
    assert json.loads(affectscope("list", "--json").stdout) == [
        {"name": "mine", "kind": "folder", "path": str(clips), "options": ""}
    ]
    # What somebody told the program is kept with the version before.
    kept = {file.name for file in data.iterdir() if file.is_file() and not file.name.startswith(".")}
    assert kept == {"corpora.json", "corpora.json.previous"}
    affectscope("remove", "mine")
    assert not is_named("mine")
    with pytest.raises(UserError, match="There is no corpus in mine"):
        open_corpus("mine")


def test_kind_and_options_are_kept_and_can_be_overruled(tmp_path):
    (tmp_path / "a.csv").write_text("clip,label,speaker\nx,joy,s\n")
    (tmp_path / "b.csv").write_text("clip,label,speaker\ny,rage,s\n")
    affectscope("add", "b", tmp_path, "--kind", "folder", "--option", "table=b.csv")
    assert open_corpus("b").table.index.tolist() == ["y"]
    assert {k: v for k, v in open_corpus("b").options.items() if v} == {"table": "b.csv", "names": "nouns"}
    other = json.loads(affectscope("describe", "b", "--option", "table=a.csv", "--json").stdout)
    assert list(other["classes"]) == ["joy"]


def test_what_cannot_be_read_is_not_added(tmp_path, clips):
    with pytest.raises(UserError, match="There is no corpus"):
        affectscope("add", "mine", tmp_path / "nowhere")
    with pytest.raises(UserError, match="cannot be a corpus's name"):
        affectscope("add", "demo", clips)
    with pytest.raises(UserError, match="cannot be a corpus's name"):
        affectscope("add", "../mine", clips)
    with pytest.raises(UserError, match="NAME=VALUE"):
        affectscope("add", "mine", clips, "-o", "table")
    assert known.known() == {}


def test_a_damaged_list_is_one_sentence(data):
    (data / "corpora.json").write_text("{")
    with pytest.raises(UserError, match="is damaged"):
        open_corpus("mine")
