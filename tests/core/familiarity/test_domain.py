"""Domain cards, and what a decision goes without because of one."""

import json
from dataclasses import replace

import pytest
import torch
from typer.testing import CliRunner

from affectscope.core import cli
from affectscope.core.checkpoints import saved
from affectscope.core.errors import UserError
from affectscope.core.familiarity import domain
from affectscope.core.familiarity.familiarity import Familiarity
from affectscope.core.familiarity.reference import Reference
from affectscope.core.familiarity.words import UNKNOWN, Familiar, of_clip
from affectscope.core.inference import asked
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from affectscope.core.streams import Batch
from affectscope.core.training import measured

SMALL = AuxFormerConfig(("joy", "fear"), audio_dim=2, visual_dim=3, width=8, heads=2, layers=1, aux_hidden=(8, 8))
run = CliRunner()


def row(name="people", synthetic=False, modalities=("audio",), **heads):
    """Of each head: unweighted recall and where its interval begins; chance is one half."""
    told = {
        head: {
            "clips": 40, "accuracy": uar, "accuracy_interval": [low, 0.9], "uar": uar, "uar_interval": [low, 0.9], "chance": 0.5,
        }
        for head, (uar, low) in heads.items()
    }  # fmt: skip
    return {"name": name, "synthetic": synthetic, "modalities": list(modalities), "heads": told}


def near(like=1.0) -> Reference:
    return Reference(torch.zeros(1, 2), torch.eye(2), like, 3 * like)


def checkpoint(*rows):
    torch.manual_seed(0)
    known = Familiarity({"audio": near()}, {"audio": (1.0, 2.0, 5.0), "decision": (1.0, 1.0, 1.0)}, {"decision": 100.0})
    model = AuxFormer(SMALL).eval().requires_grad_(False)
    return saved.Checkpoint(model, saved.Normaliser(), {"domain": list(rows)}, known=known)


@pytest.mark.parametrize(
    ("rows", "guessed"),
    [
        ([], ()),
        ([row(audio=(0.55, 0.45))], ("audio",)),
        ([row(audio=(0.65, 0.55))], ()),
        # Rendered clips prove nothing of people, and one recording on which it does better is enough.
        ([row(synthetic=True, audio=(0.5, 0.4))], ()),
        ([row(audio=(0.5, 0.4)), row("others", audio=(0.8, 0.7))], ()),
        ([row(audio=(0.5, 0.4), visual=(0.5, 0.3))], ("audio", "visual")),
        ([{"name": 3}, "x", {"name": "y", "heads": {"audio": {"clips": "many"}}}], ()),
    ],
)
def test_what_a_model_is_proven_to_guess_from(rows, guessed):
    spec = AuxFormer(SMALL).spec
    assert domain.guesses(domain.of_card({"domain": rows}), spec) == guessed


def test_a_model_without_a_head_of_its_own_is_judged_by_its_decision_on_such_clips():
    spec = replace(AuxFormer(SMALL).spec, heads=("av",), modalities={"av": ("audio", "visual")})
    alone = domain.of_card({"domain": [row(decision=(0.5, 0.4))]})
    both = domain.of_card({"domain": [row(modalities=("audio", "visual"), decision=(0.5, 0.4))]})
    assert (domain.guesses(alone, spec), domain.guesses(both, spec)) == (("audio",), ())


def batch(loud: float, audio=(1, 1)) -> Batch:
    present = {"audio": [audio], "visual": [[1, 1]]}
    return Batch.of(audio=torch.full((1, 2, 2), loud), visual=torch.ones(1, 2, 3), present=present)


def test_a_decision_goes_without_what_the_model_guesses_from_on_clips_unlike_its_training():
    guessing, able = checkpoint(row(audio=(0.55, 0.45))), checkpoint(row(audio=(0.8, 0.7)))
    strange = batch(2.0)
    without = guessing.model.decide(guessing.model(strange.without("audio")))
    whole = guessing.model.decide(guessing.model(strange))
    assert not torch.allclose(whole, without)
    torch.testing.assert_close(asked.ask(guessing, strange).logits["decision"], without)
    # Such a clip, a model that is better than chance; and a clip like training, one that is not.
    torch.testing.assert_close(asked.ask(able, strange).logits["decision"], whole)
    usual = batch(0.1)
    torch.testing.assert_close(asked.ask(guessing, usual).logits["decision"], guessing.model.decide(guessing.model(usual)))
    familiar = asked.ask(guessing, strange).familiar(guessing)
    assert (familiar.without, familiar.of_decision) == (("audio",), "without the sound")
    assert familiar.sentences[0].startswith("The decision ignores the sound: it is unlike what the model was trained on")


def test_the_only_modality_is_never_left_out_and_the_answer_is_called_a_guess():
    guessing = checkpoint(row(audio=(0.55, 0.45)))
    alone = batch(2.0).without("visual")
    answered = asked.ask(guessing, alone)
    torch.testing.assert_close(answered.logits["decision"], guessing.model.decide(guessing.model(alone)))
    familiar = answered.familiar(guessing)
    assert (familiar.without, familiar.guessed) == ((), ("audio",))
    assert "little better than a guess" in familiar.sentences[0]


