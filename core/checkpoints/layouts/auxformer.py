"""Both versions of AuxFormer's repository."""

from __future__ import annotations

import torch

from affectscope.core.checkpoints.layouts.base import State, layout
from affectscope.core.checkpoints.layouts.renaming import MODALITY, depth, labels, renamed
from affectscope.core.models.auxformer import AuxFormerConfig

_KNOWN = r"(conv_1d_[av]|trans_[av]_with_[av]|trans_[av]_mem|[av]_mem|proj_aux\d|proj\d|out_layer_aux|out_layer)\."


@layout("auxformer-v1", marks=("proj_aux1.", "trans_a_with_v."), known=_KNOWN)
@layout("auxformer-v2", marks=("conv_1d_a.", "proj_aux1.", "trans_a_with_v."), known=_KNOWN)
def auxformer(state: State) -> tuple[AuxFormerConfig, State]:
    """ilucasgoncalves/AuxFormer: git history (v1) and HEAD (v2), which differ in sizes only. Ten heads (not in the files)."""
    state = renamed(
        state,
        {
            r"conv_1d_([av])\.": lambda m: f"project.{MODALITY[m[1]]}.",
            r"trans_([av])_with_[av]\.": lambda m: f"cross.{MODALITY[m[1]]}.",
            r"trans_([av])_mem\.": lambda m: f"fused.{MODALITY[m[1]]}.",
            r"([av])_mem\.": lambda m: f"auxiliary.{MODALITY[m[1]]}.",
            r"proj_aux(\d)": lambda m: f"aux.layers.{int(m[1]) - 1}",
            r"proj(\d)\.": lambda m: f"main.layers.{int(m[1]) - 1}.",
            r"out_layer_aux\.": lambda m: "aux.out.",
            r"out_layer\.": lambda m: "main.out.",
        },
    )
    width = state["aux.out.weight"].shape[1]
    dims = {m: state.get(f"project.{m}.weight", torch.empty(width, width)).shape[1] for m in ("audio", "visual")}
    config = AuxFormerConfig(
        labels=labels(state),
        variant="code",
        audio_dim=dims["audio"],
        visual_dim=dims["visual"],
        width=width,
        layers=depth(state, "cross.audio"),
        aux_hidden=(len(state["aux.layers.0.weight"]), len(state["aux.layers.1.weight"])),
    )
    return config, state
