"""The Train page over the real app: start, watch, stop, go on, look at a clip with the result."""

from __future__ import annotations

import re

from playwright.sync_api import Page, expect

from tests.e2e.drive import READY, ready

SLOW = 180_000  # Two shared cores train while other tests run.


def start(page: Page, url: str, epochs: int, seed: int) -> None:
    page.goto(f"{url}/train")
    button = page.get_by_role("button", name="Start training")
    field = page.get_by_label("Epochs, at most")
    form = page.locator("details").filter(has_text="A new run")
    expect(form).to_be_visible(timeout=READY)
    if form.get_attribute("open") is None:
        form.locator("summary").click()
    expect(button).to_be_visible(timeout=READY)
    for label, value in (("Epochs, at most", epochs), ("Seed", seed)):
        page.get_by_label(label, exact=True).fill(str(value))
        page.keyboard.press("Tab")
        page.wait_for_timeout(500)
    expect(field).to_have_value(str(epochs))
    button.click()
    expect(page).to_have_url(re.compile(f"o.train.run=auxformer-demo-seed{seed}"), timeout=READY)


def test_a_run_is_watched_to_its_end_and_its_model_plays_a_clip(page: Page, app_url: str) -> None:
    start(page, app_url, epochs=2, seed=1)
    expect(page.get_by_text("Done: 2 epochs")).to_be_visible(timeout=SLOW)
    expect(page.locator(".js-plotly-plot")).to_have_count(2)
    expect(page.get_by_text(re.compile("^2 epochs; training loss from"))).to_be_visible()
    page.get_by_role("button", name="Look at a clip with it").click()
    expect(page).to_have_url(re.compile(r"/\?.*model=auxformer-demo-seed1"), timeout=READY)
    ready(page)
    expect(page.locator(".card")).not_to_have_count(0)


def test_a_run_outlives_its_page_is_stopped_and_goes_on(page: Page, app_url: str) -> None:
    start(page, app_url, epochs=500, seed=2)
    running = page.get_by_text(re.compile(r"^Epoch \d+ of 500, at most .* to go"))
    expect(running).to_be_visible(timeout=SLOW)
    link = page.url
    page.goto("about:blank")
    page.goto(link)
    expect(running).to_be_visible(timeout=READY)
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop", exact=True).click()
    expect(page.get_by_text(re.compile(r"^Stopped after \d+ epoch"))).to_be_visible(timeout=READY)
    done = int(re.search(r"\d+", page.get_by_text(re.compile(r"^Stopped after \d+ epoch")).inner_text()).group())
    page.get_by_role("button", name="Go on").click()
    expect(running).to_be_visible(timeout=SLOW)
    page.get_by_test_id("stMainBlockContainer").get_by_role("button", name="Stop", exact=True).click()
    stopped = page.get_by_text(re.compile(r"^Stopped after \d+ epochs"))
    expect(stopped).to_be_visible(timeout=READY)
    assert int(re.search(r"\d+", stopped.inner_text()).group()) >= done
