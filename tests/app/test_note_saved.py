"""That a note was saved stands there until its form shuts, whatever else makes the page run meanwhile."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from affectscope.app.notebook import form


def page() -> None:
    """Only the form."""
    from types import SimpleNamespace

    from affectscope.app.notebook import form

    form.popover(SimpleNamespace(corpus="demo", id="a", title="a", label=None, facts={}), "demo", {})


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Whether the popover is open: the testing harness cannot press it."""
    state = SimpleNamespace(open=True)

    class Popover:
        def __init__(self, *_: object, **__: object) -> None:
            self.open, self.box = state.open, st.container()

        def __enter__(self) -> object:
            return self.box.__enter__()

        def __exit__(self, *caught: object) -> object:
            return self.box.__exit__(*caught)

    monkeypatch.setattr(form.st, "popover", Popover)
    return state


def test_saved_stays_until_the_form_shuts(opened: SimpleNamespace) -> None:
    app = AppTest.from_function(page, default_timeout=30).run()
    assert not app.success
    app.text_area[0].set_value("It looks at the brow.")
    app.button[0].click().run()
    assert [line.value for line in app.success] == ["Saved."]
    app.run()
    assert [line.value for line in app.success] == ["Saved."]
    opened.open = False
    app.run()
    opened.open = True
    assert not app.run().success
