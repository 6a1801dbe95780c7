"""The Clip page's script, without a browser."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from affectscope.app.own import store
from affectscope.app.services import analyses, known
from affectscope.app.serving import lending
from affectscope.core import corpora, media
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.errors import UserError
from tests.app import fake
from tests.app.lists import listed
from tests.media_files import tone, two_tracks


def player_data(app) -> dict:
    (element,) = [e for e in app.get("bidi_component") if "timeline_url" in e.proto.json]
    return json.loads(element.proto.json)


def test_first_clip_opens_by_itself(app) -> None:
    app.run()
    assert not app.exception
    assert not app.error
    assert player_data(app)["clip_url"] == "/clips/demo.first"
    assert player_data(app)["options"]["explained"] == {"av": "happiness", "visual": "happiness"}


def test_what_the_export_menu_offers_is_there_before_it_is_opened(app) -> None:
    app.run()
    assert {"One page (HTML)", "Annotated video (MP4)"} <= {button.label for button in app.button}
    saved = [json.loads(e.proto.json)["label"] for e in app.get("bidi_component") if '"wide": true' in e.proto.json]
    assert saved == ["Picture at 0.000 s (PNG)", "Lanes (CSV)"]


def test_link_opens_the_same_view(app) -> None:
    for name, value in {"corpus": "demo", "clip": "second", "explain": "fear", "t": "0.4", "head": "2"}.items():
        app.query_params[name] = value
    app.run()
    data = player_data(app)
    assert data["clip_url"] == "/clips/demo.second"
    assert data["timeline_url"] == "/timelines/second-fear"
    assert (data["view"]["time"], data["view"]["head"], data["view"]["explain"]) == (0.4, 2, "fear")


def test_link_may_leave_the_corpus_out(app) -> None:
    app.query_params["clip"] = "second"
    app.run()
    assert not app.exception
    assert player_data(app)["clip_url"] == "/clips/demo.second"


def test_what_the_player_reports_reaches_the_url(app) -> None:
    app.run()
    report = {"time": 0.52, "speed": 0.5, "explain": "", "timeline": "/timelines/first-predicted", "stamp": "a", "serial": 1}
    app.session_state["player"] = {"view": report}
    app.run()
    assert app.query_params["t"] == "0.52"
    assert app.query_params["speed"] == "0.5"


def test_report_of_another_timeline_is_ignored(app) -> None:
    app.run()
    app.session_state["player"] = {"view": {"time": 0.5, "timeline": "/timelines/gone", "stamp": "a", "serial": 1}}
    app.run()
    assert "t" not in app.query_params


@pytest.mark.parametrize("clip", ["gone", "../../etc/passwd", ""])
def test_unknown_upload_gets_one_sentence(app, clip: str) -> None:
    app.query_params["corpus"] = "uploads"
    app.query_params["clip"] = clip or "x" * 300
    app.run()
    assert not app.exception
    assert [e.value for e in app.error] == ["That upload is no longer stored here: choose the file again."]


def test_no_checkpoint_gets_one_sentence(app, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "shipped", dict)
    app.run()
    assert not app.exception
    assert len(app.error) == 1


def test_no_corpus_still_takes_uploads(app, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse():
        raise UserError("The bundled clips are missing: clone the repository again.")

    monkeypatch.setattr(corpora, "bundled", refuse)
    app.run()
    assert not app.exception
    assert [e for e in app.get("bidi_component") if "/own/" in e.proto.json]
    assert app.info


def test_missing_clip_leaves_the_others_to_choose(app, clips, monkeypatch: pytest.MonkeyPatch) -> None:
    table = corpora.bundled().table.assign(path=["gone.mp4", "second.mp4"])
    monkeypatch.setattr(corpora, "bundled", lambda: corpora.Corpus("demo", clips, table, fake.CLASSES, True))
    app.run()
    assert not app.exception
    assert "gone.mp4" in app.error[0].value
    assert listed(app)["ids"] == ["first", "second"]


def test_failed_analysis_gets_one_sentence_and_another_try(app, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_, **__):
        raise UserError("The clip holds no frame that can be decoded: the file is damaged.")

    monkeypatch.setattr(known.Analyzer, "analyze", fail)
    monkeypatch.setattr(known.Analyzer, "key", lambda *_, **__: "fails")
    app.run()
    assert [e.value for e in app.error] == ["The clip holds no frame that can be decoded: the file is damaged."]
    assert "Try again" in [b.label for b in app.button]


def test_upload_is_analysed(app, send, tmp_path) -> None:
    app.run()
    own = fake.clip(tmp_path / "own.mp4", seconds=1.0)
    send(app, "../my film.MP4", own)
    assert not app.exception
    assert not app.error
    stored = player_data(app)["clip_url"].removeprefix("/clips/uploads.")
    kept = store.find(stored)
    assert kept.name == "my film.MP4"
    assert kept.file.name == f"{stored}.mp4"


def test_a_sound_track_is_chosen_kept_in_the_url_and_let_go_with_the_clip(app, send, tmp_path) -> None:
    app.run()
    assert "Sound" not in [box.label for box in app.selectbox]
    send(app, "two.mkv", two_tracks(tmp_path / "two.mkv", tone(1, 0.0), tone(1)))
    (box,) = [box for box in app.selectbox if box.label == "Sound"]
    assert box.value == ""
    auto = player_data(app)
    box.set_value("1").run()
    assert not app.exception
    assert app.query_params["o.clip.track"] == "1"
    chosen = player_data(app)
    assert chosen["timeline_url"] == f"{auto['timeline_url']}-track-1"
    assert chosen["clip_url"] == f"{auto['clip_url']}.sound1"
    heard = [media.read_sound(lending.find("clips", data["clip_url"].removeprefix("/clips/"))) for data in (auto, chosen)]
    assert [float(np.abs(sound.samples).max()) > 0.1 for sound in heard] == [True, False]
    app.query_params["o.clip.track"] = "7"
    app.run()
    assert player_data(app)["timeline_url"] == auto["timeline_url"]
    app.query_params["o.clip.track"] = "1"
    app.run()
    send(app, "mono.mp4", fake.clip(tmp_path / "mono.mp4", seconds=1.0))
    assert "o.clip.track" not in app.query_params


def test_how_heatmaps_are_made_is_chosen_under_the_player(app) -> None:
    app.run()
    (box,) = [element for element in app.main.selectbox if element.label == "Heatmap by"]
    assert box.options == ["LayerCAM, two layers", "Grad-CAM", "HiResCAM"]
    box.select("grad-cam").run()
    assert not app.exception
    assert app.query_params["o.clip.explanation"] == "grad-cam"
    assert player_data(app)["timeline_url"] == "/timelines/first-predicted-by-grad-cam"
    # The way goes along to other clips, and is no part of the address where it is the usual one.
    app.query_params["clip"] = "second"
    app.run()
    assert player_data(app)["timeline_url"] == "/timelines/second-predicted-by-grad-cam"
    (box,) = [element for element in app.main.selectbox if element.label == "Heatmap by"]
    box.select("").run()
    assert "o.clip.explanation" not in app.query_params
    assert player_data(app)["timeline_url"] == "/timelines/second-predicted"


def test_a_way_to_explain_that_nobody_knows_is_the_usual_one(app) -> None:
    app.query_params["o.clip.explanation"] = "../x"
    app.run()
    assert not app.exception
    assert player_data(app)["timeline_url"] == "/timelines/first-predicted"


def test_the_decision_says_which_heads_it_is_taken_from() -> None:
    spec = checkpoints.peek(checkpoints.shipped()["vavl"])[0].spec
    assert len(spec.heads) == 3
    assert analyses._scope(spec) == "audio-visual"
    assert analyses._scope(replace(spec, decision=spec.heads)) == "all heads"
    assert analyses._scope(replace(spec, heads=("av",))) == ""
