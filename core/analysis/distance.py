"""Distance of a clip's sound and picture after each shared layer (goncalves2025versatile, V-D and Fig. 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from affectscope.core.errors import UserError


def cosine_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """1 - cosine of the rows of [N, D] and [N, D]: [N], 0 for the same direction, 2 for opposite ones.

    NaN where a row is all zeros, and so has no direction.
    """
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return 1 - (a * b).sum(1) / lengths


def mismatched(a: np.ndarray, b: np.ndarray, seed: int = 0) -> np.ndarray:
    """The baseline: each row of ``a`` against another clip's row of ``b``, [N]; NaN for a single clip."""
    count = len(a)
    if count < 2:
        return np.full(count, np.nan)
    # A random cyclic permutation gives every clip a partner other than itself.
    order = np.random.default_rng(seed).permutation(count)
    partner = np.empty(count, int)
    partner[order] = np.roll(order, 1)
    return cosine_distance(a, b[partner])


def stage_name(pair: tuple[str, str]) -> str:
    """The common prefix of a pair's names (``ModelSpec.shared``): "shared layer 1" for "shared layer 1 audio"."""
    return pair[0].rsplit(" ", 1)[0]


def by_stage(embeddings: Mapping[str, np.ndarray], shared: Sequence[tuple[str, str]], seed: int = 0) -> pd.DataFrame:
    """The distances of every clip after every shared layer.

    Args:
        embeddings: name -> [N, D], of clips that have both sound and picture.
        shared: ``ModelSpec.shared``.

    Returns:
        A row for each stage and clip: ``stage``, ``clip`` (its index, 0 to N - 1), ``distance``, ``mismatched``.

    Raises:
        UserError: when the model has no shared layers.
    """
    if not shared:
        raise UserError("This model has no layers that sound and picture share: choose VAVL, UAVM or AuxFormer.")
    tables = []
    for pair in shared:
        a, b = (np.asarray(embeddings[name]) for name in pair)
        columns = {"clip": np.arange(len(a)), "distance": cosine_distance(a, b), "mismatched": mismatched(a, b, seed)}
        tables.append(pd.DataFrame({"stage": stage_name(pair)} | columns))
    return pd.concat(tables, ignore_index=True)
