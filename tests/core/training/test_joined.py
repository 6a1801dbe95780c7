"""Corpora that are learnt from together."""

from zlib import crc32

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import WeightedRandomSampler

from affectscope.core.checkpoints import saved
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.models.auxformer import AuxFormer, AuxFormerConfig
from affectscope.core.models.inputs import Normaliser
from affectscope.core.streams import Clip, Stream
from affectscope.core.training import joined
from affectscope.core.training import run as training_run
from affectscope.core.training.batches import Batches
from affectscope.core.training.loop import TrainConfig
from affectscope.core.training.recipes import Recipe

LABELS = ("anger", "fear")
SPEC = AuxFormer(AuxFormerConfig(LABELS, audio_dim=3, visual_dim=4, width=8, heads=2, layers=1, aux_hidden=(8, 8))).spec


def corpus(tmp_path, name, labels, speakers, **more) -> Corpus:
    table = pd.DataFrame({"path": "", "label": labels, "speaker": speakers, **more})
    table.index = pd.Index([f"c{i}" for i in range(len(table))], name="clip")
    return Corpus(name, tmp_path / name, table, tuple(sorted(set(labels))))


def clip(name: str, label: str, speaker: str, audio: bool = True, visual: bool = True) -> Clip:
    shift, random = 2.0 * LABELS.index(label), np.random.default_rng(crc32(name.encode()))
    streams = {
        m: Stream(random.normal(shift, 1, (n, dim)).astype(np.float32), np.arange(n) / 10, np.ones(n, bool))
        if there
        else Stream.absent(dim)
        for m, n, dim, there in (("audio", 5, 3, audio), ("visual", 4, 4, visual))
    }
    return Clip(name, streams, 1.0, {"label": label, "speaker": speaker})


def test_every_corpus_and_in_it_every_class_is_drawn_as_often():
    origins = ["a"] * 6 + ["b"] * 2
    labels = ["joy"] * 4 + ["fear"] * 2 + ["joy", "anger"]
    weights = joined.balanced_weights(origins, labels)
    # Half for each corpus, a quarter for each of its two classes: 1/16 and 1/8 of the first's, 1/4 of the second's.
    assert weights == [1 / 16] * 4 + [1 / 8] * 2 + [1 / 4] * 2
    assert sum(weights) == 1
    torch.manual_seed(0)
    drawn = list(WeightedRandomSampler(weights, 8000))
    assert np.mean([origins[i] == "b" for i in drawn]) == pytest.approx(0.5, abs=0.02)
    # By hand: without weights the first corpus would come three times as often.
    assert joined.balanced_weights([], []) == []


def test_batches_draw_by_weight():
    clips = [clip(f"c{i}", LABELS[i % 2], "s") for i in range(40)]
    batches = Batches(clips, SPEC, Normaliser(), 10, True, weights=[1.0, 0.0] * 20)
    torch.manual_seed(0)
    targets = torch.cat([target for _, target in batches])
    assert (len(targets), int(targets.sum())) == (40, 0)


def test_labels_are_the_first_corpus_s_and_the_rest_is_counted(tmp_path):
    first = corpus(tmp_path, "demo", ["anger", "fear"], ["a", "b"])
    other = corpus(tmp_path, "other", ["Angry", "boredom", "boredom", "", "terror"], list("abcde"))
    found = joined.opened(first, [other], SPEC, {"terror": "fear"})
    assert found[0].corpus is first
    assert found[1].corpus.table["label"].tolist() == ["anger", "fear"]
    assert found[1].left_out == {"boredom": 2, "": 1}
    assert any("other: 3 clips of 5 carry labels" in line or "2 clips of 5 carry" in line for line in found[1].remarks)
    with pytest.raises(UserError, match="No additional corpus has a label dread"):
        joined.opened(first, [other], SPEC, {"dread": "fear"})
    with pytest.raises(UserError, match="a corpus cannot join itself"):
        joined.opened(first, [first], SPEC, {})
    with pytest.raises(UserError, match="name one with --also"):
        joined.opened(first, [], SPEC, {"terror": "fear"})


