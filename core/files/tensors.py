"""Reads tensors from untrusted files. Nothing is unpickled, and no memory is allocated on a file's claim.

A file's first bytes decide what it is, whatever its extension.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.files.kinds import check_archive, kind_of
from affectscope.core.files.pickles import STAND_INS, refusal
from affectscope.core.files.weights import Weights, choose
from affectscope.core.text import shown

# Usual extensions of checkpoints; others are read too.
SUFFIXES = (".safetensors", ".pt", ".pth", ".ckpt", ".bin")
_ZIP_MAGIC = b"PK\x03\x04"
_DAMAGED = "is damaged or no checkpoint: download it again, or save the model's state_dict and load that"


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a checkpoint, and its header's metadata.

    Raises:
        UserError: when the file is missing, damaged, would need to run code, or claims more than it holds.
    """
    weights, metadata = read_weights(path)
    return dict(weights.state), metadata


def read_weights(
    path: Path, wanted: str = "", known: Callable[[Collection[str]], object] = lambda keys: None
) -> tuple[Weights, dict[str, str]]:
    """The weights of a checkpoint, what was left out, and its header's metadata; see ``core.files.weights.choose``.

    Raises:
        UserError: as ``read_tensors``, and when there are no weights at ``wanted``.
    """
    path = Path(path)
    name = shown(path.name)
    if path.is_dir():
        raise UserError(f"{name} is a folder: choose the checkpoint in it.")
    if path.is_symlink() and not path.exists():
        raise UserError(f"{name} is a link that leads to no file: choose the checkpoint itself.")
    if not path.exists():
        raise UserError(f"There is no checkpoint {shown(str(path), 300)}: check the path.")
    if not path.is_file():
        raise UserError(f"{name} is no file: choose a checkpoint.")
    try:
        kind = kind_of(path)
        if kind == "safetensors":
            with safetensors.safe_open(path, framework="pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                told = file.metadata() or {}
                # Where two layers share a tensor, it is kept once, and the header says under which name.
                shared = {key: tensors[kept] for key, kept in told.items() if key not in tensors and kept in tensors}
                return Weights(tensors | shared), told
        pickled = check_archive(path) if kind == "zip" else ""
        content = _unpickled(path, kind == "zip", STAND_INS)
    except pickle.UnpicklingError as error:
        why = refusal(path, kind, pickled)
        raise UserError(f"{name} {why or _DAMAGED}.") from error
    except UserError:
        raise
    except PermissionError as error:
        raise UserError(f"{name} may not be read by you: change its permissions.") from error
    # A malformed file can make a parser raise anything.
    except Exception as error:
        raise UserError(f"{name} {_DAMAGED}.") from error
    return choose(content, name, path.stat().st_size, wanted, known), {}


def load(path: Path, stand_ins: Sequence[tuple[type, str]] = ()) -> Any:
    """Load a ``torch.save`` file, with memory-mapped tensors if possible.

    Args:
        stand_ins: classes that replace those named in the file; an object's state becomes their attributes.

    Raises:
        UserError: when the file claims more than it holds, or is a program.
        pickle.UnpicklingError: when it needs anything but tensors, plain containers and ``stand_ins``.
        Exception: of any kind, when it is damaged.
    """
    with path.open("rb") as file:
        packed = file.read(4) == _ZIP_MAGIC
    if packed:
        check_archive(path)
    return _unpickled(path, packed, stand_ins)


def _unpickled(path: Path, packed: bool, stand_ins: Sequence[tuple[Any, str]]) -> Any:
    with torch.serialization.safe_globals(list(stand_ins)):
        if path.name.lower().endswith(".safetensors"):
            # Not by path, because torch would trust its extension.
            with path.open("rb") as file:
                return torch.load(file, map_location="cpu", weights_only=True)
        # A memory-mapped storage is part of the file, so a larger claim fails instead of being allocated.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=packed)
