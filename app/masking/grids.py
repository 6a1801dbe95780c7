"""Answers for a clip with frames removed, and robustness curves: cached by content, computed as jobs."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import pandas as pd
import streamlit as st

from affectscope.app import services
from affectscope.app.common import jobs
from affectscope.app.serving import lending
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of, of_clip
from affectscope.core.corpora import Corpus
from affectscope.core.evaluation.grid import GRID_VERSION, answer_to, response_grid
from affectscope.core.features.extract import extract
from affectscope.core.models.base import ModelSpec
from affectscope.core.perturbation import Perturbation
from affectscope.core.streams import Stream
from affectscope.core.training import robustness
from affectscope.core.training.robustness import Curves, curves_key, measure

_MOMENT = 1.5  # Seconds.


def spec(model: str) -> ModelSpec:
    return services.analyzer(model).checkpoint.spec


def grid_url(item: services.Clip, model: str, change: Perturbation) -> str:
    """URL of the answers at every share; empty until they are computed."""
    path = _grid_path(item, model, change)
    return lending.lend("grids", path.stem, path, services.owner_of(item.corpus)) if sealed.is_intact(path) else ""


def grid_soon(item: services.Clip, model: str, change: Perturbation) -> str:
    """``grid_url`` after a short wait, to avoid drawing the board twice."""
    ask_grid(item, model, change).wait(_MOMENT)
    return grid_url(item, model, change)


def ask_grid(item: services.Clip, model: str, change: Perturbation) -> jobs.Job:
    """Compute them, or join the running job."""
    path = _grid_path(item, model, change)
    return jobs.ensure(f"grid-{path.stem}", partial(_write_grid, item, model, change, path))


def grid_text(item: services.Clip, model: str, change: Perturbation, progress: jobs.Progress) -> str:
    """The same answers as JSON, computed here if missing; for other jobs."""
    path = _grid_path(item, model, change)
    if not sealed.is_intact(path):
        _write_grid(item, model, change, path, progress)
    return (sealed.read(path) or b"").decode()


def answers(item: services.Clip, model: str, change: Perturbation) -> Mapping[str, list[float]]:
    """Each head's answer with exactly these frames removed; for a clip whose features are cached."""
    return answer_to(services.analyzer(model).checkpoint, _read(item, model)[0], change)


def _read(item: services.Clip, model: str) -> tuple[dict[str, Stream], float]:
    return _streams(str(item.media), item.track, item.face, item.called, model, _asked(item, model))


@st.cache_resource(max_entries=64, show_spinner=False)
def _streams(
    media: str, track: int | None, face: int | None, called: str, model: str, key: str
) -> tuple[dict[str, Stream], float]:
    analyzer = services.analyzer(model)
    extraction = extract(Path(media), analyzer.store, sets=analyzer.sets, track=track, clip=called, face=face)
    return analyzer.streams(extraction), extraction.duration


def _grid_path(item: services.Clip, model: str, change: Perturbation) -> Path:
    # The grid covers all shares, so only the rest of the perturbation is part of the key.
    asked = replace(change, keep=dict.fromkeys(services.analyzer(model).checkpoint.spec.inputs, 0), spans={})
    if asked.pattern == "drawn":
        asked = replace(asked, pattern="random")
    key = _asked(item, model)
    return cache_root() / "grids" / f"{of_clip(key, key_of(GRID_VERSION, key, asked.facts()))}.json"


def _asked(item: services.Clip, model: str) -> str:
    """Identifies the model's input for the clip: its content, the model, and the sources of its features."""
    return services.analyzer(model).key(item.media, None, track=item.track, clip=item.called, face=item.face)


def _write_grid(item: services.Clip, model: str, change: Perturbation, path: Path, progress: jobs.Progress) -> None:
    services.prepare(item, progress)
    analyzer = services.analyzer(model)
    extract(item.media, analyzer.store, progress, analyzer.sets, item.track, item.called, item.face)
    streams, duration = _read(item, model)

    def report(share: float) -> None:
        progress("Computing the answer at every share of the frames", share)

    grid = response_grid(analyzer.checkpoint, streams, duration, change, progress=report)
    sealed.write_cached(path, grid.to_json().encode())


def curves(model: str, asked: Curves) -> pd.DataFrame | None:
    """The model's robustness curves over the corpus, or None until they are measured."""
    path = _curves_path(model, asked)
    changed = sealed.mark(path)
    return _curves(str(path), changed) if changed else None


def curves_job(model: str, asked: Curves) -> str:
    return f"curves-{_curves_path(model, asked).stem}"


def ask_curves(model: str, asked: Curves) -> jobs.Job:
    """Measure them, or join the running job."""
    return jobs.ensure(
        curves_job(model, asked), partial(_write_curves, model, services.corpus(), asked, _curves_path(model, asked)), "corpus"
    )


@st.cache_resource(max_entries=64, show_spinner=False)
def _curves(path: str, changed: Hashable) -> pd.DataFrame | None:
    return robustness.load(Path(path))


def _curves_path(model: str, asked: Curves) -> Path:
    return cache_root() / "curves" / f"{curves_key(services.analyzer(model).checkpoint, services.corpus(), asked)}.csv"


def _write_curves(model: str, corpus: Corpus, asked: Curves, path: Path, progress: jobs.Progress) -> None:
    analyzer = services.analyzer(model)
    robustness.save(measure(analyzer.checkpoint, corpus, asked, analyzer.store, jobs.standing_back(progress)), path)
