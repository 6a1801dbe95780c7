"""Components: what Streamlit is given of one, and that all go through the one door that makes them deaf until they hear."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from affectscope.app.common import component
from tests.rooms import ROOT
from tests.test_javascript import NODE, needs_node


def test_all_components_are_made_here() -> None:
    makers = {str(path.relative_to(ROOT)) for path in (ROOT / "app").rglob("*.py") if ".v2.component(" in path.read_text("utf-8")}
    assert makers == {"app/common/component.py"}


def test_markup_is_inert_until_its_script_runs() -> None:
    assert component.unheard('<dl class="a"><b></b></dl>') == '<dl inert data-unheard class="a"><b></b></dl>'
    with pytest.raises(ValueError, match="begins with no element"):
        component.unheard("<!-- later --><div></div>")


@needs_node
def test_the_script_opens_the_markup_before_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = "// @ts-check\nexport default function ({ parentElement }) {\n  return parentElement.left\n}\n"
    (tmp_path / "a.js").write_text(script, "utf-8")
    (tmp_path / "a.css").write_text("", "utf-8")
    given: dict[str, str] = {}
    made = SimpleNamespace(v2=SimpleNamespace(component=lambda name, **files: given.update(files)))
    monkeypatch.setattr(component.st, "components", made)
    component.component(tmp_path, "a", '<div class="a"></div>')
    asked = "const left = ['inert', 'data-unheard'], root = { removeAttribute: (name) => left.splice(left.indexOf(name), 1) }\n"
    asked += "const parentElement = { left, querySelector: (asked) => asked === '[data-unheard]' ? root : null }\n"
    (tmp_path / "made.mjs").write_text(given["js"], "utf-8")
    (tmp_path / "asks.mjs").write_text(
        f"import run from './made.mjs'\n{asked}console.log(JSON.stringify(run({{ parentElement }})))\n", "utf-8"
    )
    ran = subprocess.run([str(NODE), str(tmp_path / "asks.mjs")], capture_output=True, text=True)
    assert ran.stdout == "[]\n", ran.stderr
    (tmp_path / "a.js").write_text("export default (given) => given\n", "utf-8")
    with pytest.raises(ValueError, match="one line that begins with"):
        component.component(tmp_path, "a", '<div class="a"></div>')
