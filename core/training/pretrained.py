"""Initial weights from a checkpoint: `affectscope train --pretrained`."""

from __future__ import annotations

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.errors import UserError
from affectscope.core.models.base import AVModel
from affectscope.core.models.inputs import Normaliser
from affectscope.core.text import shown


def begin_with(model: AVModel, start: Checkpoint, name: str) -> Normaliser:
    """Initialise a model from a trained one. Returns that one's normaliser, since its weights depend on it.

    Both must have the same classes.

    Args:
        name: of the trained one, for messages.

    Raises:
        UserError: when it has another system, size or labels.
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
