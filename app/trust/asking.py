"""Trust as a job that yields to users who wait for a clip; cached on disk."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

from affectscope.app import services
from affectscope.app.common import jobs
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of, of_clip
from affectscope.core.trust.tables import rows
from affectscope.core.trust.trust import TRUST_VERSION, Request


class TrustRequest:
    """A request for one clip and one model.

    Args:
        target: the explained class; "" for the head's own prediction.
        head: whose heatmap it is.
        explanation, sound: the methods for heatmap and sound; None for the defaults.
    """

    def __init__(
        self, item: services.Clip, model: str, target: str, head: str, explanation: str | None, sound: str | None
    ) -> None:
        self.item, self.model = item, model
        self.request = Request(
            target, head, (explanation,) if explanation else None, (sound,) if sound else None,
            track=item.track, clip=item.called, face=item.face,
        )  # fmt: skip
        own = services.analyzer(model).key(item.media, None, track=item.track, clip=item.called, face=item.face)
        self.key = of_clip(own, key_of(TRUST_VERSION, own, target, head, explanation, sound))

    @property
    def job(self) -> str:
        return f"trust-{self.key}"

    def path(self, kind: str) -> Path:
        """``json`` or ``csv``."""
        return cache_root() / "trust" / f"{self.key}.{kind}"


def found(asked: TrustRequest) -> dict[str, Any] | None:
    """The result, as from ``core.trust.trust.Trust.to_dict``, with ``rows`` for display; None if there is none yet."""
    return sealed.read_json(asked.path("json"))


def ask(asked: TrustRequest) -> jobs.Job:
    """Start the job, or join the running one."""
    return jobs.ensure(asked.job, partial(_write, asked), "trust")


def table(asked: TrustRequest) -> bytes:
    """All numbers as CSV."""
    return sealed.read(asked.path("csv")) or b""


def text(asked: TrustRequest) -> bytes:
    """All numbers as JSON."""
    return json.dumps(found(asked) or {}, indent=1).encode()


def _write(asked: TrustRequest, progress: jobs.Progress) -> None:
    told = jobs.standing_back(progress)
    services.prepare(asked.item, told)
    whole = services.analyzer(asked.model).trust(asked.item.media, asked.request, told)
    sealed.write_cached(asked.path("csv"), whole.to_csv().encode())
    sealed.write_cached_json(asked.path("json"), {**whole.to_dict(), "rows": rows(whole)})
