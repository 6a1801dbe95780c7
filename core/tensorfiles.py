"""Tensors out of files that nobody vouches for. Nothing is ever unpickled, and nothing is allocated that a file only claims."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import safetensors
import torch
from torch import Tensor

from core.errors import UserError
from core.text import shown

SUFFIXES = (".safetensors", ".pt", ".pth")
# Under what people's training scripts put the weights.
_NESTED = ("state_dict", "model_state_dict", "model")
# What wrappers put before every key: DataParallel, torch.compile, Lightning.
_WRAPPERS = ("module.", "_orig_mod.", "model.")
# Layers may share a tensor, so a file may hold less than its tensors add up to; not less than a quarter.
_SHARED = 4


def read_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The tensors of a ``.safetensors``, ``.pt`` or ``.pth`` file, and the header's metadata.

    Raises:
        UserError: when the file is not there, damaged, would need to run code, or claims more than it holds.
    """
    path = Path(path)
    name = shown(path.name)
    if not path.is_file():
        raise UserError(f"There is no checkpoint {shown(str(path), 300)}: check the path.")
    if path.suffix not in SUFFIXES:
        raise UserError(f"{name} is no checkpoint: choose a .safetensors, .pt or .pth file.")
    try:
        if path.suffix == ".safetensors":
            with safetensors.safe_open(path, framework="pt") as file:
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
                return tensors, file.metadata() or {}
        content = load(path)
    except pickle.UnpicklingError as error:
        with path.open("rb") as file:
            pickled = file.read(1) in (b"\x80", b"P")
        why = "holds pickled code, which is never run" if pickled else "is damaged or no checkpoint"
        raise UserError(f"{name} {why}: save the model's state_dict and load that.") from error
    except UserError:
        raise
    # Whatever a made-up file does to a parser, it is the file's fault.
    except Exception as error:
        raise UserError(f"{name} is damaged or no checkpoint: copy it again from where it was made.") from error
    return _state(content, name, path.stat().st_size), {}


def load(path: Path, stand_ins: Sequence[tuple[type, str]] = ()) -> Any:
    """What ``torch.save`` wrote, its tensors mapped from the file where that can be.

    Args:
        stand_ins: classes of ours that take the place of those that the file names; what it says of an object becomes its
            attributes.

    Raises:
        UserError: when the file claims more than it holds, or is a program.
        pickle.UnpicklingError: when it asks for anything but tensors, plain containers and ``stand_ins``.
        Exception: of any kind, when it is damaged.
    """
    packed = _check_archive(path)
    with torch.serialization.safe_globals(list(stand_ins)):
        # Mapped, a storage is a part of the file: a claim of more is refused instead of allocated.
        return torch.load(path, map_location="cpu", weights_only=True, mmap=packed)


def unwrapped(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The state without what a wrapper put before every key."""
    found = dict(state)
    for wrapper in _WRAPPERS:
        if found and all(key.startswith(wrapper) for key in found):
            found = {key.removeprefix(wrapper): value for key, value in found.items()}
    return {key.removeprefix("module."): value for key, value in found.items()}


def _check_archive(path: Path) -> bool:
    """Whether it is a zip archive, which torch.save writes: uncompressed, so that its size says what it holds."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            return False
    name = shown(path.name)
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
    if any(entry.filename.endswith("constants.pkl") for entry in entries):
        raise UserError(f"{name} is a TorchScript program, which is never run: save the model's state_dict and load that.")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or (
        sum(entry.file_size for entry in entries) > path.stat().st_size
    ):
        raise UserError(f"{name} is packed in a way that no checkpoint is: save it again with torch.save.")
    return True


def _state(content: Any, name: str, size: int) -> dict[str, Tensor]:
    if isinstance(content, dict):
        content = next((content[key] for key in _NESTED if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict) or not all(isinstance(k, str) and isinstance(v, Tensor) for k, v in content.items()):
        raise UserError(f"{name} holds no state_dict: save `model.state_dict()` and load that.")
    if any(t.layout != torch.strided or t.is_meta or t.is_quantized or t.is_nested for t in content.values()):
        raise UserError(f"{name} holds tensors without plain numbers: save the state_dict of the model in float32.")
    sizes = [t.numel() * t.element_size() for t in content.values()]
    if any(one > size for one in sizes) or sum(sizes) > _SHARED * size:
        raise UserError(f"{name} claims larger tensors than it holds: save the model's state_dict again.")
    return dict(content)
