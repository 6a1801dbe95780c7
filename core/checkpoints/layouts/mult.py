"""MulT."""

from __future__ import annotations

from affectscope.core.checkpoints.layouts.base import State, layout
from affectscope.core.checkpoints.layouts.renaming import MODALITY, depth, labels, renamed
from affectscope.core.models.mult import MulTConfig


@layout(
    "mult",
    marks=("proj_a.", "proj_v.", "trans_a_with_v.", "trans_a_mem."),
    known=r"(proj_[alv]|trans_[alv]_with_[alv]|trans_[alv]_mem|proj\d|out_layer)\.",
)
def mult(state: State) -> tuple[MulTConfig, State]:
    """yaohungt/Multimodal-Transformer with three modalities, or with the two that the file has keys for. Five heads."""
    state = renamed(
        state,
        {
            r"proj_([alv])\.": lambda m: f"project.{MODALITY[m[1]]}.",
            r"trans_([alv])_with_([alv])\.": lambda m: f"cross.{MODALITY[m[1]]}_asks_{MODALITY[m[2]]}.",
            r"trans_([alv])_mem\.": lambda m: f"memory.{MODALITY[m[1]]}.",
            r"proj(\d)\.": lambda m: f"main.layers.{int(m[1]) - 1}.",
            r"out_layer\.": lambda m: "main.out.",
        },
    )
    dims = {m: state[f"project.{m}.weight"].shape for m in ("text", "audio", "visual") if f"project.{m}.weight" in state}
    config = MulTConfig(
        inputs=tuple((m, shape[1]) for m, shape in dims.items()),
        labels=labels(state),
        variant="code",
        width=state["project.audio.weight"].shape[0],
        layers=depth(state, "cross.audio_asks_visual"),
        memory_layers=depth(state, "memory.audio"),
    )
    return config, state
