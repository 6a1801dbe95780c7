"""EMO-DB: everything is in the files' names."""

import pytest

from affectscope.core.corpora.readers import read, recognise
from affectscope.core.errors import UserError
from tests.reference import SHARED


def test_names_say_everything(tmp_path):
    (tmp_path / "wav").mkdir()
    for name in ("03a01Fa.wav", "08b10Wc.wav", "16a07La.wav", "16a07La.txt", "99a01Fa.wav"):
        (tmp_path / "wav" / name).touch()
    corpus = read(tmp_path)
    assert corpus.kind == "emo-db"
    assert corpus.table["label"].to_dict() == {"03a01Fa": "happiness", "08b10Wc": "anger", "16a07La": "boredom"}
    assert corpus.table[["sex", "age"]].to_numpy().tolist() == [["male", 31], ["female", 34], ["female", 31]]
    assert corpus.table.loc["03a01Fa", "sentence"] == "Der Lappen liegt auf dem Eisschrank."
    assert any("99a01Fa.wav" in line for line in corpus.missing)
    assert "3 clips; the published corpus has 535." in corpus.missing


def test_a_table_beside_them_makes_it_ones_own(tmp_path):
    (tmp_path / "03a01Fa.wav").touch()
    assert recognise(tmp_path) == "emo-db"
    (tmp_path / "labels.csv").write_text("file,label\n03a01Fa.wav,joy\n")
    assert recognise(tmp_path) == "folder"
    (tmp_path / "03a01Fa.wav").unlink()
    with pytest.raises(UserError, match="no clip of EMO-DB"):
        read(tmp_path, "emo-db")


@pytest.mark.skipif(not (SHARED / "real" / "voices").is_dir(), reason="no shared material here")
def test_the_code_agrees_with_a_table_of_its_labels():
    table = read(SHARED / "real" / "voices").table
    own = read(SHARED / "real" / "voices", "emo-db").table
    assert own["label"].to_dict() == table["label"].to_dict()
