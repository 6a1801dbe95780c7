"""What the wheel must hold beside Python: every file that a page or a component reads."""

from __future__ import annotations

import tomllib

import pytest

from tests.rooms import ROOT

DATA = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["setuptools"]["package-data"]


@pytest.mark.parametrize("top", ["core", "app"])
def test_all_assets_are_packed(top: str) -> None:
    packed = {path for pattern in DATA[f"affectscope.{top}"] for path in (ROOT / top).glob(pattern)}
    kinds = (".css", ".html", ".js", ".json", ".svg")
    left = [str(path.relative_to(ROOT)) for path in (ROOT / top).rglob("*") if path.suffix in kinds and path not in packed]
    bundled = str(ROOT / "core" / "corpora" / "demo" / "bundled")
    assert not [asset for asset in left if not str(ROOT / asset).startswith(bundled)], left
