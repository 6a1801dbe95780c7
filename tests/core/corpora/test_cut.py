"""Segments out of whole recordings."""

import shutil

import numpy as np
import pytest
from typer.testing import CliRunner

from affectscope.core.cli.corpus import corpus_app
from affectscope.core.corpora import bundled
from affectscope.core.corpora.cut import cut, segments
from affectscope.core.corpora.mosei.media import CUT
from affectscope.core.corpora.readers import read
from affectscope.core.errors import UserError
from affectscope.core.media import probe, read_frames, read_sound
from tests.core.corpora.test_cmumosei import cache  # noqa: F401

TABLE = """,file,index,start,end,label2a,label2b,label6,label7,split
0,talk,0,0.4,1.2,1,1,0,1,0
1,talk,1,1.2,1.6,1,0,0,0,0
2,other,0,0,1,1,1,3,2,2
"""


@pytest.fixture
def mosei(tmp_path):
    """One whole recording, a bundled clip of about two seconds, and one that nobody has."""
    demo = bundled()
    (tmp_path / "Full").mkdir()
    (tmp_path / "Audio").mkdir()
    (tmp_path / "CMU_MOSEI_Labels.csv").write_text(TABLE)
    shutil.copy(demo.media(str(demo.table.index[0])), tmp_path / "Full" / "talk.mp4")
    # Sorted before the videos: a sound of the same name is not what is wanted.
    (tmp_path / "Audio" / "talk.wav").write_bytes(b"RIFF")
    return tmp_path


def test_a_segment_is_what_lies_between_its_start_and_its_end(mosei):
    whole = mosei / "Full" / "talk.mp4"
    corpus = read(mosei)
    assert any("2 segments lie in whole recordings" in remark for remark in corpus.missing)
    found = segments(corpus)
    assert [(segment.clip, segment.recording.name) for segment in found] == [("talk_0", "talk.mp4"), ("talk_1", "talk.mp4")]
    files, broken = cut(found, mosei / CUT)
    assert not broken
    info = probe(files[0])
    rate = probe(whole).fps
    assert info.duration == pytest.approx(0.8, abs=2 / rate)
    expected = [frame for time, frame in read_frames(whole) if 0.4 - 1e-6 <= time < 1.2 - 1e-6]
    frames = [frame for _, frame in read_frames(files[0])]
    assert abs(len(frames) - len(expected)) <= 1
    # Encoded once more, and the same picture; the one next to it is further away.
    own, next_one = (np.abs(frames[0].astype(int) - expected[place]).mean() for place in (0, 3))
    assert own < 6
    assert own < next_one
    assert read_sound(files[0]) is not None
    again = read(mosei)
    assert again.table["path"].tolist() == [f"{CUT}/talk_0.mp4", f"{CUT}/talk_1.mp4", ""]
    assert segments(again) == []
    assert not any("whole recordings" in remark for remark in again.missing)


def test_what_is_cut_is_not_cut_again_and_a_broken_recording_is_told_of(mosei):
    found = segments(read(mosei))
    out = mosei / "out"
    (done,), _ = cut(found[:1], out)
    before = done.stat().st_mtime_ns
    (mosei / "Full" / "talk.mp4").write_bytes(b"no video")
    files, broken = cut(found, out)
    assert files == [done]
    assert done.stat().st_mtime_ns == before
    assert [why.split(":")[0] for why in broken] == ["talk_1"]
    assert [file.name for file in out.iterdir()] == [done.name]


def test_the_command_cuts_and_says_where_the_segments_are(mosei):
    result = CliRunner().invoke(corpus_app, ["cut", str(mosei)])
    assert result.exit_code == 0, result.output
    assert sorted(file.name for file in (mosei / CUT).iterdir()) == ["talk_0.mp4", "talk_1.mp4"]
    with pytest.raises(UserError, match="nothing to cut: 2 clips"):
        CliRunner().invoke(corpus_app, ["cut", str(mosei)], catch_exceptions=False)
    with pytest.raises(UserError, match="only CMU-MOSEI"):
        segments(bundled())
