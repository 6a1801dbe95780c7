"""What `make docs` writes of commands and rooms is as the code is now; systems and deviations have tests of their own."""

from __future__ import annotations

from docs.generate import commands
from tests.rooms import ROOT, picture


def test_the_commands_are_as_they_are_now() -> None:
    assert (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8") == commands(), "run `make docs`"


def test_the_rooms_are_drawn_as_they_are_now() -> None:
    assert (ROOT / "docs" / "images" / "rooms.svg").read_text(encoding="utf-8") == picture(), "run `make docs`"
