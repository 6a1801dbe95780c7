"""The state_dicts of public repositories, turned into ours: one function a layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping

import torch
from torch import Tensor

from core.models.auxformer import AuxFormer, AuxFormerConfig
from core.models.base import AVModel
from core.models.mult import MulT, MulTConfig
from core.models.uavm import UAVM, UAVMConfig
from core.models.vavl import VAVL, VAVLConfig
from core.registry import Registry

State = dict[str, Tensor]
LAYOUTS: Registry[Callable[[State], tuple[AVModel, State]]] = Registry("layout")

# How the keys of each begin that no other layout has all of; the first that fits is it.
_MARKS: dict[str, tuple[str, ...]] = {
    "auxformer-v2": ("conv_1d_a.", "proj_aux1.", "trans_a_with_v."),
    "auxformer-v1": ("proj_aux1.", "trans_a_with_v."),
    "mult": ("proj_a.", "proj_v.", "trans_a_with_v.", "trans_a_mem."),
    "vavl": ("final_acoustic_head.pt:", "final_shared_head.pt:"),
    "uavm": ("a_trans.", "v_trans.", "s_trans."),
}
_MODALITY = {"a": "audio", "v": "visual", "l": "text"}


def recognise(keys: Collection[str]) -> str | None:
    """The layout that a file's keys are of, or None where they are of none that is known."""
    for layout, marks in _MARKS.items():
        if all(any(key.startswith(mark) for key in keys) for mark in marks):
            return layout
    return None


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
            r"proj_aux(\d)": lambda m: f"aux.layers.{int(m[1]) - 1}",
            r"proj(\d)\.": lambda m: f"main.layers.{int(m[1]) - 1}.",
            r"out_layer_aux\.": lambda m: "aux.out.",
            r"out_layer\.": lambda m: "main.out.",
        },
    )
    width = state["aux.out.weight"].shape[1]
    dims = {m: state.get(f"project.{m}.weight", torch.empty(width, width)).shape[1] for m in ("audio", "visual")}
    config = AuxFormerConfig(
        labels=_labels(state),
        variant="code",
        audio_dim=dims["audio"],
        visual_dim=dims["visual"],
        width=width,
        layers=_depth(state, "cross.audio"),
        aux_hidden=(len(state["aux.layers.0.weight"]), len(state["aux.layers.1.weight"])),
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
            r"proj(\d)\.": lambda m: f"main.layers.{int(m[1]) - 1}.",
            r"out_layer\.": lambda m: "main.out.",
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


# One file a module; what each becomes here.
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


@LAYOUTS.register("vavl")
def vavl(state: State) -> tuple[AVModel, State]:
    """ilucasgoncalves/VAVL: a folder of nine state_dict files; keys come as ``file:key``. Eight heads."""
    converted: State = {}
    for name, value in state.items():
        file, key = name.split(":")
        part = VAVL_FILES[file]
        if key.endswith("positional_encoding.pe"):
            continue
        if part in ("audio", "visual", "shared"):
            converted[_vavl_encoder_key(part, key)] = value.squeeze(-1) if re.search(r"sequential\.[27]\.conv", key) else value
        else:
            layer, kind = key.split(".")
            converted[f"{part}.{_HEAD[layer]}.{kind}"] = value
    config = VAVLConfig(
        labels=_labels(converted, "predict.audio.4.weight"),
        variant="code",
        audio_dim=converted["project.audio.weight"].shape[1],
        visual_dim=converted["project.visual.weight"].shape[1],
        projected=len(converted["project.audio.weight"]),
        width=len(converted["shared.input.weight"]),
        layers=_depth(converted, "own.audio"),
        shared_layers=_depth(converted, "shared"),
        kernel=converted["shared.layers.0.convolution.depthwise.weight"].shape[-1],
        hidden=(len(converted["predict.audio.0.weight"]), len(converted["predict.audio.3.weight"])),
    )
    return VAVL(config), converted


_UAVM_PARTS = {"a": "audio", "v": "visual", "s": "shared"}


@LAYOUTS.register("uavm")
def uavm(state: State) -> tuple[AVModel, State]:
    """YuanGongND/uavm with layers of both kinds, as wide in the shared part as in the others. Four heads."""
    widths = {part: state[f"{letter}_trans.in_proj.weight"].shape for letter, part in _UAVM_PARTS.items()}

    def own(match: re.Match[str]) -> str:
        return "shared." if match[1] == "s" else f"own.{_MODALITY[match[1]]}."

    def project(match: re.Match[str]) -> str:
        part = _UAVM_PARTS[match[1]]
        width, dim = widths[part]
        return f"idle_project.{part}." if width == dim else f"own.{part}.project."

    converted = _renamed(
        {key: value.squeeze(0) if key.endswith("pos_embed") else value for key, value in state.items()},
        {
            r"s_trans\.mlp_head\.": lambda m: "head.",
            r"([av])_trans\.mlp_head\.": lambda m: f"idle_head.{_MODALITY[m[1]]}.",
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
        labels=_labels(converted, "head.1.weight"),
        audio_dim=widths["audio"][1],
        visual_dim=widths["visual"][1],
        width=widths["shared"][0],
        layers=_depth(converted, "own.audio.encoder"),
        shared_layers=_depth(converted, "shared.encoder"),
        steps=len(converted["shared.positions"]),
    )
    return UAVM(config), converted


def _vavl_encoder_key(part: str, key: str) -> str:
    if key.startswith("conv_1d"):
        return f"project.{part}.weight"
    if key.startswith("layer_norm."):
        return f"shared_norm.{key.removeprefix('layer_norm.')}"
    key = re.sub(r"^x_(acoustic|visual|shared)\.", "", key)
    for pattern, name in _CONFORMER.items():
        key, hits = re.subn(f"^{pattern}", name, key)
        if hits:
            break
    return f"shared.{key}" if part == "shared" else f"own.{part}.{key}"


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
    """How many layers the file holds; counted, since a number in a key may be anything."""
    pattern = re.compile(rf"{re.escape(encoder)}\.layers\.(\d+)\.")
    found = {match[1] for key in state if (match := pattern.match(key))}
    if not found:
        raise KeyError(f"{encoder}.layers")
    return len(found)


def _labels(state: State, last: str = "main.out.weight") -> tuple[str, ...]:
    """State_dicts do not name their classes."""
    return tuple(f"class {i}" for i in range(len(state[last])))
