"""The feature files of AuxFormer's first version, written as its repository writes them."""

import sys
import types

import numpy as np
import pytest
import torch

from affectscope.core.corpora.describe import describe
from affectscope.core.corpora.readers import read
from affectscope.core.errors import UserError
from affectscope.core.features.clips import load_clips


@pytest.fixture
def written(monkeypatch):
    """Writes an object of a class that is the repository's while it is written, and nobody's when it is read."""
    module = types.ModuleType("src.dataset")
    owner = type("Audiovisual_dataset", (torch.utils.data.Dataset,), {"__module__": "src.dataset"})
    module.Audiovisual_dataset = owner
    monkeypatch.setitem(sys.modules, "src", types.ModuleType("src"))
    monkeypatch.setitem(sys.modules, "src.dataset", module)

    def write(file, **tensors):
        file.parent.mkdir(parents=True, exist_ok=True)
        held = owner()
        vars(held).update(tensors, n_modalities=2)
        torch.save(held, file)

    return write


def tensors(classes: list[int], seed: int = 0) -> dict[str, torch.Tensor]:
    chance = torch.Generator().manual_seed(seed)
    audio, vision = torch.randn(len(classes), 6, 130, generator=chance), torch.randn(len(classes), 3, 4096, generator=chance)
    # The first clip is shorter than the others, and its second picture shows no face.
    audio[0, 4:], vision[0, 1] = 0, 0
    return {"audio": audio, "vision": vision, "labels": torch.eye(3)[classes][:, None]}


@pytest.fixture
def repository(tmp_path, written):
    written(tmp_path / "dataset" / "train_set.dt", **tensors([0, 2, 2, 1]))
    written(tmp_path / "dataset" / "develop_set.dt", **tensors([1, 0], 1))
    written(tmp_path / "dataset" / "test_set.dt", **tensors([2], 2))
    for name in ("src", "src.dataset"):
        del sys.modules[name]
    return tmp_path


def test_three_files_are_one_corpus_with_its_features(repository):
    content = describe(str(repository), options={"classes": "anger, sadness, joy"})
    assert (content["kind"], content["clips"], content["speakers"]) == ("auxformer-v1", 7, 0)
    assert {label: own["clips"] for label, own in content["classes"].items()} == {"anger": 2, "sadness": 2, "joy": 3}
    assert {part: own["clips"] for part, own in content["splits"].items()} == {"train": 4, "development": 2, "test": 1}
    assert {own["speakers"] for own in (*content["classes"].values(), *content["splits"].values())} == {0}
    assert "no_speaker_in_two_sets" not in content
    assert content["features"] == {
        "audio": {"name": "llds-32-16", "dim": 130}, "visual": {"name": "vgg-face", "dim": 4096},
    }  # fmt: skip
    assert "src" not in sys.modules


def test_padding_is_no_frame_and_a_frame_of_zeros_is_absent(repository):
    clips, broken = load_clips(read(repository / "dataset"), workers=1, sets={"audio": "llds-32-16", "visual": "vgg-face"})
    assert not broken
    first = next(clip for clip in clips if clip.id == "train-00000")
    audio, visual = first.streams["audio"], first.streams["visual"]
    assert audio.present.tolist() == [True] * 4
    assert (audio.values == tensors([0, 2, 2, 1])["audio"][0, :4].numpy()).all()
    assert np.diff(audio.times) == pytest.approx(0.016)
    assert visual.present.tolist() == [True, False, True]
    assert visual.times == pytest.approx([1 / 60, 3 / 60, 5 / 60])


def test_classes_have_no_names_but_those_that_are_given(repository):
    corpus = read(repository / "dataset" / "train_set.dt")
    assert corpus.table["label"].tolist() == ["class 0", "class 2", "class 2", "class 1"]
    assert any("--option classes" in remark for remark in corpus.missing)
    for wrong in ("anger,joy", "anger,anger,joy", "anger,,joy"):
        with pytest.raises(UserError, match="3 classes"):
            read(repository, options={"classes": wrong})


def test_a_part_that_is_missing_is_named(repository):
    (repository / "dataset" / "develop_set.dt").unlink()
    corpus = read(repository)
    assert set(corpus.table["split"]) == {"train", "test"}
    assert "develop_set.dt is missing." in corpus.missing


class Trap:
    def __reduce__(self):
        return print, ("it ran",)


def test_code_in_a_file_is_refused_and_not_run(repository, capsys):
    torch.save({"audio": Trap()}, repository / "dataset" / "test_set.dt")
    with pytest.raises(UserError, match=r"test_set\.dt holds more than .* never run"):
        read(repository)
    assert "it ran" not in capsys.readouterr().out


@pytest.mark.parametrize(
    "change",
    [
        {"vision": torch.zeros(4, 3)}, {"labels": torch.zeros(4, 2, 3)}, {"audio": torch.zeros(3, 6, 130)}, {"audio": None},
        {"labels": torch.full((4, 1, 3), torch.nan)}, {"vision": torch.zeros(1).expand(4, 30_000, 4096)},
    ],
)  # fmt: skip
def test_other_contents_are_told_of(tmp_path, written, change):
    written(tmp_path / "train_set.dt", **{**tensors([0, 1, 2, 0]), **change})
    with pytest.raises(UserError, match=r"train_set\.dt"):
        read(tmp_path)


def test_damaged_files_are_told_of(repository):
    file = repository / "dataset" / "train_set.dt"
    file.write_bytes(file.read_bytes()[:5000])
    with pytest.raises(UserError, match=r"train_set\.dt"):
        read(repository)
    file.write_bytes(b"")
    with pytest.raises(UserError, match=r"train_set\.dt"):
        read(repository)
    torch.save([1, 2], file)
    with pytest.raises(UserError, match="no dataset of AuxFormer's"):
        read(repository)
