"""CREMA-D in its repository's layout, made small: four clips of two actors, two sexes, three modalities of votes."""

import json
from pathlib import Path

import pytest

from affectscope.core.corpora.describe import describe
from affectscope.core.corpora.readers import read, recognise
from affectscope.core.errors import UserError
from tests.reference import SHARED

CLIPS = ("1001_IEO_ANG_HI", "1001_TIE_NEU_XX", "1002_DFA_SAD_XX", "1002_IEO_FEA_LO")
# Votes A, D, F, H, N, S on each clip: right and alone; tied with the acted one; right; wrong.
VOTES = {
    1: ((3, 0, 0, 0, 6, 0), (0, 0, 0, 0, 9, 0), (0, 0, 0, 0, 5, 4), (0, 0, 0, 0, 9, 0)),
    2: ((8, 1, 0, 0, 0, 0), (0, 0, 0, 0, 9, 0), (0, 0, 0, 0, 0, 9), (0, 0, 9, 0, 0, 0)),
    3: ((9, 0, 0, 0, 0, 0), (0, 0, 0, 4, 4, 1), (0, 0, 0, 0, 3, 6), (0, 0, 0, 0, 8, 2)),
}


def quoted(rows: list[list[object]], end: str = "\n") -> str:
    return end.join(",".join(f'"{cell}"' if isinstance(cell, str) else str(cell) for cell in row) for row in rows) + end


def corpus(root: Path, end: str = "\n", encoding: str = "utf-8") -> Path:
    tables = {
        "SentenceFilenames.csv": [["Stimulus_Number", "Filename"], *([i + 1, clip] for i, clip in enumerate(CLIPS))],
        "VideoDemographics.csv": [
            ["ActorID", "Age", "Sex", "Race", "Ethnicity"],
            [1001, 51, "Male", "Caucasian", "Not Hispanic"],
            [1002, 21, "Female", "Unspecified", "Hispanic"],
        ],
        "tabulatedVotes.csv": [
            ["", *"ADFHNS", "fileName", "numResponses", "agreement", "emoVote"],
            *([f"{m}0000{i + 1}", *told, CLIPS[i], sum(told), 0.5, "?"] for m in VOTES for i, told in enumerate(VOTES[m])),
        ],
        "summaryTable.csv": [
            ["", "FileName", "VoiceVote", "VoiceLevel", "FaceVote", "FaceLevel", "MultiModalVote", "MultiModalLevel"],
            *(
                [str(i), clip, *(cell for vote in votes for cell in (vote, "50"))]
                for i, (clip, votes) in enumerate(zip(CLIPS, ["NAA", ("N", "N", "H:N"), "NSS", "NFN"], strict=True))
            ),
        ],
    }  # fmt: skip
    for name, rows in tables.items():
        (root / name).write_bytes(quoted(rows, end).encode(encoding))
    (root / "audeering_speaker_splits_v1.1.0.json").write_text(json.dumps({"train": [1001], "dev": [1002], "test": []}))
    return root


def media(root: Path) -> None:
    for folder, suffix in (("AudioWAV", ".wav"), ("VideoFlash", ".flv")):
        (root / folder).mkdir()
        for clip in CLIPS:
            # As a film of that kind begins, and long enough to hold a picture.
            (root / folder / (clip + suffix)).write_bytes(b"FLV" + bytes(20_000))


def labels(root: Path, **options: str) -> dict[str, str]:
    return read(root, options=options).table["label"].to_dict()


def test_votes_are_counted_by_modality_with_ties_as_misses(tmp_path):
    content = describe(str(corpus(tmp_path)))
    assert content["kind"] == "crema-d"
    assert content["actors"] == {"total": 2, "male": 1, "female": 1}
    assert {name: n for name, n in content["acted"].items() if n} == {"anger": 1, "fear": 1, "neutral": 1, "sadness": 1}
    agreement = content["agreement"]
    assert [agreement[m]["percent"] for m in ("voice", "face", "audio-visual")] == [25.0, 100.0, 50.0]
    assert (agreement["audio-visual"]["ties"], agreement["audio-visual"]["percent_ties_dropped"]) == (1, 66.7)
    assert {k: n for k, n in content["unique_winners"]["audio-visual"].items() if n} == {
        "total": 3,
        "anger": 1,
        "neutral": 1,
        "sadness": 1,
    }
    assert content["audeering_split"]["development"] == {"actors": 1, "clips": 2}
    assert content["no_speaker_in_two_sets"]
    assert content["media"] == {"found": 0, "missing": 4}
    assert any("published corpus has 7,442" in line for line in content["missing"])


def test_labels_are_as_one_chooses(tmp_path):
    root = corpus(tmp_path)
    tied = CLIPS[1]
    assert labels(root, label="acted")[tied] == "neutral"
    assert labels(root, modality="voice")[CLIPS[0]] == "neutral"
    assert labels(root, modality="face")[CLIPS[3]] == "fear"
    assert tied not in labels(root, ties="dropped")
    drawn = labels(root)
    assert drawn[tied] in ("happiness", "neutral")
    assert drawn == labels(root)
    soft = read(root, options={"votes": "soft"}).table
    assert soft.loc[tied, [f"share {name}" for name in ("happiness", "neutral", "sadness")]].tolist() == pytest.approx(
        [4 / 9, 4 / 9, 1 / 9]
    )


