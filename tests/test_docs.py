"""The docs are as the code is now: what `make docs` writes of commands and rooms (systems and deviations have tests beside the
code), and the commands, options, targets and files that pages name."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from docs.generate import commands
from tests.rooms import ROOT, picture

PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "checkpoints" / "README.md", *(ROOT / "docs").rglob("*.md")]
_AFTER = re.compile(r"\s(?:#|\||&&|>)\s.*")
# Places of what somebody adds.
_TO_BE = re.compile(r"\b(?:NAME|FAMILY|PAPER-ITEM)\b")
every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


def test_the_commands_are_as_they_are_now() -> None:
    assert (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8") == commands(), "run `make docs`"


def test_the_rooms_are_drawn_as_they_are_now() -> None:
    assert (ROOT / "docs" / "images" / "rooms.svg").read_text(encoding="utf-8") == picture(), "run `make docs`"


def options() -> dict[str, set[str]]:
    """Command -> its options, as their page has them."""
    known: dict[str, set[str]] = {}
    for line in (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8").splitlines():
        if line.startswith("## affectscope "):
            of = known[line.removeprefix("## affectscope ")] = {"--help"}
        elif line.startswith("| `-"):
            of.update(line.split("`")[1].split(", "))
    return known


def typed(text: str) -> Iterator[list[str]]:
    """The words of every command of ours, in a line of its own or between backticks."""
    text = text.replace("\\\n", " ")
    lines = re.findall(r"^[ $]*(?:[A-Z_]+=\S+ )*(affectscope [a-z-].*)", text, re.MULTILINE)
    for command in [*lines, *re.findall(r"`(affectscope [^`\n]+)`", text)]:
        try:
            yield shlex.split(_AFTER.sub("", command))[1:]
        except ValueError:
            yield command.split()[1:]


@every_page
def test_every_command_has_the_options_that_a_page_gives_it(page: Path) -> None:
    known = options()
    for words in typed(page.read_text(encoding="utf-8")):
        while words and words[0] == "--plugin":
            words = words[2:]
        name = next((name for n in (2, 1) if (name := " ".join(words[:n])) in known), None)
        assert name or not words or words[0] == "--help", f"there is no command {words}"
        asked = {word.split("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
        assert not name or asked <= known[name], (name, asked - known[name])


@every_page
def test_every_file_and_target_that_a_page_names_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z][a-z0-9-]*)", text)) <= targets
    tops = "core|app|tests|pages|docs|experiments|affectscope|benchmarks|examples|checkpoints"
    named = set(re.findall(rf"`((?:{tops})/[\w./-]+)`", text))
    assert not [name for name in named if not _TO_BE.search(name) and not (ROOT / name).exists()]
    links = set(re.findall(r"\]\(([^)#\s:]+)(?:#[^)\s]*)?\)", text))
    assert not [link for link in links if not (page.parent / link).exists()]
