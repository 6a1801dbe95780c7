"""Maps a heatmap's numbers to colour and opacity. ``tone.js`` does the same in the browser; one table of numbers tests both.

A map's numbers are linear, and differ by orders of magnitude between frames: on one linear scale, most frames would be blank and
one a solid square. So two channels are used. Colour shows *where* in a frame: each place relative to the frame's maximum, so that
every frame keeps its structure. Opacity shows *how much*: ``shown`` of that maximum.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

_CONSTANTS: dict[str, float] = json.loads((Path(__file__).parent / "tone.json").read_text(encoding="utf-8"))
HALF: float = _CONSTANTS["half"]
"""Evidence of half opacity, in units of the clip's median frame."""
FULL: float = _CONSTANTS["full"]
"""The share of a frame's maximum, counted from the threshold, from which coverage is full."""
SCALES = ("clip", "frame")


def shown(evidence: np.ndarray, scale: str = "clip") -> np.ndarray:
    """The opacity of each frame, [F] 0..1, increasing with evidence; 0 without evidence.

    "frame" gives all frames the same opacity. "clip" is the extended tone curve of Reinhard et al. 2002 (Photographic tone
    reproduction, Eq. 4), u (1 + u / w²) / (1 + u) for evidence u in units of half the median frame's: 1 only for the strongest
    frame, w, however far it is from the others.

    Args:
        evidence: [F], each frame's maximum, in any unit; NaN where there is no map.
        scale: one of ``SCALES``.
    """
    there = np.nan_to_num(evidence) > 0
    if scale == "frame" or not there.any():
        return there.astype(np.float64)
    units = np.where(there, evidence, 0) / (HALF * np.median(evidence[there].astype(np.float64)))
    return units * (1 + units / units.max() ** 2) / (1 + units)


def cover(shares: np.ndarray, threshold: float) -> np.ndarray:
    """How much of the picture is covered at a given share of the frame's maximum, 0..1.

    Zero up to the threshold, full from ``FULL`` on.

    Args:
        shares: 0..1, of any shape.
        threshold: 0..1.
    """
    step = np.clip((shares - threshold) / max(FULL * (1 - threshold), 1e-6), 0, 1)
    return step * step * (3 - 2 * step)
