import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from affectscope.core.errors import UserError
from affectscope.core.metrics.answers import collect
from affectscope.core.metrics.metrics import (
    MAIN,
    METRICS,
    Metric,
    by_head,
    by_presence,
    classification_metrics,
    concordance,
    evaluate,
    regression_metrics,
)
from affectscope.core.models.base import AVModel, ModelOutput, ModelSpec
from affectscope.core.streams import Batch

CLASSES = ModelSpec(
    "echo",
    {"audio": 2, "visual": 2},
    ("anger", "fear"),
    ("av", "audio", "visual"),
    {"av": ("audio", "visual"), "audio": ("audio",), "visual": ("visual",)},
    ("av",),
)
VALUES = replace(CLASSES, labels=("arousal", "valence"), task="regression")
FRAMES = replace(VALUES, reference="visual")


class Echo(AVModel):
    """Says what it hears or sees: a head's answer is the mean (or, with a reference, each frame) of its modalities' features."""

    def __init__(self, spec: ModelSpec = CLASSES) -> None:
        super().__init__(None, spec)

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs).synchronous()
        values = {}
        for head, modalities in self.spec.modalities.items():
            frames = torch.stack([batch.values[m] for m in modalities]).sum(0)
            count = torch.stack([batch.present[m] for m in modalities]).sum(0)
            if self.spec.reference:
                values[head] = frames / count.clamp(min=1)[..., None]
            else:
                values[head] = frames.sum(1) / count.sum(1).clamp(min=1)[:, None]
        return ModelOutput(*self.answers(values, batch))


def batch_of(audio: list, visual: list, frames: int = 3) -> Batch:
    """A clip for each entry: its two features, the same in every frame, or None where it has no such modality."""
    values = {
        name: torch.tensor([row or [9.0, 9.0] for row in rows])[:, None].expand(-1, frames, -1)
        for name, rows in (("audio", audio), ("visual", visual))
    }
    present = {
        name: torch.tensor([row is not None for row in rows])[:, None].expand(-1, frames)
        for name, rows in (("audio", audio), ("visual", visual))
    }
    return Batch.of(present=present, **values)


RIGHT, WRONG = [4.0, 0.0], [0.0, 4.0]


