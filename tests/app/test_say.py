"""Names, labels, addresses and errors are text: nothing that comes from outside is Markdown on a page."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from affectscope.core.text import markdown

ROOT = Path(__file__).parents[2]
# What Streamlit shows as Markdown: the first argument of these, and some arguments of all.
SPOKEN = {
    "badge", "button", "caption", "checkbox", "dialog", "download_button", "error", "expander", "form_submit_button", "header",
    "info", "latex", "link_button", "markdown", "metric", "multiselect", "number_input", "page_link", "pills", "popover", "radio",
    "segmented_control", "select_slider", "selectbox", "slider", "spinner", "status", "subheader", "success", "tabs", "text_area",
    "text_input", "title", "toast", "toggle", "warning", "write",
}  # fmt: skip
NAMED = {"help", "label"}
# Their options are Markdown too.
OFFERED = {"pills", "radio", "segmented_control", "tabs"}
# What cannot hold markup: numbers as text, and what is escaped.
# Modules of ours whose functions are called as Streamlit's are.
OURS = {"drops", "export", "form", "notebook", "say", "why"}
SAFE = {"len", "markdown", "percent", "count", "duration", "clock", "strftime"}
# Markdown of our own: the tour's.
WORDS = {"step.text"}
NUMBER = ("d", "f", "g", "e", ",", "%")


def unsafe(node: ast.expr | None) -> bool:
    """Whether an expression may hold a text from outside that nobody has escaped."""
    match node:
        case None | ast.Constant():
            return False
        case ast.Name(id=name) | ast.Attribute(attr=name):
            # Constants of the app are written in capitals.
            return not name.lstrip("_").isupper() and ast.unparse(node) not in WORDS
        case ast.Subscript(value=value):
            return unsafe(value)
        case ast.JoinedStr(values=values):
            return any(unsafe(value) for value in values)
        case ast.FormattedValue(value=value, format_spec=spec):
            asked = spec.values[-1].value if isinstance(spec, ast.JoinedStr) and spec.values else ""
            return not str(asked).endswith(NUMBER) and unsafe(value)
        case ast.IfExp(body=body, orelse=other):
            return unsafe(body) or unsafe(other)
        case ast.BoolOp(op=ast.And(), values=values):
            # What comes before the last is shown where it is empty.
            return unsafe(values[-1])
        case ast.BoolOp(values=values):
            return any(unsafe(value) for value in values)
        case ast.BinOp(left=left, right=right):
            return unsafe(left) or unsafe(right)
        case ast.List(elts=values) | ast.Tuple(elts=values):
            return any(unsafe(value) for value in values)
        case ast.Dict(keys=keys, values=values):
            return any(unsafe(value) for value in (*keys, *values))
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            return name not in SAFE
    return True


def faults(source: str) -> list[int]:
    """The lines that say something unsafe."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        of, name = node.func.value, node.func.attr
        if isinstance(of, ast.Name) and of.id in OURS:
            continue
        spoken = [word.value for word in node.keywords if word.arg in NAMED and name in SPOKEN | {"NumberColumn", "TextColumn"}]
        spoken += node.args[:1] if name in SPOKEN else []
        spoken += [word.value for word in node.keywords if word.arg == "text" and name == "progress"]
        given = {word.arg: word.value for word in node.keywords}
        if name in OFFERED and "format_func" not in given:
            spoken += node.args[1:2]
        found += [node.lineno for value in spoken if unsafe(value)]
    return found


def modules() -> list[Path]:
    return [path for folder in ("app", "pages") for path in sorted((ROOT / folder).rglob("*.py")) if path.name != "say.py"]


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_say_nothing_from_outside_as_markdown(path: Path) -> None:
    source = path.read_text(encoding="utf-8").splitlines()
    lines = [f"{path.name}:{line}: {source[line - 1].strip()}" for line in faults("\n".join(source))]
    assert not lines, (
        "say it through affectscope.app.common.say, or escape it with affectscope.core.text.markdown:\n" + "\n".join(lines)
    )


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("st.error(str(error))", 1),
        ("st.error(f'No {name}.')", 1),
        ("st.button('x ' + name)", 1),
        ("left.expander(title)", 1),
        ("st.toggle('On', help=about)", 1),
        ("st.radio('Which', names)", 1),
        ("st.error(f'{len(names)} of {total:,}')", 0),
        ("st.button(f'Look at {markdown(name)}')", 0),
        ("st.markdown(TITLE)", 0),
        ("st.text(name); say.error(name); st.radio('Which', names, format_func=markdown)", 0),
    ],
)
def test_the_rule_knows_what_it_looks_for(source: str, count: int) -> None:
    assert len(faults(source)) == count


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_tables_are_shown_through_say(path: Path) -> None:
    shown = {"dataframe", "data_editor", "table", "write"}
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [
        ast.unparse(func)
        for func in calls
        if isinstance(func, ast.Attribute) and func.attr in shown and ast.unparse(func.value) == "st"
    ]


def test_a_table_gives_no_formula_to_the_button_that_downloads_it() -> None:
    """Streamlit 1.67 writes cells and titles into a CSV as they are, between quotes where they hold a comma."""
    from streamlit.testing.v1 import AppTest

    def script() -> None:
        import pandas as pd

        from affectscope.app.common import say

        names = ["=1+1", "+1+1", "-1+1", "@SUM(A1)", "\t=1", " =1", "anger"]
        say.table(pd.DataFrame({"=clip": names, "score": [-0.5] * len(names)}, index=names), hide_index=True)

    (made,) = AppTest.from_function(script).run().dataframe
    safe = ["'=1+1", "'+1+1", "'-1+1", "'@SUM(A1)", "'\t=1", "' =1", "anger"]
    assert list(made.value.columns) == ["'=clip", "score"]
    assert made.value["'=clip"].tolist() == list(made.value.index) == safe
    assert made.value["score"].tolist() == [-0.5] * 7


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("That upload is no longer stored here: choose the file again.", None),
        ("The corpus my_clips is not at /data/my_clips/v1.2 (2 of 3): it's gone!", None),
        ("-0.5 of 12:30:15, a - b, 3 + 4", None),
        ("![x](http://127.0.0.1:1/x)", "!\\[x](http\u2060://127.0.0.1:1/x)"),
        ("<img src=x>", "\\<img src=x>"),
        ("*a* _b_ `c` ~d~ $e$", "\\*a\\* \\_b\\_ \\`c\\` \\~d\\~ \\$e\\$"),
        (":red[x] :smile: :material/home: a:red", "\\:red\\[x] :\u2060smile: :\u2060material/home: a\\:red"),
        ("- one\n- two", "\\- one - two"),
        ("1. one", "1\\. one"),
        ("# one", "\\# one"),
        ("> one", "\\> one"),
        ("&lt;&amp", "\\&lt;&amp"),
        ("a\\*b", "a\\\\\\*b"),
        ("www.x.y, me@x.org", "www\u2060.x.y, me@\u2060x.org"),
        ("a -> b", "a -\u2060> b"),
    ],
)
def test_a_text_stays_a_text(text: str, shown: str | None) -> None:
    assert markdown(text) == (text if shown is None else shown)
