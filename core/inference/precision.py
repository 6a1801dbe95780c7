"""bfloat16 inference: where hardware supports it, and how it changes a model's answers.

bfloat16 has float32's range and eight bits of precision, so an answer changes in its third digit. Weights, sums, norms and
outputs stay float32 (torch's autocast).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.models.base import AVModel, Precision
from affectscope.core.streams import Batch

PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
# Names of the processors' bfloat16 instructions in /proc/cpuinfo.
_FLAGS = ("amx_bf16", "avx512_bf16")
_CPU = Path("/proc/cpuinfo")
_COMPARED = 64


def has_bf16(device: str = "cpu") -> bool:
    """Whether a device has native bfloat16: a GPU since Ampere, a processor with AMX or AVX-512 BF16."""
    if torch.device(device).type == "cuda":
        return torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False)
    try:
        return any(flag in _CPU.read_text().split() for flag in _FLAGS)
    except OSError:
        return False


def check(precision: str, device: str = "cpu") -> Precision:
    """Validate a precision.

    Raises:
        UserError: when it is unknown, or this machine would have to emulate it.
    """
    if precision not in PRECISIONS:
        raise UserError(f"There is no precision {precision!r}: choose fp32 or bf16.")
    if precision == "bf16" and not has_bf16(device):
        raise UserError(
            "This machine has no bfloat16 arithmetic (AMX or AVX-512 BF16 on a processor, Ampere or later on a GPU) and would "
            "be slower with it: leave out --precision bf16."
        )
    return "bf16" if precision == "bf16" else "fp32"


@torch.inference_mode()
def change(model: AVModel, batches: Iterable[tuple[Batch, Tensor]]) -> str:
    """One sentence: how bfloat16 changes the model's answers to the first clips, compared with float32."""
    before, clips, others, most = model.precision, 0, 0, 0.0
    classes = model.spec.task == "classification"
    try:
        for batch, _ in batches:
            answers = []
            for model.precision in PRECISIONS:
                answers.append(model.decide(model(batch)))
            exact, near = answers
            clips += len(batch)
            most = max(most, float((exact - near).abs().max()))
            others += int((exact.argmax(-1) != near.argmax(-1)).sum())
            if clips >= _COMPARED:
                break
    finally:
        model.precision = before
    end = f"; {others} of the answers change." if classes else "."
    what = "logits" if classes else "values"
    return f"In bfloat16 the {what} of the first {clips} clips differ by {most:.2g} at most from those in float32{end}"


def of_training(precision: str) -> str:
    """Fabric's name of a precision; Fabric's own names are unchanged.

    Raises:
        UserError: as ``check`` does, for "bf16".
    """
    if precision == "bf16":
        check(precision, "cuda" if torch.cuda.is_available() else "cpu")
    return {"fp32": "32-true", "bf16": "bf16-mixed"}.get(precision, precision)
