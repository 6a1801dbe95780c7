"""Labels a lane with its model, where two are compared."""

from __future__ import annotations

from dataclasses import replace

from affectscope.core.timeline.timeline import Lane


def sided(side: str, lane: Lane) -> Lane:
    """The lane with its model, A or B, in title, group and id."""
    note = f"Model {side}. {lane.note}".strip()
    # The player finds a heatmap's lane by the heatmap's id.
    name = lane.id.replace("evidence.", f"evidence.{side}.", 1) if lane.kind == "evidence" else f"{side}.{lane.id}"
    return replace(lane, id=name, title=f"{side}: {lane.title}", group=f"{side}.{lane.group}", note=note)
