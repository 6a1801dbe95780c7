"""A folder of clips of one's own."""

import pytest

from core.corpora.describe import describe
from core.corpora.readers import read, recognise
from core.errors import UserError


def media(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
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
    (tmp_path / "mine.csv").write_bytes("clip,label,speaker\na,Ärger,Jürgen\n".encode("cp1252"))
    corpus = read(tmp_path)
    assert corpus.labels == ("Ärger",)
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
    for place in ("happy/001.mp4", "sad/001.mp4", "a.mp4", "a.wav"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).write_bytes(b"1")
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
