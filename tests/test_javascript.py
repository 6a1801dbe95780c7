"""The browser's code: its pure parts under Node, its scripts as the browser gets them, and which module may import which."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from affectscope.core import browser
from tests.rooms import ROOT, ROWS

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="Node was not found, so the browser's code was not run outside a browser.")
FILES = sorted(path for top in ("app", "core") for path in (ROOT / top).rglob("*.js"))
ROW = {name: y for y, row in enumerate(ROWS) for name in row}
_IMPORTED = re.compile(r'^import .* from "([^"]+)"', re.MULTILINE)


def _imports(path: Path) -> list[Path]:
    return [(path.parent / name).resolve() for name in _IMPORTED.findall(path.read_text(encoding="utf-8"))]


# What no other module imports is what Python hands out.
ENTRIES = [*sorted(set(FILES) - {module for path in FILES for module in _imports(path)}), ROOT / "core" / "player" / "player.js"]


@needs_node
def test_pure_parts() -> None:
    tests = sorted(map(str, (ROOT / "tests" / "js").glob("*.test.mjs")))
    assert tests
    ran = subprocess.run([str(NODE), "--test", *tests], cwd=ROOT, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stdout + ran.stderr


@needs_node
def test_scripts_can_be_read(tmp_path: Path) -> None:
    for entry in ENTRIES:
        script = tmp_path / f"{entry.stem}.mjs"
        script.write_text(browser.script(entry), encoding="utf-8")
        ran = subprocess.run([str(NODE), "--check", str(script)], capture_output=True, text=True)
        assert ran.returncode == 0, f"{entry}: {ran.stderr}"


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda path: path.name)
def test_scripts_can_be_joined(entry: Path) -> None:
    assert not re.search(r"^(import|export (?!default))", browser.script(entry), re.MULTILINE)


def test_imports_point_down() -> None:
    """Inside ``core`` as Python's do; from a component of the app to ``core`` and ``app/common``, never to another component."""
    wrong = []
    for path in FILES:
        top, room, *_ = path.relative_to(ROOT).parts
        for source in _imports(path):
            other_top, other, *_ = source.relative_to(ROOT).parts
            same = (top, room) == (other_top, other)
            from_app = top == "app" and (other_top == "core" or other == "common")
            if not (same or from_app or (top == other_top == "core" and ROW[room] < ROW[other])):
                wrong.append(f"{path.relative_to(ROOT)} -> {source.relative_to(ROOT)}")
    assert not wrong, wrong


def test_all_are_checked() -> None:
    unchecked = [
        str(path.relative_to(ROOT)) for path in FILES if not path.read_text(encoding="utf-8").startswith("// @ts-check\n")
    ]
    assert not unchecked, unchecked
