"""Merges weights that a state_dict stores in parts: weight norm, pruning masks, spectral norm."""

from __future__ import annotations

import re
from collections.abc import Mapping

import torch
from torch import Tensor

from affectscope.core.errors import UserError

State = dict[str, Tensor]
# Keys of adapters in PEFT, loralib and diffusers. Their scale is not in the state_dict.
_ADAPTER = re.compile(r"(^|\.)(lora_[AB]|lora_(up|down)|lora_embedding_[AB]|ia3_l)(\.|$)")
_REPARAMETRISED = re.compile(r"(.+\.)parametrizations\.([^.]+)\.(.+)")


def whole(state: Mapping[str, Tensor], name: str) -> State:
    """A state with each weight merged from its parts, as PyTorch does at inference.

    Raises:
        UserError: when it contains adapters, or parts that cannot be merged.
    """
    if adapter := next((key for key in state if _ADAPTER.search(key)), ""):
        raise UserError(
            f"{name} holds adapters (LoRA) beside its weights, as {adapter.rpartition('lora')[0].rstrip('.') or adapter}: "
            "merge them first (PEFT's `merge_and_unload()`), and save the state_dict of what that gives."
        )
    made = {_older(key): value for key, value in state.items()}
    for key in [key for key in made if key.endswith(("_g", "_orig"))]:
        stem = key.rpartition("_")[0]
        parts = {part: made.get(f"{stem}_{part}") for part in ("g", "v", "orig", "u", "mask")}
        joined = _joined({part: value for part, value in parts.items() if value is not None})
        if joined is not None and stem not in made:
            made = {k: v for k, v in made.items() if k not in {f"{stem}_{part}" for part in parts}} | {stem: joined}
    if left := next((key for key in made if ".parametrizations." in key), ""):
        raise UserError(
            f"{name} keeps {left.partition('.parametrizations')[0]} in parts: call `torch.nn.utils.parametrize."
            "remove_parametrizations` on it before its state_dict is saved."
        )
    return made


def _older(key: str) -> str:
    """The key that PyTorch's older function of the same purpose writes."""
    match = _REPARAMETRISED.fullmatch(key)
    if not match:
        return key
    part = {"original0": "g", "original1": "v", "original": "orig", "0._u": "u", "0._v": "v"}.get(match[3])
    return f"{match[1]}{match[2]}_{part}" if part else key


def _joined(parts: Mapping[str, Tensor]) -> Tensor | None:
    """A weight merged from its parts; None where they do not belong together."""
    kinds = parts.keys()
    if kinds == {"g", "v"}:
        size, direction = parts["g"].float(), parts["v"].float()
        apart = [d for d in range(direction.ndim) if size.ndim != direction.ndim or size.shape[d] == 1]
        if size.ndim not in (0, direction.ndim) or not apart:
            return None
        return direction * (size / torch.linalg.vector_norm(direction, dim=apart, keepdim=True))
    if kinds == {"orig", "mask"} and parts["orig"].shape == parts["mask"].shape:
        return parts["orig"] * parts["mask"]
    if kinds == {"orig", "u", "v"} and parts["orig"].ndim > 1:
        weight = parts["orig"].float()
        flat, u, v = weight.flatten(1), parts["u"].float(), parts["v"].float()
        return weight / (u @ (flat @ v)) if flat.shape == (len(u), len(v)) else None
    return None