def test_two_corpora_of_one_name_are_told_apart(tmp_path):
    first = corpus(tmp_path / "x", "voices", ["anger"], ["a"])
    other = corpus(tmp_path / "y", "voices", ["anger"], ["a"])
    assert [part.corpus.name for part in joined.opened(first, [other], SPEC, {})] == ["voices", "voices (2)"]


def test_who_is_held_out_of_a_corpus_that_joins(tmp_path):
    few = corpus(tmp_path, "few", ["anger"] * 4, ["a", "a", "b", "b"])
    split, note = joined.split_joining(few, 0)
    assert set(split) == {"train"}
    assert note == "few has 2 speakers: all of its clips are learnt from, and none is held out to measure on."
    many = corpus(tmp_path, "many", ["anger"] * 10, [f"s{i % 5}" for i in range(10)])
    split, note = joined.split_joining(many, 0)
    assert (note, set(split)) == ("", {"train", "development", "test"})
    assert not (split.groupby(many.table["speaker"]).nunique() > 1).any()
    own = corpus(tmp_path, "own", ["anger"] * 3, list("abc"), split=["test", "train", "dev"])
    assert joined.split_joining(own, 0)[0].tolist() == ["test", "train", "development"]


def test_one_word_joins_recordings_of_sound_alone(tmp_path, monkeypatch):
    speakers = [f"s{i}" for i in range(6)]
    first = [clip(f"f{i}", LABELS[i % 2], speakers[i % 6]) for i in range(36)]
    voices = [clip(f"v{i}", LABELS[i % 2], speakers[i % 6], visual=False) for i in range(24)] + [
        clip("mute", "fear", "s0", audio=False, visual=False)
    ]
    clips = {"demo": first, "voices": voices}

    def opened(name):
        table = pd.DataFrame([{"path": "", **c.labels} for c in clips[name]], pd.Index([c.id for c in clips[name]], name="clip"))
        return Corpus(name, tmp_path / name, table, LABELS, synthetic=name == "demo")

    monkeypatch.setattr(training_run, "open_corpus", opened)
    monkeypatch.setattr(training_run, "read_clips", lambda corpus, *rest: (clips[corpus.name], []))
    monkeypatch.setattr(training_run, "adapt_preset", lambda *rest: (vars(CONFIG), {"audio": "llds", "visual": "face-maps"}))
    monkeypatch.setattr(training_run, "rendered_weights", lambda *rest: None)
    out = tmp_path / "joined.safetensors"
    recipe = Recipe("optimised", TrainConfig(epochs=3, learning_rate=0.01))
    card = training_run.train_checkpoint("auxformer", "demo", "demo", recipe, out, also=["voices"])
    assert (card["corpus"], card["synthetic_training"]) == ("demo + voices", False)
    of_demo, of_voices = card["corpora"]
    assert (of_demo["modalities"], of_voices["modalities"]) == ({"audio": 36, "visual": 36}, {"audio": 24, "visual": 0})
    assert of_voices["remarks"] == ["voices: 1 of its clips have no audio or visual and are left out."]
    assert sum(of_voices["clips"].values()) == 24
    # A speaker s0 here is another person than a speaker s0 there.
    everyone = [speaker for part in card["speakers"].values() for speaker in part]
    assert len(everyone) == len(set(everyone)) == 12
    assert sum(speaker.startswith("voices/") for speaker in everyone) == 6
    assert set(card["metrics_by_corpus"]) == {"demo", "voices"}
    assert [row["name"].split(",")[0] for row in card["domain"]] == ["demo", "voices"]
    assert saved.load(out).card["corpus"] == "demo + voices"


CONFIG = AuxFormerConfig(LABELS, audio_dim=3, visual_dim=4, width=8, heads=2, layers=1, aux_hidden=(8, 8))
