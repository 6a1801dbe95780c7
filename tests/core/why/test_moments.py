"""When: every window against one question at a time, and against Captum."""

import numpy as np
import pytest
import torch

from affectscope.core.perturbation import Perturbation, perturb
from affectscope.core.streams import Batch
from affectscope.core.why.asking import Question
from affectscope.core.why.modality import Modality, by_modality
from affectscope.core.why.moments import by_moment, span
from tests.core.why.small import Config, question

IMPUTATIONS = ("absent", "zeros", "mean", "noise", "forward-fill")


@pytest.mark.parametrize("imputation", IMPUTATIONS)
@pytest.mark.parametrize("config", [Config(), Config(by_frame=True)], ids=["by clip", "by frame"])
@pytest.mark.parametrize("reach", [0, 0.75])
def test_taken_away_is_what_masking_takes_away(config, imputation, reach):
    change = Perturbation(imputation=imputation)
    subject = question(config, change=change)
    found = by_moment(subject, by_modality(subject), reach)
    np.testing.assert_allclose(found.edges, [0, 0.25, 0.5, 0.75, 1])
    for m in subject.modalities:
        for w, (start, end) in enumerate(zip(found.edges[:-1], found.edges[1:], strict=True)):
            gone = Perturbation(pattern="drawn", imputation=imputation, spans={m: ((start - reach / 4, end + reach / 4),)})
            given = perturb(gone, subject.streams, subject.checkpoint).streams
            without = subject.score(subject.answers(Batch.collate([given], subject.checkpoint.spec.inputs)))[:, 0]
            np.testing.assert_allclose(found.away[m][:, w], subject.score(subject.whole) - without, atol=1e-6)


@pytest.mark.parametrize("reach", [0, 0.75])
def test_alone_is_the_window_and_nothing_else(reach):
    subject = question()
    found = by_moment(subject, by_modality(subject), reach)
    nothing = subject.score(subject.answers(Batch.collate([{}], subject.checkpoint.spec.inputs)))[:, 0]
    for m in subject.modalities:
        stream = subject.streams[m]
        for w, (start, end) in enumerate(zip(found.edges[:-1], found.edges[1:], strict=True)):
            own = stream.masked((start - reach / 4 <= stream.times) & (stream.times < end + reach / 4))
            alone = subject.score(subject.answers(Batch.collate([{m: own}], subject.checkpoint.spec.inputs)))[:, 0]
            np.testing.assert_allclose(found.alone[m][:, w], alone - nothing, atol=1e-6)


def test_a_window_without_frames_contributes_nothing():
    subject = question(frames={"audio": 8, "visual": 2})
    found = by_moment(subject, by_modality(subject))
    # Two frames, at a quarter and at three quarters of the second.
    assert found.frames["visual"].tolist() == [0, 1, 0, 1]
    for values in (found.away["visual"], found.alone["visual"]):
        assert not values[:, [0, 2]].any()
        assert values[0, [1, 3]].all()
    assert found.frames["audio"].tolist() == [2, 2, 2, 2]


def test_captums_feature_ablation_and_occlusion_say_the_same():
    captum = pytest.importorskip("captum.attr")
    subject = question(change=Perturbation(imputation="mean"))
    found = by_moment(subject, by_modality(subject), 0)
    values = subject.batch.values["audio"]

    def score(rows: torch.Tensor) -> torch.Tensor:
        given = {m: v.expand(len(rows), -1, -1) for m, v in subject.batch.values.items()} | {"audio": rows}
        there = {m: p.expand(len(rows), -1) for m, p in subject.batch.present.items()}
        return torch.from_numpy(subject.score(subject.answers(Batch(given, there)))[0])

    frames = values.shape[1] // (len(found.edges) - 1)
    mask = (torch.arange(values.shape[1]) // frames)[None, :, None].expand_as(values)
    ablation = captum.FeatureAblation(score).attribute(values, baselines=0, feature_mask=mask)
    np.testing.assert_allclose(ablation[0, ::frames, 0].numpy(), found.away["audio"][0], atol=1e-5)
    shape = (frames, values.shape[2])
    occlusion = captum.Occlusion(score).attribute(values, sliding_window_shapes=shape, strides=shape, baselines=0)
    np.testing.assert_allclose(occlusion[0, ::frames, 0].numpy(), found.away["audio"][0], atol=1e-5)


def test_what_made_a_saturated_answer_is_found():
    """Three tenths of what lies between a quarter and three quarters of the second are as good as all: no quarter is missed."""

    class Enough(Question):
        def asked(self, stay):
            middle = np.abs(self.streams["audio"].times - 0.5) < 0.25
            left = stay.get("audio", middle[None].repeat(len(stay.get("visual", ())), 0))
            return ((left & middle).sum(1) >= 0.3 * middle.sum()).astype(float)[None, :, None].repeat(len(self.heads), 0)

        def score(self, answers):
            return answers[..., 0]

    plain = question(frames={"audio": 40, "visual": 8})
    subject = Enough(plain.checkpoint, plain.streams, 1.0, plain.explained)
    modality = Modality(("audio", "visual"), (True, True), np.zeros((1, 4, 3)), np.array([[0.0, 1.0, 0.0, 1.0]]))
    assert not by_moment(subject, modality, 0).away["audio"].any()
    assert by_moment(subject, modality).away["audio"][0].tolist() == [0, 1, 1, 0]


def test_a_long_clip_has_wider_windows():
    subject = question()
    assert len(question().edges) == 5
    long = type(subject)(subject.checkpoint, subject.streams, 60.0)
    assert np.diff(long.edges).max() == pytest.approx(1.25)
    assert len(long.edges) <= 50


@pytest.mark.parametrize(
    ("duration", "last", "count"), [(2.32, 2.32, 9), (2.4, 2.4, 10), (0.05, 0.125, 1), (0.25, 0.25, 1), (3.0, 3.0, 12)]
)
def test_a_rest_under_half_a_window_belongs_to_the_last(duration, last, count):
    subject = question()
    edges = type(subject)(subject.checkpoint, subject.streams, duration).edges
    assert len(edges) - 1 == count
    assert edges[-1] == pytest.approx(last)


def test_frames_beyond_the_clip_lie_in_its_last_window():
    subject = question()
    short = type(subject)(subject.checkpoint, subject.streams, 0.5)
    assert short.windows("audio").sum(1).tolist() == [2, 6]


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0, 1.0, 0.5, 0.4], (1, 3)),
        ([0.6, 1.0, 0.1, 0.9], (0, 2)),
        ([-1.0, 0.0], None),
        ([], None),
        ([0.2], (0, 1)),
    ],
)
def test_the_span_is_what_loses_half_of_the_most(values, expected):
    assert span(np.arange(len(values) + 1.0), np.array(values)) == expected
