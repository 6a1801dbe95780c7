"""On what terms a server is started: its names, its token, and the command that says so."""

from __future__ import annotations

import pytest
import streamlit as st

from affectscope.app.gate.terms import HOSTS, Terms, check
from affectscope.app.gate.terms import TOKEN as CHOSEN
from affectscope.app.gate.terms import terms as read
from affectscope.core.cli import dashboard
from affectscope.core.errors import UserError

TOKEN = "a-token-nobody-guesses"


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch):
    """Called with Streamlit's address and the environment: the terms of a server that was started so."""

    def start(address: str | None, **environment: str) -> Terms:
        options = {"server.address": address, "server.port": 8501, "server.baseUrlPath": environment.pop("base", "")}
        monkeypatch.setattr(st, "get_option", options.__getitem__)
        for name in (CHOSEN, HOSTS):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        read.cache_clear()
        return read()

    yield start
    read.cache_clear()


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "::1", "127.0.0.2"])
def test_loopback_needs_no_token_unless_one_was_chosen(started, address: str) -> None:
    assert started(address).token == ""
    assert started(address, **{CHOSEN: TOKEN}).token == TOKEN


@pytest.mark.parametrize("address", ["0.0.0.0", "::", None, "", "192.168.1.5", "lab.example.org"])
def test_any_other_address_has_a_token_and_another_one_each_time(started, address: str | None) -> None:
    first, second = started(address), started(address)
    assert len(first.token) >= 43
    assert first.token != second.token
    assert started(address, **{CHOSEN: TOKEN}).token == TOKEN


def test_who_is_let_in_by_another_name_needs_the_token_too(started) -> None:
    on = started("127.0.0.1", **{HOSTS: "Emotion.Example.org, hub"}, base="/affect/")
    assert on.token
    assert {"emotion.example.org", "hub"} <= on.names
    assert on.base == "/affect"
    assert not on.everywhere


def test_a_token_that_could_be_guessed_is_refused(started) -> None:
    for short in ("short", "x" * 15, "x" * 20 + "\n"):
        with pytest.raises(UserError, match="could be guessed"):
            check(short)
        with pytest.raises(UserError, match="too short, or cannot be typed"):
            dashboard._check_token(short)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch):
    """Called with arguments of ``affectscope app``: the command that it becomes, and what it adds to the environment."""
    became: list[list[str]] = []
    monkeypatch.setattr(dashboard.os, "execv", lambda _, command: became.append(command))
    monkeypatch.setattr(dashboard.os, "chdir", lambda _: None)
    monkeypatch.setattr(dashboard, "_check_free", lambda *_: None)
    for name in (CHOSEN, HOSTS):
        monkeypatch.setenv(name, "")

    def start(**given) -> list[str]:
        dashboard.open_app(**{"host": "127.0.0.1", "port": 8501, "browser": False, "base_path": ""} | given)
        return became[-1]

    return start


def test_the_token_stands_on_no_command_line(run, tmp_path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    command = run(token_file=tmp_path / "token", allow_host=["emotion.example.org", "fd00::1"], base_path="/affect/")
    assert TOKEN not in " ".join(command)
    assert dashboard.os.environ[CHOSEN] == TOKEN
    assert dashboard.os.environ[HOSTS] == "emotion.example.org,[fd00::1]"
    assert "--server.baseUrlPath=affect" in command


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"allow_host": ["http://x.org"]}, "no host name"),
        ({"allow_host": ["x.org:80"]}, "no host name"),
        ({"allow_host": ["*"]}, "no host name"),
        ({"base_path": "../x"}, "no path of a web address"),
        ({"base_path": "/a b"}, "no path of a web address"),
    ],
)
def test_what_the_command_cannot_take_is_one_sentence(run, given: dict, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        run(**given)


def test_a_token_file_that_is_not_there_or_empty_is_one_sentence(run, tmp_path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        run(token_file=tmp_path / "gone")
    (tmp_path / "empty").write_text("")
    with pytest.raises(UserError, match="is empty"):
        run(token_file=tmp_path / "empty")
