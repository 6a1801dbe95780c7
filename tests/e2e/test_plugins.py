"""Four networks of other people's in the real dashboard, started by `affectscope app --plugin`: the pages work as with ours."""

from __future__ import annotations

import importlib.util
import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from affectscope.core.corpora import bundled
from affectscope.core.corpora.known import Known, remember
from tests import other_people
from tests.e2e.drive import ready
from tests.e2e.serve import dashboard

LONG = 300_000
SPEECH = importlib.util.find_spec("transformers") is not None
NAMES = [name for name in other_people.MODELS.values() if SPEECH or name != "speech"]
CLIPS = 8
# Model -> what its player has beside the sound: attention, predictions by head.
LANES = {
    "gru": ("attention.visual.pooling", "prediction.visual"),
    "cross-net": ("attention.visual.cross", "prediction.av"),
    "affect-net": ("attention.visual.self", "prediction.av"),
    "speech": ("attention.audio.self", "prediction.audio"),
}
# What stands for missing frames in each, as the Masking page says it.
ABSENT = {"gru": "zeros stand", "cross-net": "zeros stand", "affect-net": "the last frame that is there", "speech": "a mask"}


@pytest.fixture(scope="module")
def theirs_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The app with four plugins and one that fails, and a corpus of eight of the bundled clips."""
    folder, cache = tmp_path_factory.mktemp("theirs"), tmp_path_factory.mktemp("cache")
    demo = bundled()
    few = demo.table.iloc[:CLIPS]
    (folder / "few").mkdir()
    for clip in few.index:
        shutil.copy(demo.media(clip), folder / "few")
    few.assign(path=[demo.media(clip).name for clip in few.index])[["path", "label", "speaker"]].to_csv(
        folder / "few" / "labels.csv", index_label="clip"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AFFECTSCOPE_DATA", str(cache / "data"))
        remember("few", Known(str(folder / "few"), "folder"))
    plugins = other_people.prepare(folder, few.index, SPEECH)
    (folder / "broken.py").write_text("import affectscope as afs\n\nafs.models(1, 2)\n")
    options = [word for path in (*plugins.values(), folder / "broken.py") for word in ("--plugin", str(path))]
    with dashboard(cache, *options) as url:
        yield url


def at(url: str, page: str, model: str, **options: str) -> str:
    more = "".join(f"&{name.replace('__', '.')}={value}" for name, value in options.items())
    return f"{url}/{page}?corpus=few&model={model}{more}"


@pytest.mark.parametrize("name", NAMES)
def test_clip(page: Page, theirs_url: str, name: str) -> None:
    page.goto(at(theirs_url, "", name))
    expect(page.locator(".heading h2")).to_be_visible(timeout=LONG)
    expect(page.locator(".player")).to_have_attribute("data-ready", "true", timeout=LONG)
    player = ready(page)
    lanes = (player.get_attribute("data-lanes") or "").split()
    assert {"wave", *LANES[name]} <= set(lanes)
    expect(page.locator(".verdicts, .verdict").first).to_be_visible()


@pytest.mark.parametrize("name", NAMES)
def test_failures(page: Page, theirs_url: str, name: str) -> None:
    page.goto(at(theirs_url, "failures", name))
    expect(page.locator(".heading")).to_contain_text(f"{CLIPS} clips", timeout=LONG)


@pytest.mark.parametrize("name", NAMES)
def test_embeddings(page: Page, theirs_url: str, name: str) -> None:
    page.goto(at(theirs_url, "", name))
    page.get_by_test_id("stTopNav").get_by_role("link", name="Embeddings").click(timeout=LONG)
    root = page.locator(".scatter").first
    expect(root).to_have_attribute("data-ready", "true", timeout=LONG)
    expect(root).to_have_attribute("data-points", str(CLIPS))


@pytest.mark.parametrize("name", NAMES)
def test_masking_says_what_stands_for_what_is_missing(page: Page, theirs_url: str, name: str) -> None:
    page.goto(at(theirs_url, "masking", name))
    board = page.locator(".board")
    expect(board).to_have_attribute("data-ready", "true", timeout=LONG)
    ready(page)
    expect(board).to_contain_text(re.compile(ABSENT[name]), timeout=LONG)


@pytest.mark.parametrize("name", NAMES)
def test_compare_with_one_of_ours(page: Page, theirs_url: str, name: str) -> None:
    page.goto(at(theirs_url, "compare", name, o__compare__with="auxformer"))
    expect(page.locator(".player")).to_have_attribute("data-ready", "true", timeout=LONG)
    player = ready(page)
    lanes = (player.get_attribute("data-lanes") or "").split()
    assert {f"A.{LANES[name][1]}", "B.prediction.av"} <= set(lanes)


def test_the_library_says_where_they_are_from_and_what_was_left_out(page: Page, theirs_url: str) -> None:
    page.goto(at(theirs_url, "", "gru"))
    # Until the page stands, what it was asked for is not chosen.
    expect(page.locator(".heading h2")).to_be_visible(timeout=LONG)
    page.get_by_test_id("stTopNav").get_by_role("link", name="Library").click()
    left_out = page.get_by_role("alert", name="A plugin was left out")
    expect(left_out).to_contain_text("broken.py", timeout=LONG)
    expect(left_out).to_contain_text("line 3")
    card = page.get_by_role("region", name="gru", exact=True)
    expect(card).to_contain_text("gru_plugin.py", timeout=LONG)
    expect(card).to_contain_text("gru.pt")


def test_shared_space_and_training_stand_beside_plugins(page: Page, theirs_url: str) -> None:
    page.goto(at(theirs_url, "", "gru"))
    page.get_by_test_id("stTopNav").get_by_role("link", name="Shared space").click(timeout=LONG)
    expect(page.get_by_text(re.compile("has no layers that sound and picture share"))).to_be_visible(timeout=LONG)
    page.get_by_test_id("stTopNav").get_by_role("link", name="Train").click()
    expect(page.get_by_role("button", name="Start training")).to_be_visible(timeout=LONG)
