"""Corpora that join a trained model by roads beside its heads."""

from dataclasses import replace

import pandas as pd
import pytest
import torch

from affectscope.core.checkpoints import saved
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.models.base import MODELS
from affectscope.core.models.blocks.linear_adapter import LinearAdapter, statistics
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.models.vavl import VAVL, VAVLConfig
from affectscope.core.training import background, beside
from affectscope.core.training import run as training_run
from affectscope.core.training.batches import Batches, fit_normaliser
from affectscope.core.training.loop import TrainConfig
from affectscope.core.training.recipes import Recipe
from tests.core.training.test_joined import LABELS, clip
from tests.small_corpus import affectscope

CONFIG = VAVLConfig(
    LABELS, audio_dim=3, visual_dim=4, projected=4, width=8, heads=2, layers=1, shared_layers=1, kernel=3, hidden=(8, 6)
)
SPEAKERS = [f"s{i}" for i in range(6)]
FIRST = [clip(f"f{i}", LABELS[i % 2], SPEAKERS[i % 6]) for i in range(36)]


def turned(name: str, label: str, speaker: str):
    """A clip of a corpus that speaks far off, and where what sounds like one class is labelled as the other."""
    made = clip(name, LABELS[1 - LABELS.index(label)], speaker, visual=False)
    sound = replace(made.streams["audio"], values=made.streams["audio"].values + 10)
    return replace(made, streams={**made.streams, "audio": sound}, labels={"label": label, "speaker": speaker})


VOICES = [turned(f"v{i}", LABELS[i % 2], SPEAKERS[i % 6]) for i in range(36)]


def network() -> VAVL:
    torch.manual_seed(0)
    return VAVL(CONFIG).eval()


def asked(model, normaliser, clips):
    [(batch, target)] = Batches(clips, model.spec, normaliser, len(clips))
    with torch.no_grad():
        return model(batch).predictions, target


def test_statistics_are_those_of_present_frames():
    values = torch.tensor([[[1.0], [3.0], [99.0]], [[5.0], [5.0], [5.0]]])
    there = torch.tensor([[True, True, False], [False, False, False]])
    # By hand: of 1 and 3 mean 2 and deviation 1; of nothing 0.
    torch.testing.assert_close(statistics(values, there), torch.tensor([[2.0, 1.0], [0.0, 0.0]]), atol=1e-5, rtol=0)


def test_a_road_is_gate_times_answer_and_no_statistic_counts_without_end():
    road = LinearAdapter(1, 1)
    far = torch.tensor([[3.0, 0.0], [800.0, 0.0]])
    assert road(far).abs().max() == 0
    with torch.no_grad():
        road.centre[0], road.spread[0] = 1.0, 2.0
        road.answer.weight[0, 0] = 1.0
    # By hand: sigmoid(0) is a half; (3 - 1) / 2 = 1; (800 - 1) / 2 is cut at 5.
    torch.testing.assert_close(road(far), torch.tensor([[0.5], [2.5]]))


def test_roads_that_are_new_change_no_answer():
    model = network()
    normaliser = fit_normaliser(FIRST)
    before, _ = asked(model, normaliser, FIRST)
    after, _ = asked(beside.with_roads(model), normaliser, FIRST)
    for head, logits in before.items():
        assert torch.equal(after[head], logits)


def test_joined_clips_are_read_and_what_the_model_did_before_stays():
    model, normaliser = beside.with_roads(network()), fit_normaliser(FIRST)
    before, _ = asked(model, normaliser, FIRST)
    origins = ["first"] * 24 + ["voices"] * 24
    assert beside.fit_roads(model, normaliser, FIRST[:24] + VOICES[:24], origins, "first") == ["audio"]
    answers, target = asked(model, normaliser, VOICES[24:])
    assert (answers["audio"].argmax(1) == target).float().mean() > 0.9
    after, _ = asked(model, normaliser, FIRST)
    # Nobody joined with a picture: its head, and that of both, say to the last bit what they said.
    assert torch.equal(after["visual"], before["visual"])
    assert torch.equal(after["av"], before["av"])
    # Nor does the gate open for the first corpus, which would be read wrongly by the joined one's rule.
    first, _ = asked(model, normaliser, FIRST[24:])
    torch.testing.assert_close(first["audio"].softmax(1), before["audio"][24:].softmax(1), atol=0.2, rtol=0)
    assert (answers["audio"] - before["audio"].mean(0)).abs().max() > 1
    # Fitted again it begins anew.
    once = {key: value.clone() for key, value in model.state_dict().items()}
    beside.fit_roads(model, normaliser, FIRST[:24] + VOICES[:24], origins, "first")
    for key, value in model.state_dict().items():
        torch.testing.assert_close(value, once[key])


def test_without_a_first_corpus_of_that_kind_the_gate_is_open():
    model, normaliser = beside.with_roads(network()), fit_normaliser(FIRST)
    beside.fit_roads(model, normaliser, VOICES, ["voices"] * 36, "first")
    assert model.beside["audio"].gate.bias.sigmoid().item() == pytest.approx(1)
    answers, target = asked(model, normaliser, VOICES)
    assert (answers["audio"].argmax(1) == target).float().mean() > 0.9


def corpora(tmp_path, synthetic: bool = True) -> list[Corpus]:
    table = pd.DataFrame({"label": ["anger"], "speaker": ["a"]}, ["c"])
    return [Corpus(n, tmp_path / n, table, EMOTIONS, synthetic=s) for n, s in (("demo", synthetic), ("voices", False))]


