"""Why as a job: a quick answer first, then the full one; cached on disk."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from affectscope.app import services
from affectscope.app.common import jobs
from affectscope.app.serving import lending
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of, of_clip
from affectscope.core.why import WHY_VERSION, Table, beside, joining, tables


class WhyRequest:
    """A request for one clip and one model.

    Args:
        target: the explained class; "" for the model's own prediction.
        against: another class, or "".
        explanation: method of the heatmap whose shares are computed; None for the default.
    """

    def __init__(self, item: services.Clip, model: str, target: str, against: str, explanation: str | None) -> None:
        self.item, self.model = item, model
        self.target, self.against, self.explanation, self.label = target, against, explanation, item.label or ""
        own = services.analyzer(model).key(
            item.media, None, track=item.track, clip=item.called, explanation=explanation, face=item.face
        )
        self.key = of_clip(own, key_of(WHY_VERSION, own, target, against, self.label))

    @property
    def job(self) -> str:
        return f"why-{self.key}"

    def path(self, kind: str) -> Path:
        """``quick.json``, ``json``, ``csv``, ``tables.json``, or ``aft``, the lanes."""
        return cache_root() / "whys" / f"{self.key}.{kind}"


def found(asked: WhyRequest) -> tuple[dict[str, Any] | None, bool]:
    """The partial or full answer, as from ``core.why.Why.to_dict``, and whether it is complete."""
    whole = sealed.read_json(asked.path("json"))
    return (whole, True) if whole is not None else (sealed.read_json(asked.path("quick.json")), False)


def ask(asked: WhyRequest) -> jobs.Job:
    """Start the job, or join the running one."""
    return jobs.ensure(asked.job, partial(_write, asked), "why")


def refused(asked: WhyRequest) -> bool:
    """Whether it failed."""
    job = jobs.find(asked.job)
    return bool(job and job.done and job.error and not job.cancelled)


def lanes_url(asked: Sequence[WhyRequest], sided: bool) -> str:
    """URL of the contribution lanes; "" until there are some.

    Args:
        sided: two models, A first.
    """
    done = [question for question in asked if sealed.is_intact(question.path("aft"))]
    if not done or len(done) < len(asked):
        return ""
    path, owner = done[0].path("aft"), services.owner_of(done[0].item.corpus)
    if sided:
        path = path.with_name(f"{of_clip(done[0].key, key_of('sides', *(question.key for question in done)))}.aft")
        if not sealed.is_intact(path):
            sealed.write_cached(path, beside([sealed.read(question.path("aft")) or b"" for question in done]))
    return lending.lend("timelines", f"why-{path.stem}", path, owner)


def sentence(asked: WhyRequest) -> str:
    """The full answer's sentence; "" until there is one."""
    clauses = (sealed.read_json(asked.path("json")) or {}).get("sentence", ())
    text = "".join(clause["lead"] + clause["text"] for clause in clauses)
    return text[:1].upper() + text[1:] + "." if text else ""


def numbers(asked: WhyRequest) -> tuple[Table, ...]:
    """The tables behind it, for every head."""
    found = sealed.read_json(asked.path("tables.json")) or {"tables": []}
    return tuple(Table(title, tuple(columns), tuple(map(tuple, rows))) for title, columns, rows in found["tables"])


def table(asked: WhyRequest) -> bytes:
    """All numbers as CSV."""
    return sealed.read(asked.path("csv")) or b""


def text(asked: WhyRequest) -> bytes:
    """All numbers as JSON."""
    return json.dumps(sealed.read_json(asked.path("json")) or {}, indent=1).encode()


def _write(asked: WhyRequest, progress: jobs.Progress) -> None:
    item = asked.item
    told = jobs.standing_back(progress)
    services.prepare(item, told)
    ask_why = partial(
        services.analyzer(asked.model).why, item.media, target=asked.target, against=asked.against, label=asked.label,
        track=item.track, clip=item.called, explanation=asked.explanation, face=item.face, progress=told,
    )  # fmt: skip
    if sealed.read_json(asked.path("quick.json")) is None:
        sealed.write_cached_json(asked.path("quick.json"), ask_why(quick=True).to_dict())
    whole = ask_why()
    sealed.write_cached(asked.path("csv"), whole.to_csv().encode())
    sealed.write_cached(asked.path("aft"), joining(whole))
    found = [[part.title, part.columns, part.rows] for part in tables(whole, every=True)]
    sealed.write_cached_json(asked.path("tables.json"), {"tables": found})
    sealed.write_cached_json(asked.path("json"), whole.to_dict())
