"""A model trained on a person's own arrays, which its checkpoint then takes by itself."""

import numpy as np
import pandas as pd
import pytest

from affectscope.core.analyzer import Analyzer
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.errors import UserError
from affectscope.core.features import settings
from affectscope.core.features.own import described
from affectscope.core.training.loop import TrainConfig
from affectscope.core.training.measured import evaluate_checkpoint
from affectscope.core.training.recipes import Recipe
from affectscope.core.training.run import train_checkpoint
from tests.media_files import clip, tone


@pytest.fixture
def corpus(tmp_path, monkeypatch):
    """Twelve clips of two classes, of which arrays of sound and picture lie elsewhere."""
    for name in ("AFFECTSCOPE_CACHE", "AFFECTSCOPE_DATA"):
        monkeypatch.setenv(name, str(tmp_path / name))
    root = tmp_path / "corpus"
    rng = np.random.default_rng(0)
    for folder in (root, tmp_path / "sound", tmp_path / "picture"):
        folder.mkdir()
    rows = []
    for number in range(12):
        clip(root / f"c{number:02d}.mp4", 8, 8, tone(1.0))
        rows.append({"path": f"c{number:02d}.mp4", "label": ("anger", "happiness")[number % 2], "speaker": f"s{number // 3}"})
        np.save(tmp_path / "sound" / f"c{number:02d}.npy", rng.normal(size=(6, 9)).astype(np.float32))
        np.save(tmp_path / "picture" / f"c{number:02d}.npy", rng.normal(size=(5, 7)).astype(np.float32))
    pd.DataFrame(rows).to_csv(root / "labels.csv", index=False)
    settings.tell_arrays("sound", described("sound", tmp_path / "sound", "audio"))
    settings.tell_arrays("picture", described("picture", tmp_path / "picture", "visual"))
    return root


def trained(corpus, out, features):
    config = TrainConfig(epochs=1, batch_size=4, accelerator="cpu")
    return train_checkpoint("auxformer", "demo", str(corpus), Recipe("standard", config), out, workers=1, features=features)


def test_what_a_model_was_trained_on_it_takes(corpus, tmp_path):
    from affectscope.core.corpora import open_corpus

    card = trained(corpus, tmp_path / "m.safetensors", {"audio": "sound", "visual": "picture"})
    assert card["features"] == {"audio": "sound", "visual": "picture"}
    checkpoint = checkpoints.load(tmp_path / "m.safetensors")
    assert dict(checkpoint.spec.inputs) == {"audio": 9, "visual": 7}
    assert {m: checkpoint.sets[m] for m in ("audio", "visual")} == {"audio": "sound", "visual": "picture"}
    metrics, broken = evaluate_checkpoint(checkpoint, open_corpus(str(corpus)), workers=1)
    assert not broken
    assert 0 <= metrics["av"]["accuracy"] <= 1
    found = Analyzer(checkpoint).analyze(corpus / "c03.mp4")
    assert found.evidence == {"av": True, "audio": True, "visual": True}
    settings.tell_arrays("picture", None)
    with pytest.raises(
        UserError, match=r"takes picture for visual \(which its corpus, .*arrays picture FOLDER --modality visual`"
    ):
        Analyzer(checkpoint)


@pytest.mark.parametrize(
    ("features", "sentence"),
    [
        ({"text": "glove"}, "auxformer takes no text"),
        ({"visual": "nothing"}, "no feature set called 'nothing'"),
        ({"visual": "emoca-50"}, "emoca-50 is not extracted here"),
    ],
)
def test_what_cannot_be_trained_on_is_one_sentence(corpus, tmp_path, features, sentence):
    with pytest.raises(UserError, match=sentence):
        trained(corpus, tmp_path / "m.safetensors", features)
