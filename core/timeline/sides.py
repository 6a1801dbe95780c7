"""Whose a lane is, where two models are compared."""

from __future__ import annotations

from dataclasses import replace

from affectscope.core.timeline.timeline import Lane


def sided(side: str, lane: Lane) -> Lane:
    """The lane of model A or B: its title, its group and its id say so."""
    note = f"Model {side}. {lane.note}".strip()
    # A heatmap's lane is found by the heatmap's id.
    name = lane.id.replace("evidence.", f"evidence.{side}.", 1) if lane.kind == "evidence" else f"{side}.{lane.id}"
    return replace(lane, id=name, title=f"{side}: {lane.title}", group=f"{side}.{lane.group}", note=note)
