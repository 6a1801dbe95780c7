"""What in the sound: the descriptors' names, groups against Captum, gradients against Captum."""

import numpy as np
import pytest
import torch

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.explain.gradients import integrated
from affectscope.core.features.extractors.descriptors import GROUPS, NAMES, columns, group_of
from affectscope.core.features.sets import affect_windows
from affectscope.core.streams import Batch, Stream
from affectscope.core.why.asking import Question
from affectscope.core.why.sound import by_frequency, by_group, frequencies, in_windows
from tests.core.why.small import Config, Small, clip, question

LLDS = Config({"audio": 130, "visual": 3})


def score_of(about: Question):
    """Sound [G, T, D] -> the decision's score, as Captum wants it."""

    def score(rows: torch.Tensor) -> torch.Tensor:
        given = {m: v.expand(len(rows), -1, -1) for m, v in about.batch.values.items()} | {"audio": rows}
        batch = Batch(given, {m: p.expand(len(rows), -1) for m, p in about.batch.present.items()})
        return about.score_of(about.readable(about.checkpoint.model(batch), batch)["decision"])

    return score


def test_the_names_are_opensmiles():
    opensmile = pytest.importorskip("opensmile")
    levels = opensmile.FeatureLevel
    for level, suffix in ((levels.LowLevelDescriptors, "_sma"), (levels.LowLevelDescriptors_Deltas, "_sma_de")):
        theirs = opensmile.Smile(opensmile.FeatureSet.ComParE_2016, level).feature_names
        assert [name.replace("_sma", suffix) for name in NAMES] == theirs
        assert [group_of(name) for name in theirs] == [group_of(name) for name in NAMES]


def test_every_descriptor_is_in_one_group():
    counts = {group: sum(group_of(name) == group for name in NAMES) for group in GROUPS}
    assert counts == {"loudness": 3, "pitch": 2, "voice quality": 4, "spectral shape": 42, "MFCC": 14}
    with pytest.raises(ValueError, match="no descriptor"):
        group_of("loudnessZwicker")


def test_columns_are_those_of_the_sets():
    with_deltas, plain = columns("llds", 130), columns("llds-25-10", 65)
    assert with_deltas["pitch"].tolist() == [0, 1, 65, 66]
    assert plain["loudness"].tolist() == [6, 7, 8]
    for found, dim in ((with_deltas, 130), (plain, 65)):
        assert sorted(np.concatenate(list(found.values()))) == list(range(dim))
    assert columns("spectrogram-64", 64) == {}


