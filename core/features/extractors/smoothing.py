"""Smooths face boxes: removes the detector's jitter, but follows the head's movement."""

from __future__ import annotations

import numpy as np

# Error of MTCNN's boxes (rendered clips with ``head_box``, pasted along known paths): centre and size, in shares of the box's
# side.
_NOISE = (0.012, 0.012, 0.024)
# From stiff to loose: SciPy's lambda, which weighs the squared second derivative in seconds.
_STIFFNESS = 10.0 ** np.arange(0, -5, -0.5)
# Over how many detections the fit is judged, and over how many one stiffness blends into another.
_JUDGED, _BLENDED = 4.0, 2.5
_FEWEST = 5


def smooth(known: np.ndarray, squares: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Squares at any times from noisy detections, smoothed forwards and backwards in time, so without lag.

    Smoothing splines of several stiffnesses are fitted to each column (Reinsch 1967). Each moment uses the stiffest one whose
    error at nearby detections does not exceed the detector's own. So a head at rest gets a box at rest, and a fast one is
    followed.

    Args:
        known: [L] seconds, increasing, about evenly spaced.
        squares: [L, 3] centre and half side.
        times: [T] seconds; constant beyond the ends.

    Returns:
        [T, 3]
    """
    times = np.clip(times, known[0], known[-1])
    if len(known) < _FEWEST:
        return np.stack([np.interp(times, known, column) for column in squares.T], 1)
    sides = 2 * squares[:, 2]
    return np.stack([_column(known, squares[:, k], times, noise * sides / (1, 1, 2)[k]) for k, noise in enumerate(_NOISE)], 1)


def _column(known: np.ndarray, values: np.ndarray, times: np.ndarray, noise: np.ndarray) -> np.ndarray:
    # Imported late: SciPy is slow to import, and not needed for cached features.
    from scipy.interpolate import make_smoothing_spline
    from scipy.ndimage import gaussian_filter1d

    chosen, curves = np.full(len(known), -1), []
    for number, stiffness in enumerate(_STIFFNESS):
        curve = make_smoothing_spline(known, values, lam=stiffness)
        curves.append(curve(times))
        misfit = gaussian_filter1d(((curve(known) - values) / noise) ** 2, _JUDGED, mode="nearest")
        chosen[(chosen < 0) & (misfit <= 1)] = number
        if (chosen >= 0).all():
            break
    chosen[chosen < 0] = len(curves) - 1
    place = np.interp(times, known, gaussian_filter1d(chosen.astype(float), _BLENDED, mode="nearest"))
    looser = np.minimum(np.ceil(place).astype(int), len(curves) - 1)
    stiffer = np.floor(place).astype(int)
    share, moments, drawn = place - stiffer, np.arange(len(times)), np.array(curves)
    return (1 - share) * drawn[stiffer, moments] + share * drawn[looser, moments]
