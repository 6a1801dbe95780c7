"""Validates features made by user code: the right width, at increasing times."""

from __future__ import annotations

from typing import Any

import numpy as np

from affectscope.core.errors import UserError
from affectscope.core.streams import Stream


def checked(who: str, dim: int, values: Any, times: Any, present: Any = None) -> Stream:
    """Values [T, ...], times and presence as a stream.

    Raises:
        UserError: when they are invalid; the message begins with ``who``.
    """
    try:
        v, t = np.asarray(values, np.float32), np.asarray(times, np.float64)
        p = np.ones(len(t), bool) if present is None else np.asarray(present).astype(bool)
    except (TypeError, ValueError) as error:
        raise UserError(f"{who} gave no numbers: values are [T, {dim}], times [T].") from error
    if v.ndim > 2:
        v = v.reshape(len(v), -1)
    if not v.size:
        return Stream.absent(dim)
    if v.ndim != 2 or v.shape[1] != dim:
        raise UserError(f"{who} gave values of shape {np.shape(values)}: they should be [T, {dim}].")
    if t.shape != v.shape[:1] or p.shape != t.shape:
        raise UserError(
            f"{who} gave {len(v)} frames with {t.size} times and {p.size} flags of presence: give one of each per frame."
        )
    if not np.isfinite(t).all() or (np.diff(t) < 0).any():
        raise UserError(f"{who} gave times that do not rise: they are seconds on the clip, one a frame.")
    wrong = int((~np.isfinite(v[p])).any(1).sum())
    if wrong:
        raise UserError(f"{who} gave NaN or infinity in {wrong} of {len(v)} frames: say by `present` which frames are there.")
    return Stream(np.where(p[:, None], v, np.float32(0)), t, p)