def test_columns_of_two_seconds_side_by_side():
    values = np.tile(np.arange(65, dtype=np.float32), (400, 1))
    side_by_side = affect_windows(Stream(values, np.arange(400) / 100, np.ones(400, bool))).values
    middle = side_by_side[len(side_by_side) // 2]
    found = columns("llds-25-10-2s", len(middle))
    assert set(middle[found["MFCC"]].tolist()) == set(range(51, 65))
    assert set(middle[found["voice quality"]].tolist()) == {2, 3, 4, 5}
    # The last value fills up, and is no descriptor.
    assert len(np.concatenate(list(found.values()))) == len(middle) - 1


def test_groups_add_up_and_are_captums():
    captum = pytest.importorskip("captum.attr")
    subject = question(LLDS)
    found = by_group(subject)
    assert found is not None
    assert found.stands == "training mean"
    np.testing.assert_allclose(found.shapley.sum(1), found.scores[:, -1] - found.scores[:, 0], atol=1e-9)
    np.testing.assert_allclose(found.scores[:, -1], subject.score(subject.whole), atol=1e-6)
    mask = torch.zeros(130, dtype=torch.long)
    for number, places in enumerate(columns("llds", 130).values()):
        mask[places] = number
    values = subject.batch.values["audio"]
    mask = mask.expand_as(values).contiguous()
    first = [int((mask[0, 0] == number).nonzero()[0]) for number in range(len(GROUPS))]
    with torch.no_grad():
        ablation = captum.FeatureAblation(score_of(subject)).attribute(values, baselines=0, feature_mask=mask)
        exact = captum.ShapleyValues(score_of(subject)).attribute(values, baselines=0, feature_mask=mask)
    np.testing.assert_allclose(found.away[0], ablation[0, 0, first].numpy(), atol=1e-5)
    np.testing.assert_allclose(found.shapley[0], exact[0, 0, first].numpy(), atol=1e-5)


def test_absent_frames_stay_absent():
    subject = question(LLDS)
    stream = subject.streams["audio"]
    some = {**subject.streams, "audio": stream.masked(np.arange(8) < 3)}
    few = {**subject.streams, "audio": Stream(stream.values[:3], stream.times[:3], stream.present[:3])}
    found, expected = (by_group(Question(subject.checkpoint, s, 1.0, target="joy")) for s in (some, few))
    assert found is not None
    assert expected is not None
    np.testing.assert_allclose(found.scores, expected.scores, atol=1e-6)


def test_absent_frames_hold_zeros_whatever_stands_in_place_of_a_group():
    subject = question(LLDS, stats=False)
    stream = subject.streams["audio"]
    given = {**subject.streams, "audio": stream.masked(np.arange(8) < 3)}
    seen = []
    forward = subject.checkpoint.model.forward
    subject.checkpoint.model.forward = lambda batch, attention=False: seen.append(batch) or forward(batch, attention)
    by_group(Question(subject.checkpoint, given, 1.0, target="joy"))
    assert len(seen[-1]) == 32
    assert all(not batch.values["audio"][:, 3:].any() for batch in seen)


def test_a_model_without_statistics_has_the_clips_mean():
    subject = question(LLDS, stats=False)
    found = by_group(subject)
    assert found is not None
    assert found.stands == "clip mean"
    mean = subject.streams["audio"].values.mean(0)
    given = {**subject.streams, "audio": Stream(np.tile(mean, (8, 1)), subject.streams["audio"].times, np.ones(8, bool))}
    expected = subject.score(subject.answers(Batch.collate([given], subject.checkpoint.spec.inputs)))[:, 0]
    np.testing.assert_allclose(found.scores[:, 0], expected, atol=1e-5)


def test_sounds_that_are_no_descriptors_or_not_there_have_no_groups():
    model = Small(LLDS)
    silent = Question(question(LLDS).checkpoint, clip(model.spec.inputs, {"audio": 0, "visual": 4}), 1.0)
    assert by_group(silent) is None
    assert by_frequency(silent) is None
    spectrum = Checkpoint(Small(Config({"audio": 64})), Normaliser(), {"features": {"audio": "spectrogram-64"}})
    assert by_group(Question(spectrum, clip({"audio": 64}, {"audio": 8}), 1.0)) is None


def test_integrated_gradients_are_captums():
    captum = pytest.importorskip("captum.attr")
    subject = question()
    values = subject.batch.values["audio"]
    found = by_frequency(subject, steps=20)
    assert found is not None
    library = captum.IntegratedGradients(score_of(subject))
    theirs = library.attribute(values, baselines=0, n_steps=20, method="gausslegendre")
    np.testing.assert_allclose(found.values, theirs[0].numpy(), atol=1e-5)
    assert abs(found.gap) < 1e-3
    assert found.values.sum() == pytest.approx(in_windows(subject, found.values).sum(), abs=1e-5)


def test_gradients_of_a_square_by_hand():
    # f(x, y) = x² + 3y from (1, 0) to (3, 2): the square gives 8, the line 6.
    found, gap = integrated(
        lambda rows: rows[:, 0] ** 2 + 3 * rows[:, 1], torch.tensor([3.0, 2.0]), torch.tensor([1.0, 0.0]), steps=4, at_once=3
    )
    np.testing.assert_allclose(found.numpy(), [8, 6], atol=1e-5)
    assert gap == pytest.approx(0, abs=1e-5)


def test_a_network_without_gradients_has_no_spectrum():
    subject = question()
    forward = subject.checkpoint.model.forward

    def without(batch, attention=False):
        with torch.no_grad():
            return forward(batch, attention)

    subject.checkpoint.model.forward = without
    assert by_frequency(subject) is None


def test_a_score_that_does_not_hear_owes_the_sound_nothing():
    weight = torch.ones(2, requires_grad=True)
    found, gap = integrated(lambda rows: weight.sum().expand(len(rows)), torch.ones(3), torch.zeros(3), steps=2)
    assert found.tolist() == [0, 0, 0]
    assert gap == 0


def test_how_many_at_once_does_not_matter():
    subject = question()
    values, start = subject.batch.values["audio"][0], torch.zeros_like(subject.batch.values["audio"][0])
    (few, _), (many, _) = (integrated(score_of(subject), values, start, 9, size) for size in (2, 9))
    torch.testing.assert_close(few, many)


def test_frequencies_of_columns():
    fine, coarse = frequencies("spectrogram-256", 256), frequencies("spectrogram-64", 64)
    assert fine[0] == 31.25
    assert fine[-1] == 8000
    np.testing.assert_allclose(coarse, fine.reshape(64, 4).mean(1))
    mels = frequencies("log-mel-40", 40)
    assert len(mels) == 40
    assert (np.diff(mels) > 0).all()
    assert not len(frequencies("waveform-20ms", 320))
