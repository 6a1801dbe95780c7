"""Whose face is read stands in the address, and goes with the clip."""

from __future__ import annotations

from affectscope.app.common import session
from affectscope.app.common.session import Selection
from tests.app.test_clip_page import player_data


def test_the_address_says_whose_face_is_read() -> None:
    chosen = Selection(clip="first", options={session.FACE: "2", "masking.view": "corpus"})
    query = session.to_query(chosen)
    assert query == {"clip": "first", "face": "2", "o.masking.view": "corpus"}
    assert session.from_query(query) == chosen
    assert session.FACE not in session.elsewhere(chosen.options)


def test_the_chosen_face_is_read_and_what_is_no_number_says_nothing(app) -> None:
    app.run()
    first = player_data(app)
    app.query_params["face"] = "2"
    app.run()
    second = player_data(app)
    assert second["timeline_url"] == f"{first['timeline_url']}-face-2"
    assert second["clip_url"] == first["clip_url"]
    for nonsense in ("0", "1", "-2", "two", "100"):
        app.query_params["face"] = nonsense
        app.run()
        assert player_data(app)["timeline_url"] == first["timeline_url"]


def test_a_click_in_the_player_is_taken_over() -> None:
    assert session.with_face({}, 2) == {session.FACE: "2"}
    assert session.with_face({session.FACE: "2", "a.b": "c"}, 1) == {"a.b": "c"}
    # Players of clips with one face say 0, and no number says nothing: what was chosen stays.
    for silence in (0, None, "3", 1000):
        assert session.with_face({session.FACE: "2"}, silence) == {session.FACE: "2"}