def test_of_a_clip_with_nothing_left_no_class_is_said_to_be_missing():
    quiet = checkpoint()
    quiet = replace(quiet, known=replace(quiet.known, energies={"decision": -100.0}))
    heard, nothing = batch(0.1), batch(0.1).without("audio").without("visual")
    assert asked.ask(quiet, heard).familiar(quiet).fits_none == ("decision",)
    assert asked.ask(quiet, nothing).familiar(quiet).fits_none == ()


def test_confidence_falls_with_distance_and_the_answer_stays():
    known = checkpoint()
    for loud, divided in ((0.1, 1.0), (1.2, 2.0), (9.0, 5.0)):
        answered = asked.ask(known, batch(loud))
        torch.testing.assert_close(answered.logits["audio"] * divided, answered.output.predictions["audio"])


def test_a_model_without_statistics_says_that_it_does_not_know():
    old = replace(checkpoint(row(audio=(0.5, 0.4))), known=None)
    answered = asked.ask(old, batch(50.0))
    torch.testing.assert_close(answered.logits["audio"], answered.output.predictions["audio"])
    assert answered.familiar(old).to_json()["sentences"] == [UNKNOWN]
    assert answered.familiar(old).of(["audio"]) == ""


def test_words_by_level():
    familiar = of_clip({"audio": 4.0, "visual": 0.5, "text": float("nan")}, {"audio": 2, "visual": 0, "text": -1}, [], [], [])
    assert familiar.of(["audio"]) == "never heard anything like it"
    assert familiar.of(["visual"]) == "like its training data"
    assert familiar.of(["audio", "visual"]) == "never heard anything like it"
    assert familiar.of(["text"]) == ""
    some = of_clip({"audio": 1.5, "visual": 0.5}, {"audio": 1, "visual": 0}, [], [], ["decision"])
    assert some.of(["audio", "visual"]) == "unlike its training data (sound)"
    assert "no class for" in some.sentences[0]
    assert Familiar.of_json(json.loads(json.dumps(familiar.to_json()))) == familiar
    assert Familiar.of_json({"known": True}) == Familiar.of_json(None) == Familiar()


def test_statistics_travel_in_the_file_and_broken_ones_are_refused(tmp_path):
    known = checkpoint()
    path = tmp_path / "one.safetensors"
    saved.save(path, AuxFormer(SMALL), saved.Normaliser(), {}, known.known)
    again = saved.load(path).known
    assert again is not None
    assert (again.temperatures, again.energies) == (known.known.temperatures, {"decision": 100.0})
    assert again.references["audio"].never == 3
    assert torch.equal(again.references["audio"].whiten, torch.eye(2))
    assert saved.knows(path)
    wide = Familiarity({"audio": Reference(torch.zeros(1, 3), torch.eye(3), 1.0, 2.0)})
    for wrong in (wide, Familiarity({"audio": near(float("inf"))}), Familiarity({}, {"av": (1.0, 0.0, 1.0)})):
        saved.save(path, AuxFormer(SMALL), saved.Normaliser(), {}, wrong)
        with pytest.raises(UserError, match="statistics of its training that do not fit"):
            saved.load(path)
    saved.save(path, AuxFormer(SMALL), saved.Normaliser(), {})
    assert saved.load(path).known is None
    assert not saved.knows(path)


def test_a_card_is_written_read_and_forgotten(tmp_path, monkeypatch):
    path, other = tmp_path / "one.safetensors", tmp_path / "other.safetensors"
    saved.save(path, AuxFormer(SMALL), saved.Normaliser(), {"seed": 3}, checkpoint().known)
    heads = {"head": "audio", "has": {"audio": 4, "visual": 0}, "left_out": {"awe": 2}, **row(audio=(0.6, 0.4))["heads"]["audio"]}
    monkeypatch.setattr(measured, "measure", lambda *rest: ([heads, {"head": "visual", "clips": 0, "has": heads["has"]}], []))
    monkeypatch.setattr("affectscope.core.evaluation.labelled.labelled_for", lambda corpus, *rest: (corpus, []))
    done = run.invoke(cli.app, ["card", str(path), "--measure", "demo", "--as", "Our people", "--out", str(other), "--json"])
    assert done.exit_code == 0, done.output
    (told,) = json.loads(done.stdout)
    assert (told["name"], told["modalities"], told["left_out"]) == ("Our people", ["audio"], {"awe": 2})
    assert list(told["heads"]) == ["audio"]
    assert saved.load(path).card == {"seed": 3}
    written = saved.load(other)
    assert (written.card["seed"], written.known is not None) == (3, True)
    done = run.invoke(cli.app, ["card", str(other), "--forget", "Our people", "--json"])
    assert json.loads(done.stdout) == []
    done = run.invoke(cli.app, ["card", str(other), "--forget", "Nobody"])
    assert "has nothing called 'Nobody'" in str(done.exception)
