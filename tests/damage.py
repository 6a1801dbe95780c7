"""What a disk may do to a file, for the tests of everything that is written and read again."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectscope.core.errors import UserError

FLIPS = 200
MISS = "a miss"
Read = Callable[[], Any]


def flips(content: bytes, seed: int, count: int = FLIPS) -> Iterator[bytes]:
    """The content with one bit turned over, anywhere."""
    draw = random.Random(seed)
    for _ in range(count):
        place = draw.randrange(8 * len(content))
        hurt = bytearray(content)
        hurt[place // 8] ^= 1 << place % 8
        yield bytes(hurt)


def harm(content: bytes, seed: int) -> Iterator[bytes]:
    """Cut short, with a page of zeros, empty, and with something behind it."""
    draw = random.Random(seed)
    yield b""
    for _ in range(6):
        yield content[: draw.randrange(len(content))]
    page = min(64, len(content) // 2 + 1)
    for _ in range(6):
        begin = draw.randrange(len(content))
        yield content[:begin] + b"\0" * min(page, len(content) - begin) + content[begin + page :]
    yield b"\0" * len(content)
    yield content[: len(content) // 2] * 2


def outcomes(files: Sequence[Path], read: Read, seed: int = 0) -> list[tuple[str, Any]]:
    """What ``read`` gives for each kind of damage to each of the files: a value as ``plain`` has it, or ``MISS``."""
    found = []
    for number, path in enumerate(files):
        whole = path.read_bytes()
        damaged = [*flips(whole, seed + number, -(-FLIPS // len(files))), *harm(whole, seed + number)]
        for case, content in enumerate(damaged):
            if content != whole:
                path.write_bytes(content)
                found.append((f"{path.name}, damage {case}", outcome(read)))
                path.write_bytes(whole)
    return found


def outcome(read: Read) -> Any:
    try:
        value = read()
    except UserError:
        return MISS
    return MISS if value is None else plain(value)


def plain(value: Any) -> str:
    """A text that is the same where two values are, to the last bit."""
    if isinstance(value, np.ndarray):
        return f"{value.dtype}{value.shape}{value.tobytes().hex()}"
    if isinstance(value, pd.DataFrame):
        return plain(value.to_dict())
    if dataclasses.is_dataclass(value):
        return plain(vars(value))
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key!r}:{plain(part)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(plain, value)) + "]"
    return repr(value)
