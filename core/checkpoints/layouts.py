"""The state_dicts of public repositories, turned into ours: one function a layout."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import torch
from torch import Tensor

from affectscope.core.errors import UserError
from affectscope.core.files.weights import is_bookkeeping, plain, prefixes, unwrapped
from affectscope.core.models.auxformer import AuxFormerConfig
from affectscope.core.models.mult import MulTConfig
from affectscope.core.models.sfav import OTHER, SFAVConfig
from affectscope.core.models.uavm import UAVMConfig
from affectscope.core.models.vavl import VAVLConfig
from affectscope.core.registry import Registry

State = dict[str, Tensor]
# A state_dict whose keys are the layout's own -> our model's config, and its state as our model has it.
Convert = Callable[[State], tuple[Any, State]]
LAYOUTS: Registry[Convert] = Registry("layout")

# How the keys of each begin that no other layout has all of; the first that fits is it.
_MARKS: dict[str, tuple[str, ...]] = {
    "auxformer-v2": ("conv_1d_a.", "proj_aux1.", "trans_a_with_v."),
    "auxformer-v1": ("proj_aux1.", "trans_a_with_v."),
    "mult": ("proj_a.", "proj_v.", "trans_a_with_v.", "trans_a_mem."),
    "vavl": ("final_acoustic_head.pt:", "final_shared_head.pt:"),
    "uavm": ("a_trans.", "v_trans.", "s_trans."),
    "sfav": ("audio_model.conv1d_0.", "visual_model.conv1d_0.", "classifier_1."),
}
# The keys that each layout knows; what else stands beside them is no part of the model.
_OWN = {
    "auxformer-v2": r"(conv_1d_[av]|trans_[av]_with_[av]|trans_[av]_mem|[av]_mem|proj_aux\d|proj\d|out_layer_aux|out_layer)\.",
    "mult": r"(proj_[alv]|trans_[alv]_with_[alv]|trans_[alv]_mem|proj\d|out_layer)\.",
    "vavl": r"[^:]+:(conv_1d|layer_norm\.|x_(acoustic|visual|shared)\.|projav\d\.|out_layer\.)",
    "uavm": r"[avs]_trans\.",
    "sfav": r"(audio|visual)_model\.conv1d_|av1?\.|va1?\.|classifier_1\.",
}
_OWN["auxformer-v1"] = _OWN["auxformer-v2"]
# Of plugins: what their function returns is the whole config, so that nothing is asked of whoever reads a file.
_OF_PLUGINS: set[str] = set()
_MODALITY = {"a": "audio", "v": "visual", "l": "text"}


def add(name: str, marks: Collection[str], known: str, convert: Convert) -> None:
    """Register a layout of a plugin's; one of the same file from before is replaced.

    Args:
        marks: how keys begin, all of which a file of the layout has.
        known: a pattern that each key of the layout begins with; what else stands beside them is left out.

    Raises:
        UserError: when the name is another's, or there is no mark.
    """
    if name in list(LAYOUTS) and (name not in _OF_PLUGINS or _file(LAYOUTS[name]) != _file(convert)):
        raise UserError(f"There is already a layout called {name}: choose another name.")
    if not marks:
        raise UserError(f"The layout {name} needs marks: how keys begin that every file of it has.")
    LAYOUTS.replace(name, convert)
    # The more specific ones first: ours are asked after a person's own.
    _MARKS.update({name: tuple(marks), **{k: _MARKS.pop(k) for k in list(_MARKS) if k != name}})
    _OWN[name] = known
    _OF_PLUGINS.add(name)


def is_plugins(layout: str) -> bool:
    """Whether a layout is a plugin's."""
    return layout in _OF_PLUGINS


def _file(convert: Convert) -> str:
    return getattr(getattr(convert, "__code__", None), "co_filename", "")


def recognise(keys: Collection[str]) -> str | None:
    """The layout that a file's keys are of, whatever stands before them; None where they are of none that is known."""
    keys = {plain(key) for key in keys}
    return next((layout for layout, marks in _MARKS.items() if prefixes(keys, marks)), None)


def own(layout: str, state: Mapping[str, Tensor]) -> tuple[State, list[str], list[str]]:
    """A file's tensors by the keys that the layout has for them.

    Returns:
        The tensors; keys of the file that are no part of the layout; and what stands before other weights of it in the file,
        as an average's.
    """
    named = {plain(key): key for key in state}
    before = prefixes(named, _MARKS[layout])
    if before:
        bare = {key.removeprefix(before[0]): state[old] for key, old in named.items() if key.startswith(before[0])}
    else:
        bare = unwrapped({key: state[old] for key, old in named.items()})
    known = re.compile(_OWN[layout])
    mine = {key: value for key, value in bare.items() if known.match(key) and not is_bookkeeping(key)}
    taken = {f"{before[0] if before else ''}{key}" for key in bare if known.match(key) or is_bookkeeping(key)}
    left_out = [old for key, old in named.items() if before and key not in taken and not is_bookkeeping(key)]
    return mine, left_out, before[1:]


@LAYOUTS.register("auxformer-v1")
@LAYOUTS.register("auxformer-v2")
def auxformer(state: State) -> tuple[AuxFormerConfig, State]:
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
    return config, state


@LAYOUTS.register("mult")
def mult(state: State) -> tuple[MulTConfig, State]:
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
    return config, state


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
# Those without which there is no answer; the others only helped to train it.
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


