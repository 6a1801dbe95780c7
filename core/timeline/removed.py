"""What was removed from a clip, in words and as strips under the player."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from affectscope.core.perturbation import IMPUTATIONS_IN_PLACE, WHOLE, Perturbation, gaps
from affectscope.core.streams import Stream
from affectscope.core.text import percent
from affectscope.core.timeline.timeline import Event

# More than a screen has columns would not be visible.
_MOST_SPANS = 1500

_ORDER = {"random": "at random", "tail": "from the end", "attended": "the most attended first"}


def removed(change: Perturbation) -> str:
    """One line, such as "all audio frames removed; 60 % of the visual frames removed at random"; empty if nothing is removed."""
    parts = _drawn(change) if change.pattern == "drawn" else _shares(change)
    instead = IMPUTATIONS_IN_PLACE[change.imputation]
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


def removed_events(whole: Mapping[str, Stream], kept: Mapping[str, np.ndarray]) -> tuple[Event, ...]:
    """A strip for each modality, marking the removed frames.

    Args:
        whole: the clip's original streams.
        kept: modality -> [T] which frames are still present.
    """
    events = []
    for modality, stream in whole.items():
        spans = gaps(stream, kept[modality])
        events += [Event(f"{modality} removed", "removed", *span) for span in spans[:: len(spans) // _MOST_SPANS + 1]]
    return tuple(events)
