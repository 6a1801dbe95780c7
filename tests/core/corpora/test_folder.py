"""A folder of clips of one's own."""

import pytest

from affectscope.core.corpora.describe import describe
from affectscope.core.corpora.readers import read, recognise
from affectscope.core.errors import UserError


def media(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        # As a video begins, and long enough to hold a picture.
        (root / name).write_bytes(bytes(4) + b"ftyp" + bytes(20_000))
    return root


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("clip,emotion,actor,set,valence\na,joy,s1,train,0.5\nb,rage,s2,test,\n", "utf-8"),
        ("File;Label;Speaker;Split;Valence\r\nclips\\a.mp4;joy;s1;train;0.5\r\nclips\\b.wav;rage;s2;test;\r\n", "utf-16"),
        (
            "path\tlabel\tsubject\tfold\tvalence\n./clips/a.mp4\tjoy\ts1\ttrain\t0.5\nclips/b.wav\trage\ts2\ttest\tnan\n",
            "utf-8-sig",
        ),
    ],
)
def test_a_table_may_be_as_people_write_it(tmp_path, text, encoding):
    media(tmp_path, "clips/a.mp4", "clips/b.wav", "clips/stray.mp4")
    (tmp_path / "mine.csv").write_bytes(text.encode(encoding))
    corpus = read(tmp_path)
    assert corpus.kind == "folder"
    assert corpus.labels == ("joy", "rage")
    assert corpus.table["path"].tolist() == ["clips/a.mp4", "clips/b.wav"]
    assert corpus.table["speaker"].tolist() == ["s1", "s2"]
    assert corpus.table["split"].tolist() == ["train", "test"]
    assert corpus.table["valence"].iloc[0] == 0.5
    assert corpus.table["valence"].isna().tolist() == [False, True]
    assert any("stray.mp4" in line for line in corpus.missing)


def test_without_a_table_folders_are_labels(tmp_path):
    corpus = read(media(tmp_path, "joy/1.mp4", "rage/2.mp4"))
    assert corpus.table["label"].to_dict() == {"1": "joy", "2": "rage"}
    (tmp_path / "flat").mkdir()
    assert read(media(tmp_path / "flat", "1.mp4")).labels == ()


def test_german_umlauts_of_an_old_windows_are_kept_and_said(tmp_path):
    (tmp_path / "mine.csv").write_bytes("clip,label,speaker\na,Übermut,Jürgen\n".encode("cp1252"))
    corpus = read(tmp_path)
    assert corpus.labels == ("Übermut",)
    assert any("Windows-1252" in line for line in corpus.missing)


def test_what_is_wrong_is_one_sentence(tmp_path):
    (tmp_path / "mine.csv").write_text("clip,label\na,joy\na,rage\n")
    with pytest.raises(UserError, match="different things of a"):
        read(tmp_path)
    (tmp_path / "mine.csv").write_text("clip,label\n,joy\n")
    with pytest.raises(UserError, match="no clip in line 2"):
        read(tmp_path)
    (tmp_path / "mine.csv").write_text("clip,label\n")
    with pytest.raises(UserError, match="names no clip"):
        read(tmp_path)
    (tmp_path / "other.csv").write_text("clip,label\nb,joy\n")
    with pytest.raises(UserError, match="several tables"):
        read(tmp_path)
    assert read(tmp_path, options={"table": "other.csv"}).table.index.tolist() == ["b"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="of a kind that is known"):
        read(tmp_path / "empty")


def test_a_table_beside_ravdess_s_names_makes_a_corpus_of_one_s_own(tmp_path):
    folder = media(tmp_path / "own", "01-01-03-01-01-01-01.mp4", "other.mp4")
    assert recognise(folder) == "ravdess"
    (folder / "labels.csv").write_text("clip,label\n01-01-03-01-01-01-01,Happy\nother,sad\n")
    assert recognise(folder) == "folder"
    assert sorted(read(folder).table["label"]) == ["happiness", "sadness"]


def test_labels_are_read_by_their_nouns_unless_asked_otherwise(tmp_path):
    folder = media(tmp_path / "own", "1.mp4", "2.mp4", "3.mp4")
    (folder / "labels.csv").write_text("clip,label\n1,ANGRY\n2,Anger\n3,Boredom\n")
    corpus = read(folder)
    assert corpus.table["label"].tolist() == ["anger", "anger", "Boredom"]
    assert "Labels are read by their nouns: ANGRY as anger, Anger as anger; --option names=written leaves them as they are." in (
        corpus.missing
    )
    assert read(folder, "folder", {"names": "written"}).table["label"].tolist() == ["ANGRY", "Anger", "Boredom"]


