"""Killed at random moments, and two at once: what the long runs of ``tests.killed`` and ``tests.two_servers`` do, in short."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]


def run(*arguments: str) -> str:
    done = subprocess.run([sys.executable, "-m", *arguments], cwd=_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr[-2000:]
    return done.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_a_killed_process_loses_nothing_that_was_finished():
    told = run("tests.killed", "10")
    assert told.count("killed 10 times") == 4
    assert told.count("0 wrong") == 4


@pytest.mark.skipif(sys.platform == "win32", reason="it forks")
def test_two_processes_on_one_cache_answer_right():
    assert "0 wrong" in run("tests.two_servers", "3")