def test_windows_line_ends_utf16_and_the_summary_alone_say_the_same(tmp_path):
    plain = describe(str(corpus(tmp_path)))
    for folder, end, encoding in (("crlf", "\r\n", "utf-8-sig"), ("wide", "\r\n", "utf-16")):
        (tmp_path / folder).mkdir()
        other = describe(str(corpus(tmp_path / folder, end, encoding)))
        assert {k: other[k] for k in ("acted", "agreement", "actors")} == {k: plain[k] for k in ("acted", "agreement", "actors")}
        assert any("UTF-16" in line for line in other["missing"]) == (encoding == "utf-16")
    (tmp_path / "tabulatedVotes.csv").unlink()
    summary = describe(str(tmp_path))
    assert summary["agreement"] == plain["agreement"]
    assert any("no soft votes" in line for line in summary["missing"])


def test_media_without_tables_carry_the_acted_emotion(tmp_path):
    media(tmp_path)
    (tmp_path / "AudioWAV" / "notes.wav").touch()
    (tmp_path / "AudioWAV" / "._1001_IEO_ANG_HI.wav").touch()
    found = read(tmp_path)
    assert found.table["label"].tolist() == ["anger", "neutral", "sadness", "fear"]
    assert found.table["path"].iloc[0] == "VideoFlash/1001_IEO_ANG_HI.flv"
    assert any("notes.wav" in line and "no clip" in line for line in found.missing)
    assert any("acted" in line for line in found.missing)
    (tmp_path / "tabulatedVotes.csv").write_text(quoted([["", *"ADFHNS", "fileName"], ["300001", 9, 0, 0, 0, 0, 0, CLIPS[0]]]))
    with pytest.raises(UserError, match="no votes on voice"):
        read(tmp_path, options={"modality": "voice"})


def test_what_is_wrong_with_a_table_is_one_sentence(tmp_path):
    file = corpus(tmp_path) / "tabulatedVotes.csv"
    whole = file.read_text()
    row = whole.splitlines()[1]
    file.write_text(whole + row + "\n")
    assert any("more than once" in line for line in read(tmp_path).missing)
    for damaged, says in (
        (whole + row.replace(",3,", ",4,", 1) + "\n", "different things of 1001_IEO_ANG_HI"),
        (whole.replace(",3,", ",many,", 1), "'many' for A|'many' for anger|line 2"),
        (whole.replace("fileName", "clip"), "no column 'fileName'"),
        (whole.replace('"100001"', '"900001"'), "1, 2 or 3"),
        ("", "empty"),
    ):
        file.write_text(damaged)
        with pytest.raises(UserError, match=says):
            read(tmp_path)
    file.write_bytes(b"\x00\x01\x02" * 99)
    with pytest.raises(UserError, match="no text file"):
        read(tmp_path)


def test_unknown_options_are_one_sentence(tmp_path):
    corpus(tmp_path)
    for options, says in (({"label": "felt"}, "perceived, acted"), ({"votes ": "soft"}, "no option 'votes '")):
        with pytest.raises(UserError, match=says):
            read(tmp_path, options=options)
    with pytest.raises(UserError, match="no kind of corpus"):
        read(tmp_path, "cremona")
    with pytest.raises(UserError, match="There is no corpus in"):
        recognise(tmp_path / "nowhere")


@pytest.mark.skipif(not (SHARED / "labels" / "crema_d").is_dir(), reason="the shared labels are not here")
def test_the_published_tables_say_what_was_published():
    content = describe(str(SHARED / "labels" / "crema_d"))
    assert content["clips"] == 7442
    assert content["actors"] == {"total": 91, "male": 48, "female": 43}
    assert sorted(content["acted"].values()) == [1087] + 5 * [1271]
    assert content["acted"]["neutral"] == 1087
    assert [content["agreement"][m]["percent"] for m in ("voice", "face", "audio-visual")] == [41.6, 66.3, 72.2]
    assert content["unique_winners"]["audio-visual"] == {
        "total": 7022, "neutral": 1972, "happiness": 1219, "disgust": 1139, "fear": 1084, "anger": 1019, "sadness": 589
    }  # fmt: skip
    assert [content["audeering_split"][part]["actors"] for part in ("train", "development", "test")] == [56, 18, 17]


def test_a_table_of_votes_that_was_cut_off_leaves_the_rest_to_the_summary(tmp_path):
    corpus(tmp_path)
    whole = labels(tmp_path)
    rows = (tmp_path / "tabulatedVotes.csv").read_text().splitlines(keepends=True)
    # Of the last four, the votes on both modalities, two are lost.
    (tmp_path / "tabulatedVotes.csv").write_text("".join(rows[:-2]))
    assert labels(tmp_path) == whole
    notes = read(tmp_path).missing
    assert any("tabulatedVotes.csv lacks 2 clips (audio-visual)" in line for line in notes)
    assert int(read(tmp_path, options={"votes": "soft"}).table["share anger"].isna().sum()) == 2
    (tmp_path / "tabulatedVotes.csv").write_text(rows[0])
    assert labels(tmp_path) == whole
    with pytest.raises(UserError, match="no votes on audio-visual"):
        read(tmp_path, options={"votes": "soft"})


def test_clips_without_votes_are_told_of(tmp_path):
    corpus(tmp_path)
    rows = (tmp_path / "tabulatedVotes.csv").read_text().splitlines(keepends=True)
    (tmp_path / "tabulatedVotes.csv").write_text("".join(rows[:-2]))
    (tmp_path / "summaryTable.csv").unlink()
    found = read(tmp_path)
    assert len(found.table) == 2
    assert "2 clips have no votes on audio-visual and were left out." in found.missing


def test_tables_that_a_spreadsheet_saved_again(tmp_path):
    (tmp_path / "plain").mkdir()
    expected = labels(corpus(tmp_path / "plain"))
    for name, sign in (("semicolons", ";"), ("tabs", "\t")):
        (tmp_path / name).mkdir()
        root = corpus(tmp_path / name)
        for table in root.glob("*.csv"):
            table.write_text(table.read_text().replace(",", sign))
        assert labels(root) == expected
