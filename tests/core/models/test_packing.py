import torch

from affectscope.core.models.blocks.packing import merged, packed

PRESENT = torch.tensor([[0, 1, 1, 0, 1], [0, 0, 0, 0, 0], [0, 0, 0, 1, 0]], dtype=torch.bool)


def test_present_frames_come_first_in_their_order_and_the_rest_is_cut():
    frames = torch.arange(15.0).view(3, 5)
    present, moved, wide = packed(PRESENT, frames, frames[..., None].expand(-1, -1, 2))
    assert present.int().tolist() == [[1, 1, 1], [0, 0, 0], [1, 0, 0]]
    assert moved[present].tolist() == [1, 2, 4, 13]
    assert (wide[..., 0] == moved).all()
    assert (wide[..., 1] == moved).all()


def test_nothing_moves_where_a_row_has_every_frame_and_one_frame_is_left_where_none_has_any():
    full = torch.tensor([[1, 1, 1], [0, 1, 0]], dtype=torch.bool)
    frames = torch.rand(2, 3)
    assert packed(full, frames)[1] is frames
    assert packed(PRESENT[1:2], torch.ones(1, 5))[1].shape == (1, 1)


def test_rows_that_are_one_in_memory_are_one():
    row, there = torch.rand(1, 4, 2), torch.ones(1, 4, dtype=torch.bool)
    assert [len(rows) for rows in merged(row.expand(3, -1, -1), there.expand(3, -1))] == [1, 1]


def test_maskings_of_one_clip_are_the_frames_that_any_of_them_has():
    clip = torch.rand(4, 2) + 1
    present = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]], dtype=torch.bool)
    values, there = merged(torch.where(present[..., None], clip, 0), present)
    assert torch.equal(values[0, :3], clip[:3])
    assert (values[0, 3] == 0).all()
    assert torch.equal(there, present)


def test_rows_of_different_clips_and_rows_without_a_frame_stay_apart():
    clip = torch.rand(1, 4, 2) + 1
    present = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 0]], dtype=torch.bool)
    other = torch.where(present[..., None], torch.cat([clip, clip + 1]), 0)
    assert torch.equal(merged(other, present)[0], other)
    none_left = torch.tensor([[1, 1, 0, 0], [0, 0, 0, 0]], dtype=torch.bool)
    rows = torch.where(none_left[..., None], clip, 0)
    assert torch.equal(merged(rows, none_left)[0], rows)
