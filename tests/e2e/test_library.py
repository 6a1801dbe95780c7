"""The Library page over the real app: drop a checkpoint in, see what it is, remove it; a hostile one is refused in words."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import safetensors.torch
import torch
from playwright.sync_api import Browser, Page, expect

from affectscope.core.checkpoints import saved as checkpoints
from tests import public_states as public
from tests.e2e.drive import READY, ready, take

# A process of its own begins in seconds; on a machine that trains models meanwhile, in minutes.
LONG = 300_000


class Bomb:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


@pytest.fixture(scope="module")
def odd_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model with a class that is called like a picture that runs code."""
    tensors, metadata = checkpoints.read_tensors(checkpoints.shipped()["auxformer"])
    header = json.loads(metadata["affectscope"])
    header["config"]["labels"][0] = "<img src=x onerror=document.title='run'>"
    path = tmp_path_factory.mktemp("models") / "<b>my<b> *run*.safetensors"
    safetensors.torch.save_file(tensors, path, {**metadata, "affectscope": json.dumps(header)})
    return path


def open_library(page: Page, url: str) -> None:
    page.goto(url, timeout=LONG)
    page.get_by_test_id("stTopNav").get_by_role("link", name="Library").click(timeout=LONG)
    expect(page.locator(".zone input[type=file]")).to_be_attached(timeout=LONG)


def test_a_model_is_checked_from_its_card(page: Page, app_url: str) -> None:
    open_library(page, app_url)
    card = page.get_by_role("region", name="auxformer", exact=True)
    page.get_by_role("button", name="Check", exact=True).click(timeout=LONG)
    card.get_by_text("promises kept").click(timeout=LONG)
    expect(card.locator("li", has_text="Padding cannot move an answer: ")).to_be_visible()
    expect(card.get_by_role("heading", name="Promises", exact=True)).to_have_count(0)
    expect(page.get_by_role("button", name="Check", exact=True)).to_have_count(0)


def test_a_dropped_checkpoint_shows_its_card_and_goes(page: Page, app_url: str, odd_model: Path) -> None:
    open_library(page, app_url)
    page.locator(".zone input[type=file]").set_input_files(odd_model)
    expect(page.get_by_role("status", name="<b>my<b> *run* is in the library")).to_be_visible(timeout=LONG)
    card = page.get_by_role("region", name="<b>my<b> *run*", exact=True)
    expect(card.locator(".chip").first).to_have_text("<img src=x onerror=document.title='run'>")
    expect(card.locator("dd", has_text="386,672")).to_be_visible()
    expect(card.locator("img")).to_have_count(0)
    expect(page).not_to_have_title("run")
    page.get_by_role("button", name="Remove").click()
    removed = page.locator(".sheet", has_text="was removed")
    expect(removed.locator("h3")).to_have_text("<b>my<b> *run* was removed", timeout=LONG)
    expect(card).to_have_count(0)


def test_a_public_checkpoint_is_asked_about_and_its_card_says_the_answers(page: Page, app_url: str, tmp_path: Path) -> None:
    torch.save({"state_dict": public.filled(public.mult({"a": 6, "v": 5}, 8, 3, 1, 1)), "epoch": 3}, tmp_path / "my mult.pth")
    open_library(page, app_url)
    page.locator(".zone input[type=file]").set_input_files(tmp_path / "my mult.pth")
    asked = page.get_by_role("textbox", name="Names of its 3 classes, in order")
    expect(asked).to_have_value("class 0, class 1, class 2", timeout=LONG)
    # Eight wide: the repository's five heads do not divide it, so nothing is filled in.
    take(page, "Attention heads", "4")
    asked.fill("sad, glad, odd")
    page.get_by_role("button", name="Read", exact=True).last.click()
    card = page.get_by_role("region", name="my mult", exact=True)
    expect(card.locator(".chip")).to_have_text(["sad", "glad", "odd"], timeout=LONG)
    expect(card.get_by_text("Its 3 classes are called sad, glad, odd: so it was answered.")).to_be_visible()
    expect(card.get_by_text("4 attention heads: so it was answered.")).to_be_visible()
    expect(card.get_by_text("epoch")).to_be_visible()
    page.get_by_role("button", name="Remove").click()
    expect(card).to_have_count(0, timeout=LONG)


def test_a_hostile_checkpoint_is_refused_and_another_session_goes_on(
    page: Page, browser: Browser, app_url: str, tmp_path: Path
) -> None:
    torch.save({"state_dict": Bomb(tmp_path / "executed")}, tmp_path / "bomb.pt")
    open_library(page, app_url)
    page.locator(".zone input[type=file]").set_input_files(tmp_path / "bomb.pt")
    other = browser.new_page()
    other.set_default_timeout(READY)
    other.goto(app_url, timeout=LONG)
    ready(other)
    expect(other.get_by_role("alert")).to_have_count(0)
    expect(page.get_by_role("alert", name="bomb.pt")).to_contain_text("never run", timeout=LONG)
    assert not (tmp_path / "executed").exists()
    other.reload(timeout=LONG)
    ready(other)
    other.close()
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_role("alert", name="bomb.pt")).to_have_count(0)
