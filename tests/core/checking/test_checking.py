"""Planted faults, each found by its own line; the shipped systems keep every promise."""

from __future__ import annotations

import pytest

from affectscope.core import checking, devices
from affectscope.core.checkpoints import saved
from affectscope.core.models.base import MODELS
from tests.core.checking import small

# The line that names the fault comes first; the others are what follows from it.
FAULTS = {
    # Padding is looked at, too.
    small.SoftmaxOverPadding: ("padding", "attended"),
    # Padding changes the statistics, and one frame alone has none.
    small.BatchNormInTraining: ("company", "padding", "lengths"),
    small.LeakyAttention: ("attended",),
    small.DropoutLeftOn: ("repeat",),
    small.KeepsState: ("repeat",),
    # The absent frames that count are attended to as well.
    small.AbsenceIsZeros: ("absent", "attended"),
    small.LooksAtItsRow: ("order",),
    small.LogOfEnergy: ("finite",),
    small.WantsBoth: ("subsets",),
    small.SigmoidAttention: ("sums",),
    small.Detached: ("gradients",),
    small.HalfDetached: ("gradients",),
    small.ThousandPositions: ("lengths",),
    small.AlwaysSure: ("nothing",),
    small.OtherAnswerWithAttention: ("asked",),
    small.NoEmbedding: ("answers",),
    # What it holds is of other numbers than it is given, and of another length.
    small.SameForAll: ("answers", "padding", "gradients"),
    # Without evidence it answers with a half, too.
    small.Sigmoids: ("answers", "nothing"),
    # What is one frame over and over cannot be written over.
    small.WritesOver: ("aside", "finite"),
    small.SwitchesGradientsOff: ("aside", "gradients"),
    small.SeedsItsNoise: ("aside",),
    small.SeldomDrops: ("repeat",),
    small.OthersCount: ("company",),
    small.MeanOverPadding: ("padding",),
}


def states(kind):
    return {promise.name: promise for promise in checking.check(small.checkpoint(kind))}


def test_a_model_without_faults_keeps_every_promise():
    found = states(small.Small)
    assert list(found) == list(checking.PROMISES)
    elsewhere = "kept" if len(devices.devices()) > 1 else "not applicable"
    expected = dict.fromkeys(found, "kept") | {"elsewhere": elsewhere}
    assert {name: promise.state for name, promise in found.items()} == expected
    assert all(promise.measured <= promise.tolerance for promise in found.values() if promise.measured is not None)


@pytest.mark.parametrize("kind", FAULTS, ids=lambda kind: kind.__name__)
def test_a_planted_fault_is_found_by_its_own_line(kind):
    found = states(kind)
    assert {name for name, promise in found.items() if promise.state == "broken"} == set(FAULTS[kind])
    own = found[FAULTS[kind][0]]
    assert own.measured is None or own.measured > own.tolerance


def test_what_is_broken_is_told_in_a_sentence_with_its_number():
    assert states(small.LogOfEnergy)["finite"].detail.startswith("Of zeros, 20 frames each: the head av answers something")
    assert "In training mode: drop; call eval()." in states(small.DropoutLeftOn)["repeat"].detail
    assert "In training mode: norm" in states(small.BatchNormInTraining)["company"].detail
    lengths = states(small.ThousandPositions)["lengths"].detail
    assert lengths == "A clip of 1,500 audio frames and 1,500 visual frames fails: IndexError: index out of range in self."
    absent = states(small.AbsenceIsZeros)["absent"]
    assert absent.detail.startswith("Absent audio frames count as frames of zeros. What stands there moves the answer by ")
    half = states(small.HalfDetached)["gradients"]
    # The answer moves twice as much as its gradient says.
    assert half.measured == pytest.approx(1, abs=0.05)
    # 0.01 of logits whose largest may be below 1.
    asked = states(small.OtherAnswerWithAttention)["asked"]
    assert 0 < asked.measured <= 0.01


def test_a_slope_too_small_to_be_confirmed_is_no_fault():
    found = states(small.HardlyLooks)["gradients"]
    assert found.state == "kept"
    assert found.detail.startswith(
        "From the visual features (no way leads on to pixels), they reach 24 of 24 frames, with a slope of "
    )
    assert found.measured is None


@pytest.mark.parametrize(("kind", "state"), [(small.Small, "kept"), (small.OtherThere, "broken")])
def test_every_device_of_the_machine_is_asked(kind, state, monkeypatch):
    # A second name for the CPU, in place of a GPU.
    monkeypatch.setattr(devices, "devices", lambda: {"cpu": "CPU", "cpu:0": "another"})
    checkpoint = small.checkpoint(kind)
    found = {promise.name: promise for promise in checking.check(checkpoint)}["elsewhere"]
    assert found.state == state
    assert found.detail.startswith("The CPU and cpu:0 are ")
    assert {str(value.device) for value in checkpoint.model.state_dict().values()} == {"cpu"}


def test_a_device_that_fails_is_named(monkeypatch):
    monkeypatch.setattr(devices, "devices", lambda: {"cpu": "CPU", "cuda:99": "none"})
    found = {promise.name: promise for promise in checking.check(small.checkpoint(small.Small))}
    assert found["elsewhere"].detail.startswith("On cuda:99 it fails: ")
    assert found["gradients"].state == "kept"


def test_an_answer_that_is_never_the_same_is_not_compared():
    found = states(small.DropoutLeftOn)
    assert found["padding"].state == "not applicable"
    assert found["padding"].detail == "The same question gets different answers, so there is nothing to compare."
    assert found["sums"].state == "kept"


def test_a_model_that_does_not_answer_is_told_once():
    found = states(small.Speechless)
    assert found["answers"].detail == ("It fails: RuntimeError: mat1 and mat2 shapes cannot be multiplied (20x6 and 7x5).")
    assert {promise.state for name, promise in found.items() if name != "answers"} == {"not applicable"}


def test_progress_names_the_promise_that_is_looked_at():
    told = []
    checking.check(small.checkpoint(small.Speechless), lambda stage, share: told.append((stage, share)))
    assert told[0] == ("It answers as it declares", 0.0)
    assert told[-1] == ("Done", 1.0)


@pytest.mark.parametrize(("name", "whence"), [("auxformer", "the pixels through face-views"), ("double-attention", "the pixels")])
def test_gradients_are_followed_to_the_pixels(name, whence):
    found = {p.name: p for p in checking.check(saved.load(saved.shipped()[name]))}["gradients"]
    assert found.state == "kept"
    assert found.detail.startswith(f"From {whence}, they reach 24 of 24 frames; ")


@pytest.mark.parametrize("name", saved.shipped())
def test_the_shipped_checkpoints_keep_every_promise(name):
    found = checking.check(saved.load(saved.shipped()[name]))
    assert [promise for promise in found if promise.state == "broken"] == []


def test_every_system_is_shipped_so_that_all_are_checked():
    systems = {saved.peek(path)[0].spec.system for path in saved.shipped().values()}
    assert systems == set(MODELS)
