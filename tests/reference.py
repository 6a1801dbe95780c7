"""The rule of ../shared/reference by which weights and inputs of the goldens are made."""

from __future__ import annotations

import json
import math
import re
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

SHARED = Path(__file__).parents[2] / "shared"
needs_shared = pytest.mark.skipif(not (SHARED / "reference").is_dir(), reason="the shared reference material is not here")


def wave(key: str, count: int, seed: int = 1) -> np.ndarray:
    phase = (zlib.crc32(key.encode()) % 100003) / 100003 * 2 * math.pi
    return np.sin(np.arange(count) * 0.6180339887498949 * (1 + 0.01 * seed) + phase)


def golden_input(name: str, shape: list[int]) -> Tensor:
    return torch.from_numpy(wave(f"input.{name}", math.prod(shape)).reshape(shape).astype(np.float32))


def golden_state(keys_file: str, section: str) -> dict[str, Tensor]:
    """The state_dict of a public class with weights by the rule, made from its listed keys and shapes."""
    state, inside = {}, False
    for line in (SHARED / "reference" / "keys" / keys_file).read_text().splitlines():
        if line.startswith("##"):
            inside = section in line
        elif inside and line.strip():
            key, shape, *dtype, _ = line.split("\t")
            # Some files leave the type out; only the counters of batch norms are whole numbers there.
            if dtype == ["float32"] or (not dtype and not key.endswith("num_batches_tracked")):
                state[key] = weight(key, [int(n) for n in re.findall(r"\d+", shape)])
    return state


def weight(key: str, shape: list[int], prefix: str = "") -> Tensor:
    count = math.prod(shape)
    w = wave(prefix + key, count).reshape(shape)
    if key.endswith("running_var"):
        w = 1 + 0.5 * np.abs(w)
    elif key.endswith("running_mean"):
        w = 0.1 * w
    elif len(shape) < 2:
        w = (1 if key.endswith("weight") else 0.5 if key.endswith("alpha") else 0) + 0.1 * w
    else:
        w = w * math.sqrt(2 / (count / shape[0]))
    return torch.from_numpy(w.astype(np.float32))


def goldens() -> dict:
    return json.loads((SHARED / "reference" / "goldens.json").read_text())
