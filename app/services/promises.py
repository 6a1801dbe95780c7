"""What a model promises: asked once, off the page, and kept for all pages."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from affectscope.app.common import jobs
from affectscope.app.services.known import digest, is_plugin, models, unasked
from affectscope.core import checking
from affectscope.core.checking import Promise, kept
from affectscope.core.checkpoints import plugged
from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.errors import UserError


def promises(model: str) -> list[Promise] | None:
    """What a check of the model found, here or in a terminal; None where there was none."""
    try:
        return kept.find(digest(model))
    except (UserError, OSError):
        return None


def checkable(model: str) -> bool:
    """Whether a check can be made, and its result kept: of an imported table nothing new can be asked."""
    try:
        return not unasked(model) and bool(digest(model))
    except (UserError, OSError):
        return False


def broken_promises(model: str) -> Sequence[str]:
    """The names of the promises that the model is known to break."""
    return [promise.name for promise in promises(model) or () if promise.state == "broken"]


def check_promises(model: str) -> jobs.Job:
    """Check the model, or join the check that is under way. It stands back while somebody waits for a clip."""
    return jobs.ensure(f"check-{digest(model)}", partial(_check, model), "library")


def _check(model: str, progress: jobs.Progress) -> None:
    # Its own copy of the weights: those that pages ask may lie on a GPU, and be asked meanwhile.
    checkpoint = _checkpoint(model)
    kept.keep(checkpoint.digest, checking.check(checkpoint, jobs.standing_back(progress)))


def _checkpoint(model: str) -> Checkpoint:
    return plugged.load(plugged.known()[model]) if is_plugin(model) else checkpoints.load(models()[model])
