"""Our numbers against Quantus', where it has the measure.

`make setup` installs it without its OpenCV, which would replace ours.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from torch import nn

from affectscope.core.trust.curves import curves
from affectscope.core.trust.randomised import cascade
from affectscope.core.trust.similarity import by_largest, lipschitz, sensitivity, spearman, ssim

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    quantus = pytest.importorskip("quantus")

SIDE = 6


@pytest.fixture(scope="module")
def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 3, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(3 * SIDE**2, 5), nn.Tanh(),
                         nn.Linear(5, 3)).eval()  # fmt: skip


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    return np.random.default_rng(1).random((2, 1, SIDE, SIDE), np.float32)


def slopes(model: nn.Module, inputs: np.ndarray, targets: np.ndarray, **more: object) -> np.ndarray:
    """Gradient times input, [N, 1, h, w]."""
    given = torch.as_tensor(np.asarray(inputs, np.float32)).requires_grad_(True)
    model(given)[range(len(given)), list(map(int, targets))].sum().backward()
    return (given.grad * given).detach().numpy()


def settings(model: nn.Module, pictures: np.ndarray, **more: object) -> dict[str, object]:
    return {"model": model, "x_batch": pictures, "y_batch": np.array([0, 2]), "device": "cpu", "softmax": True} | more


QUIET = {"disable_warnings": True, "display_progressbar": False, "return_aggregate": False}


def test_rank_correlation_and_structural_similarity():
    chance = np.random.default_rng(0)
    a, b = chance.random((2, 16, 16)), chance.random((2, 16, 16))
    theirs = quantus.similarity_func.correlation_spearman(a.reshape(2, -1), b.reshape(2, -1), batched=True)
    assert spearman(a, b) == pytest.approx(np.mean(theirs), abs=1e-5)
    assert ssim(a, b) == pytest.approx(np.mean(quantus.similarity_func.ssim(a, b, batched=True)), abs=1e-5)


def test_the_cascade_of_random_weights(network, pictures):
    metric = quantus.MPRT(layer_order="top_down", seed=4, abs=True, **QUIET)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = metric(**settings(network, pictures, explain_func=slopes))
    shown = np.abs(slopes(network, pictures, np.array([0, 2])))[:, 0]
    ours = {}
    for stage in cascade(network, lambda stage_network: stage_network(torch.from_numpy(pictures)), seed=4, most=99):
        other = np.abs(slopes(stage.network, pictures, np.array([0, 2])))[:, 0]
        ours[stage.name] = [spearman(a[None], b[None]) for a, b in zip(shown, other, strict=True)]
    assert list(ours) == ["5", "3", "0"]
    for name, values in ours.items():
        np.testing.assert_allclose(values, theirs[name], atol=1e-5)


@pytest.mark.parametrize("number", [0, 1])
def test_deletion(network, pictures, number):
    picture, target = pictures[number : number + 1], np.array([2 * number])
    shown = np.abs(slopes(network, picture, target))
    metric = quantus.RegionPerturbation(
        patch_size=2, order="morf", regions_evaluation=9, perturb_baseline="black", abs=True, normalise=False, **QUIET
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        losses = metric(model=network, x_batch=picture, y_batch=target, a_batch=shown, device="cpu", softmax=True)
    cells = shown[0, 0].reshape(3, 2, 3, 2).sum((1, 3))
    black = picture.min()

    def ask(states: np.ndarray) -> np.ndarray:
        stay = states[:, 0].repeat(2, 1).repeat(2, 2)
        given = np.where(stay, picture[0, 0], black)[:, None]
        return network(torch.from_numpy(given)).softmax(1)[:, int(target[0])].detach().numpy()

    found = curves(cells[None], ask, 3, points=[count / 9 for count in range(1, 9)])
    np.testing.assert_allclose(found.deletion[0] - found.deletion[1:], losses[0], atol=1e-5)


def test_max_sensitivity_and_the_local_lipschitz_estimate(network, pictures):
    chance = np.random.default_rng(2)
    steps = chance.normal(0, 0.05, (3, *pictures.shape)).astype(np.float32)

    def moved(arr: np.ndarray, indices: np.ndarray, **more: object) -> np.ndarray:
        return arr + next(waiting).reshape(arr.shape)

    targets = np.array([0, 2])
    shown = slopes(network, pictures, targets)
    changed = [slopes(network, pictures + step, targets) for step in steps]
    for make, ours in (
        (quantus.MaxSensitivity, lambda a, b, x, y: sensitivity(a, b)),
        (quantus.LocalLipschitzEstimate, lipschitz),
    ):
        waiting = iter(steps)
        metric = make(nr_samples=3, perturb_func=moved, abs=False, normalise=True, normalise_func=by_picture, **QUIET)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = metric(**settings(network, pictures, explain_func=slopes))
        expected = [
            max(ours(shown[i], drawn[i], pictures[i], pictures[i] + step[i]) for drawn, step in zip(changed, steps, strict=True))
            for i in range(2)
        ]
        np.testing.assert_allclose(theirs, expected, atol=1e-5)


def by_picture(maps: np.ndarray, **more: object) -> np.ndarray:
    """Quantus divides a whole batch by one number; of a clip, each map has its own."""
    return np.stack([by_largest(drawn) for drawn in maps])
