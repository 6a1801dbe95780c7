"""How a heatmap's numbers become paint. ``tone.js`` is the same for the browser; one table of numbers tests both.

The numbers of a map are linear, and the evidence of a clip's frames differs by orders of magnitude: on one scale that ends
somewhere, most frames are blank and one is a solid square. So two things are told by two means. *Where* in a frame: the colour,
each place's share of the frame's largest value, so that no frame loses its structure. *How much* in this frame: the opacity, by
``shown`` of that largest value.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

_CONSTANTS: dict[str, float] = json.loads((Path(__file__).parent / "tone.json").read_text(encoding="utf-8"))
HALF: float = _CONSTANTS["half"]
"""The share of the clip's median frame at which a frame is painted half as strongly as can be."""
FULL: float = _CONSTANTS["full"]
"""The share of a frame's largest value, counted from the threshold, from which the colour covers as much as it may."""
SCALES = ("clip", "frame")


def shown(evidence: np.ndarray, scale: str = "clip") -> np.ndarray:
    """How strongly each frame is painted, [F] 0..1, in the order of their evidence; 0 where there is none.

    By frame all are painted alike. By clip it is the extended tone curve of Reinhard et al. 2002 (Photographic tone reproduction,
    Eq. 4), u (1 + u / w²) / (1 + u) for evidence u in units of half the median frame's: 1 for the strongest, w, and never before
    it, however far that lies from the others.

    Args:
        evidence: [F], the largest value of each frame's map, in any unit; NaN where there is no map.
        scale: one of ``SCALES``.
    """
    there = np.nan_to_num(evidence) > 0
    if scale == "frame" or not there.any():
        return there.astype(np.float64)
    units = np.where(there, evidence, 0) / (HALF * np.median(evidence[there].astype(np.float64)))
    return units * (1 + units / units.max() ** 2) / (1 + units)


def cover(shares: np.ndarray, threshold: float) -> np.ndarray:
    """How much of the picture is covered where a place has this share of its frame's largest value, 0..1.

    Nothing is up to the threshold, and all that may be from ``FULL`` on.

    Args:
        shares: 0..1, of any shape.
        threshold: 0..1.
    """
    step = np.clip((shares - threshold) / max(FULL * (1 - threshold), 1e-6), 0, 1)
    return step * step * (3 - 2 * step)
