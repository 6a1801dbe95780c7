"""A note of a clip with several sound tracks is about the one that was heard."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectscope.app import services
from affectscope.app.common import session
from affectscope.app.notebook import cases, form
from affectscope.app.notebook import notes as listed
from affectscope.core.notebook import notes
from affectscope.core.notebook.notes import Note
from tests.app import fake
from tests.app.test_clip_page import player_data
from tests.media_files import tone, two_tracks


@pytest.fixture
def noted(app, send, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The app on track 1 of a clip whose track 2 is the first with sound, and the note that was saved there."""
    written = []
    made = form._link

    def link(*case: str) -> dict[str, str]:
        written.append(made(*case))
        return written[-1]

    monkeypatch.setattr(form, "_link", link)
    app.run()
    send(app, "two.mkv", two_tracks(tmp_path / "two.mkv", tone(1, 0.0), tone(1)))
    next(box for box in app.selectbox if box.label == "Sound").set_value("1").run()
    clip_id = app.query_params["clip"]
    clip_id = clip_id[0] if isinstance(clip_id, list) else clip_id
    return app, notes.save(Note("uploads", clip_id, "demo", link=written[-1], text="hum"))


def test_it_opens_on_the_track_that_was_heard(noted, send, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, note = noted
    heard = player_data(app)["timeline_url"]
    assert heard.endswith("-track-1")
    send(app, "mono.mp4", fake.clip(tmp_path / "mono.mp4", seconds=1.0))
    assert player_data(app)["timeline_url"] != heard
    # By its link, as in a report.
    app.query_params.clear()
    for name, value in note.link.items():
        app.query_params[name] = value
    app.run()
    assert player_data(app)["timeline_url"] == heard
    # From the list of notes.
    changes: dict[str, object] = {}
    monkeypatch.setattr(session, "update", lambda **change: changes.update(change))
    monkeypatch.setattr(session, "go", lambda page: None)
    listed._act(note.id, "open")
    assert changes["options"] == {session.TRACK: "1"}


def test_its_report_shows_the_track_that_was_heard(noted, monkeypatch: pytest.MonkeyPatch) -> None:
    _, note = noted
    asked: list[services.Clip] = []
    monkeypatch.setattr(services, "result", lambda item, *_: asked.append(item))
    monkeypatch.setattr(services, "analyse", lambda item, *_: asked.append(item) or fake_job())
    cases.answered(note)
    cases.analyse(note, 0.0)
    assert [item.track for item in asked] == [1, 1]
    assert cases._clip(Note("uploads", note.clip, "demo", link={"o.clip.track": "9"})).track is None


def fake_job():
    class Job:
        def wait(self, seconds: float) -> None:
            pass

    return Job()


def test_a_note_of_another_clip_takes_no_track_along(noted) -> None:
    _, note = noted
    # Asked for in a list over a clip whose track was chosen.
    with pytest.MonkeyPatch.context() as patch:
        here = session.from_query(dict(note.link))
        patch.setattr(session, "current", lambda: here)
        assert session.TRACK not in session.from_query(form._link("demo", "first", "demo")).options
        assert session.from_query(form._link("uploads", note.clip, "demo")).options[session.TRACK] == "1"