@LAYOUTS.register("vavl")
def vavl(state: State) -> tuple[VAVLConfig, State]:
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
        reconstruct="rebuild.audio.0.weight" in converted,
    )
    return config, converted


_UAVM_PARTS = {"a": "audio", "v": "visual", "s": "shared"}


@LAYOUTS.register("uavm")
def uavm(state: State) -> tuple[UAVMConfig, State]:
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
    return config, converted


_FUSED = {
    r"(?:attn\.)?q\.": "query.",
    r"attn\.kv\.": "key_value.",
    r"attn\.proj\.": "out.",
    r"norm1_q\.": "query_norm.",
    r"norm1_k\.": "key_norm.",
    r"norm2\.": "feed_forward.0.",
    r"mlp\.fc1\.": "feed_forward.1.",
    r"mlp\.fc2\.": "feed_forward.3.",
}


@LAYOUTS.register("sfav")
def sfav(state: State) -> tuple[SFAVConfig, State]:
    """katerynaCh/multimodal-emotion-recognition with any of its three fusions, from its face network's features on. One head."""
    fusion = "lt" if "av.attn.q.weight" in state else "it" if "av1.attn.q.weight" in state else "ia"
    converted: State = {}
    for key, value in state.items():
        branch = re.match(r"(audio|visual)_model\.conv1d_([0-3])\.([01])\.(.*)", key)
        cross = re.match(r"(av|va)1?\.(.*)", key)
        if branch:
            stage, number = ("first", int(branch[2])) if branch[2] in "01" else ("second", int(branch[2]) - 2)
            kind = ("convolution", "norm")[int(branch[3])]
            converted[f"{stage}.{branch[1]}.{number}.{kind}.{branch[4]}"] = value
        elif cross:
            # "ia" makes values and never uses them.
            if fusion == "ia" and cross[2].startswith("kv."):
                converted[f"cross.{_MODALITY[cross[1][0]]}.key.weight"] = value[: len(value) // 2]
            elif not (fusion == "ia" and cross[2].startswith("proj.")):
                converted[f"cross.{_MODALITY[cross[1][0]]}.{_first_fitting(cross[2], _FUSED)}"] = value
        elif key.startswith("classifier_1.0."):
            converted[f"out.{key.removeprefix('classifier_1.0.')}"] = value
    kernels = {m: [converted[f"{s}.{m}.{i}.convolution.weight"] for s in ("first", "second") for i in (0, 1)] for m in OTHER}
    config = SFAVConfig(
        labels=_labels(converted, "out.weight"),
        fusion=fusion,  # type: ignore[arg-type]
        variant="code",
        audio_dim=kernels["audio"][0].shape[1],
        visual_dim=kernels["visual"][0].shape[1],
        audio_channels=tuple(len(kernel) for kernel in kernels["audio"]),  # type: ignore[arg-type]
        visual_channels=tuple(len(kernel) for kernel in kernels["visual"]),  # type: ignore[arg-type]
    )
    return config, converted


def _first_fitting(key: str, names: Mapping[str, str]) -> str:
    for pattern, name in names.items():
        new, hits = re.subn(f"^{pattern}", name, key)
        if hits:
            return new
    return key


def _vavl_encoder_key(part: str, key: str) -> str:
    if key.startswith("conv_1d"):
        return f"project.{part}.weight"
    if key.startswith("layer_norm."):
        return f"shared_norm.{key.removeprefix('layer_norm.')}"
    key = re.sub(r"^x_(acoustic|visual|shared)\.", "", key)
    key = _first_fitting(key, _CONFORMER)
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
        renamed[key] = _over_one_frame(value) if key.startswith("project.") else value
    return renamed


def _over_one_frame(weight: Tensor) -> Tensor:
    """Projections are convolutions over one frame in the public code."""
    if weight.ndim == 3 and weight.shape[-1] != 1:
        raise UserError(
            f"its projections look at {weight.shape[-1]} frames at once (a kernel over 1), where the public code has a kernel of "
            "1: such a model cannot be read."
        )
    return weight.squeeze(-1)


def _depth(state: State, encoder: str) -> int:
    """How many layers the file holds; counted, since a number in a key may be anything."""
    pattern = re.compile(rf"{re.escape(encoder)}\.layers\.(\d+)\.")
    numbers = {match[1] for key in state if (match := pattern.match(key))}
    if not numbers:
        raise KeyError(f"{encoder}.layers")
    return len(numbers)


VAVL_MARKS = {"audio": "x_acoustic.", "visual": "x_visual.", "shared": "x_shared."}


def is_vavl_part(keys: Collection[str]) -> bool:
    """Whether keys are those of one of VAVL's files."""
    keys = {plain(key) for key in keys}
    return any(prefixes(keys, [mark]) for mark in (*VAVL_MARKS.values(), "projav1."))


def vavl_part(file: str, state: Mapping[str, Tensor]) -> State:
    """The tensors of one of VAVL's files as ``file:key``, without what wrappers put before or into their keys."""
    named = {plain(key): value for key, value in state.items()}
    before = prefixes(named, [VAVL_MARKS.get(VAVL_FILES[file], "projav1.")])
    bare = {k.removeprefix(before[0]): v for k, v in named.items() if k.startswith(before[0])} if before else unwrapped(named)
    return {f"{file}:{key}": value for key, value in bare.items()}


def _labels(state: State, last: str = "main.out.weight") -> tuple[str, ...]:
    """State_dicts do not name their classes."""
    return tuple(f"class {i}" for i in range(len(state[last])))
