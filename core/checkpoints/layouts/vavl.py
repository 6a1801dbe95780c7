"""VAVL, whose weights are a folder with one file per module."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from torch import Tensor

from affectscope.core.checkpoints.layouts.base import State, layout
from affectscope.core.checkpoints.layouts.renaming import depth, first_fitting, labels
from affectscope.core.files.weights import plain, prefixes, unwrapped
from affectscope.core.models.vavl import VAVLConfig

# File -> prefix of its module here.
VAVL_FILES = {
    "final_acoustic_head.pt": "audio",
    "final_visual_head.pt": "visual",
    "final_shared_head.pt": "shared",
    "final_weights_head.pt": "predict.av",
    "MLP_a_head.pt": "predict.audio",
    "MLP_v_head.pt": "predict.visual",
    "MLP_av_head.pt": "idle_head",
    "MLP_rec_a_head.pt": "rebuild.audio",
    "MLP_rec_v_head.pt": "rebuild.visual",
}
# Files required for inference; the others are only used in training.
VAVL_NEEDED = tuple(name for name, part in VAVL_FILES.items() if not part.startswith(("idle", "rebuild")))
_HEAD = {"projav1": "0", "projav2": "3", "out_layer": "4"}
_CONFORMER = {
    r"encoder\.conv_subsample\.sequential\.": "idle_subsampling.",
    r"encoder\.input_projection\.0\.linear\.": "input.",
    r"encoder\.layers\.(\d+)\.sequential\.0\.module\.sequential\.(\d)\.(linear\.)?": r"layers.\1.before.\2.",
    r"encoder\.layers\.(\d+)\.sequential\.1\.module\.layer_norm\.": r"layers.\1.attention.norm.",
    r"encoder\.layers\.(\d+)\.sequential\.1\.module\.attention\.u_bias": r"layers.\1.attention.content_bias",
    r"encoder\.layers\.(\d+)\.sequential\.1\.module\.attention\.v_bias": r"layers.\1.attention.position_bias",
    r"encoder\.layers\.(\d+)\.sequential\.1\.module\.attention\.pos_proj\.linear\.": r"layers.\1.attention.position.",
    r"encoder\.layers\.(\d+)\.sequential\.1\.module\.attention\.(query|key|value|out)_proj\.linear\.": r"layers.\1.attention.\2.",
    r"encoder\.layers\.(\d+)\.sequential\.2\.module\.sequential\.0\.": r"layers.\1.convolution.norm.",
    r"encoder\.layers\.(\d+)\.sequential\.2\.module\.sequential\.2\.conv\.": r"layers.\1.convolution.gate.",
    r"encoder\.layers\.(\d+)\.sequential\.2\.module\.sequential\.4\.conv\.": r"layers.\1.convolution.depthwise.",
    r"encoder\.layers\.(\d+)\.sequential\.2\.module\.sequential\.5\.": r"layers.\1.convolution.batch_norm.",
    r"encoder\.layers\.(\d+)\.sequential\.2\.module\.sequential\.7\.conv\.": r"layers.\1.convolution.out.",
    r"encoder\.layers\.(\d+)\.sequential\.3\.module\.sequential\.(\d)\.(linear\.)?": r"layers.\1.after.\2.",
    r"encoder\.layers\.(\d+)\.sequential\.4\.": r"layers.\1.norm.",
}
VAVL_MARKS = {"audio": "x_acoustic.", "visual": "x_visual.", "shared": "x_shared."}


@layout(
    "vavl",
    marks=("final_acoustic_head.pt:", "final_shared_head.pt:"),
    known=r"[^:]+:(conv_1d|layer_norm\.|x_(acoustic|visual|shared)\.|projav\d\.|out_layer\.)",
)
def vavl(state: State) -> tuple[VAVLConfig, State]:
    """ilucasgoncalves/VAVL: a folder of nine state_dict files; keys come as ``file:key``. Eight heads."""
    converted: State = {}
    for name, value in state.items():
        file, key = name.split(":")
        part = VAVL_FILES[file]
        if key.endswith("positional_encoding.pe"):
            continue
        if part in ("audio", "visual", "shared"):
            converted[_encoder_key(part, key)] = value.squeeze(-1) if re.search(r"sequential\.[27]\.conv", key) else value
        else:
            layer, kind = key.split(".")
            converted[f"{part}.{_HEAD[layer]}.{kind}"] = value
    config = VAVLConfig(
        labels=labels(converted, "predict.audio.4.weight"),
        variant="code",
        audio_dim=converted["project.audio.weight"].shape[1],
        visual_dim=converted["project.visual.weight"].shape[1],
        projected=len(converted["project.audio.weight"]),
        width=len(converted["shared.input.weight"]),
        layers=depth(converted, "own.audio"),
        shared_layers=depth(converted, "shared"),
        kernel=converted["shared.layers.0.convolution.depthwise.weight"].shape[-1],
        hidden=(len(converted["predict.audio.0.weight"]), len(converted["predict.audio.3.weight"])),
        reconstruct="rebuild.audio.0.weight" in converted,
    )
    return config, converted


def is_vavl_part(keys: Collection[str]) -> bool:
    """Whether keys are those of one of VAVL's files."""
    keys = {plain(key) for key in keys}
    return any(prefixes(keys, [mark]) for mark in (*VAVL_MARKS.values(), "projav1."))


def vavl_part(file: str, state: Mapping[str, Tensor]) -> State:
    """The tensors of one of VAVL's files as ``file:key``, without the prefixes and infixes of wrappers."""
    named = {plain(key): value for key, value in state.items()}
    before = prefixes(named, [VAVL_MARKS.get(VAVL_FILES[file], "projav1.")])
    bare = {k.removeprefix(before[0]): v for k, v in named.items() if k.startswith(before[0])} if before else unwrapped(named)
    return {f"{file}:{key}": value for key, value in bare.items()}


def _encoder_key(part: str, key: str) -> str:
    if key.startswith("conv_1d"):
        return f"project.{part}.weight"
    if key.startswith("layer_norm."):
        return f"shared_norm.{key.removeprefix('layer_norm.')}"
    key = re.sub(r"^x_(acoustic|visual|shared)\.", "", key)
    key = first_fitting(key, _CONFORMER)
    return f"shared.{key}" if part == "shared" else f"own.{part}.{key}"
