"""Analyses of single clips: started as jobs, cached on disk, read back, exported."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from affectscope.app.common import jobs
from affectscope.app.services.browsing import opened
from affectscope.app.services.clips import Clip, owner_of, playable, prepare, truth_known
from affectscope.app.services.known import analyzer, heads, imported, spec
from affectscope.app.serving import lending
from affectscope.app.verdict import Verdict
from affectscope.core.analyzer import Analysis
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root
from affectscope.core.errors import UserError
from affectscope.core.familiarity.words import Familiar
from affectscope.core.models.base import ModelSpec
from affectscope.core.perturbation import Perturbation
from affectscope.core.timeline.lanes import head_title
from affectscope.core.timeline.timeline import Timeline


@dataclass(frozen=True)
class Prediction:
    """A model's answer for a clip: probabilities, or values, by head, and which heads had evidence."""

    predictions: Mapping[str, Mapping[str, float]]
    evidence: Mapping[str, bool]


@dataclass(frozen=True)
class Result(Prediction):
    """A finished analysis: what the page shows, and URLs for the rest.

    Attributes:
        explanations: the methods that apply to its heatmaps, the default first; ``sound_explanations``: the same for the sound.
        familiar: how close the clip is to the training data.
    """

    key: str
    explained: Mapping[str, str]
    timeline: Path
    explanations: tuple[str, ...] = ()
    familiar: Familiar = field(default_factory=Familiar)
    sound_explanations: tuple[str, ...] = ()


def result(
    item: Clip,
    model: str,
    explain: str | None,
    change: Perturbation | None = None,
    explanation: str | None = None,
    sound: str | None = None,
) -> Result | None:
    """The finished analysis, of the original or perturbed clip, or None if there is none yet."""
    if playable(item) is None:
        return None
    return _read(_key(item, model, explain, change, explanation, sound))


def analyse(
    item: Clip,
    model: str,
    explain: str | None,
    change: Perturbation | None = None,
    explanation: str | None = None,
    sound: str | None = None,
) -> jobs.Job:
    """Start the analysis, or join the running job."""
    asked = (item, model, explain, change, explanation, sound)
    return jobs.ensure(f"analysis-{_key(*asked)}", partial(_analyse, *asked))


def _analyse(
    item: Clip,
    model: str,
    explain: str | None,
    change: Perturbation | None,
    explanation: str | None,
    sound: str | None,
    progress: jobs.Progress,
) -> None:
    prepare(item, progress)
    if known := imported(model):
        analysis = known.analyze(item.id, item.media, progress, item.track)
    else:
        truth = opened(item.corpus).truth(item.id) if truth_known(item) else None
        analysis = analyzer(model).analyze(
            item.media,
            truth=truth,
            explain=explain,
            perturbation=change,
            track=item.track,
            face=item.face,
            clip=item.called,
            explanation=explanation,
            sound=sound,
            progress=progress,
        )
    _keep(analysis, _key(item, model, explain, change, explanation, sound))


def _key(
    item: Clip,
    model: str,
    explain: str | None,
    change: Perturbation | None = None,
    explanation: str | None = None,
    sound: str | None = None,
) -> str:
    if known := imported(model):
        return known.key(item.id, item.media, item.track)
    truth, track, called = truth_known(item), item.track, item.called
    return analyzer(model).key(item.media, explain, truth, change, track, called, explanation, item.face, sound)


def _keep(analysis: Analysis, key: str) -> None:
    folder = cache_root() / "analyses"
    facts = {
        "predictions": {head: dict(classes) for head, classes in analysis.predictions.items()},
        "evidence": dict(analysis.evidence),
        "explained": dict(analysis.explained),
        "explanations": list(analysis.explanations),
        "sound_explanations": list(analysis.sound_explanations),
        "familiar": analysis.familiar.to_json(),
    }
    sealed.write_cached(folder / f"{key}.aft", analysis.timeline.to_bytes())
    sealed.write_cached_json(folder / f"{key}.json", facts)


def _read(key: str) -> Result | None:
    path = cache_root() / "analyses" / f"{key}.json"
    timeline_path = path.with_suffix(".aft")
    facts = sealed.read_json(path)
    if facts is None or not sealed.is_intact(timeline_path):
        return None
    explanations, sounds = tuple(facts.get("explanations", ())), tuple(facts.get("sound_explanations", ()))
    familiar = Familiar.of_json(facts.get("familiar"))
    return Result(facts["predictions"], facts["evidence"], key, facts["explained"], timeline_path, explanations, familiar, sounds)


def timeline(analysed: Result) -> Timeline:
    """The timeline of an analysis.

    Raises:
        UserError: when it was damaged or deleted meanwhile.
    """
    content = sealed.read(analysed.timeline)
    if content is None:
        raise UserError("The stored analysis of this clip was damaged just now: reload the page, and it is made again.")
    return Timeline.from_bytes(content)


def timeline_url(result: Result, item: Clip) -> str:
    return lending.lend("timelines", result.key, result.timeline, owner_of(item.corpus))


def without_media(item: Clip, model: str) -> Prediction | None:
    """The answer for a clip that cannot be played: an imported model's, or None."""
    known = imported(model)
    return Prediction(*known.answers(item.id)) if known and item.file is None else None


def verdicts(prediction: Prediction, model: str) -> list[Verdict]:
    """The answers of the system and of each head, for display."""
    attributes = spec(model).task == "regression"
    familiar = prediction.familiar if isinstance(prediction, Result) else Familiar()

    def of_head(head: str, evidence: bool, note: str) -> Verdict:
        outputs = prediction.predictions.get(head) or next(iter(prediction.predictions.values()))
        if attributes:
            values = ", ".join(f"{name} {value:+.2f}" for name, value in outputs.items())
            return Verdict(head_title(head), values, None, evidence, note)
        label, probability = max(outputs.items(), key=lambda pair: pair[1])
        return Verdict(head_title(head), label, probability, evidence, note)

    decision = of_head("decision", any(prediction.evidence.values()), "The system's own answer over its heads.")
    answers = [replace(decision, near=familiar.of_decision, scope=_scope(spec(model)))]
    for head, modalities in heads(model).items():
        note = f"What the {head_title(head).lower()} head says" + (
            f"; it draws on {' and '.join(modalities)}." if modalities else "."
        )
        answers.append(replace(of_head(head, prediction.evidence.get(head, True), note), head=head, near=familiar.of(modalities)))
    return answers


def _scope(declared: ModelSpec) -> str:
    """Which heads the decision is taken from, where a model has several; of some of them, their names."""
    if len(declared.heads) < 2:
        return ""
    every = set(declared.decision) == set(declared.heads)
    return "all heads" if every else " and ".join(head_title(head).lower() for head in declared.decision)


def main_heatmap(analysed: Result) -> str:
    """The heatmap that the player shows first."""
    return next(iter(analysed.explained), "")
