"""What is pressed is done once, also where the run that the press began is cut short."""

from __future__ import annotations

import ast
from pathlib import Path

from streamlit.testing.v1 import AppTest

ROOT = Path(__file__).parents[2]
TOLD = {"button", "form_submit_button"}


def page() -> None:
    import streamlit as st

    from affectscope.app.common import press

    st.session_state.setdefault("done", [])
    runs = st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    if runs in st.session_state.get("cut_short", ()):
        st.rerun()
    if st.session_state.get("other"):
        press.forget()
    with st.form("note", border=False):
        text = st.text_input("Text")
        if press.form_submit_button("Save", key="save"):
            st.session_state["done"].append(f"saved {text}")
    if press.button("Measure", key="measure"):
        st.session_state["done"].append("measured")
    if st.session_state.get("plain_there") and st.button("Plain"):
        st.session_state["done"].append("plain")


def test_a_press_is_told_once() -> None:
    app = AppTest.from_function(page).run()
    app.button(key="measure").click().run().run()
    assert app.session_state["done"] == ["measured"]


def test_a_press_outlasts_the_run_that_it_began() -> None:
    app = AppTest.from_function(page)
    app.session_state["cut_short"], app.session_state["plain_there"] = (2, 4, 6), True
    app.run()
    app.button(key="measure").click().run()
    assert app.session_state["done"] == ["measured"]
    app.text_input[0].set_value("brow")
    app.button(key="save").click().run()
    assert app.session_state["done"] == ["measured", "saved brow"]
    # What this is there for: Streamlit's own tells nobody.
    next(button for button in app.button if button.label == "Plain").click().run()
    assert app.session_state["runs"] == 7
    assert app.session_state["done"] == ["measured", "saved brow"]


def test_on_another_page_it_is_forgotten() -> None:
    app = AppTest.from_function(page).run()
    app.session_state["other"] = True
    app.button(key="measure").click().run()
    assert app.session_state["done"] == []


def answers_used(source: str) -> list[int]:
    """The lines that ask a button of Streamlit's whether it was pressed."""
    tree = ast.parse(source)
    alone = {id(statement.value) for statement in ast.walk(tree) if isinstance(statement, ast.Expr)}
    return [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in TOLD
        and id(node) not in alone
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id == "press")
    ]


def test_no_page_asks_streamlit_whether_a_button_was_pressed() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}"
        for folder in ("app", "pages")
        for path in (ROOT / folder).rglob("*.py")
        for line in answers_used(path.read_text(encoding="utf-8"))
    }
    assert not found, "give it a callback, or use affectscope.app.common.press"
    asked = {
        "if st.button('a'): pass": [1],
        "x = left.form_submit_button('b')": [1],
        "st.button('c', on_click=f)": [],
        "if press.button('d', key='d'): pass": [],
    }
    assert {source: answers_used(source) for source in asked} == asked
