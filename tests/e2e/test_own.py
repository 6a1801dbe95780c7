"""A person's own clips over the real app: long files, recordings, labels, deletion."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from affectscope.core import corpora, media
from tests.app import fake
from tests.e2e.drive import READY, ready
from tests.e2e.serve import FLAGS, chromium
from tests.media_files import ffmpeg

# Remembers what the page was given, so that a test can ask whether it was let go of.
WATCH = """
const given = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices)
window.streams = []
navigator.mediaDevices.getUserMedia = async (wanted) => {
  const stream = await given(wanted)
  window.streams.push(stream)
  return stream
}
"""
LIVE = "() => window.streams.flatMap(stream => stream.getTracks()).filter(track => track.readyState === 'live').length"


@pytest.fixture(scope="module")
def long_film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("long")
    short = fake.clip(folder / "short.mp4", seconds=9, size=(160, 120))
    ffmpeg("-stream_loop", 9, "-i", short, "-c", "copy", folder / "my *long* <b>film.mp4")
    return folder / "my *long* <b>film.mp4"


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A bundled clip as what camera and microphone see and hear."""
    source = corpora.bundled()
    clip, folder = source.media(str(source.table.index[0])), tmp_path_factory.mktemp("devices")
    ffmpeg("-i", clip, "-an", "-c:v", "mjpeg", "-q:v", 3, folder / "face.mjpeg")
    ffmpeg("-i", clip, "-vn", "-ar", 48000, folder / "voice.wav")
    return folder / "face.mjpeg", folder / "voice.wav"


@contextmanager
def page_with(browser: Browser, *flags: str) -> Iterator[Page]:
    """A page in a browser of its own, started with these switches."""
    other = browser.browser_type.launch(executable_path=chromium(), args=[*FLAGS, *flags])
    try:
        page = other.new_page(viewport={"width": 1440, "height": 1000})
        page.set_default_timeout(READY)
        yield page
    finally:
        other.close()


def row_menu(page: Page) -> Locator:
    page.get_by_role("button", name="This clip").click()
    return page.get_by_test_id("stPopoverBody")


def ready_of(page: Page, name: re.Pattern[str]) -> Locator:
    """The player, once it shows a clip of such a name."""
    player = page.locator(".player")
    expect(player).to_have_attribute("data-clip", name, timeout=READY)
    expect(player).to_have_attribute("data-ready", "true", timeout=READY)
    return player


def send(page: Page, path: Path) -> None:
    page.locator(".own input[type=file]").set_input_files(path, timeout=READY)


def test_of_a_long_file_a_stretch_is_chosen_moved_and_shown_after_a_reload(page: Page, app_url: str, long_film: Path) -> None:
    page.goto(app_url)
    send(page, long_film)
    picker = page.locator(".picker")
    expect(picker).to_have_attribute("data-ready", "true", timeout=READY)
    expect(page.locator(".heading h2")).to_have_text(long_film.name)
    page.get_by_role("slider", name="Where it ends").press("Home")
    # At least half a second; then, by the keyboard, two seconds more, and four seconds in.
    for _ in range(2):
        page.get_by_role("slider", name="Where it ends").press("Shift+ArrowRight")
    for _ in range(4):
        page.get_by_role("slider", name="The stretch").press("ArrowRight")
    expect(picker.locator("output")).to_have_text(f"0:04–0:06.5 of {long_film.name} (2.5 s)")
    page.get_by_role("button", name="Analyse this stretch").click()
    expect(page.locator(".heading h2")).to_have_text(f"0:04–0:06.5 of {long_film.name}", timeout=READY)
    player = ready(page)
    assert float(player.get_attribute("data-duration")) == pytest.approx(2.5, abs=0.1)
    page.reload()
    ready(page)
    expect(page.locator(".heading h2")).to_have_text(f"0:04–0:06.5 of {long_film.name}")

    row_menu(page).get_by_role("button", name="Move the stretch").click()
    whole = page.locator(".picker [data-ref=whole]")
    expect(picker).to_have_attribute("data-ready", "true", timeout=READY)
    page.keyboard.press("Escape")
    box = whole.bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 20)
    expect(picker).to_have_attribute("data-start", re.compile(r"4[34]\.\d"))
    page.get_by_role("button", name="Analyse this stretch").click()
    expect(page.locator(".heading h2")).to_have_text(re.compile(r"^0:4[34]\.?\d?–0:4[67]"), timeout=READY)
    ready(page)


def test_a_label_counts_and_deleting_leaves_nothing(page: Page, app_url: str, cache: Path, tmp_path: Path) -> None:
    clip = fake.clip(tmp_path / "12:30 *talk*.mp4", seconds=1.3)
    page.goto(app_url)
    send(page, clip)
    expect(page.locator(".heading h2")).to_have_text(clip.name, timeout=READY)
    ready(page)
    menu = row_menu(page)
    menu.get_by_role("combobox").fill("<b>bored")
    menu.get_by_role("combobox").press("Enter")
    expect(page.locator(".verdict").last).to_contain_text("<b>bored", timeout=READY)
    menu.get_by_label("Name").fill("<i>mine")
    menu.get_by_label("Name").press("Enter")
    expect(page.locator(".heading h2")).to_have_text("<i>mine", timeout=READY)
    page.reload()
    expect(page.locator(".verdict").last).to_contain_text("<b>bored", timeout=READY)
    clip_id = re.search(r"clip=(\w+)", page.url).group(1)
    content = clip_id[:16]
    assert list(cache.glob(f"*/{content}-*"))
    row_menu(page).get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text(re.compile("Deleted: 1 file"))).to_be_visible(timeout=READY)
    assert not list(cache.rglob(f"*{content}*"))
    page.goto(f"{app_url}/?corpus=uploads&clip={clip_id}")
    expect(page.get_by_role("alert")).to_contain_text("no longer stored", timeout=READY)


