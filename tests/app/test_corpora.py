"""A corpus that was added, on the pages' scripts: chosen in the sidebar or the library, and kept in the URL."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from affectscope.app import services
from affectscope.app.common import jobs, session
from affectscope.core.corpora.known import Known, remember
from affectscope.core.errors import UserError
from tests.app.lists import listed, named
from tests.app.test_failures import shown


@pytest.fixture
def added(app, clips: Path, tmp_path: Path) -> Path:
    """A folder of two clips, one with a label that no model here knows."""
    folder = tmp_path / "mine"
    folder.mkdir()
    for name in ("first", "second"):
        (folder / f"{name}.mp4").write_bytes((clips / f"{name}.mp4").read_bytes())
    pd.DataFrame({"clip": ["x", "y"], "path": ["first.mp4", "second.mp4"], "label": ["happiness", "boredom"]}).to_csv(
        folder / "labels.csv", index=False
    )
    remember("mine", Known(str(folder), "folder"))
    return folder


def url(app) -> str:
    return shown(app, "clip_url")["clip_url"]


def query(app, name: str) -> str:
    value = app.query_params[name]
    return value if isinstance(value, str) else value[0]


def test_without_another_corpus_there_is_nothing_to_choose(app) -> None:
    app.run()
    assert "Corpus" not in [box.label for box in app.selectbox]


def test_a_corpus_is_chosen_in_the_sidebar_and_stays_for_the_next_page(app, added) -> None:
    app.run()
    assert url(app) == "/clips/demo.first"
    next(box for box in app.selectbox if box.label == "Corpus").select("mine").run()
    assert not app.exception
    assert url(app) == "/clips/mine.x"
    assert query(app, "corpus") == "mine"
    assert named(listed(app), "label") == ["happiness", "boredom"]


def test_a_link_names_the_corpus_and_an_upload_does_not_change_it(app, added) -> None:
    app.query_params["corpus"] = "mine"
    app.query_params["clip"] = "y"
    app.run()
    assert url(app) == "/clips/mine.y"
    assert query(app, "o.corpus") == "mine"
    app.query_params["corpus"] = "uploads"
    app.query_params["clip"] = "gone"
    app.run()
    assert named(listed(app), "label") == ["happiness", "boredom"]


def test_the_library_lists_it_and_looks_at_it(app, added) -> None:
    app.run()
    app.switch_page("../pages/library.py").run()
    next(button for button in app.button if button.label == "Look at mine").click().run()
    assert query(app, "corpus") == "mine"
    assert [button.label for button in app.button if button.label.startswith("Look at")] == ["Look at demo"]


def test_the_library_adds_a_folder_by_its_name(app, added, tmp_path) -> None:
    (tmp_path / "my clips").mkdir()
    (added / "labels.csv").rename(tmp_path / "my clips" / "labels.csv")
    for name in ("first", "second"):
        (added / f"{name}.mp4").rename(tmp_path / "my clips" / f"{name}.mp4")
    app.run()
    app.switch_page("../pages/library.py").run()
    next(field for field in app.text_input if field.key == "library.folder").set_value(str(tmp_path / "my clips")).run()
    next(button for button in app.button if button.label == "Add my-clips").click().run()
    assert not app.exception
    assert query(app, "corpus") == "my-clips"
    assert services.opened("my-clips").root == tmp_path / "my clips"


def test_what_is_gone_is_one_sentence(app, added) -> None:
    for file in added.iterdir():
        file.unlink()
    added.rmdir()
    app.query_params["corpus"] = "mine"
    app.run()
    assert not app.exception
    assert "The corpus mine is not at" in app.error[0].value


def test_a_job_is_given_its_corpus(app) -> None:
    app.run()
    job = jobs.ensure("asks for a session", lambda progress: services.corpus() and None)
    job.wait(10)
    assert job.error
    with pytest.raises(UserError, match="not here any more"):
        services.opened("never added")


def test_a_link_to_what_is_not_here_says_so(app) -> None:
    app.query_params["corpus"] = "nowhere"
    app.query_params["model"] = "nobody"
    app.run()
    assert [warning.value for warning in app.warning] == [
        "The address names a model that is not here: demo is shown.",
        "The address names a corpus that is not here: demo is shown.",
    ]


def test_another_corpus_keeps_no_drawn_mask(app, added) -> None:
    app.query_params["o.masking.spans"] = "audio:0-500"
    app.query_params["clip"] = "first"
    app.run()
    next(box for box in app.selectbox if box.label == "Corpus").select("mine").run()
    assert "o.masking.spans" not in app.query_params


def test_one_press_of_back_undoes_the_choice_of_a_corpus(monkeypatch: pytest.MonkeyPatch) -> None:
    # Each change of the URL is an entry of the browser's history.
    changes: list[dict[str, object]] = []
    monkeypatch.setattr(session, "current", lambda: session.Selection(options={"map.method": "UMAP"}))
    monkeypatch.setattr(session, "update", lambda **change: changes.append(change))
    services.look_at("mine")
    assert changes == [{"corpus": "mine", "clip": "", "options": {"map.method": "UMAP", "corpus": "mine"}}]
