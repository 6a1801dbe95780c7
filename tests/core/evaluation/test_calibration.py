import math

import pytest
import torch

from affectscope.core.metrics.calibration import reliability
from affectscope.core.metrics.metrics import classification_metrics


def sure(confidence: float) -> list[float]:
    return [math.log(confidence), math.log(1 - confidence)]


def test_bins_by_hand():
    logits = torch.tensor([sure(0.62), sure(0.68), sure(0.68), sure(0.93)])
    table = reliability(logits, torch.tensor([0, 0, 1, 1]), bins=10)
    assert table["low"].tolist() == pytest.approx([0.6, 0.9])
    assert table["high"].tolist() == pytest.approx([0.7, 1.0])
    assert table["confidence"].tolist() == pytest.approx([0.66, 0.93], abs=1e-6)
    assert table["accuracy"].tolist() == pytest.approx([2 / 3, 0.0])
    assert table["count"].tolist() == [3, 1]


def test_full_confidence_is_in_the_last_bin():
    table = reliability(torch.tensor([[99.0, 0.0], [0.0, 99.0]]), torch.tensor([0, 0]), bins=4)
    assert (table["high"].item(), table["accuracy"].item(), table["count"].item()) == (1.0, 0.5, 2)


def test_the_bins_give_the_calibration_error_of_the_metrics():
    make = torch.Generator().manual_seed(0)
    logits, target = 2 * torch.randn(500, 6, generator=make), torch.randint(6, (500,), generator=make)
    table = reliability(logits, target)
    assert table["count"].sum() == 500
    error = ((table["accuracy"] - table["confidence"]).abs() * table["count"]).sum() / 500
    assert error == pytest.approx(classification_metrics(logits, target)["ece"], abs=1e-5)
