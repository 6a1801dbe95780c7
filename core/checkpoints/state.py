"""Loads tensors into a model, and runs it once as a check."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

from affectscope.core.checkpoints.fit import check_fit
from affectscope.core.errors import UserError
from affectscope.core.models.base import AVModel
from affectscope.core.streams import Batch
from affectscope.core.text import shown

# Maximum length of a class name.
LONGEST_LABEL = 100
# The number of frames per modality on which a new model is tested.
_FRAMES = 2


def fill(model: AVModel, state: Mapping[str, Tensor], name: str) -> None:
    """Load a state into a model on the meta device.

    Raises:
        UserError: when it does not fit, or contains NaN.
    """
    own = model.state_dict()
    # None of these affects predictions, and public files lack some of them.
    optional = {k for k in own if k == "prior" or k.startswith("idle_") or ".idle_" in k or k.endswith("num_batches_tracked")}
    shapes, given = ({k: tuple(v.shape) for k, v in tensors.items()} for tensors in (own, state))
    check_fit(name, model.spec, shapes, given, optional)
    if any(v.is_floating_point() != own[k].is_floating_point() or v.is_complex() for k, v in state.items()):
        raise UserError(f"{name} holds weights of a kind that its model does not have: save its state_dict in float32.")
    # Contiguous copies, because a tensor in a file may be one number expanded over gigabytes, or share memory with another.
    # Half-precision weights are converted to single.
    state = {k: torch.empty_like(v, dtype=own[k].dtype, memory_format=torch.contiguous_format).copy_(v) for k, v in state.items()}
    broken = [k for k, v in state.items() if not torch.isfinite(v).all()]
    if broken:
        raise UserError(f"{name} holds NaN or infinite weights (first in {shown(broken[0])}): its training diverged.")
    rest = {k: torch.zeros_like(own[k], device="cpu") for k in optional - state.keys()}
    if "prior" in rest and model.spec.task == "classification":
        rest["prior"] = rest["prior"].log_softmax(0)
    model.load_state_dict({**state, **rest}, assign=True)
    model.requires_grad_(True).eval()


def try_out(model: AVModel, name: str, normalised: Callable[[str, Tensor], Tensor] = lambda modality, values: values) -> None:
    """Run a model on two frames of each modality.

    Raises:
        UserError: when it fails, or its output is not finite.
    """
    inputs = {}
    for modality, dim in model.spec.inputs.items():
        values = torch.arange(_FRAMES * dim, dtype=torch.float32).sin().view(1, _FRAMES, dim)
        inputs[modality] = normalised(modality, values)
    try:
        with torch.inference_mode():
            output = model(Batch.of(present=None, **inputs))
            answers = [output.predictions[head] for head in model.spec.heads]
            shapes = {tuple(answer.shape[:: answer.ndim - 1]) for answer in answers}
            finite = all(bool(answer.isfinite().all()) for answer in answers) and bool(model.decide(output).isfinite().all())
    except MemoryError:
        raise
    # A malformed config can make a model's layers raise anything.
    except Exception as error:
        raise UserError(f"{name} cannot run, because its config does not match its weights: export it again.") from error
    if shapes != {(1, len(model.spec.labels))}:
        raise UserError(f"{name} does not give one number for each of its labels: export it again.")
    if not finite:
        raise UserError(
            f"{name} answers with NaN or infinite numbers when asked: its weights are damaged, or its training diverged."
        )


# Fields that may be 0.
_MAY_BE_NONE = ("fc", "sequence")


def check_sizes(values: Mapping[str, object]) -> None:
    """Validate a config: sizes >= 1 (layers >= 0), dropout from 0 to below 1, a width divisible by its heads.

    Raises:
        UserError: naming the first invalid one.
    """
    for field, value in values.items():
        least = 0 if "layers" in field or field in _MAY_BE_NONE else 1
        for number in _numbers(value):
            if isinstance(number, int) and number < least:
                raise UserError(f"its config has {field} = {number}, and no model has less than {least}.")
            if "dropout" in field and not 0 <= number < 1:
                raise UserError(f"its config has {field} = {number:g}, and a dropout is at least 0 and less than 1.")
    width, heads = values.get("width"), values.get("heads")
    if isinstance(width, int) and isinstance(heads, int) and width % heads:
        raise UserError(f"its config has a width of {width}, which {heads} attention heads do not divide.")


def _numbers(value: object) -> list[int | float]:
    if isinstance(value, tuple):
        return [number for item in value for number in _numbers(item)]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) else []


def check_labels(labels: Sequence[str], name: str) -> None:
    """Refuse labels that are duplicate, or too long for a line.

    Raises:
        UserError: naming the first of them.
    """
    for label in labels:
        if not label.strip() or not label.isprintable() or len(label) > LONGEST_LABEL:
            raise UserError(
                f"{name} calls a class {shown(label, 30)!r}: name each in plain text of at most {LONGEST_LABEL} characters."
            )
    if len(set(labels)) != len(labels):
        raise UserError(f"{name} has two classes of one name: name each differently.")
