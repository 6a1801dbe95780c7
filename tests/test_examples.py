"""What the tutorial says is what is in its folder, and runs as it is written there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from affectscope.core import checking
from affectscope.core.corpora import bundled
from affectscope.core.paths import ROOT

PAGE = (ROOT / "docs" / "ten-minutes.md").read_text(encoding="utf-8")
FOLDER = ROOT / "examples" / "ten_minutes"
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
# A person needs at most so many lines beside their own network.
MOST_LINES = 20


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder of a person's, with the files of the page and a clip."""
    place = tmp_path_factory.mktemp("tutorial")
    for file in FOLDER.glob("*.py"):
        shutil.copy(file, place)
    shutil.copy(bundled().media("held_s2026_00000"), place / "CLIP.mp4")
    result = typed(place, COMMANDS[0])
    assert result.returncode == 0, result.stderr
    return place


def typed(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """A command of the page, where its files lie."""
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "OMP_NUM_THREADS": "1",
        "AFFECTSCOPE_CACHE": str(folder / "cache"),
        "AFFECTSCOPE_DATA": str(folder / "data"),
    }
    environment.pop("AFFECTSCOPE_PLUGINS", None)
    words = command.split()
    program = {"python": [sys.executable], "affectscope": [sys.executable, "-m", "affectscope"]}[words[0]]
    return subprocess.run([*program, *words[1:]], cwd=folder, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", sorted(file.name for file in FOLDER.glob("*.py")))
def test_the_page_shows_the_files_as_they_are(name):
    shown = dict(re.findall(r'```python title="(.*?)"\n(.*?)```', PAGE, re.DOTALL))
    assert shown[name] == (FOLDER / name).read_text(encoding="utf-8")


def test_a_plugin_is_short_and_the_network_knows_nothing_of_us():
    lines = [line for line in (FOLDER / "my_net.py").read_text(encoding="utf-8").splitlines() if line.strip()]
    assert len(lines) <= MOST_LINES
    assert "affectscope" not in (FOLDER / "emotions.py").read_text(encoding="utf-8")


def test_the_commands_are_these():
    assert COMMANDS == [
        "python emotions.py",
        "affectscope check my_net.py",
        "affectscope --plugin my_net.py analyze CLIP.mp4 -c my-net --html CLIP.html",
        "affectscope --plugin my_net.py app",
    ]


def test_the_check_finds_what_the_page_says(folder):
    result = typed(folder, f"{COMMANDS[1]} --json")
    assert result.returncode == 1, result.stderr
    broken = [row for row in json.loads(result.stdout) if row["state"] == "broken"]
    assert [row["name"] for row in broken] == ["absent", "attended"]
    shown = " ".join(re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)[0].split())
    for row in broken:
        # The numbers are those of this machine.
        words = re.sub(r"[\d.e-]+", "#", f"broken {row['title']} {row['detail']}")
        assert words in re.sub(r"[\d.e-]+", "#", shown)


def test_what_is_said_of_broken_promises_is_about_those_that_there_are():
    table = PAGE.split("| broken | what it usually is |")[1].split("\n\n")[0]
    titles = {line.title for line in checking.PROMISES.values()}
    assert {row.split("|")[1].strip() for row in table.splitlines()[2:]} <= titles


def test_a_clip_is_analysed(folder):
    result = typed(folder, COMMANDS[2])
    assert result.returncode == 0, result.stderr
    page = (folder / "CLIP.html").read_text(encoding="utf-8")
    assert "my-net" in page
    assert 'id="data-timeline"' in page
