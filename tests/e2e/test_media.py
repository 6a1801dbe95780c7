"""Clips as people have them, over the real app: what browsers do not play, or play otherwise than it is analysed."""

from __future__ import annotations

import os
import re
import struct
from pathlib import Path

import av
import pytest
from playwright.sync_api import Page, expect

from affectscope.core import corpora
from tests.e2e.drive import READY, data, ready, settled, take
from tests.media_files import ffmpeg, joined

# The canvas over the picture: whether anything was drawn on it, and where, in shares of its size.
DRAWN = """
root => {
  const canvas = root.querySelector("[data-ref=overlay]")
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
  let [left, top, right, bottom] = [1, 1, 0, 0]
  for (let i = 3, place = 0; i < data.length; i += 4, place++) {
    if (!data[i]) continue
    const [x, y] = [(place % canvas.width) / canvas.width, Math.floor(place / canvas.width) / canvas.height]
    ;[left, top, right, bottom] = [Math.min(left, x), Math.min(top, y), Math.max(right, x), Math.max(bottom, y)]
  }
  return { left, top, right, bottom }
}
"""


@pytest.fixture(scope="module")
def face() -> Path:
    source = corpora.bundled()
    return source.media(str(source.table.index[0]))


def beside(face: Path, out: Path) -> Path:
    """The clip with its face in the left part of a wide picture."""
    ffmpeg("-i", face, "-t", 2, "-vf", "pad=iw*2:ih:0:0", "-c:v", "libx264", "-c:a", "aac", out)
    return out


def mirrored(path: Path) -> Path:
    content = path.read_bytes()
    place = content.index(b"tkhd") + 44
    content = content[:place] + struct.pack(">9i", -65536, 0, 0, 0, 65536, 0, 0, 0, 1 << 30) + content[place + 36 :]
    path.write_bytes(content)
    return path


def growing(face: Path, out: Path) -> Path:
    """A WebM whose second half is larger."""
    small, large = out.with_name("small.webm"), out.with_name("large.webm")
    for part, side in ((small, 160), (large, 256)):
        ffmpeg("-i", face, "-t", 1, "-an", "-vf", f"scale={side}:{side}", "-c:v", "libvpx", "-b:v", "1M", part)
    with av.open(str(out), "w") as container, av.open(str(small)) as first:
        stream = container.add_stream_from_template(first.streams.video[0])
        for begin, part in enumerate((small, large)):
            with av.open(str(part)) as source:
                for packet in source.demux(source.streams.video[0]):
                    if packet.dts is not None:
                        packet.pts = packet.dts = packet.pts + round(begin / packet.time_base)
                        packet.stream = stream
                        container.mux(packet)
    return out


def show(page: Page, url: str, path: Path):
    page.goto(url)
    ready(page)
    page.locator(".own input[type=file]").set_input_files(path, timeout=READY)
    player = page.locator(".player")
    expect(player).to_have_attribute("data-clip", path.name, timeout=READY)
    expect(player).to_have_attribute("data-ready", "true", timeout=READY)
    return player


def keep(page: Page, name: str) -> None:
    if folder := os.environ.get("MEDIA_SHOTS"):
        page.screenshot(path=f"{folder}/{name}.png")


def test_a_mirrored_clip_plays_mirrored_with_the_box_on_the_face(page: Page, app_url: str, face: Path, tmp_path: Path) -> None:
    player = show(page, app_url, mirrored(beside(face, tmp_path / "mirrored.mp4")))
    where = player.evaluate(DRAWN)
    keep(page, "mirrored")
    # The face stood on the left.
    assert where["left"] > 0.5
    picture = player.evaluate(
        """root => {
          const video = root.querySelector("video"), canvas = new OffscreenCanvas(64, 32), pen = canvas.getContext("2d")
          pen.drawImage(video, 0, 0, 64, 32)
          const light = (x) => pen.getImageData(x, 0, 32, 32).data.reduce((sum, value, i) => sum + (i % 4 < 3 ? value : 0), 0)
          return [light(0), light(32)]
        }"""
    )
    assert picture[1] > 10 * picture[0]


def test_a_growing_clip_keeps_its_box_on_the_face(page: Page, app_url: str, face: Path, tmp_path: Path) -> None:
    player = show(page, app_url, growing(face, tmp_path / "growing.webm"))
    places = []
    for moment in (0.4, 1.6):
        player.evaluate("(root, time) => { root.querySelector('video').currentTime = time }", moment)
        settled(player, moment, 0.05)
        places.append(player.evaluate(DRAWN))
        keep(page, f"growing-{moment}")
    before, after = places
    for side in before:
        assert before[side] == pytest.approx(after[side], abs=0.15)


def test_a_transport_stream_whose_clock_starts_again_plays_to_its_end(
    page: Page, app_url: str, face: Path, tmp_path: Path
) -> None:
    part = tmp_path / "part.ts"
    ffmpeg("-i", face, "-t", 1, "-c:v", "libx264", "-bf", 2, "-c:a", "aac", "-r", 25, part)
    player = show(page, app_url, joined(tmp_path / "joined.ts", part, part))
    keep(page, "joined")
    assert data(player)["duration"] == pytest.approx(2, abs=0.2)
    player.evaluate("root => { root.querySelector('video').currentTime = 1.5 }")
    settled(player, 1.5, 0.05)
    assert player.evaluate(DRAWN)["right"] > 0


def test_a_sound_track_is_chosen_in_a_menu_and_by_a_link(page: Page, app_url: str, face: Path, tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    ffmpeg("-i", face, "-f", "lavfi", "-i", "anullsrc=r=16000:cl=mono", "-t", 2, "-map", "0:v", "-map", "1:a", "-map", "0:a",
           "-c:v", "copy", "-c:a", "aac", path)  # fmt: skip
    player = show(page, app_url, path)
    before = player.get_attribute("data-timeline")
    expect(page.get_by_text("2 sound tracks: number 2 is heard, the first with sound")).to_be_visible()
    keep(page, "two tracks")
    take(page, "Sound", re.compile("^Track 1"))
    expect(player).not_to_have_attribute("data-timeline", before or "", timeout=READY)
    expect(player).to_have_attribute("data-ready", "true", timeout=READY)
    expect(page.get_by_text("silent or too short")).to_be_visible()
    keep(page, "two tracks, the first")
    page.wait_for_url("**track=1**")
    chosen = player.get_attribute("data-timeline")
    page.reload()
    expect(player).to_have_attribute("data-timeline", chosen or "", timeout=READY)
