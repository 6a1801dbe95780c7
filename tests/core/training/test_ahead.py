import numpy as np
import torch

from affectscope.core.training.ahead import AHEAD, AheadLoader, Memory


class Counted:
    """Twenty places; what is asked of it is written down."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, list[int]]] = []

    def __len__(self) -> int:
        return 20

    def __getitems__(self, places: list[int]) -> list[int]:
        return places

    def expect(self, places: list[int]) -> list[int]:
        self.asked.append(("expect", places))
        return places

    def batch(self, places: list[int]) -> int:
        self.asked.append(("batch", places))
        return sum(places)


def test_batches_are_told_of_before_they_are_read():
    dataset = Counted()
    loader = AheadLoader(dataset, 3, collate_fn=list)
    assert list(loader) == [3, 12, 21, 30, 39, 48, 37]
    assert [what for what, _ in dataset.asked[: AHEAD + 3]] == ["expect"] * (AHEAD + 1) + ["batch", "expect"]
    assert [places for what, places in dataset.asked if what == "batch"][-1] == [18, 19]


def test_memory_is_used_again_once_nobody_holds_it():
    memory = Memory()
    first = memory.empty((1000, 1000), np.float32)
    first[:] = 1
    batch = torch.from_numpy(first)
    place = batch.data_ptr()
    del first
    second = memory.empty((1000, 1000), np.float32)
    second[:] = 2
    assert batch.eq(1).all()
    # A part of the batch is enough to hold it.
    part = batch[3:4]
    del batch
    assert memory.empty((1000, 1000), np.float32).ctypes.data != place
    assert part.eq(1).all()
    del part, second
    assert memory.empty((900, 1000), np.float32).ctypes.data == place
    assert memory.empty((3, 4), np.float32).shape == (3, 4)


def test_memory_that_is_too_small_is_given_back():
    memory = Memory()
    for rows in range(300, 3000, 300):
        memory.empty((rows, 1000), np.float32)[:] = 0
    assert len(memory._kept) == 1
