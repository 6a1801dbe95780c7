"""Where the papers put their dropout: which share of what is dropped, and that nothing is when a model is only asked."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from tests.rewrites.made import batch_of, made_clips, small

SMALL = {"width": 12, "heads": 3, "layers": 2}


@pytest.fixture
def dropped(monkeypatch) -> list[tuple[float, tuple[int, ...]]]:
    """Shares and shapes of everything that dropout touched."""
    seen: list[tuple[float, tuple[int, ...]]] = []

    def noted(x, p=0.5, training=True, inplace=False):
        if training and p:
            seen.append((p, tuple(x.shape[1:])))
        return x

    monkeypatch.setattr(torch.nn.functional, "dropout", noted)
    return seen


@pytest.mark.parametrize("system", ["auxformer", "mult", "crossmodal", "vavl", "tlstm", "unimodal-attention"])
def test_nothing_is_dropped_when_a_model_is_asked(system, dropped):
    small(system)(batch_of(made_clips()))
    assert dropped == []


def test_auxformer_drops_a_quarter_of_what_its_encoders_give(dropped):
    """goncalves2022robust, 4.3: 0.25 on the output embeddings of the attention layers."""
    small("auxformer", **SMALL, aux_hidden=(7, 9)).train()(batch_of(made_clips()))
    audio, visual = (7, 12), (6, 12)
    # Fusion, refinement and auxiliary network of each modality.
    assert Counter(shape for p, shape in dropped if p == 0.25) == {audio: 3, visual: 3}
    # Inside the six encoders' two layers: both branches, and the hidden layer of the feed-forward.
    assert Counter(shape for p, shape in dropped if p == 0.1) == {
        audio: 12, visual: 12, (7, 48): 6, (6, 48): 6
    }  # fmt: skip
    # The main classifier's hidden layer, and the two of the auxiliary one, for either modality.
    assert Counter(shape for p, shape in dropped if p == 0.2) == {(24,): 1, (7,): 2, (9,): 2}


def test_the_public_code_drops_a_quarter_of_what_its_encoders_are_given(dropped):
    small("auxformer", **SMALL, aux_hidden=(7, 9), variant="code").train()(batch_of(made_clips()))
    # Queries and keys of the cross encoders, the refining ones' input, and each of the three passes of the auxiliary ones.
    assert Counter(shape for p, shape in dropped if p == 0.25) == {(7, 12): 2 + 1 + 3, (6, 12): 2 + 1 + 3}


def test_mult_drops_its_inputs(dropped):
    small("mult", **SMALL, memory_layers=2).train()(batch_of(made_clips()))
    assert Counter(shape for p, shape in dropped if p == 0.25) == {(7, 12): 2 + 1, (6, 12): 2 + 1}


@pytest.mark.parametrize("system", ["crossmodal", "affect-transformer"])
def test_cross_modal_transformers_drop_a_tenth_of_their_inputs(system, dropped):
    clips = made_clips(((6, 6),) * 4, {"audio": ((),) * 4, "visual": ((),) * 4})
    small(system, **SMALL).train()(batch_of(clips))
    # Each encoder's input, and in each of its two layers both branches.
    assert Counter(shape for p, shape in dropped if p == 0.1) == {(6, 12): 2 * (1 + 2 * 2), (6, 48): 2 * 2}


def test_a_vavl_drops_inside_its_conformers_and_heads(dropped):
    small("vavl", projected=4, width=8, heads=2, layers=2, shared_layers=1, kernel=5, hidden=(7, 9)).train()(
        batch_of(made_clips())
    )
    # Three conformer layers a modality: two feed-forwards with a dropout inside and one behind, attention, convolution; and
    # the inputs of both conformers.
    assert Counter(shape for p, shape in dropped if p == 0.1) == {
        (7, 8): 3 * 4 + 2, (6, 8): 3 * 4 + 2, (7, 32): 3 * 2, (6, 32): 3 * 2
    }  # fmt: skip
    # Three predictions and two reconstructions.
    assert Counter(shape for p, shape in dropped if p == 0.2) == {(7,): 5}