def test_micro_f1_is_accuracy_and_absent_classes_count_nothing():
    logits = torch.eye(4)[[0, 0, 1, 0]]
    metrics = classification_metrics(logits, torch.tensor([0, 0, 1, 1]))
    assert metrics["micro_f1"] == metrics["accuracy"] == 0.75
    # Classes 2 and 3 neither occur nor are answered: F1 0.8 and 2/3, recall 1 and 1/2.
    assert metrics["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)
    assert metrics["uar"] == pytest.approx(0.75)
    # An answer that no clip asks for is an error of F1, and no class to recall.
    metrics = classification_metrics(torch.eye(4)[[0, 0, 1, 3]], torch.tensor([0, 0, 1, 1]))
    assert metrics["macro_f1"] == pytest.approx((1 + 2 / 3 + 0) / 3)
    assert metrics["uar"] == pytest.approx(0.75)
    assert metrics["confusion"] == [[2, 0, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0], [0, 0, 0, 0]]


def test_concordance_by_hand():
    # Means 2 and 3, variances 1, correlation 1: 2 / (1 + 1 + 1).
    assert concordance(torch.tensor([1.0, 2, 3]), torch.tensor([2.0, 3, 4])) == pytest.approx(2 / 3)
    assert concordance(torch.tensor([1.0, 2, 3]), torch.tensor([1.0, 2, 3])) == pytest.approx(1)
    assert concordance(torch.tensor([3.0, 2, 1]), torch.tensor([1.0, 2, 3])) == pytest.approx(-1)


@pytest.mark.parametrize("values", [[0.3, 0.3, 0.3], [0.1], [0.0, 0.0]])
def test_concordance_of_what_never_changes_is_zero(values):
    same = torch.tensor(values)
    assert concordance(same, torch.arange(len(same)).float()) == 0.0
    assert concordance(torch.arange(len(same)).float(), same) == 0.0


def test_regression_by_hand_with_labels_missing():
    values = torch.tensor([[1.0, 0.0], [2.0, 5.0], [3.0, 1.0], [9.0, 2.0]])
    target = torch.tensor([[2.0, 0.0], [3.0, math.nan], [4.0, 1.0], [math.nan, 2.0]])
    metrics = regression_metrics(values, target, ("arousal", "valence"))
    assert metrics["mae_arousal"] == pytest.approx(1.0)
    assert metrics["mae_valence"] == pytest.approx(0.0)
    assert metrics["mae"] == pytest.approx(0.5)
    assert metrics["ccc_arousal"] == pytest.approx(2 / 3)
    assert metrics["ccc_valence"] == pytest.approx(1.0)
    assert metrics["ccc"] == pytest.approx(5 / 6)
    nobody = torch.cat([target[:, :1], torch.full((4, 1), math.nan)], 1)
    assert set(regression_metrics(values, nobody, ("arousal", "valence"))) == {"ccc", "mae", "ccc_arousal", "mae_arousal"}


def test_every_head_is_measured_and_the_decision():
    batch = batch_of([RIGHT, WRONG, RIGHT], [RIGHT, RIGHT, WRONG])
    metrics = evaluate(Echo(), [(batch, torch.tensor([0, 0, 0]))])
    assert list(metrics) == ["av", "audio", "visual", "decision"]
    assert metrics["audio"]["accuracy"] == pytest.approx(2 / 3)
    assert metrics["visual"]["accuracy"] == pytest.approx(2 / 3)
    assert metrics["audio"]["clips"] == 3
    assert "frames" not in metrics["audio"]
    # Without sound the main head says what the picture says.
    silent = evaluate(Echo(), [(batch, torch.tensor([0, 0, 0]))], without="audio")
    assert silent["decision"]["confusion"] == metrics["visual"]["confusion"]


def test_batches_of_any_size_give_the_same_numbers():
    audio, visual = [RIGHT, WRONG, None, RIGHT, None], [RIGHT, None, WRONG, WRONG, None]
    target = torch.tensor([0, 1, 1, 0, 1])
    whole = collect(Echo(), [(batch_of(audio, visual), target)])
    parts = [(batch_of(audio[i:j], visual[i:j], frames), target[i:j]) for i, j, frames in ((0, 2, 3), (2, 3, 1), (3, 5, 7))]
    split = collect(Echo(), parts)
    assert by_head(split) == by_head(whole)
    assert by_presence(split) == by_presence(whole)
    torch.testing.assert_close(split.predictions["decision"], whole.predictions["decision"])
    assert split.target.tolist() == target.tolist()


def test_metrics_by_the_modalities_that_clips_have():
    audio = [RIGHT, WRONG, None, None, None, RIGHT]
    visual = [RIGHT, WRONG, RIGHT, WRONG, WRONG, None]
    groups = by_presence(collect(Echo(), [(batch_of(audio, visual), torch.zeros(6, dtype=torch.long))]))
    assert {name: group["decision"]["clips"] for name, group in groups.items()} == {"audio+visual": 2, "audio": 1, "visual": 3}
    assert groups["audio+visual"]["audio"]["accuracy"] == 0.5
    assert groups["visual"]["decision"]["accuracy"] == pytest.approx(1 / 3)
    assert groups["audio"]["decision"]["accuracy"] == 1.0
    # The head of a missing modality has nothing to say.
    assert list(groups["visual"]) == ["av", "visual", "decision"]
    assert list(groups["audio"]) == ["av", "audio", "decision"]


def test_presence_is_what_is_left_after_a_modality_is_taken_away():
    batch = batch_of([RIGHT, None], [RIGHT, WRONG])
    groups = by_presence(collect(Echo(), [(batch, torch.tensor([0, 0]))], without="visual"))
    assert {name: list(heads) for name, heads in groups.items()} == {"audio": ["av", "audio", "decision"], "none": ["decision"]}


def test_a_model_of_attributes_is_measured_by_clip():
    values = [[0.1, 0.5], [0.2, -0.5], [0.3, 0.0]]
    batch = batch_of(values, values)
    target = torch.tensor([[0.2, 0.5], [0.3, -0.5], [0.4, math.nan]])
    metrics = evaluate(Echo(VALUES), [(batch, target)])["decision"]
    assert metrics["clips"] == 3
    assert metrics["mae_arousal"] == pytest.approx(0.1)
    assert metrics["ccc_valence"] == pytest.approx(1.0)
    assert "confusion" not in metrics


def frames(clips: list[list[float]]) -> tuple[Batch, torch.Tensor]:
    """Clips by the arousal of each frame, valence half of it; padded, and NaN behind the end in the target."""
    length = max(map(len, clips))
    shown = torch.tensor([row + [0.0] * (length - len(row)) for row in clips])
    there = torch.arange(length) < torch.tensor([len(row) for row in clips])[:, None]
    values = torch.stack([shown, shown / 2], 2)
    target = torch.where(there[..., None], values, math.nan)
    return Batch.of(audio=values, visual=values, present={"audio": there, "visual": there}), target


def test_answers_by_frame_leave_out_frames_that_nobody_labelled():
    batch, target = frames([[0.1, 0.2, 0.3, 0.4], [0.5, 0.9]])
    metrics = evaluate(Echo(FRAMES), [(batch, target)])["av"]
    assert (metrics["clips"], metrics["frames"]) == (2, 6)
    assert metrics["ccc"] == pytest.approx(1.0)
    # A labelled frame without a picture counts, and is answered with zeros or the prior; one that is not labelled does not.
    target[0, 1] = math.nan
    blind = evaluate(Echo(FRAMES), [(batch.without("visual"), target)])["visual"]
    assert blind["frames"] == 5
    answered = np.array([0.1, 0.3, 0.4, 0.5, 0.9])
    assert blind["mae_arousal"] == pytest.approx(answered.mean())
    assert blind["ccc"] == 0.0


def test_frames_padded_in_other_batches_give_the_same_numbers():
    clips = [[0.1, 0.2, 0.3, 0.7], [0.5, 0.9], [0.3]]
    whole = collect(Echo(FRAMES), [frames(clips)])
    one_by_one = collect(Echo(FRAMES), [frames([clip]) for clip in clips])
    assert by_presence(one_by_one) == by_presence(whole)
    assert one_by_one.clip.tolist() == whole.clip.tolist() == [0, 0, 0, 0, 1, 1, 2]
    batch, target = frames(clips[:1])
    longer = torch.cat([target, torch.full((1, 3, 2), math.nan)], 1)
    assert evaluate(Echo(FRAMES), [(batch, longer)]) == evaluate(Echo(FRAMES), [(batch, target)])
    with pytest.raises(ValueError, match="beyond the 4"):
        collect(Echo(FRAMES), [(batch, torch.zeros(1, 5, 2))])


def test_a_choice_of_clips_takes_their_frames_along():
    answers = collect(Echo(FRAMES), [frames([[0.1, 0.2], [0.5], [0.3, 0.4, 0.6]])])
    part = answers.of(torch.tensor([False, True, True]))
    assert part.clip.tolist() == [0, 1, 1, 1]
    torch.testing.assert_close(part.target[:, 0], torch.tensor([0.5, 0.3, 0.4, 0.6]))
    assert by_head(part)["av"]["clips"] == 2


def test_nothing_to_measure_is_one_sentence():
    with pytest.raises(UserError, match="no labelled clip"):
        evaluate(Echo(), [])
    batch, target = frames([[0.1, 0.2]])
    with pytest.raises(UserError, match="no labelled clip"):
        evaluate(Echo(FRAMES), [(batch, torch.full_like(target, math.nan))])


def test_a_metric_is_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted, titled and shown everywhere by what stands in ``METRICS``, and nowhere else."""
    from affectscope.core.library import cards
    from affectscope.core.standalone.page import Model

    wrong = Metric("Wrong", "classification", lambda a: 1 - a.right, "Share of errors", ".1f", better="lower", compared=True)
    monkeypatch.setitem(METRICS, "wrong", wrong)
    # Two of three are answered with their class.
    found = classification_metrics(torch.tensor([[2.0, 0], [2, 0], [0, 2]]), torch.tensor([0, 1, 1]))
    assert found["wrong"] == pytest.approx(1 / 3)
    assert "wrong" not in regression_metrics(torch.zeros(2, 1), torch.ones(2, 1), ["arousal"])
    assert cards._metrics({"decision": found})["decision"]["wrong"] == pytest.approx(1 / 3)
    card = SimpleNamespace(metrics={"decision": {"wrong": 1 / 3}})
    assert Model(None, card).metrics == (["Wrong"], [["Decision", "0.3"]])


def test_each_metric_is_written_in_one_way() -> None:
    titles = {name: (metric.title, metric.better) for name, metric in METRICS.items()}
    known = {
        "accuracy": ("Accuracy", "higher"), "micro_f1": ("Micro-F1", "higher"), "macro_f1": ("Macro-F1", "higher"),
        "uar": ("UAR", "higher"), "ece": ("ECE", "lower"), "ccc": ("CCC", "higher"), "mae": ("MAE", "lower"),
    }  # fmt: skip
    # One more is an entry of METRICS and nothing else; no two are called alike.
    assert known.items() <= titles.items()
    assert len({title for title, _ in titles.values()}) == len({metric.words for metric in METRICS.values()}) == len(METRICS)
    assert {"classification", "regression"} == {METRICS[main].task for main in MAIN.values()} == set(MAIN)