def test_a_path_in_a_table_is_that_file_and_no_other_of_its_name(tmp_path):
    media(tmp_path, "happy/001.mp4", "sad/001.mp4", "a.mp4", "a.wav")
    rows = ["x,happy/001.mp4", "y,sad/001.mp4", "z,other/001.mp4", "v,a.mp4", "w,a.wav", "u,all/sad/001.mp4", r"t,.\sad\001.mp4"]
    (tmp_path / "labels.csv").write_text("\n".join(["clip,path,label", *(f"{row},calm" for row in rows)]))
    table = read(tmp_path).table
    assert table["path"].to_dict() == {
        "x": "happy/001.mp4", "y": "sad/001.mp4", "z": "", "v": "a.mp4", "w": "a.wav", "u": "sad/001.mp4", "t": "sad/001.mp4",
    }  # fmt: skip


def test_clips_of_one_name_in_two_folders_are_two_clips(tmp_path):
    for place in ("happy/001.mp4", "sad/001.mp4"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(b"1")
    assert read(tmp_path).table["path"].to_dict() == {"happy_001": "happy/001.mp4", "sad_001": "sad/001.mp4"}
    (tmp_path / "labels.csv").write_text("path,label\nhappy/001.mp4,happiness\nsad/001.mp4,sadness\n")
    table = read(tmp_path).table
    assert table[["path", "label"]].to_numpy().tolist() == [["happy/001.mp4", "happiness"], ["sad/001.mp4", "sadness"]]
    assert table.index.tolist() == ["happy_001", "sad_001"]


def test_links_that_lead_nowhere_and_what_git_lfs_left_out_are_no_media(tmp_path):
    (tmp_path / "labels.csv").write_text("clip,label\na,calm\nb,calm\nc,calm\n")
    (tmp_path / "a.mp4").write_bytes(b"1")
    (tmp_path / "b.mp4").symlink_to("gone.mp4")
    (tmp_path / "c.mp4").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n")
    content = describe(str(tmp_path))
    assert content["media"] == {"found": 1, "missing": 2}
    assert any("2 files (b.mp4, c.mp4) are links without content" in remark for remark in content["missing"])


def test_a_table_whose_label_is_called_otherwise_is_asked_about(tmp_path):
    (tmp_path / "mine.csv").write_text("clip,emotion_label,who\na,joy,s1\nb,rage,s2\n")
    with pytest.raises(UserError, match=r"no column called label.*--map label=COLUMN \(clip, emotion_label, who\)"):
        read(tmp_path)
    corpus = read(tmp_path, options={"label": "emotion_label", "speaker": "who"})
    assert corpus.table["label"].tolist() == ["joy", "rage"]
    assert corpus.table["speaker"].tolist() == ["s1", "s2"]
    assert read(tmp_path, options={"label": "none"}).labels == ()
    with pytest.raises(UserError, match=r"no column 'mood'.*\(clip, emotion_label, who\)"):
        read(tmp_path, options={"label": "mood"})


def test_a_clips_column_may_be_called_anything(tmp_path):
    (tmp_path / "mine.csv").write_text("recording,label,V\na,joy,0.5\n")
    corpus = read(tmp_path / "mine.csv", "folder", {"clip": "recording", "valence": "V"})
    assert corpus.table.loc["a", "valence"] == 0.5
    with pytest.raises(UserError, match=r"names the clips: .*--map clip=COLUMN"):
        read(tmp_path / "mine.csv", "folder")


def test_attributes_need_no_label(tmp_path):
    (tmp_path / "mine.csv").write_text("clip,valence,room\na,0.5,x\n")
    assert read(tmp_path).table.loc["a", "room"] == "x"


@pytest.mark.parametrize("name", ["all.zip", "all.tar.gz", "ALL.7Z", "all.rar"])
def test_an_archive_is_to_be_unpacked(tmp_path, name):
    (tmp_path / name).write_bytes(b"PK")
    for path in (tmp_path / name, tmp_path):
        with pytest.raises(UserError, match="unpack it"):
            recognise(path)


def test_a_video_without_a_picture_gives_way_to_its_sound(tmp_path):
    (tmp_path / "b.mp4").touch()
    (tmp_path / "a.flv").write_bytes(b"FLV\x01\x05\0\0\0\x09\0\0\0\0")
    (tmp_path / "c.mp4").write_bytes(b"<html>not found</html>" * 2000)
    for name in "ac":
        (tmp_path / f"{name}.wav").write_bytes(b"RIFF")
    (tmp_path / "mine.csv").write_text("clip,label\na,joy\nb,joy\nc,joy\n")
    corpus = read(tmp_path)
    # Nothing stands in for b: whoever reads it is told.
    assert corpus.table["path"].to_dict() == {"a": "a.wav", "b": "b.mp4", "c": "c.wav"}
    assert "2 videos (a.flv, c.mp4) hold no picture: the sound of the same name is used." in corpus.missing


def test_labels_of_other_languages_are_read_by_their_nouns_unless_as_written(tmp_path):
    (tmp_path / "mine.csv").write_text("clip,label\na,Wut\nb,Freude\nc,Ruhe\n")
    assert read(tmp_path).labels == ("Ruhe", "anger", "happiness")
    assert any("Wut as anger" in line and "names=written" in line for line in read(tmp_path).missing)
    assert read(tmp_path, options={"names": "written"}).labels == ("Freude", "Ruhe", "Wut")
