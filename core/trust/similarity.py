"""Similarity of two maps: rank correlation and structural similarity, as in sanity checks, and sensitivity measures."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter
from scipy.stats import rankdata

# Wang et al. 2004, section III-B: K1 and K2; the window is scikit-image's, 7 cells a side, with equal weights.
_K1, _K2, _WINDOW = 0.01, 0.03, 7
# Avoids division by zero, as in Quantus.
_LITTLE = 1e-10


def spearman(shown: np.ndarray, other: np.ndarray) -> float:
    """Rank correlation of two maps: the mean over pictures [P, ...], or of lanes [W]; -1 to 1.

    A constant map carries no information: its correlation counts as 0.
    """
    first, second = (_rows(values) for values in (shown, other))
    return float(np.mean([_rank_correlation(a, b) for a, b in zip(first, second, strict=True)])) if len(first) else 0.0


def ssim(shown: np.ndarray, other: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004) of maps [P, h, w], the mean over pictures; -1 to 1.

    The data range is each pair's minimum to maximum. Sample covariances, in windows of 7 by 7 cells that lie wholly inside, as in
    scikit-image.
    """
    return float(np.mean([_ssim(a, b) for a, b in zip(shown, other, strict=True)])) if len(shown) else 0.0


def by_largest(values: np.ndarray) -> np.ndarray:
    """A map divided by its largest absolute value, Quantus's normalisation; zeros are unchanged."""
    largest = np.abs(values).max(initial=0.0)
    return values / largest if largest > 0 else values


def sensitivity(shown: np.ndarray, other: np.ndarray) -> float:
    """‖other - shown‖ / ‖shown‖ of two maps. Its maximum over changes of the clip is Max-Sensitivity (Yeh et al. 2019).

    Both are first divided by their largest absolute value. NaN where ``shown`` is all zeros.
    """
    a, b = by_largest(shown), by_largest(other)
    size = np.linalg.norm(a)
    return float(np.linalg.norm(b - a) / size) if size > 0 else float("nan")


def lipschitz(shown: np.ndarray, other: np.ndarray, before: np.ndarray, after: np.ndarray) -> float:
    """‖other - shown‖ / ‖after - before‖ of maps and their inputs; the maximum is the local Lipschitz estimate.

    Alvarez-Melis and Jaakkola 2018. Maps are first divided by their largest absolute value.
    """
    apart = np.linalg.norm((after - before).ravel())
    return float(np.linalg.norm((by_largest(other) - by_largest(shown)).ravel()) / (apart + _LITTLE))


def _rows(values: np.ndarray) -> np.ndarray:
    return values[None] if values.ndim == 1 else values.reshape(len(values), -1)


def _rank_correlation(shown: np.ndarray, other: np.ndarray) -> float:
    first, second = (rankdata(values) - (len(values) + 1) / 2 for values in (shown, other))
    size = np.sqrt((first**2).sum() * (second**2).sum())
    return float((first * second).sum() / size) if size > 0 else 0.0


def _ssim(shown: np.ndarray, other: np.ndarray) -> float:
    a, b = shown.astype(float), other.astype(float)
    span = max(a.max(), b.max()) - min(a.min(), b.min())
    if not span > 0:
        return 1.0
    count = _WINDOW**2
    mean = [uniform_filter(values, _WINDOW) for values in (a, b)]
    square = [uniform_filter(product, _WINDOW) for product in (a * a, b * b, a * b)]
    products = mean[0] * mean[0], mean[1] * mean[1], mean[0] * mean[1]
    var_a, var_b, both = (count / (count - 1) * (s - p) for s, p in zip(square, products, strict=True))
    small, smaller = (_K1 * span) ** 2, (_K2 * span) ** 2
    found = (2 * products[2] + small) * (2 * both + smaller)
    found /= (products[0] + products[1] + small) * (var_a + var_b + smaller)
    edge = _WINDOW // 2
    return float(found[edge:-edge, edge:-edge].mean())