def test_it_begins_with_the_shipped_model_that_fits(tmp_path):
    both, sets = corpora(tmp_path), {"audio": "llds", "visual": "face-views"}
    changes = {"labels": EMOTIONS, "audio_dim": 130}
    assert beside.beginning("vavl", "demo", both, changes, sets) == "vavl"
    assert MODELS["vavl"].preset("demo").config.beside is False
    # One corpus; people first; no such road; another size, label, feature set.
    assert beside.beginning("vavl", "demo", both[:1], changes, sets) == ""
    assert beside.beginning("vavl", "demo", corpora(tmp_path, False), changes, sets) == ""
    assert beside.beginning("auxformer", "demo", both, changes, sets) == ""
    assert beside.beginning("vavl", "paper", both, changes, sets) == ""
    assert beside.beginning("vavl", "demo", both, changes | {"audio_dim": 88}, sets) == ""
    assert beside.beginning("vavl", "demo", both, {"labels": ("anger", "fear")}, sets) == ""
    assert beside.beginning("vavl", "demo", both, changes, sets | {"audio": "mfcc"}) == ""


def test_a_corpus_joins_and_the_checkpoint_keeps_it(tmp_path, monkeypatch):
    clips = {"demo": FIRST, "voices": VOICES}
    # Who is tested is said, so that development and training are known.
    parts = {"s0": "test", "s1": "development"}

    def opened(name):
        rows = [{"path": "", **c.labels, "split": parts.get(c.labels["speaker"], "train")} for c in clips[name]]
        return Corpus(name, tmp_path / name, pd.DataFrame(rows, [c.id for c in clips[name]]), LABELS, synthetic=name == "demo")

    start = Checkpoint(network(), fit_normaliser(FIRST), {})
    monkeypatch.setattr(training_run, "open_corpus", opened)
    monkeypatch.setattr(training_run, "read_clips", lambda corpus, *rest: (clips[corpus.name], []))
    monkeypatch.setattr(training_run, "adapt_preset", lambda *rest: (vars(CONFIG), {"audio": "llds", "visual": "face-maps"}))
    monkeypatch.setattr(training_run, "rendered_weights", lambda *rest: None)
    monkeypatch.setattr(beside, "beginning", lambda *rest: "vavl")
    monkeypatch.setattr(beside, "started", lambda name: (name, start))
    learnt = []
    fit = beside.fit_roads

    def noted(model, normaliser, clips, origins, first):
        learnt.append([c.id for c, origin in zip(clips, origins, strict=True) if origin == "voices"])
        return fit(model, normaliser, clips, origins, first)

    monkeypatch.setattr(beside, "fit_roads", noted)
    out = tmp_path / "joined.safetensors"
    card = training_run.train_checkpoint("vavl", "demo", "demo", Recipe("vavl"), out, also=["voices"], onto_shipped=True)
    assert (card["strategy"], card["pretrained"], card["epochs_run"]) == (beside.NAME, "vavl", 0)
    assert card["metrics_by_corpus"]["voices"]["audio"]["accuracy"] == 1
    of = {c.id: c.labels["speaker"] for c in VOICES}
    # Confidence is measured on speakers who were not learnt from; then they are learnt from too, and the tested one never is.
    assert [{of[i] for i in ids} for ids in learnt] == [{"s2", "s3", "s4", "s5"}, {"s1", "s2", "s3", "s4", "s5"}]
    kept = saved.load(out)
    assert kept.model.config.beside
    assert kept.known is not None
    answers, target = asked(kept.model, kept.normaliser, VOICES)
    assert (answers["audio"].argmax(1) == target).float().mean() > 0.9
    # Without the word it is trained as any other.
    card = training_run.train_checkpoint("vavl", "demo", "demo", Recipe("vavl", FEW), out, also=["voices"])
    assert ("pretrained" in card, card["strategy"], card["epochs_run"]) == (False, "vavl", 1)


FEW = replace(Recipe().config, epochs=1)


@pytest.mark.parametrize(
    ("options", "joins"),
    [(["--also=x"], True), (["--also=x", "--seed=2"], True), ([], False), (["--also=x", "--scratch"], False),
     (["--also=x", "--epochs=2"], False), (["--also=x", "--strategy=vavl"], False)],
)  # fmt: skip
def test_who_says_how_to_train_trains(options, joins, tmp_path, monkeypatch, capsys):
    told = []
    monkeypatch.setattr(training_run, "train_checkpoint", lambda *rest: told.append(rest[-1]))
    code, _, err = affectscope(
        "train", "vavl", f"--out={tmp_path / 'm.safetensors'}", *options, monkeypatch=monkeypatch, capsys=capsys
    )
    assert (code, err.count("Error"), told) == (0, 0, [joins])


def test_the_strategy_of_that_name_is_offered_where_a_shipped_model_fits_and_refused_where_none_does(tmp_path, monkeypatch):
    both = {corpus.name: corpus for corpus in corpora(tmp_path)}
    monkeypatch.setattr("affectscope.core.corpora.open_corpus", both.__getitem__)
    assert background.strategies("vavl", "demo", "demo", "voices")[0] == beside.NAME
    for asked_for in (("vavl", "demo"), ("vavl", "demo", "voices", "demo"), ("auxformer", "demo", "demo", "voices")):
        assert beside.NAME not in background.strategies(*asked_for)
    monkeypatch.setattr(training_run, "open_corpus", both.__getitem__)
    recipe = Recipe(beside.NAME, TrainConfig())
    with pytest.raises(UserError, match="These corpora cannot extend an included model as auxformer in size demo"):
        training_run.train_checkpoint("auxformer", "demo", "demo", recipe, tmp_path / "x.safetensors", also=["voices"])
