"""The files of the export menu: their content, cache keys, and the jobs that write them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from affectscope.app import services
from affectscope.app.common import choose, jobs
from affectscope.app.library import inventory as library
from affectscope.app.masking import grids, state
from affectscope.core import standalone
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of, of_clip
from affectscope.core.evaluation.grid import DECISION
from affectscope.core.export import files as export
from affectscope.core.export.answers import Predictions, answers
from affectscope.core.export.sheet import Facts
from affectscope.core.perturbation import Perturbation
from affectscope.core.player import OPACITY, SCALE, THRESHOLD
from affectscope.core.timeline.timeline import Timeline
from affectscope.core.why import Why, with_reasons

# Part of every cache key: raise it whenever a file's content changes.
_VERSION = 3
_PLAYED = ("map", "heat", "scale", "opacity", "threshold", "layer", "head", "matrix", "sources")


@dataclass(frozen=True)
class Case:
    """What is exported: a clip with the player's content, the analyses, and the player's view.

    Attributes:
        target: the explained class; "" for the model's own prediction.
        trust: model -> measured trust in its explanations, as displayed, if requested.
        explanation: heatmap method; None for the default.
        against: the class that it is compared with, or "".
    """

    clip: services.Clip
    shown: services.Result
    models: Mapping[str, services.Result]
    view: Mapping[str, Any] = field(default_factory=dict)
    target: str = ""
    trust: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    explanation: str | None = None
    against: str = ""

    @property
    def time(self) -> float:
        return max(0.0, float(self.view.get("time", 0.0)))

    @property
    def truth(self) -> str | None:
        return None if self.clip.label is None or pd.isna(self.clip.label) else str(self.clip.label)

    @property
    def heat(self) -> dict[str, Any]:
        """How the heatmap is drawn over the picture."""
        shown = str(self.view.get("map") or services.main_heatmap(self.shown))
        opacity = float(self.view.get("opacity", OPACITY)) if self.view.get("heat", True) else 0.0
        threshold, scale = float(self.view.get("threshold", THRESHOLD)), str(self.view.get("scale", SCALE))
        return {"heatmap": shown, "opacity": opacity, "threshold": threshold, "scale": scale}

    @property
    def facts(self) -> Facts:
        title = self.clip.title + (f", face {self.clip.face}" if self.clip.face else "")
        return Facts(title, tuple(predictions(model, result) for model, result in self.models.items()), self.truth)

    @cached_property
    def timeline(self) -> Timeline:
        return services.timeline(self.shown)


def predictions(model: str, result: services.Result) -> Predictions:
    """A model's predictions, with its version and warnings."""
    digest = "" if services.unasked(model) else services.analyzer(model).checkpoint.digest
    synthetic = services.card(model).get("synthetic_training") is True
    said_by, seen, near = result.predictions, result.evidence, result.familiar
    return answers(model, services.spec(model), said_by, seen, digest=digest, synthetic=synthetic, familiar=near)


def picture(case: Case) -> bytes:
    """The annotated picture, PNG."""
    return export.sheet_png(case.clip.media, case.timeline, case.time, facts=case.facts, **case.heat)


def lanes(case: Case) -> bytes:
    return export.lanes_csv(case.timeline).encode()


def video_path(case: Case) -> Path:
    return _folder() / f"{of_clip(case.shown.key, key_of(_VERSION, case.shown.key, _named(case), case.heat))}.mp4"


def write_video(case: Case, progress: jobs.Progress) -> None:
    """Write the annotated video, as a job."""

    def report(share: float) -> None:
        progress("Writing the video", share)

    def write(part: Path) -> None:
        export.overlay(
            case.clip.media, case.timeline, part, facts=case.facts, progress=report, track=case.clip.track, **case.heat
        )

    sealed.fill(video_path(case), write, video=True)


def masking(case: Case) -> dict[str, Perturbation]:
    """Model -> the perturbation of its response surface, as on the Masking page.

    Models that cannot be run are left out. Drawn spans have no order: their frames are removed at random.
    """
    asked = {model: state.current(services.spec(model).inputs) for model in case.models if not services.unasked(model)}
    return {
        model: replace(change, keep={}, spans={}, pattern="random" if change.pattern == "drawn" else change.pattern)
        for model, change in asked.items()
    }


def page_path(case: Case, asked: Mapping[str, Perturbation]) -> Path:
    changes = {model: [change.pattern, change.imputation, change.seed, change.burst] for model, change in asked.items()}
    # The page states its date.
    key = key_of(_VERSION, case.shown.key, _named(case), _view(case), changes, case.against, f"{date.today()}")
    return _folder() / f"{of_clip(case.shown.key, key)}.html"


def reasons(case: Case, model: str, progress: jobs.Progress) -> Why:
    """Why, as on the page: the same face, heatmap, class and, if the model knows it, the class compared with."""
    item, decision = case.clip, case.models[model].predictions.get(DECISION, {})
    said = case.target or max(decision, key=decision.__getitem__, default="")
    spec = services.spec(model)
    possible = spec.task == "classification" and case.against in spec.labels and case.against != said
    return services.analyzer(model).why(
        services.media_file(item),
        target=case.target,
        against=case.against if possible else "",
        label=case.truth or "",
        track=item.track,
        clip=item.called,
        explanation=case.explanation,
        face=item.face,
        progress=progress,
    )


def write_page(case: Case, asked: Mapping[str, Perturbation], out: Path, progress: jobs.Progress) -> None:
    """Write the page of ``core.standalone``, as a job."""
    models, timeline = [], case.timeline
    for model, result in case.models.items():
        change = asked.get(model)
        grid = grids.grid_text(case.clip, model, change, progress) if change else ""
        why = reasons(case, model, progress) if change else None
        card, trust = library.card(model), case.trust.get(model, ())
        models.append(standalone.Model(predictions(model, result), card, grid, change or Perturbation(), why, trust))
        timeline = with_reasons(timeline, why, "AB"[len(models) - 1] if len(case.models) > 1 else "")
    clip = standalone.compact(services.media_file(case.clip), progress)
    home = standalone.Home(
        case.clip.title,
        clip,
        standalone.light(timeline),
        tuple(models),
        {head: name for head, name in case.shown.explained.items() if name},
        case.truth,
        choose.facts(case.clip),
        _view(case),
    )
    progress("Writing the page", 0.9)
    sealed.write_cached(out, standalone.page(home).encode())


def _view(case: Case) -> dict[str, Any]:
    """The page's initial view: the player's, at the heatmap's strongest moment if no time was chosen."""
    return {name: case.view[name] for name in _PLAYED if name in case.view} | ({"time": case.time} if case.time else {})


def _named(case: Case) -> list[Any]:
    return [case.clip.title, case.truth, list(case.models), case.target, [list(rows[0].values()) for rows in case.trust.values()]]


def _folder() -> Path:
    return cache_root() / "exports"
