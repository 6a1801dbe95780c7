"""A case in the report: its picture, predictions with something removed, lanes, and clip."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence

import pandas as pd
from PIL import Image

from affectscope.app import services, why
from affectscope.app.common import session
from affectscope.app.masking import grids, state
from affectscope.app.why import asking
from affectscope.core import standalone
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of, of_clip
from affectscope.core.errors import UserError
from affectscope.core.evaluation.grid import DECISION
from affectscope.core.explain.methods import METHODS
from affectscope.core.export import files as export
from affectscope.core.export.answers import CAUTION
from affectscope.core.export.sheet import shown_lanes
from affectscope.core.notebook import report as files
from affectscope.core.notebook.notes import Note
from affectscope.core.notebook.report import Entry, State
from affectscope.core.perturbation import Perturbation
from affectscope.core.player import SCALE
from affectscope.core.timeline.removed import removed
from affectscope.core.timeline.strips import strip
from affectscope.core.timeline.timeline import Timeline

_LANE = (960, 56)
_PAPER = (238, 241, 244)
_PLAYHEAD = (27, 34, 41)


def entry(note: Note, root: str, clips: bool) -> Entry:
    """A note with everything that can be shown about it.

    Args:
        root: the app's URL.
        clips: whether to include the clip itself.
    """
    url = files.case_url(root, note)
    if not possible(note):
        return Entry(note, url, caption="No picture: the clip or the model is no longer here.")
    result = answered(note)
    if result is None:
        return Entry(note, url, caption="No picture: the clip was not analysed.")
    item = _clip(note)
    heatmap = _heatmap(note, result)
    timeline = services.timeline(result)
    time = files.strongest(timeline, heatmap)
    picture, caption = _picture(note, item, result, timeline, heatmap, time)
    return Entry(
        note,
        url,
        picture,
        caption,
        _states(note, item, result),
        services.spec(note.model).task == "classification",
        None if item.label is None or pd.isna(item.label) else str(item.label),
        _strips(timeline, time, heatmap),
        standalone.compact(services.media_file(item)) if clips else None,
        CAUTION if services.card(note.model).get("synthetic_training") is True else "",
        *_why(note),
    )


def possible(note: Note) -> bool:
    """Whether the clip and the model still exist."""
    try:
        return services.clip(note.corpus, note.clip).file is not None and note.model in services.models()
    except UserError:
        return False


def answered(note: Note) -> services.Result | None:
    """The analysis of the case as it was seen, if it is finished."""
    return services.result(_clip(note), note.model, explain(note), _taken(note), _explanation(note))


def lacking(note: Note) -> bool:
    """Whether the analysis of the case, or its why, is missing."""
    asked = _asked(note)
    return answered(note) is None or (asked is not None and not asking.found(asked)[1])


def analyse(note: Note, seconds: float) -> None:
    """Compute it."""
    services.analyse(_clip(note), note.model, explain(note), _taken(note), _explanation(note)).wait(seconds)
    if (asked := _asked(note)) is not None and not asking.found(asked)[1]:
        asking.ask(asked).wait(seconds)


def _asked(note: Note) -> asking.WhyRequest | None:
    """The why of the case; None where the model cannot be run, or frames were removed, which why does not support."""
    if services.unasked(note.model) or _taken(note) is not None:
        return None
    against = session.from_query(dict(note.link)).options.get(why.AGAINST, "") if note.page == "clip" else ""
    return why.ask(_clip(note), note.model, explain(note), _explanation(note), against)


def _why(note: Note) -> tuple[str, tuple[tuple[str, Sequence[str], Sequence[Sequence[str]]], ...]]:
    """The sentence and its tables, as far as they exist."""
    asked = _asked(note)
    if asked is None:
        return "", ()
    return asking.sentence(asked), tuple((table.title, table.columns, table.rows) for table in asking.numbers(asked))


def _clip(note: Note) -> services.Clip:
    """The clip, with the audio track and the face that were chosen when the note was written."""
    options = session.from_query(dict(note.link)).options
    heard = services.heard(services.clip(note.corpus, note.clip), options.get(session.TRACK, ""))
    return services.seen(heard, options.get(session.FACE, ""))


def explain(note: Note) -> str | None:
    wanted = note.link.get("explain", "")
    return wanted if wanted in services.labels(note.model) else None


def _explanation(note: Note) -> str | None:
    asked = session.from_query(dict(note.link)).options.get(session.EXPLANATION, "")
    return asked if asked in METHODS else None


def change_of(note: Note) -> Perturbation:
    """The perturbation when the note was written; on the Masking page it is part of the link."""
    if note.page != "masking" or services.unasked(note.model):
        return Perturbation()
    return state.read(session.from_query(dict(note.link)).options, services.spec(note.model).inputs)


def _taken(note: Note) -> Perturbation | None:
    change = change_of(note)
    return None if change.whole else change


def _heatmap(note: Note, result: services.Result) -> str:
    wanted = note.link.get("map", "")
    return wanted if wanted in result.explained else services.main_heatmap(result)


def _states(note: Note, item: services.Clip, result: services.Result) -> tuple[State, ...]:
    """The decision on the whole clip, and with the note's perturbation, or else without sound and without picture."""
    if services.unasked(note.model):
        return (State("the whole clip", result.predictions.get(DECISION) or next(iter(result.predictions.values()))),)
    change, inputs = change_of(note), services.spec(note.model).inputs
    changes = [change] if not change.whole else [Perturbation({m: 0}) for m in inputs] if len(inputs) > 1 else []
    labels = services.labels(note.model)

    def without(change: Perturbation) -> Mapping[str, float]:
        return dict(zip(labels, grids.answers(item, note.model, change)[DECISION], strict=True))

    return (State("the whole clip", without(Perturbation())), *(State(removed(change), without(change)) for change in changes))


def _strips(timeline: Timeline, time: float, heatmap: str) -> tuple[tuple[str, bytes], ...]:
    """The lanes as pictures, with a line at the time of the picture."""
    width, height = _LANE
    at = min(width - 1, round(time / max(timeline.duration, 1e-6) * width))
    strips = []
    for lane in shown_lanes(timeline, [heatmap]):
        area = strip(lane, timeline.duration, width, height, _PAPER)
        area[:, max(0, at - 1) : at + 2] = _PLAYHEAD
        buffer = io.BytesIO()
        Image.fromarray(area).save(buffer, "PNG", optimize=True)
        strips.append((lane.title, buffer.getvalue()))
    return tuple(strips)


def _picture(
    note: Note, item: services.Clip, result: services.Result, timeline: Timeline, heatmap: str, time: float
) -> tuple[bytes | None, str]:
    """The frame with the strongest explanation, and its caption."""
    scale = str(session.from_query(dict(note.link)).view.get("scale", SCALE))
    path = cache_root() / "notes" / f"{of_clip(result.key, key_of('picture 4', result.key, heatmap, scale))}.png"
    picture = sealed.read(path)
    if picture is None:
        try:
            picture = export.frame_png(item.media, timeline, time, heatmap, scale=scale)
        except UserError as error:
            return None, f"No picture: {error}"
        sealed.write_cached(path, picture)
    where = f", where the explanation of {result.explained[heatmap]} is strongest" if heatmap in result.explained else ""
    gone = removed(change_of(note))
    return picture, f"{note.title} at {time:.2f} s{where}" + (f"; {gone}" if gone else "")
