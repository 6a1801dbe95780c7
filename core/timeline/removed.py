"""What was taken from a clip, in words."""

from __future__ import annotations

from affectscope.core.perturbation import WHOLE, Perturbation
from affectscope.core.text import percent

_ORDER = {"random": "at random", "tail": "from the end", "attended": "the most attended first"}
_INSTEAD = {
    "absent": "", "zeros": "zeros in their place", "mean": "the training average in their place", "noise": "noise in their place",
    "forward-fill": "the last frame kept repeated",
}  # fmt: skip


def removed(change: Perturbation) -> str:
    """One line, such as "all audio frames removed; 60 % of the visual frames removed at random"; empty where nothing is gone."""
    parts = _drawn(change) if change.pattern == "drawn" else _shares(change)
    instead = _INSTEAD[change.imputation]
    return "; ".join(parts) + (f" ({instead})" if parts and instead else "")


def _drawn(change: Perturbation) -> list[str]:
    return [
        f"{modality} frames removed from " + ", ".join(f"{start:.2f} to {end:.2f} s" for start, end in spans)
        for modality, spans in change.spans.items()
        if spans
    ]


def _shares(change: Perturbation) -> list[str]:
    order = f"in bursts of {change.burst:g} s" if change.pattern == "burst" else _ORDER[change.pattern]
    return [
        f"all {modality} frames removed"
        if share == 0
        else f"{percent(1 - share / WHOLE)} of the {modality} frames removed {order}"
        for modality, share in change.keep.items()
        if share < WHOLE
    ]
