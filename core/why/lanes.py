"""Each window's contribution as lanes beside attention, to show where the two disagree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from affectscope.core.text import shown
from affectscope.core.timeline.lanes import head_title
from affectscope.core.timeline.sides import sided
from affectscope.core.timeline.timeline import Lane, Timeline
from affectscope.core.why.why import Why
from affectscope.core.why.words import noun

SERIES = ("taken away", "changes the answer")


def lanes(why: Why) -> tuple[Lane, ...]:
    """A lane for each present modality and each head, the decision's first."""
    found = []
    gone = set(why.flip.windows) if why.flip else set()
    middles = (why.moments.edges[1:] + why.moments.edges[:-1]) / 2
    for number, modality in enumerate(why.modality.names):
        if not why.modality.present[number]:
            continue
        there = why.moments.frames[modality] > 0
        for h, head in enumerate(why.heads):
            away = np.where(there, why.moments.away[modality][h], np.nan)
            if head != "decision" and not np.nan_to_num(away).any():
                # This head does not use this modality.
                continue
            turns = [float(h == 0 and (modality, w) in gone) for w in range(len(middles))]
            note = (
                f"What the {why.unit} loses, {_title(head)}, when each window of the {noun(modality)} is taken away. A frame "
                "marks the fewest windows without which the answer changes."
            )
            title = f"{noun(modality).capitalize()} contribution, {_title(head)}"
            values = np.stack([away, turns]).astype(np.float32)
            name = f"contribution.{modality}.{head}"
            found.append(Lane(name, title, "contribution", middles, values, SERIES, modality, shown(note, 400)))
    return tuple(found)


def joining(why: Why) -> bytes:
    """A timeline of these lanes alone, which the player adds to the clip's own."""
    nothing = np.zeros(0, np.float32)
    return Timeline(why.duration, nothing, np.zeros((0, 4), np.float32), lanes=lanes(why)).to_bytes()


def beside(sides: Sequence[bytes]) -> bytes:
    """Merge the ``joining`` lanes of models A and B."""
    both = [Timeline.from_bytes(data) for data in sides]
    found = [sided(side, lane) for side, timeline in zip("AB", both, strict=False) for lane in timeline.lanes]
    return replace(both[0], lanes=tuple(found)).to_bytes()


def with_reasons(timeline: Timeline, why: Why | None, side: str = "") -> Timeline:
    """A timeline with these lanes, each after the attention of its modality, as in the player.

    Args:
        side: "A" or "B" in a timeline of two models.
    """
    found = list(timeline.lanes)
    for lane in lanes(why) if why else ():
        placed = sided(side, lane) if side else lane
        places = [i for i, other in enumerate(found) if other.group == placed.group and other.kind in ("weights", placed.kind)]
        found.insert(places[-1] + 1 if places else min(1, len(found)), placed)
    return replace(timeline, lanes=tuple(found))


def _title(head: str) -> str:
    return head_title(head).lower() + ("" if head == "decision" else " head")
