"""The promises of a model: checked from its card, and said on the pages that rely on them."""

from __future__ import annotations

import json
import re
import threading

import pytest

from affectscope.app import services
from affectscope.app.common import choose, jobs
from affectscope.core import checking
from affectscope.core.cache.store import content_hash
from affectscope.core.checking import Promise, kept
from tests.app.test_library import page, sheets  # noqa: F401  (page is a fixture)


def found(*broken: str) -> list[Promise]:
    return [
        Promise(name, line.title, "broken" if name in broken else "kept", "It moves by 0.3.", 0.3, 1e-4)
        for name, line in checking.PROMISES.items()
    ]


def heading(app) -> str:
    """What to bear in mind, as the page's heading says it."""
    headings = [json.loads(e.proto.json) for e in app.get("bidi_component") if '"caution"' in e.proto.json]
    return next(heading_data["caution"] for heading_data in headings if "verdicts" in heading_data and heading_data["title"])


def test_a_check_is_made_from_the_card_and_stands_there(page):  # noqa: F811
    assert not {"Promises", "promises kept"} & {s["name"] for s in sheets(page)["own"]["sections"]}
    next(b for b in page.button if b.label == "Check").click().run()
    assert services.check_promises("own").wait(120)
    page.run()
    told = {s["name"]: s for s in sheets(page)["own"]["sections"]}
    assert "Promises" not in told
    kept_ones, idle = told["promises kept"]["keys"], told.get("not applicable", {"keys": []})["keys"]
    assert len(kept_ones) + len(idle) == len(checking.PROMISES)
    assert any(re.fullmatch(r"Attention rows sum to one: [\d.e-]+ of at most 0.0001", line) for line in kept_ones)
    assert not [b for b in page.button if b.label == "Check"]


def test_a_check_that_takes_long_is_made_once(page, monkeypatch):  # noqa: F811
    goes_on = threading.Event()
    monkeypatch.setattr(checking, "check", lambda checkpoint, progress: goes_on.wait(60) and found())
    next(b for b in page.button if b.label == "Check").click().run()
    job = services.check_promises("own")
    assert not job.done
    goes_on.set()
    assert job.wait(60)
    told = {s["name"]: s for s in sheets(page.run())["own"]["sections"]}
    assert told["promises kept"]["count"] == len(checking.PROMISES)
    assert jobs.find(job.id) is job
    assert not [b for b in page.button if b.label == "Cancel"]


def test_what_is_broken_is_told_in_sentences(page):  # noqa: F811
    kept.keep(content_hash(services.models()["own"]), found("padding"))
    told = {s["name"]: s for s in sheets(page.run())["own"]["sections"]}
    assert told["Promises"]["sentences"] == ["Padding cannot move an answer: broken. It moves by 0.3."]
    assert told["promises kept"]["count"] == len(checking.PROMISES) - 1
    assert told["promises kept"]["keys"][0] == "It answers as it declares: 0.3 of at most 0.0001"


def test_a_model_that_cannot_be_read_is_not_checked_and_says_so(page, tmp_path):  # noqa: F811
    (tmp_path / "own.safetensors").write_bytes(b"no checkpoint")
    page.run()
    next(b for b in page.button if b.label == "Check").click().run()
    services.check_promises("own").wait(60)
    page.run()
    assert any("own.safetensors" in error.value for error in page.error)


@pytest.mark.parametrize(
    ("where", "broken", "sentence"),
    [
        ("clip", "gradients", "Its heatmaps do not follow its answer"),
        ("masking", "absent", "What fills absent frames changes this model's answer"),
        ("embeddings", "company", "Other clips in a batch change this model's answer"),
    ],
)
def test_a_page_says_what_it_relies_on_and_is_broken(app, where, broken, sentence):
    app.run()
    kept.keep(content_hash(services.models()["demo"]), found(broken))
    shown = heading(app.switch_page(f"../pages/{where}.py").run())
    assert shown == f"{choose.CAUTION}. {sentence}"


def test_a_page_is_silent_about_what_it_does_not_rely_on(app):
    app.run()
    kept.keep(content_hash(services.models()["demo"]), found("gradients"))
    assert heading(app.switch_page("../pages/embeddings.py").run()) == choose.CAUTION


def test_every_promise_that_a_page_relies_on_has_its_words():
    for names in choose._RELIES.values():
        assert set(names) <= set(checking.PROMISES) & set(choose._BROKEN)
