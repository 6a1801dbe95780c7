"""The state_dicts of public repositories, turned into ours: one function a layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from core.models.auxformer import AuxFormer, AuxFormerConfig
from core.models.base import AVModel
from core.models.mult import MulT, MulTConfig
from core.registry import Registry

State = dict[str, Tensor]
LAYOUTS: Registry[Callable[[State], tuple[AVModel, State]]] = Registry("layout")

_MODALITY = {"a": "audio", "v": "visual", "l": "text"}


@LAYOUTS.register("auxformer-v1")
@LAYOUTS.register("auxformer-v2")
def auxformer(state: State) -> tuple[AVModel, State]:
    """ilucasgoncalves/AuxFormer: git history (v1) and HEAD (v2), which differ in sizes only. Ten heads are in neither file."""
    state = _renamed(
        state,
        {
            r"conv_1d_([av])\.": lambda m: f"project.{_MODALITY[m[1]]}.",
            r"trans_([av])_with_[av]\.": lambda m: f"cross.{_MODALITY[m[1]]}.",
            r"trans_([av])_mem\.": lambda m: f"fused.{_MODALITY[m[1]]}.",
            r"([av])_mem\.": lambda m: f"auxiliary.{_MODALITY[m[1]]}.",
            r"proj_aux(\d)": lambda m: f"aux_mlp.{int(m[1]) - 1}",
            r"proj(\d)\.": lambda m: f"mlp.{int(m[1]) - 1}.",
            r"out_layer_aux\.": lambda m: "aux_out.",
            r"out_layer\.": lambda m: "out.",
        },
    )
    width = state["aux_out.weight"].shape[1]
    dims = {m: state.get(f"project.{m}.weight", torch.empty(width, width)).shape[1] for m in ("audio", "visual")}
    config = AuxFormerConfig(
        labels=_labels(state),
        variant="code",
        audio_dim=dims["audio"],
        visual_dim=dims["visual"],
        width=width,
        layers=_depth(state, "cross.audio"),
        aux_hidden=(len(state["aux_mlp.0.weight"]), len(state["aux_mlp.1.weight"])),
    )
    return AuxFormer(config), state


@LAYOUTS.register("mult")
def mult(state: State) -> tuple[AVModel, State]:
    """yaohungt/Multimodal-Transformer, with three modalities, or with the two whose keys the file has. Five heads."""
    state = _renamed(
        state,
        {
            r"proj_([alv])\.": lambda m: f"project.{_MODALITY[m[1]]}.",
            r"trans_([alv])_with_([alv])\.": lambda m: f"cross.{_MODALITY[m[1]]}_asks_{_MODALITY[m[2]]}.",
            r"trans_([alv])_mem\.": lambda m: f"memory.{_MODALITY[m[1]]}.",
            r"proj(\d)\.": lambda m: f"mlp.{int(m[1]) - 1}.",
            r"out_layer\.": lambda m: "out.",
        },
    )
    dims = {m: state[f"project.{m}.weight"].shape for m in ("text", "audio", "visual") if f"project.{m}.weight" in state}
    config = MulTConfig(
        inputs=tuple((m, shape[1]) for m, shape in dims.items()),
        labels=_labels(state),
        variant="code",
        width=state["project.audio.weight"].shape[0],
        layers=_depth(state, "cross.audio_asks_visual"),
        memory_layers=_depth(state, "memory.audio"),
    )
    return MulT(config), state


def _renamed(state: State, names: Mapping[str, Callable[[re.Match[str]], str]]) -> State:
    """New names by the first pattern that fits a key's start; bookkeeping of fairseq's encoder is dropped."""
    renamed = {}
    for key, value in state.items():
        if key.endswith((".version", "._float_tensor")):
            continue
        for pattern, name in names.items():
            key, hits = re.subn(f"^{pattern}", name, key)
            if hits:
                break
        # Their projections are convolutions over one frame.
        renamed[key] = value.squeeze(-1) if key.startswith("project.") else value
    return renamed


def _depth(state: State, encoder: str) -> int:
    pattern = re.compile(rf"{re.escape(encoder)}\.layers\.(\d+)\.")
    return 1 + max(int(match[1]) for key in state if (match := pattern.match(key)))


def _labels(state: State) -> tuple[str, ...]:
    """State_dicts do not name their classes."""
    return tuple(f"class {i}" for i in range(len(state["out.weight"])))