def test_a_recording_is_analysed_like_an_upload(browser: Browser, app_url: str, cache: Path, devices: tuple[Path, Path]) -> None:
    face, voice = devices
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    flags += [f"--use-file-for-fake-video-capture={face}", f"--use-file-for-fake-audio-capture={voice}"]
    with page_with(browser, *flags) as page:
        page.add_init_script(WATCH)
        page.goto(app_url)
        page.get_by_role("button", name="Record yourself").click(timeout=READY)
        recorder = page.locator(".recorder")
        expect(recorder).to_have_attribute("data-state", "ready", timeout=READY)
        recorder.get_by_label("Length").select_option("3")
        recorder.get_by_role("button", name="Record").click()
        expect(recorder.locator("[data-ref=count]")).to_have_text("3")
        expect(recorder).to_have_attribute("data-state", "recording", timeout=READY)
        expect(recorder.locator("[data-ref=left]")).to_have_text(re.compile(r"[12]\.\d s"))
        player = ready_of(page, re.compile(r"^Recording 20"))
        assert float(player.get_attribute("data-duration")) == pytest.approx(3, abs=0.5)
        assert page.evaluate(LIVE) == 0
        expect(page.locator(".recorder")).to_have_count(0)
        clip_id = re.search(r"clip=(\w+)", page.url).group(1)
        (stored,) = cache.glob(f"uploads/{clip_id}.webm")
        pictures, sound = list(media.read_frames(stored)), media.read_sound(stored)
        assert len(pictures) > 20
        assert abs(sound.samples).max() > 0.02


def test_the_microphone_alone_will_do_and_stop_ends_it(browser: Browser, app_url: str, devices: tuple[Path, Path]) -> None:
    flags = ["--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream"]
    with page_with(browser, *flags, f"--use-file-for-fake-audio-capture={devices[1]}") as page:
        page.add_init_script(WATCH)
        page.goto(app_url)
        page.get_by_role("button", name="Record yourself").click(timeout=READY)
        recorder = page.locator(".recorder")
        expect(recorder).to_have_attribute("data-state", "ready", timeout=READY)
        recorder.get_by_label("With").select_option("sound")
        expect(recorder.get_by_role("status")).to_contain_text("when the microphone hears you", timeout=READY)
        # The camera was let go of when it was no longer wanted.
        assert page.evaluate(LIVE) == 1
        recorder.get_by_label("Length").select_option("10")
        recorder.get_by_role("button", name="Record").click()
        expect(recorder.locator("[data-ref=left]")).to_have_text(re.compile(r"[78]\.\d s"), timeout=READY)
        recorder.get_by_role("button", name="Stop").click()
        player = ready_of(page, re.compile("^Recording"))
        assert 1 < float(player.get_attribute("data-duration")) < 9
        expect(player.locator(".notices")).to_contain_text("no picture")
        assert page.evaluate(LIVE) == 0


def test_without_permission_there_is_one_sentence_and_nothing_is_recorded(browser: Browser, app_url: str) -> None:
    # Fake devices and no fake answer to the browser's question: headless, it is refused.
    with page_with(browser, "--use-fake-device-for-media-stream", "--deny-permission-prompts") as page:
        page.goto(app_url)
        page.get_by_role("button", name="Record yourself").click(timeout=READY)
        recorder = page.locator(".recorder")
        expect(recorder).to_have_attribute("data-state", "wrong", timeout=READY)
        expect(recorder.get_by_role("status")).to_have_text(re.compile("was not allowed to use camera and microphone: allow"))
        expect(recorder.get_by_role("button", name="Record")).to_be_hidden()


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (["audioinput"], "No camera was found: connect one, or choose “microphone only”."),
        (["videoinput"], "No microphone was found: connect one, or choose “camera only”."),
        ([], "Neither a camera nor a microphone was found: connect one, and try again."),
    ],
)
def test_a_missing_device_is_named(page: Page, app_url: str, there: list[str], message: str) -> None:
    page.add_init_script(
        f"""
        navigator.mediaDevices.getUserMedia = async () => {{ throw new DOMException("", "NotFoundError") }}
        navigator.mediaDevices.enumerateDevices = async () => {there!r}.map(kind => ({{ kind }}))
        """
    )
    page.goto(app_url)
    page.get_by_role("button", name="Record yourself").click(timeout=READY)
    expect(page.locator(".recorder").get_by_role("status")).to_have_text(message, timeout=READY)


def test_elsewhere_than_on_this_machine_it_says_why_it_cannot_record(page: Page, app_url: str) -> None:
    page.add_init_script(
        """
        Object.defineProperty(navigator, "mediaDevices", { value: undefined })
        Object.defineProperty(window, "isSecureContext", { value: false })
        """
    )
    page.goto(app_url)
    page.get_by_role("button", name="Record yourself").click(timeout=READY)
    expect(page.locator(".recorder").get_by_role("status")).to_contain_text(
        "only to pages on this computer or over https", timeout=READY
    )


def test_a_tab_that_was_closed_meanwhile_is_told_of_once(page: Page, app_url: str) -> None:
    page.add_init_script(
        "if (!sessionStorage.told) { sessionStorage.told = 1; localStorage.setItem('affectscope-recording', 1) }"
    )
    page.goto(app_url)
    expect(page.get_by_text("A recording was cut off: its tab was closed")).to_be_visible(timeout=READY)
    page.reload()
    expect(page.get_by_role("button", name="Record yourself")).to_be_visible(timeout=READY)
    expect(page.get_by_text("A recording was cut off")).to_have_count(0)
