"""Trust over a corpus, a view of the Failures page: measured when somebody says so, then a table, curves and a file."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from affectscope.app.common import jobs
from affectscope.core.trust.trust import Request, Trust
from tests.app import fake
from tests.app.conftest import FakeAnalyzer

asked: list[Request] = []


@pytest.fixture
def view(app, monkeypatch: pytest.MonkeyPatch):
    """The page on its view of trust, over two clips."""
    asked.clear()

    def made(analyzer: FakeAnalyzer, checkpoint: object, store: object = None) -> None:
        begin(analyzer, checkpoint, store)
        analyzer.checkpoint.name = "demo"

    def trust(self, media, request) -> Trust:
        asked.append(request)
        return fake.trust(request.target or "happiness", request.head)

    begin = FakeAnalyzer.__init__
    monkeypatch.setattr(FakeAnalyzer, "__init__", made)
    monkeypatch.setattr(FakeAnalyzer, "trust", trust)
    app.run()
    app.switch_page("../pages/failures.py")
    app.query_params["o.failures.view"] = "trust"
    return app.run()


def finished(app) -> SimpleNamespace:
    for _ in range(3):
        for job in list(jobs._JOBS.values()):
            assert job.wait(20)
        app.run()
    assert not app.exception
    assert not app.error
    return app


def test_nothing_is_measured_before_somebody_presses(view) -> None:
    assert not view.exception
    assert not asked
    assert not view.dataframe
    assert [button.label for button in view.main.button] == ["Measure"]


def test_methods_stand_side_by_side_with_what_they_came_to(view) -> None:
    next(button for button in view.main.button if button.label == "Measure").click().run()
    app = finished(view)
    # "*fear*" is no class of the model's.
    assert [request.target for request in asked] == ["happiness"]
    assert any("left out" in line.value for line in app.caption)
    (table,) = app.table or app.dataframe
    shown = table.value.astype(str)
    assert len(shown) == 2
    assert any("Change for the class" in cell for cell in shown.to_numpy().ravel())
    assert len(app.get("plotly_chart")) == 1
    # Another visit has it without another measurement.
    app.run()
    assert len(asked) == 1
