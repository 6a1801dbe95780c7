"""Modules joined into one script, and what cannot be joined."""

from pathlib import Path

import pytest

from affectscope.core import browser


def _written(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / f"{name}.js").write_text(text)
    return folder / "main.js"


def test_what_is_imported_comes_first_and_once(tmp_path: Path) -> None:
    entry = _written(
        tmp_path,
        main='// @ts-check\nimport { twice } from "./twice.js"\nimport { ONE } from "./one.js"\nexport default () => twice(ONE)',
        twice='import { ONE } from "./one.js"\nexport async function twice(x) {\n  return x + ONE\n}',
        one="export const ONE = 1",
    )
    assert browser.script(entry).splitlines() == [
        "const ONE = 1", "async function twice(x) {", "  return x + ONE", "}", "export default () => twice(ONE)",
    ]  # fmt: skip


def test_two_files_may_import_each_other(tmp_path: Path) -> None:
    entry = _written(
        tmp_path,
        main='import { odd } from "./odd.js"\nexport function even(n) { return n === 0 || odd(n - 1) }',
        odd='import { even } from "./main.js"\nexport function odd(n) { return n !== 0 && even(n - 1) }',
    )
    assert browser.script(entry).splitlines() == [
        "function odd(n) { return n !== 0 && even(n - 1) }",
        "function even(n) { return n === 0 || odd(n - 1) }",
    ]


def test_json_becomes_a_constant(tmp_path: Path) -> None:
    (tmp_path / "view.json").write_text('{"opacity": 0.5, "loop": false}')
    entry = _written(tmp_path, main='import VIEW from "./view.json" with { type: "json" }\nVIEW.opacity')
    assert browser.script(entry) == 'const VIEW = {"opacity": 0.5, "loop": false}\nVIEW.opacity'


@pytest.mark.parametrize(
    ("main", "other", "message"),
    [
        ('import { there as here } from "./other.js"', "export const there = 1", "cannot be joined"),
        ('import * as other from "./other.js"', "export const there = 1", "cannot be joined"),
        ('import { there } from "other"', "export const there = 1", "cannot be joined"),
        ('import { there } from "./other.js"', "const there = 1", "does not export there"),
        ('import { there } from "./other.js"', "export const there = 1\nexport { there as here }", "cannot be joined"),
        ('import { there } from "./other.js"', "export const there = 1\nexport default there", "cannot be joined"),
        ('import { there } from "./other.js"\nconst near = 2', "export const there = 1\nfunction near() {}", "both declare near"),
    ],
)
def test_what_cannot_be_joined_is_said(tmp_path: Path, main: str, other: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        browser.script(_written(tmp_path, main=main, other=other))
