"""UAVM."""

from __future__ import annotations

import re

from affectscope.core.checkpoints.layouts.base import State, layout
from affectscope.core.checkpoints.layouts.renaming import MODALITY, depth, labels, renamed
from affectscope.core.models.uavm import UAVMConfig

_PARTS = {"a": "audio", "v": "visual", "s": "shared"}


@layout("uavm", marks=("a_trans.", "v_trans.", "s_trans."), known=r"[avs]_trans\.")
def uavm(state: State) -> tuple[UAVMConfig, State]:
    """YuanGongND/uavm with both kinds of layers; the shared part has the same width as the others. Four heads."""
    widths = {part: state[f"{letter}_trans.in_proj.weight"].shape for letter, part in _PARTS.items()}

    def own(match: re.Match[str]) -> str:
        return "shared." if match[1] == "s" else f"own.{MODALITY[match[1]]}."

    def project(match: re.Match[str]) -> str:
        part = _PARTS[match[1]]
        width, dim = widths[part]
        return f"idle_project.{part}." if width == dim else f"own.{part}.project."

    converted = renamed(
        {key: value.squeeze(0) if key.endswith("pos_embed") else value for key, value in state.items()},
        {
            r"s_trans\.mlp_head\.": lambda m: "head.",
            r"([av])_trans\.mlp_head\.": lambda m: f"idle_head.{MODALITY[m[1]]}.",
            r"([avs])_trans\.in_proj\.": project,
            r"([avs])_trans\.in_layernorm\.": lambda m: f"{own(m)}norm.",
            r"([avs])_trans\.pos_embed": lambda m: f"{own(m)}positions",
            r"([avs])_trans\.blocks\.(\d+)\.norm(\d)\.": lambda m: f"{own(m)}encoder.layers.{m[2]}.layer_norms.{int(m[3]) - 1}.",
            r"([avs])_trans\.blocks\.(\d+)\.attn\.qkv\.": lambda m: f"{own(m)}encoder.layers.{m[2]}.self_attn.in_proj_",
            r"([avs])_trans\.blocks\.(\d+)\.attn\.proj\.": lambda m: f"{own(m)}encoder.layers.{m[2]}.self_attn.out_proj.",
            r"([avs])_trans\.blocks\.(\d+)\.mlp\.": lambda m: f"{own(m)}encoder.layers.{m[2]}.",
        },
    )
    config = UAVMConfig(
        labels=labels(converted, "head.1.weight"),
        audio_dim=widths["audio"][1],
        visual_dim=widths["visual"][1],
        width=widths["shared"][0],
        layers=depth(converted, "own.audio.encoder"),
        shared_layers=depth(converted, "shared.encoder"),
        steps=len(converted["shared.positions"]),
    )
    return config, converted
