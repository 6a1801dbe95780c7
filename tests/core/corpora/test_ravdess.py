"""RAVDESS: everything is in a file's name."""

import pytest

from affectscope.core.corpora.describe import describe
from affectscope.core.corpora.readers import read
from affectscope.core.errors import UserError


def touched(root, *files):
    for file in files:
        (root / file).parent.mkdir(parents=True, exist_ok=True)
        (root / file).touch()
    return root


def whole(root):
    """All 24 actors' speech, audio-visual and sound alone, as the downloads unpack."""
    for actor in range(1, 25):
        names = [
            f"01-{e:02d}-{i:02d}-{s:02d}-{r:02d}-{actor:02d}"
            for e in range(1, 9)
            for i in (1, 2)[: 1 if e == 1 else 2]
            for s in (1, 2)
            for r in (1, 2)
        ]
        touched(root, *(f"Video_Speech_Actor_{actor:02d}/Actor_{actor:02d}/01-{n}.mp4" for n in names))
        touched(root, *(f"Audio_Speech_Actors_01-24/Actor_{actor:02d}/03-{n}.wav" for n in names))
    return root


def test_the_whole_corpus_has_what_was_published(tmp_path):
    content = describe(str(whole(tmp_path)), durations=False)
    assert (content["kind"], content["clips"], content["speakers"]) == ("ravdess", 1440, 24)
    assert {label: counts["clips"] for label, counts in content["classes"].items()} == {
        "neutral": 96, "calm": 192, "happiness": 192, "sadness": 192, "anger": 192, "fear": 192, "disgust": 192, "surprise": 192
    }  # fmt: skip
    assert content["actors"] == {"total": 24, "male": 12, "female": 12}
    assert content["files"]["speech"] == {"audio-visual": 1440, "video": 0, "audio": 1440}
    assert content["intensity"] == {"normal": 2 * 768, "strong": 2 * 672}
    assert not content["missing"]


def test_a_name_says_all(tmp_path):
    touched(
        tmp_path, "Actor_12/01-01-06-02-01-02-12.mp4", "Actor_12/02-01-06-01-02-01-12.mp4", "Actor_11/01-02-02-01-01-01-11.mp4"
    )
    row = read(tmp_path).table.iloc[0]
    assert row[["label", "speaker", "sex", "intensity", "sentence", "repetition"]].tolist() == [
        "fear", "12", "female", "strong", "Kids are talking by the door", 2
    ]  # fmt: skip
    assert read(tmp_path, options={"modality": "video"}).table["path"].tolist() == ["Actor_12/02-01-06-01-02-01-12.mp4"]
    assert read(tmp_path, options={"channel": "song"}).table["label"].tolist() == ["calm"]
    assert len(read(tmp_path, options={"channel": "all", "modality": "all"}).table) == 3


def test_sound_alone_is_read_and_said(tmp_path):
    touched(
        tmp_path,
        "Actor_01/03-01-05-01-01-01-01.wav",
        "Actor_01/notes.wav",
        "Actor_01/03-01-09-01-01-01-01.wav",
        "copy/Actor_01/03-01-05-01-01-01-01.wav",
    )
    corpus = read(tmp_path)
    assert corpus.table["label"].tolist() == ["anger"]
    notes = " ".join(corpus.missing)
    assert "No audio-visual clips" in notes
    assert "2 files have no name" in notes
    assert "more than once" in notes
    assert "1 audio clips of speech; the published corpus has 1,440" in notes
    assert "Actor 02, 03" in notes


def test_a_folder_without_a_clip_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="no clip of RAVDESS"):
        read(touched(tmp_path, "Actor_01/song.mp3"), "ravdess")
