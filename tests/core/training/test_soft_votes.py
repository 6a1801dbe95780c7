"""Learning the shares of the raters' votes instead of the class that most of them chose."""

import math

import numpy as np
import pytest
import torch

from affectscope.core.checkpoints.saved import Normaliser
from affectscope.core.corpora.readers import read
from affectscope.core.errors import UserError
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from affectscope.core.models.base import ModelSpec
from affectscope.core.streams import Batch, Clip, Stream
from affectscope.core.training.batches import Batches, soft_labels
from affectscope.core.training.criteria import one_loss
from affectscope.core.training.loop import TrainConfig
from affectscope.core.training.recipes import Recipe
from affectscope.core.training.run import balanced, set_prior, train_checkpoint
from affectscope.core.training.strategies import STRATEGIES

LABELS = ("anger", "happiness", "neutral")
SPEC = ModelSpec("none", {"audio": 2}, LABELS, ("a",), {"a": ("audio",)}, ("a",))


def clip(label: str, **votes: float) -> Clip:
    stream = Stream(np.ones((1, 2), np.float32), np.zeros(1), np.ones(1, bool))
    return Clip("c", {"audio": stream}, 1.0, {"label": label, **{f"share {name}": share for name, share in votes.items()}})


def test_votes_for_other_words_are_left_out_and_who_got_none_keeps_the_label():
    assert soft_labels(clip("happiness", anger=0.1, happiness=0.5, neutral=0.2, other=0.2), SPEC).tolist() == pytest.approx(
        [1 / 8, 5 / 8, 2 / 8]
    )
    assert soft_labels(clip("happiness", anger=0.0, happiness=0.0, neutral=0.0), SPEC).tolist() == [0, 1, 0]
    assert soft_labels(clip("happiness", anger=np.nan, happiness=np.nan, neutral=np.nan), SPEC).tolist() == [0, 1, 0]
    assert soft_labels(clip("neutral"), SPEC).tolist() == [0, 0, 1]
    with pytest.raises(UserError, match="not in the label space"):
        soft_labels(clip("fear", anger=1.0, happiness=0.0, neutral=0.0), SPEC)


def test_the_loss_is_the_cross_entropy_with_the_shares():
    # Probabilities 1/2, 1/4, 1/4: -(0.2 ln 1/2 + 0.8 ln 1/4) = 0.2 ln 2 + 1.6 ln 2.
    logits = torch.tensor([[0.5, 0.25, 0.25]]).log()
    assert float(one_loss(logits, torch.tensor([[0.2, 0.8, 0.0]]), SPEC)) == pytest.approx(1.8 * math.log(2))
    # All votes for one class: as for the class.
    hard, soft = torch.tensor([1]), torch.tensor([[0.0, 1.0, 0.0]])
    assert float(one_loss(logits, soft, SPEC)) == pytest.approx(float(one_loss(logits, hard, SPEC)))


def test_batches_the_prior_and_the_weights_count_votes():
    clips = [clip("anger", anger=1.0, happiness=0.0, neutral=0.0), clip("happiness", anger=0.5, happiness=0.5, neutral=0.0)]
    batches = Batches(clips, SPEC, Normaliser(), soft_votes=True)
    ((_, target),) = list(batches)
    assert target.tolist() == [[1, 0, 0], [0.5, 0.5, 0]]
    # 1.5 and 0.5 clips' worth of votes in all 2: each class's weight is 2 / (votes * 2 classes), none for what has none.
    assert balanced(batches.targets, SPEC) == pytest.approx((2 / 3, 2.0, 0.0))
    model = AuxFormer(AuxFormerConfig(audio_dim=2, visual_dim=2, labels=LABELS))
    set_prior(model, batches.targets)
    assert model.prior.exp().tolist() == pytest.approx([2.5 / 5, 1.5 / 5, 1 / 5])


@pytest.mark.parametrize("strategy", sorted(set(STRATEGIES) - {"sequences"}))
def test_every_strategy_of_classes_learns_from_votes(strategy):
    torch.manual_seed(0)
    model = AuxFormer(AuxFormerConfig(audio_dim=2, visual_dim=2, labels=LABELS))
    own = STRATEGIES[strategy]()
    batch = Batch.of(audio=torch.randn(6, 5, 2), visual=torch.randn(6, 5, 2))
    hard = torch.tensor([0, 1, 2, 0, 1, 2])
    losses = []
    for target in (hard, torch.eye(3)[hard]):
        torch.manual_seed(1)
        losses.append(float(own.loss(model.eval(), batch, target, own.stages[0]).detach()))
    assert losses[1] == pytest.approx(losses[0], rel=1e-5)


def vavl(root):
    rng = np.random.default_rng(0)
    (root / "Face_features").mkdir(parents=True)
    lines = ["FileName,angry,happy,SpkrID,Gender,Split_Set"]
    for number in range(12):
        angry = (0.9, 0.2)[number % 2]
        part = ("Train", "Train", "Development", "Test")[number // 3]
        lines.append(f"c{number:02d}.wav,{angry},{1 - angry:.1f},{1000 + number},Male,{part}")
        np.save(root / "Face_features" / f"c{number:02d}.npy", rng.normal(size=(5, 8)).astype(np.float32))
    (root / "labels.csv").write_text("\n".join(lines))
    return root


def test_a_model_learns_votes_and_is_measured_by_classes(tmp_path, monkeypatch):
    monkeypatch.setenv("AFFECTSCOPE_CACHE", str(tmp_path / "cache"))
    root = vavl(tmp_path / "corpus")
    assert read(root).labels == ("anger", "happiness")
    config = TrainConfig(epochs=2, batch_size=4, accelerator="cpu", split="official", soft_votes=True)
    card = train_checkpoint("auxformer", "demo", str(root), Recipe("standard", config), tmp_path / "m.safetensors", workers=1)
    assert card["config"]["soft_votes"] is True
    assert card["clips"] == {"train": 6, "development": 3, "test": 3}
    assert 0 <= card["metrics"]["av"]["accuracy"] <= 1


def test_a_corpus_without_votes_is_one_sentence(tmp_path):
    config = TrainConfig(epochs=1, accelerator="cpu", soft_votes=True)
    with pytest.raises(UserError, match="demo has no shares of votes"):
        train_checkpoint("auxformer", "demo", "demo", Recipe("standard", config), tmp_path / "m.safetensors")
