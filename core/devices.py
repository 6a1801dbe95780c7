"""The devices on which models run: the CPU, or any CUDA device of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from affectscope.core.errors import UserError
from affectscope.core.models.base import AVModel, ModelOutput

CPU = "cpu"


def devices() -> dict[str, str]:
    """The available devices, torch's name -> display name, the CPU first."""
    named = {CPU: "CPU"}
    for i in range(torch.cuda.device_count() if torch.cuda.is_available() else 0):
        memory = torch.cuda.get_device_properties(i).total_memory
        named[f"cuda:{i}"] = f"GPU {i}: {torch.cuda.get_device_name(i)}, {memory / 2**30:.0f} GB"
    return named


def place(model: AVModel, device: str) -> AVModel:
    """Move a model to a device, in place. Its inputs are moved there, and its outputs to the CPU.

    So callers need not know the model's device. Gradients pass both ways.

    Raises:
        UserError: when this machine has no such device, or the model does not fit into its memory.
    """
    if device not in devices():
        raise UserError(f"This machine has no device {device}: choose one of {', '.join(devices())}.")
    try:
        model.to(device)
    except torch.OutOfMemoryError as error:
        model.to(CPU)
        raise UserError(f"The model does not fit into the memory of {device}: remove another, or choose the CPU.") from error
    if device != CPU:
        lend(model, device)
    return model


def lend(model: AVModel, device: torch.device | str) -> None:
    """Hook a model on ``device`` so that it accepts tensors on any device, and returns tensors on the CPU."""

    def there(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        return (args[0].to(device), *args[1:])

    def back(_: nn.Module, __: tuple[Any, ...], output: ModelOutput) -> ModelOutput:
        return ModelOutput(
            _back(output.predictions),
            _back(output.evidence),
            _back(output.embeddings),
            tuple(replace(attention, weights=attention.weights.to(CPU)) for attention in output.attention),
            _back(output.reconstruction),
        )

    model.register_forward_pre_hook(there)
    model.register_forward_hook(back)


def _back(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.to(CPU) for name, tensor in tensors.items()}


def memory() -> dict[str, int]:
    """Memory in bytes: of this process (resident), and of its tensors on each CUDA device that has any."""
    used = {CPU: _resident()}
    if torch.cuda.is_available():
        used |= {f"cuda:{i}": n for i in range(torch.cuda.device_count()) if (n := torch.cuda.memory_allocated(i))}
    return used


def release() -> None:
    """Return cached memory to the GPUs."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _resident() -> int:
    try:
        with open("/proc/self/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) << 10 for line in status if line.startswith("VmRSS"))
    except (OSError, StopIteration):
        # Only Linux reports current memory; elsewhere there is the peak, on a Mac in bytes.
        import resource

        return int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
