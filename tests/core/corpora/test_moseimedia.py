"""Which file is which segment: labels count positions, files have numbers of their own."""

import wave

import pytest

from affectscope.core.corpora.mosei.media import CUT
from affectscope.core.corpora.readers import read
from tests.core.corpora.test_cmumosei import cache  # noqa: F401

# Of the video's thirteen pieces seven are labelled, in the order of their numbers as text: 0, 10, 11, 2, 3, 4, 9.
NUMBERS = (0, 10, 11, 2, 3, 4, 9)
STARTS = {0: 0.0, 2: 3.0, 3: 4.1, 4: 6.3, 9: 10.6, 10: 14.9, 11: 18.0}
SECONDS = {0: 1.0, 2: 1.5, 3: 2.0, 4: 2.5, 9: 3.0, 10: 3.5, 11: 4.0}


def sound(path, seconds):
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(b"\0\0" * int(8000 * seconds))


@pytest.fixture
def labelled(tmp_path):
    rows = [
        f"{i},talk,{i},{STARTS[n]},{STARTS[n] + SECONDS[n]},1,1,0,1,0" for i, n in enumerate(NUMBERS)
    ]  # fmt: skip
    (tmp_path / "CMU_MOSEI_Labels.csv").write_text(
        "\n".join([",file,index,start,end,label2a,label2b,label6,label7,split", *rows])
    )
    return tmp_path


@pytest.mark.parametrize("name", ["Segmented/talk_{}.wav", "Raw/talk/{}.wav", "talk$_${}.wav"])
@pytest.mark.parametrize("have", [NUMBERS, (10, 2, 9)])
def test_files_are_found_by_time_or_by_length_and_not_by_position(labelled, name, have):
    for number in have:
        sound(labelled / name.format(number), SECONDS[number])
    table = read(labelled).table
    expected = {f"talk_{i}": name.format(n) if n in have else "" for i, n in enumerate(NUMBERS)}
    assert table["path"].to_dict() == expected


def test_a_file_that_fits_several_segments_is_none_of_them(labelled):
    table = (labelled / "CMU_MOSEI_Labels.csv").read_text().replace("3.0,4.5", "3.0,4.0")
    (labelled / "CMU_MOSEI_Labels.csv").write_text(table)
    for number, seconds in ((0, 1.0), (9, 3.0)):
        sound(labelled / f"talk_{number}.wav", seconds)
    corpus = read(labelled)
    assert {clip: path for clip, path in corpus.table["path"].items() if path} == {"talk_6": "talk_9.wav"}
    assert any(remark.startswith("1 files of labelled videos could not be told") for remark in corpus.missing)


def test_what_was_cut_here_is_called_by_position(labelled):
    for i, number in enumerate(NUMBERS):
        sound(labelled / CUT / f"talk_{i}.wav", SECONDS[number])
    assert read(labelled).table["path"].tolist() == [f"{CUT}/talk_{i}.wav" for i in range(7)]
