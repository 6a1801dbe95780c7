"""The tour over the made-up app: it is offered once, walks from page to page, and can be left anywhere."""

from __future__ import annotations

from affectscope.app.common import tour
from affectscope.app.common.navigation import PAGES


def words(app) -> str:
    return " ".join(m.value for m in app.markdown)


def test_it_is_offered_to_a_newcomer_and_not_again_once_declined(app):
    app.run()
    assert "New here?" in words(app)
    app.button(key="tour_close").click().run()
    assert "New here?" not in words(app)
    app.button(key="tour_again").click().run()
    assert "1 of 5" in words(app)
    assert app.query_params["o.tour.step"] == "1"


def test_each_step_stands_on_its_page_and_the_last_ends_it(app):
    app.run()
    app.button(key="tour_start").click().run()
    assert f"1 of 5 · {tour.STEPS[0].title}" in words(app)
    app.query_params["o.tour.step"] = "9"
    app.run()
    assert "of 5" not in words(app)


def test_steps_name_pages_that_exist(app):
    assert {step.page for step in tour.STEPS} <= {*PAGES, ""}
