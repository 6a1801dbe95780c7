"""Weights that the user chose for a plugin's model, instead of the plugin's own, in this process and its children."""

from __future__ import annotations

import os
from pathlib import Path

from affectscope.core.errors import UserError
from affectscope.core.text import shown

NAMED = "AFFECTSCOPE_WEIGHTS"


def named() -> dict[str, Path]:
    """Model -> path of its weights, as added by ``name`` or in the environment."""
    pairs = (pair.partition("=") for pair in os.environ.get(NAMED, "").split(os.pathsep) if pair)
    return {model: Path(path).expanduser() for model, equals, path in pairs if equals}


def name(pair: str) -> str:
    """Set a model's weights, for this process and its children.

    Args:
        pair: MODEL=PATH.

    Returns:
        The model.

    Raises:
        UserError: when it is not such a pair, or the path does not exist.
    """
    model, equals, path = pair.partition("=")
    place = Path(path).expanduser()
    if not (model and equals and path):
        raise UserError(f"--weights {shown(pair)} should read MODEL=PATH, such as my-net=my_net.safetensors.")
    if not place.exists():
        raise UserError(f"There is nothing at {shown(str(place), 300)}: check the path of the weights of {shown(model)}.")
    # Child processes run in other folders.
    pairs = {known: file.absolute() for known, file in named().items()} | {model: place.absolute()}
    os.environ[NAMED] = os.pathsep.join(f"{known}={file}" for known, file in pairs.items())
    return model
