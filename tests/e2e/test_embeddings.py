"""The Embeddings page over the real app: see the map, draw a lasso, isolate a class, walk to a clip."""

from __future__ import annotations

import re

from playwright.sync_api import Locator, Page, expect

from tests.e2e.drive import READY, ready, take


def open_map(page: Page, url: str, **options: str) -> Locator:
    """By the navigation, as a person comes: Streamlit answers a page's own address with two failed requests in the console."""
    query = "&".join(f"{name}={value}" for name, value in options.items())
    page.goto(f"{url}/?{query}")
    page.get_by_test_id("stTopNav").get_by_role("link", name="Embeddings").click(timeout=READY)
    return shown(page, patience=3 * READY)


def shown(page: Page, which: int = 0, patience: int = READY) -> Locator:
    root = page.locator(".scatter").nth(which)
    expect(root).to_have_attribute("data-ready", "true", timeout=patience)
    return root


def where(root: Locator, clip: str) -> tuple[float, float]:
    """The place of a clip on the screen, once the page has stopped moving."""
    before = None
    while before != (now := root.evaluate("(root, clip) => root.where(clip)", clip)):
        before = now
        root.page.wait_for_timeout(500)
    return now[0], now[1]


def draw_lasso(page: Page, root: Locator, left: float, right: float) -> None:
    """Round everything between two shares of the map's width."""
    box = root.locator("canvas.over").bounding_box()
    assert box
    x = [box["x"] + 4 + share * (box["width"] - 8) for share in (left, right)]
    low, high = box["y"] + 4, box["y"] + box["height"] - 4
    # From below: the tools are above.
    page.mouse.move(x[0], high)
    page.mouse.down()
    for corner in ((x[0], low + 60), (x[0], low), (x[1], low), (x[1], high), ((x[0] + x[1]) / 2, high)):
        page.mouse.move(*corner, steps=4)
    page.mouse.up()


def test_lasso_counts_judges_and_goes_by_link(page: Page, app_url: str) -> None:
    root = open_map(page, app_url)
    expect(root).to_have_attribute("data-points", "48")
    draw_lasso(page, root, 0, 0.5)
    expect(root).to_have_attribute("data-selected", re.compile(r"\d+"))
    count = root.get_attribute("data-selected") or ""
    assert 0 < int(count) < 48
    answer = page.locator("dl[aria-label='The chosen clips']")
    expect(answer).to_contain_text(f"Clips{count}of 48", timeout=READY)
    expect(answer).to_contain_text(re.compile(r"Accuracy\d+\s%all: \d+\s%"))
    expect(page.get_by_text(f"{count} of {count} clips")).to_be_visible()
    expect(root.locator(".legend .count").first).to_have_text(re.compile(r"^\d+ / \d+$"))
    # The same clips on another map, and by link.
    take(page, "Vectors", "audio")
    expect(root).to_have_attribute("data-map", re.compile("/audio/PCA"), timeout=READY)
    expect(root).to_have_attribute("data-selected", count)
    page.goto(f"{app_url}/?{page.url.partition('?')[2]}")
    page.get_by_test_id("stTopNav").get_by_role("link", name="Embeddings").click(timeout=READY)
    root = shown(page)
    expect(root).to_have_attribute("data-map", re.compile("/audio/PCA"))
    expect(root).to_have_attribute("data-selected", count, timeout=READY)
    root.locator("canvas.over").focus()
    page.keyboard.press("Escape")
    expect(page.locator("dl[aria-label='All clips']")).to_contain_text("Clips48", timeout=READY)


def test_legend_isolates_a_class(page: Page, app_url: str) -> None:
    root = open_map(page, app_url)
    root.locator(".legend button[data-value=fear]").click()
    expect(root).to_have_attribute("data-selected", "8")
    expect(page.locator("dl[aria-label='The chosen clips']")).to_contain_text("Clips8of 48", timeout=READY)
    expect(page).to_have_url(re.compile("embeddings.pick=.*fear"))
    root.locator(".legend button[data-value=sadness]").click(modifiers=["Shift"])
    expect(page.locator("dl[aria-label='The chosen clips']")).to_contain_text("Clips16of 48", timeout=READY)
    page.wait_for_timeout(500)
    expect(root).to_have_attribute("data-selected", "16")


def test_point_tells_its_facts_and_plays(page: Page, app_url: str) -> None:
    root = open_map(page, app_url)
    expect(page.locator("dl[aria-label='How well the classes separate']")).to_be_visible(timeout=READY)
    x, y = where(root, "held_s2026_00005")
    page.mouse.move(x, y)
    expect(root).to_have_attribute("data-hover", "held_s2026_00005")
    tip = root.locator(".tip")
    expect(tip).to_contain_text("held_s2026_00005")
    expect(tip).to_contain_text("sadness")
    expect(tip.locator("img")).to_have_js_property("naturalWidth", 96, timeout=READY)
    page.keyboard.down("Shift")
    page.mouse.click(x, y)
    page.keyboard.up("Shift")
    strip = page.locator(".strip")
    expect(strip).to_have_attribute("data-clips", re.compile("^held_s2026_00005 "), timeout=READY)
    expect(root).to_have_attribute("data-current", "held_s2026_00005")
    expect(strip.locator("li")).to_have_count(9)
    page.mouse.click(x, y)
    expect(page.locator(".heading h2")).to_have_text("held_s2026_00005", timeout=READY)
    ready(page)


def test_tsne_replaces_pca_and_keeps_the_page_alive(page: Page, app_url: str) -> None:
    root = open_map(page, app_url)
    page.get_by_role("radio", name="t-SNE").click()
    expect(root).to_have_attribute("data-map", re.compile("/fused/t-SNE"), timeout=READY)
    expect(root).to_have_attribute("data-points", "48")
    expect(page).to_have_url(re.compile("embeddings.map=t-SNE"))
    take(page, "Compare with", "auxformer")
    second = shown(page, 1)
    root.locator(".legend button[data-value=anger]").click()
    expect(second).to_have_attribute("data-selected", "8", timeout=READY)
