"""A person's own way to explain: registered by a plugin, offered with the others, on faces and on sound."""

import numpy as np
import pytest
import torch

import affectscope as afs
from affectscope.core.analyzer import Analyzer
from affectscope.core.cache.store import FeatureStore
from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.corpora import bundled
from affectscope.core.errors import UserError
from affectscope.core.explain import methods
from affectscope.core.explain.hearing import fitting_sound, sound_maps
from affectscope.core.explain.heatmaps import chosen, fitting, heatmaps
from affectscope.core.explain.paths import VisualPath
from affectscope.core.explain.sound import sound_road
from affectscope.core.streams import Batch, Stream
from affectscope.core.timeline.explained import sound
from tests.core.why.small import Config, Small, question

LLDS = Config({"audio": 130, "visual": 3})


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(methods.METHODS, "_entries", dict(methods.METHODS._entries))


def test_a_way_for_faces_and_for_sound_under_one_name() -> None:
    @afs.explanation("brightness", title="Brightness", source="How bright each place is.")
    def bright(road):
        return road.pixels.mean(1).relu().expand(2, -1, -1, -1)

    @afs.explanation("brightness", title="Brightness", source="How loud each frame is.", modality="audio")
    def loud(road):
        return road.values.abs().sum(1)[None, :, None].expand(2, -1, -1)

    pixels = torch.tensor([[[[0.0, 1.0], [0.5, 0.0]]]])
    road = VisualPath(pixels, torch.nn.Identity(), (), np.arange(1), 1)
    assert "brightness" in fitting(road)
    maps = heatmaps(road, ("av", "visual"), "brightness")
    assert maps["av"].shape == (1, methods.SIDE, methods.SIDE)
    assert maps["av"][0, 0, -1] == 1.0
    subject = question(LLDS)
    heard = sound_road(subject.checkpoint, subject.batch, {"av": 0, "audio": 0})
    assert "brightness" in fitting_sound(heard)
    np.testing.assert_allclose(
        sound_maps(heard, ("av", "audio"), "brightness")["audio"][:, 0], np.abs(subject.streams["audio"].values).sum(1), rtol=1e-5
    )
    assert methods.METHODS["brightness"].title == "Brightness"


def test_what_cannot_be_registered_says_why() -> None:
    with pytest.raises(UserError, match="There is already an explanation called layer-cam: choose another name for yours"):
        afs.explanation("layer-cam")(lambda road: road.pixels)
    with pytest.raises(UserError, match="for visual or audio, not for text"):
        afs.explanation("mine", modality="text")(lambda road: road.pixels)  # type: ignore[arg-type]
    with pytest.raises(UserError, match="reads one of pixels, layer, layers, tokens, not values"):
        afs.explanation("mine", reads="values")(lambda road: road.pixels)


def test_one_that_needs_what_a_road_lacks_says_so() -> None:
    afs.explanation("deep", title="Deep", reads="layers")(lambda road: road.pixels)
    road = VisualPath(torch.zeros(1, 1, 2, 2), torch.nn.Identity(), (), np.arange(1), 1)
    with pytest.raises(UserError, match="Deep needs two layers to read, and this model's picture network has none"):
        chosen(road, "deep")


def test_an_edited_way_is_a_new_answer(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = ["two", "one"]
    monkeypatch.setattr("affectscope.plugin.digest", lambda file: marks.pop())
    keys, corpus = [], bundled()
    media = corpus.media(corpus.table.index[0])
    checkpoint = Checkpoint(Small(Config({"audio": 130})), Normaliser(), {"features": {"audio": "llds"}}, "digest")
    analyzer = Analyzer(checkpoint, FeatureStore(tmp_path))
    for _ in range(2):
        afs.explanation("mine")(lambda road: road.pixels)
        keys.append(analyzer.key(media, explanation="mine"))
    assert keys[0] != keys[1]


def test_the_sounds_evidence_is_a_lane_a_head_in_groups_of_descriptors() -> None:
    subject = question(LLDS)
    streams = {**subject.streams, "audio": subject.streams["audio"].masked(np.arange(8) != 5)}
    batch = Batch.collate([streams], subject.checkpoint.spec.inputs)
    with torch.no_grad():
        predictions = subject.checkpoint.model(batch).predictions
    found = sound(subject.checkpoint, streams, batch, predictions, "joy", None)
    assert [lane.id for lane in found.lanes] == ["sound.av", "sound.audio"]
    lane = found.lanes[1]
    assert lane.series == ("loudness", "pitch", "voice quality", "spectral shape", "MFCC")
    assert np.isnan(lane.values[:, 5]).all()
    road = sound_road(subject.checkpoint, batch, {"av": 1, "audio": 1})
    whole = sound_maps(road, ("av", "audio"))["audio"]
    np.testing.assert_allclose(np.nansum(lane.values), whole.sum(), rtol=1e-4)
    assert "speaks for joy" in lane.note
    assert lane.under is None
    assert found.explanations[0] == "integrated-gradients"
    with pytest.raises(UserError, match="Grad-CAM needs a layer of the sound's network"):
        sound(subject.checkpoint, streams, batch, predictions, None, "grad-cam")
    silent = Batch.collate([{**streams, "audio": Stream.absent(130)}], subject.checkpoint.spec.inputs)
    assert sound(subject.checkpoint, streams, silent, predictions, None, None).lanes == ()


def test_a_spectrums_evidence_lies_over_the_spectrum() -> None:
    model = Small(Config({"audio": 128}))
    checkpoint = Checkpoint(model, Normaliser(), {"features": {"audio": "log-mel-128"}})
    values = np.zeros((10, 128), np.float32)
    values[:, 127] = 5.0
    streams = {"audio": Stream(values, np.arange(10) / 100, np.ones(10, bool))}
    batch = Batch.collate([streams], model.spec.inputs)
    with torch.no_grad():
        found = sound(checkpoint, streams, batch, model(batch).predictions, "joy", "gradient-input")
    assert not found.deaf
    lane = found.lanes[0]
    assert lane.values.shape == (64, 10)
    assert lane.series[0].endswith(" Hz")
    assert lane.under.shape == (64, 10)
    assert lane.under[-1].min() == 1.0
    assert not lane.under[:-1].any()
