"""Any name that a file system allows, as a relative path too, for reading and for writing; any ending."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from affectscope.core import cli, media
from affectscope.core.corpora.lengths import length
from affectscope.core.corpora.tables import media_files
from affectscope.core.errors import UserError
from affectscope.core.export import files as export
from affectscope.core.imports.clips import MEDIA
from affectscope.core.media import stretch
from affectscope.core.media.kinds import SOUND, VIDEO
from affectscope.core.timeline.timeline import Timeline
from tests.media_files import clip, ffmpeg, tone

NAMES = [
    "12:30 interview.mp4", "50 %d.mp4", "-dash.mp4", "pipe:0", "pipe:0.mp4", "concat:a|b.mp4", "file:x.mp4",
    "subfile,,start,0,,:x.mp4", "a?b#c&d.mp4", "new\nline.mp4", "[bold]x.mp4", "é漢🙂.mp4",
    os.fsdecode(b"not \xff unicode.mp4"), 251 * "l" + ".mp4",
    125 * "ä" + ".mp4", "no ending", ".mp4", "text.csv",
]  # fmt: skip


@pytest.fixture(scope="module")
def film(tmp_path_factory):
    return clip(tmp_path_factory.mktemp("film") / "a.mp4", sound=tone(1)).read_bytes()


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_of_any_name_is_read_and_written(tmp_path, monkeypatch, film, name, relative):
    monkeypatch.chdir(tmp_path)
    path = Path(name) if relative else tmp_path / name
    path.write_bytes(film)
    assert media.probe(path).duration == pytest.approx(1, abs=0.05)
    assert len(list(media.read_frames(path))) == 20
    assert media.read_sound(path) is not None
    assert length(path) == pytest.approx(1, abs=0.05)
    written = Path(f"{name[:100]} out") if relative else tmp_path / f"{name[:100]} out"
    media.encode(written, media.read_frames(path), media.read_sound(path), 20)
    assert len(list(media.read_frames(written))) == 20
    made, notes = stretch.of_file(path, "0.2", "0.8", Path("cuts:"))
    assert len(list(media.read_frames(made))) == 12
    assert all(sentence.isprintable() for sentence in notes)


@pytest.mark.parametrize("name", ["a:b", "-o", "100%", os.fsdecode(b"\xff")])
def test_an_overlay_goes_into_a_folder_of_any_name(tmp_path, monkeypatch, film, name):
    monkeypatch.chdir(tmp_path)
    Path("film").write_bytes(film)
    Path(name).mkdir()
    times = media.frame_times(Path("film"))
    timeline = Timeline(1.0, times, np.full((len(times), 4), np.nan, np.float32))
    export.overlay(Path("film"), timeline, Path(name) / "over:lay.mp4")
    assert [path.name for path in Path(name).iterdir()] == ["over:lay.mp4"]
    assert media.read_sound(Path(name) / "over:lay.mp4") is not None


def test_what_cannot_be_named_in_a_sentence_is_told_all_the_same(tmp_path, monkeypatch, capsys):
    for name in (os.fsdecode(b"not \xff.mp4"), 300 * "x", "nul\0"):
        with pytest.raises(UserError, match="There is no file") as caught:
            media.probe(tmp_path / name)
        assert str(caught.value).isprintable()
    path = tmp_path / os.fsdecode(b"not \xff.mp4")
    path.write_bytes(b"no film")
    monkeypatch.setattr(sys, "argv", ["affectscope", "analyze", str(path), "-o", str(tmp_path / "out")])
    with pytest.raises(SystemExit):
        cli.main()
    assert "cannot be read as a video" in capsys.readouterr().err


KINDS = {
    ".wmv": "-c:v wmv2 -c:a wmav2", ".asf": "-c:v wmv2 -c:a wmav2", ".3gp": "-c copy", ".3g2": "-c copy", ".m2ts": "-c copy",
    ".mts": "-c copy", ".ts": "-c copy", ".ogv": "-c:v libtheora -c:a libvorbis", ".flv": "-c copy", ".m4v": "-c copy",
    ".mpg": "-c:v mpeg2video -c:a mp2 -r 25", ".vob": "-c:v mpeg2video -c:a mp2 -r 25", ".mov": "-c copy",
    ".f4v": "-c copy", ".mka": "-vn -c copy",
    ".wma": "-vn -c:a wmav2", ".opus": "-vn -c:a libopus", ".oga": "-vn -c:a libvorbis", ".aiff": "-vn",
    ".tta": "-vn", ".wv": "-vn", ".voc": "-vn -c:a pcm_s16le", ".dts": "-vn -c:a dca -strict -2 -ar 48000",
    ".thd": "-vn -c:a truehd -strict -2 -ar 48000", ".latm": "-vn -c copy", ".mp2": "-vn", ".m4b": "-vn -c copy",
    ".y4m": "-an -pix_fmt yuv420p",
    ".amr": "",
}  # fmt: skip


@pytest.mark.parametrize("ending", KINDS)
def test_kinds_that_count_as_media(tmp_path, film, ending):
    assert ending in MEDIA
    if not KINDS[ending]:
        return
    (tmp_path / "a.mp4").write_bytes(film)
    path = tmp_path / f"Clip{ending.upper()}"
    ffmpeg("-i", tmp_path / "a.mp4", *KINDS[ending].split(), "-f", *_format(ending), path)
    assert media_files(tmp_path, []).get("Clip") == path.name
    info = media.probe(path)
    assert info.duration == pytest.approx(1, abs=0.15)
    frames = len(list(media.read_frames(path)))
    assert frames == (0 if ending in SOUND else 25 if "-r 25" in KINDS[ending] else 20)
    copy = media.browser_copy(path, tmp_path / "copy.mp4")
    assert media.probe(copy).browser_playable == (ending in VIDEO)


def _format(ending):
    named = {
        ".wmv": "asf", ".asf": "asf", ".m2ts": "mpegts", ".mts": "mpegts", ".ts": "mpegts", ".ogv": "ogg", ".m4v": "mp4",
        ".f4v": "mp4", ".mpg": "mpeg", ".mka": "matroska", ".wma": "asf", ".opus": "ogg", ".oga": "ogg",
        ".thd": "truehd", ".m4b": "mp4", ".y4m": "yuv4mpegpipe",
    }  # fmt: skip
    return (named.get(ending, ending[1:]),)


def test_what_a_file_is_its_content_decides(tmp_path, film):
    for name in ("film.mkv", "film.wav", "film.ts", "film.csv", "film"):
        path = tmp_path / name
        path.write_bytes(film)
        info = media.probe(path)
        assert (info.video_codec, info.browser_playable) == ("h264", True)
