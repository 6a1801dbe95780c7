"""What is no media that are read: one sentence that says what it is, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from affectscope.core import media
from affectscope.core.errors import UserError
from tests.media_files import clip, ffmpeg, tone


def refused(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        media.probe(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "what"),
    [
        (
            b".RMF\0\0\0\x12",
            "my film.x is RealMedia, which is not read: convert it first, by `ffmpeg -i 'my film.x' 'my film.mp4'` for one.",
        ),
        (b"\xb7\xd8\x00\x20\x37\x49\xda\x11", "Windows Media Center"),
        (b"MAC \x96\x0f", "Monkey's Audio, which is not read: convert it first, by `ffmpeg -i 'my film.x' 'my film.wav'`"),
        (b"NIST_1A\n   1024\n", "NIST SPHERE"),
        (b"MThd\0\0\0\6", "notes (MIDI)"),
        (b"\x89PNG\r\n\x1a\n", "is a picture"),
        (b"\0\0\0\x18ftypheic", "is a picture"),
        (b"RIFF\x24\0\0\0CDDA", "pointer to a CD's track"),
        (b"PK\x03\x04", "is an archive"),
        (b"#EXTM3U\n#EXTINF:1\na.ts\n", "a list of files"),
        (b"\xef\xbb\xbf1\r\n00:00:01,000 --> 00:00:02,000\r\nhi", "holds subtitles"),
        (b"version https://git-lfs.github.com/spec/v1\n", "git lfs pull"),
        (b"<!DOCTYPE html>", "is a web page"),
        (bytes(4000), "begins with nothing but zeros"),
        (b"", "is empty"),
        (b"no film", "cannot be read as a video: it is damaged or of another kind."),
    ],
)
def test_a_file_of_another_kind(tmp_path: Path, content: bytes, what: str) -> None:
    path = tmp_path / "my film.x"
    # Formats are told by how they begin; what follows is nothing.
    path.write_bytes(content + bytes(500) * bool(content.strip(b"\0")))
    sentence = refused(path)
    assert what in sentence
    assert sentence.startswith("my film.x ")
    assert sentence.endswith(".")


def test_a_recording_that_was_broken_off_before_its_index(tmp_path: Path) -> None:
    whole = clip(tmp_path / "whole.mp4", sound=tone(1))
    # The index of a recorder's file comes last.
    late = tmp_path / "late.mp4"
    ffmpeg("-i", whole, "-c", "copy", late)
    content = late.read_bytes()
    assert content.index(b"mdat") < content.index(b"moov")
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(content[: content.index(b"moov") - 4])
    assert "lacks its index (moov)" in refused(cut)
    cut.write_bytes(content[: content.index(b"moov") // 2])
    assert "lacks its index (moov)" in refused(cut)
