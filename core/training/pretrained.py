"""Weights that training begins with, in place of random ones: `affectscope train --pretrained`."""

from __future__ import annotations

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.errors import UserError
from affectscope.core.models.base import AVModel
from affectscope.core.models.inputs import Normaliser
from affectscope.core.text import shown


def begin_with(model: AVModel, start: Checkpoint, name: str) -> Normaliser:
    """Give a model the weights of a trained one. The heads answer in the same classes, and features are normalised as that one
    had them: weights mean something on its own scale alone.

    Args:
        name: of the trained one, for people.

    Raises:
        UserError: when it is another system, of another size, or answers in other labels.
    """
    ours, theirs = model.spec, start.spec
    if theirs.system != ours.system:
        raise UserError(f"{shown(name)} is a {theirs.system}, and a {ours.system} is to be trained: name one of the same system.")
    if theirs.labels != ours.labels:
        raise UserError(
            f"{shown(name)} answers with {', '.join(theirs.labels)}, and the corpus has {', '.join(ours.labels)}: training can "
            "only go on with the same labels in the same order."
        )
    trained, own = start.model.state_dict(), model.state_dict()
    shapes = [{key: tuple(value.shape) for key, value in state.items()} for state in (own, trained)]
    unlike = [key for key in {**own, **trained} if shapes[0].get(key) != shapes[1].get(key)]
    if unlike:
        raise UserError(f"{shown(name)} has another size, first at {shown(unlike[0])}: train the preset that it has.")
    model.load_state_dict(trained)
    return start.normaliser
