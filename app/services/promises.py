"""A model's promises: checked once in the background, and cached for all pages."""

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
    """The result of a check, from here or the terminal; None if there was none."""
    try:
        return kept.find(digest(model))
    except (UserError, OSError):
        return None


def checkable(model: str) -> bool:
    """Whether a model can be checked, and the result cached; an imported table cannot be run."""
    try:
        return not unasked(model) and bool(digest(model))
    except (UserError, OSError):
        return False


def broken_promises(model: str) -> Sequence[str]:
    """The names of the promises that the model is known to break."""
    return [promise.name for promise in promises(model) or () if promise.state == "broken"]


def check_promises(model: str) -> jobs.Job:
    """Check the model, or join the running check. It yields to users who wait for a clip."""
    return jobs.ensure(f"check-{digest(model)}", partial(_check, model), "library")


def _check(model: str, progress: jobs.Progress) -> None:
    # A separate copy of the weights: the pages' copy may be on a GPU, and in use.
    checkpoint = _checkpoint(model)
    kept.keep(checkpoint.digest, checking.check(checkpoint, jobs.standing_back(progress)))


def _checkpoint(model: str) -> Checkpoint:
    return plugged.load(plugged.known()[model]) if is_plugin(model) else checkpoints.load(models()[model])
