"""Weights of any shape become [B, heads, Tq, Tk] on the clip's own frames, and keep their sums."""

from __future__ import annotations

import pytest
import torch

from affectscope.core.wrapping.shapes import as_maps, frames_of, onto_frames, padded, vector_of


@pytest.mark.parametrize(
    ("shape", "clips", "expected"),
    [
        ((1, 4, 5, 6), 1, (1, 4, 5, 6)),
        ((3, 5, 6), 3, (3, 1, 5, 6)),
        ((12, 5, 6), 3, (3, 4, 5, 6)),
        ((4, 5, 6), 1, (1, 4, 5, 6)),
        ((5, 6), 1, (1, 1, 5, 6)),
        ((3, 6), 3, (3, 1, 1, 6)),
        ((3, 6, 1), 3, (3, 1, 1, 6)),
        ((6,), 1, (1, 1, 1, 6)),
        ((6, 1), 1, (1, 1, 1, 6)),
    ],
)
def test_every_shape_that_networks_give(shape, clips, expected) -> None:
    assert as_maps(torch.rand(shape), clips).shape == expected


def test_weights_of_frames_folded_into_the_batch_are_none_of_the_clips() -> None:
    with pytest.raises(ValueError, match="none of 2 clips"):
        as_maps(torch.rand(7, 4, 5, 6), 2)


def test_fewer_keys_share_their_weight_and_rows_keep_their_sum() -> None:
    maps = torch.tensor([[[[0.25, 0.75]]]])
    # Frames 0, 1 and 2 lie in the first of two keys by proportion of five: (i + 1/2) * 2 / 5 = 0.2, 0.6, 1.0, 1.4, 1.8.
    found = onto_frames(maps, 1, 5)
    assert torch.allclose(found, torch.tensor([0.125, 0.125, 0.25, 0.25, 0.25]))
    assert found.sum() == 1


def test_more_keys_than_frames_are_added_and_more_queries_are_averaged() -> None:
    maps = torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.3, 0.4, 0.1, 0.2]])[None, None]
    assert torch.allclose(onto_frames(maps, 1, 2), torch.tensor([[[[0.5, 0.5]]]]))
    assert torch.allclose(onto_frames(maps, 2, 2), torch.tensor([[[[0.3, 0.7], [0.7, 0.3]]]]))


def test_one_query_stands_for_all() -> None:
    maps = torch.tensor([[[[0.25, 0.75]]]])
    assert torch.equal(onto_frames(maps, 3, 2), maps.expand(1, 1, 3, 2))


def test_answers_by_fewer_frames() -> None:
    answers = torch.tensor([[[1.0], [2.0]]])
    assert frames_of(answers, 4).flatten().tolist() == [1, 1, 2, 2]


@pytest.mark.parametrize("shape", [(2, 3), (2, 5, 3), (10, 3), (2, 3, 4, 4)])
def test_vectors_of_frames_and_places_are_their_mean(shape) -> None:
    assert vector_of(torch.ones(shape), 2).tolist() == [[1, 1, 1], [1, 1, 1]]


def test_a_vector_is_the_mean_over_tokens_of_frames_and_over_places_and_time() -> None:
    # Two clips of three frames, each of four tokens; and a 3-D convolution's five channels.
    tokens, maps = torch.randn(6, 4, 5), torch.randn(2, 5, 3, 4, 4)
    torch.testing.assert_close(vector_of(tokens, 2), tokens.view(2, 12, 5).mean(1))
    torch.testing.assert_close(vector_of(tokens[:3], 1), tokens[:3].reshape(1, 12, 5).mean(1))
    torch.testing.assert_close(vector_of(maps, 2), maps.mean((2, 3, 4)))


def test_a_vector_of_nothing_is_said() -> None:
    with pytest.raises(ValueError, match="no vector"):
        vector_of("text", 1)


def test_padding_comes_after() -> None:
    assert padded(torch.ones(1, 2), 2, 3).tolist() == [[1, 1, 0], [0, 0, 0]]
