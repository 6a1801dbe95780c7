"""MSP-IMPROV from its evaluation file and the folders of its sessions."""

import pytest

from affectscope.core.corpora.describe import describe
from affectscope.core.corpora.readers import read
from affectscope.core.errors import UserError

EVALUATION = """UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.500000; V:3.000000; D:3.500000 ; N:4.200000;
WORKER01; Neutral; Neutral,Concerned,; A:2.000; V:3.000; D:3.000; N:4.000;
WORKER02; Neutral; Neutral; A:3.000; V:3.000; D:4.000; N:4.000;
WORKER02; Neutral; Neutral; A:3.000; V:3.000; D:4.000; N:4.000;
WORKER03; Angry; Angry,Frustrated (a bit; really),; A:3.000; V:3.000; D:4.000; N:4.000;

UTD-IMPROV-S01A-M01-T-MF02.avi; A; A:1.000000; V:1.000000; D:5.000000 ; N:NaN;
WORKER01; Angry; Angry; A:1.0; V:1.0; D:5.0; N:3.0;

UTD-IMPROV-S12H-F02-R-FF01.avi; X; A:5.000000; V:5.000000; D:NaN ; N:3.000000;

UTD-IMPROV-S20S-M02-S-MM103.avi; O; A:3.0; V:3.0; D:3.0 ; N:3.0;
"""


def corpus(root, text=EVALUATION, name="Evaluation.txt", end="\n"):
    (root / name).write_bytes(text.replace("\n", end).encode())
    return root


@pytest.mark.parametrize(("name", "end"), [("Evaluation.txt", "\n"), ("Evalution.txt", "\r\n")])
def test_classes_attributes_speakers_and_conditions(tmp_path, name, end):
    content = describe(str(corpus(tmp_path, name=name, end=end)))
    assert (content["kind"], content["turns"], content["clips"]) == ("msp-improv", 4, 2)
    assert content["consensus"] == {"anger": 1, "happiness": 0, "neutral": 1, "sadness": 0, "other": 1, "no agreement": 1}
    assert content["conditions"] == {"other-improvised": 1, "target-improvised": 1, "target-read": 1, "natural": 1}
    assert content["sessions"] == {"1": 2, "2": 2}
    assert content["actors"] == {"total": 4, "male": 2, "female": 2}
    table = read(tmp_path, options={"classes": "all"}).table
    # Activation 1 is the most active.
    assert table.loc["MSP-IMPROV-S01A-M01-T-MF02", ["arousal", "valence", "dominance"]].tolist() == [1, -1, 1]
    assert table.loc["MSP-IMPROV-S01A-F01-P-FM01", "arousal"] == 0.25
    assert table["label"].tolist() == ["neutral", "anger", "", "other"]
    assert table["acted"].tolist() == ["anger", "anger", "happiness", "sadness"]
    assert read(tmp_path, options={"condition": "natural"}).table.index.tolist() == ["MSP-IMPROV-S01A-F01-P-FM01"]


def test_soft_votes_count_each_rater_once(tmp_path):
    table = read(corpus(tmp_path), options={"votes": "soft"}).table
    row = table.loc["MSP-IMPROV-S01A-F01-P-FM01"]
    assert (row["share neutral"], row["share anger"]) == (pytest.approx(2 / 3), pytest.approx(1 / 3))


def test_media_are_found_in_the_sessions_and_without_labels_too(tmp_path):
    folder = tmp_path / "session1" / "S01A" / "P"
    folder.mkdir(parents=True)
    for name in (
        "MSP-IMPROV-S01A-F01-P-FM01.wav",
        "UTD-IMPROV-S01A-F01-P-FM01.avi",
        "MSP-IMPROV-S01A-F01-P-FM02.wav",
        "noise.wav",
    ):
        (folder / name).touch()
    alone = read(tmp_path)
    assert alone.kind == "msp-improv"
    assert alone.table["path"].tolist() == [
        "session1/S01A/P/UTD-IMPROV-S01A-F01-P-FM01.avi", "session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM02.wav"
    ]  # fmt: skip
    notes = " ".join(alone.missing)
    assert "Evaluation.txt is missing" in notes
    assert "noise.wav" in notes
    both = read(corpus(tmp_path))
    assert both.table["path"].tolist() == ["session1/S01A/P/UTD-IMPROV-S01A-F01-P-FM01.avi", ""]


def test_what_is_wrong_is_one_sentence(tmp_path):
    first = EVALUATION.splitlines()[0]
    for damaged, says in (
        (EVALUATION.replace("; N; A:2.5", "; Q; A:2.5"), "class 'Q' in line 1"),
        (EVALUATION.replace("A:2.500000; ", ""), "lacks one of A, V, D and N in line 1"),
        (EVALUATION + first.replace("3.5", "1.5"), "different things of MSP-IMPROV-S01A-F01-P-FM01, again in line 13"),
        ("nothing\n", "holds no turn"),
    ):
        with pytest.raises(UserError, match=says):
            read(corpus(tmp_path, damaged))
    notes = read(corpus(tmp_path, EVALUATION + first + "\nstray line\n")).missing
    assert any("more than once" in line for line in notes)
    assert any("line 14" in line for line in notes)
