"""Two models on one clip: merges their timelines, so that one player shows both with one playhead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np
import pandas as pd

from affectscope.core.inference.table import DECISION, PredictionTable
from affectscope.core.timeline.lanes import evidence_lanes, head_title
from affectscope.core.timeline.sides import sided
from affectscope.core.timeline.timeline import Heatmap, Lane, Pair, Timeline

# Part of a merged timeline's cache key: raise it whenever merging changes.
COMPARE_VERSION = 3
A, B = "A", "B"


def merged(a: Timeline, b: Timeline) -> Timeline:
    """Merge two timelines.

    What belongs to the clip (sound, truth, events) appears once; what belongs to a model twice, with ids of ``A.`` or ``B.``.

    Heatmaps are given side by side, separately, and as signed differences: for the heads that both models have, else for the
    first head of each.

    Raises:
        ValueError: when the two are not of the same clip.
    """
    if a.frame_times.shape != b.frame_times.shape or not np.allclose(a.frame_times, b.frame_times, atol=1e-3):
        raise ValueError("two timelines to be compared must be of one clip")
    couples = _couples(a.heatmaps, b.heatmaps)
    # Imported predictions have no face track.
    looked = a if np.isfinite(a.boxes).any() else b
    differences = tuple(difference(left, right) for left, right in couples)
    return replace(
        a,
        boxes=looked.boxes,
        people=looked.people,
        face=looked.face,
        pairs=tuple(_pair(left, right) for left, right in couples),
        heatmaps=(
            *(_sided(A, heatmap) for heatmap in a.heatmaps),
            *(_sided(B, heatmap) for heatmap in b.heatmaps),
            *differences,
        ),
        lanes=_lanes(a.lanes, b.lanes, evidence_lanes(differences, a.frame_times)),
        matrices=tuple(
            replace(matrix, id=f"{side}.{matrix.id}", title=f"{side}: {matrix.title}")
            for side, timeline in ((A, a), (B, b))
            for matrix in timeline.matrices
        ),
        events=a.events or b.events,
        blind={f"{side}.{head}": why for side, timeline in ((A, a), (B, b)) for head, why in timeline.blind.items()},
        classes=tuple(dict.fromkeys((*a.classes, *b.classes))),
        notices=_notices(a, b),
    )


def difference(a: Heatmap, b: Heatmap) -> Heatmap:
    """The signed difference A - B of two heatmaps, frame by frame: 128 where they are equal, above where A is larger.

    Each map is in units of its own clip's strong value, so the difference is one of shares, not of gradients.

    Raises:
        ValueError: when the maps are of different sizes.
    """
    if a.values.shape != b.values.shape:
        raise ValueError("heatmaps to be compared must be of one size")
    blind = np.isnan(a.peaks) & np.isnan(b.peaks)
    gap = np.where(blind[:, None, None], np.nan, a.linear - b.linear)
    title = f"A minus B: {_explained(a)} minus {_explained(b)}"
    return Heatmap.of(f"A-B.{_couple_id(a, b)}", title, gap, f"A minus B: {_couple_name(a, b)}", True)


def agreement(a: Mapping[str, Mapping[str, float]], b: Mapping[str, Mapping[str, float]]) -> dict[str, bool]:
    """Whether two models predict the same, for each head that both have; empty where their tasks differ.

    Args:
        a, b: head -> class -> probability.
    """
    return {
        head: max(outputs, key=outputs.__getitem__) == max(b[head], key=b[head].__getitem__)
        for head, outputs in a.items()
        if head in b and set(outputs) == set(b[head])
    }


def disagreements(a: PredictionTable, b: PredictionTable) -> pd.DataFrame | None:
    """The clips on which two models differ, largest distance first; None where their labels differ.

    Returns:
        A row per clip with ``label``, ``A``, ``B`` and ``apart``: for classes the total variation distance (0 equal, 1 disjoint),
            for attributes the mean absolute difference, which every clip has. ``attrs`` has ``clips`` (of either), ``common``
            (read by both) and ``apart`` (that column's meaning).
    """
    if (a.task, set(a.outputs)) != (b.task, set(b.outputs)):
        return None
    common = [clip for clip in a.table.index if clip in b.table.index]
    rows_a, rows_b = (prediction_table.table.index.get_indexer(common) for prediction_table in (a, b))
    order = [b.outputs.index(name) for name in a.outputs]
    gaps = np.abs(a.answers[DECISION][rows_a] - b.answers[DECISION][rows_b][:, order])
    facts = {side: prediction_table.table.loc[common] for side, prediction_table in ((A, a), (B, b))}
    table = pd.DataFrame({"label": facts[A].get("label")}, index=common)
    if a.task == "classification":
        table = table.assign(**{side: rows["predicted"] for side, rows in facts.items()}, apart=gaps.sum(1) / 2)
        table = table[table[A] != table[B]]
        meaning = "Half the sum of what the probabilities differ by: 0 alike, 1 each certain of something else."
    else:
        for name in a.outputs:
            table = table.assign(**{f"{side}: {name}": rows[f"{name}_predicted"] for side, rows in facts.items()})
        table = table.assign(apart=gaps.mean(1))
        meaning = "The mean absolute difference of the attributes."
    table = table.sort_values("apart", ascending=False, kind="stable")
    table.attrs = {"clips": len({*a.table.index, *b.table.index}), "common": len(common), "apart": meaning}
    return table


def apart(a: PredictionTable, b: PredictionTable) -> float | None:
    """Distance of two models over the clips that both could read; None where there are none, or their labels differ.

    For classes the share of clips with different predictions, 0 to 1; for attributes the mean absolute difference.
    """
    table = disagreements(a, b)
    if table is None or not table.attrs["common"]:
        return None
    return len(table) / table.attrs["common"] if a.task == "classification" else float(table["apart"].mean())


def _couples(a: tuple[Heatmap, ...], b: tuple[Heatmap, ...]) -> list[tuple[Heatmap, Heatmap]]:
    theirs = {heatmap.id: heatmap for heatmap in b}
    shared = [(heatmap, theirs[heatmap.id]) for heatmap in a if heatmap.id in theirs]
    return shared or list(zip(a[:1], b[:1], strict=False))


def _pair(a: Heatmap, b: Heatmap) -> Pair:
    return Pair(f"AB.{_couple_id(a, b)}", f"A and B: {_couple_name(a, b)}", f"A.{a.id}", f"B.{b.id}")


def _couple_id(a: Heatmap, b: Heatmap) -> str:
    return a.id if a.id == b.id else f"{a.id}-{b.id}"


def _couple_name(a: Heatmap, b: Heatmap) -> str:
    heads = dict.fromkeys((head_title(a.id).lower(), head_title(b.id).lower()))
    return f"{' and '.join(heads)} head{'s' if len(heads) > 1 else ''}"


def _explained(heatmap: Heatmap) -> str:
    return heatmap.title[0].lower() + heatmap.title[1:] if heatmap.title else heatmap.id


def _sided(side: str, heatmap: Heatmap) -> Heatmap:
    label = f"{side}: {head_title(heatmap.id).lower()} head"
    return replace(heatmap, id=f"{side}.{heatmap.id}", title=f"{side}: {heatmap.title}", label=label)


def _lanes(a: Iterable[Lane], b: Iterable[Lane], apart: Iterable[Lane]) -> tuple[Lane, ...]:
    """The clip's own lanes once, and of each kind of model lane A's then B's; lanes of the difference follow attention.

    Lanes that share a name but not their content are the models'.
    """
    a, b = list(a), list(b)
    mine = {lane.id: lane for lane in a}
    unlike = {lane.id for lane in b if lane.id in mine and not _alike(lane, mine[lane.id])}
    shared: dict[str, Lane] = {}
    models: dict[tuple[bool, str, str], list[Lane]] = {}
    for side, lanes in ((A, a), (B, b)):
        for lane in lanes:
            told = lane.kind in ("weights", "evidence", "contribution", "map") or lane.group == "prediction"
            if told or lane.id in unlike:
                models.setdefault((lane.group == "prediction", lane.kind, lane.group), []).append(sided(side, lane))
            else:
                shared.setdefault(lane.id, lane)
    answers_last = sorted(models, key=lambda row: row[0])
    return (
        *(lane for lane in shared.values() if lane.group != "truth"),
        *(lane for row in answers_last if not row[0] for lane in models[row]),
        *apart,
        *(lane for row in answers_last if row[0] for lane in models[row]),
        *(lane for lane in shared.values() if lane.group == "truth"),
    )


def _alike(a: Lane, b: Lane) -> bool:
    return np.array_equal(a.times, b.times) and np.array_equal(a.values, b.values, equal_nan=True)


def _notices(a: Timeline, b: Timeline) -> tuple[str, ...]:
    both = [notice for notice in a.notices if notice in b.notices]
    own = [f"{side}: {n}" for side, timeline in ((A, a), (B, b)) for n in timeline.notices if n not in both]
    blind = [side for side, timeline in ((A, a), (B, b)) if not timeline.heatmaps]
    if len(blind) == 1:
        own.append(f"{blind[0]} has no heatmap of this clip: only the other model's is shown.")
    return (*both, *own)
