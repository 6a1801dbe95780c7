"""State_dicts as the public repositories' classes write them, of any size, with weights by the rule of ``tests.reference``."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from tests.reference import weight

Shapes = dict[str, list[int]]


def filled(shapes: Mapping[str, list[int]], prefix: str = "") -> dict[str, Tensor]:
    return {key: weight(key, shape, prefix) for key, shape in shapes.items()}


def fairseq_encoder(name: str, width: int, layers: int, alpha: bool = False) -> Shapes:
    """MulT's encoder, which AuxFormer took over."""
    shapes: Shapes = {f"{name}.version": [1], f"{name}.layer_norm.weight": [width], f"{name}.layer_norm.bias": [width]}
    for i in range(layers):
        layer = f"{name}.layers.{i}"
        shapes |= {
            f"{layer}.self_attn.in_proj_weight": [3 * width, width], f"{layer}.self_attn.in_proj_bias": [3 * width],
            f"{layer}.self_attn.out_proj.weight": [width, width], f"{layer}.self_attn.out_proj.bias": [width],
            f"{layer}.fc1.weight": [4 * width, width], f"{layer}.fc1.bias": [4 * width],
            f"{layer}.fc2.weight": [width, 4 * width], f"{layer}.fc2.bias": [width],
        }  # fmt: skip
        shapes |= {f"{layer}.layer_norms.{n}.{kind}": [width] for n in (0, 1) for kind in ("weight", "bias")}
        shapes |= {f"{layer}.alpha": [1]} if alpha else {}
    return shapes


def auxformer(width: int = 50, audio: int = 1024, visual: int = 50, layers: int = 5, classes: int = 6) -> Shapes:
    """Version 2 where the audio is projected and the picture is not; version 1 the other way round."""
    shapes = {f"conv_1d_{m}.weight": [width, dim, 1] for m, dim in (("a", audio), ("v", visual)) if dim != width}
    for name in ("trans_a_with_v", "trans_v_with_a", "a_mem", "v_mem"):
        shapes |= fairseq_encoder(name, width, layers)
    for name in ("trans_a_mem", "trans_v_mem"):
        shapes |= fairseq_encoder(name, width, layers, alpha=True)
    sizes = {"proj_aux1": (512, width), "proj_aux2": (256, 512), "proj_aux3": (width, 256), "out_layer_aux": (classes, width)}
    sizes |= {"proj1": (2 * width,) * 2, "proj2": (2 * width,) * 2, "out_layer": (classes, 2 * width)}
    for name, (rows, columns) in sizes.items():
        shapes |= {f"{name}.weight": [rows, columns], f"{name}.bias": [rows]}
    return shapes


def mult(dims: Mapping[str, int], width: int = 30, outputs: int = 1, layers: int = 5, memory: int = 5) -> Shapes:
    """``dims``: modality (l, a, v) -> features a frame."""
    names = list(dims)
    token = len(names) * (len(names) - 1) * width
    shapes = {f"proj_{m}.weight": [width, dim, 1] for m, dim in dims.items()}
    for query in names:
        for key in (key for key in names if key != query):
            shapes |= fairseq_encoder(f"trans_{query}_with_{key}", width, layers)
        shapes |= fairseq_encoder(f"trans_{query}_mem", (len(names) - 1) * width, memory)
    for name, rows in (("proj1", token), ("proj2", token), ("out_layer", outputs)):
        shapes |= {f"{name}.weight": [rows, token], f"{name}.bias": [rows]}
    return shapes


def uavm(audio: int = 8, visual: int = 12, width: int = 8, layers: int = 1, classes: int = 4, steps: int = 30) -> Shapes:
    shapes: Shapes = {}
    for part, dim in (("a", audio), ("v", visual), ("s", width)):
        own = f"{part}_trans"
        shapes |= {f"{own}.pos_embed": [1, steps, width], f"{own}.in_proj.weight": [width, dim], f"{own}.in_proj.bias": [width]}
        for i in range(layers):
            block = f"{own}.blocks.{i}"
            shapes |= {f"{block}.attn.qkv.weight": [3 * width, width]}
            for name, rows, columns in (
                ("attn.proj", width, width),
                ("mlp.fc1", 4 * width, width),
                ("mlp.fc2", width, 4 * width),
            ):
                shapes |= {f"{block}.{name}.weight": [rows, columns], f"{block}.{name}.bias": [rows]}
            shapes |= {f"{block}.{n}.{k}": [width] for n in ("norm1", "norm2") for k in ("weight", "bias")}
        shapes |= {f"{own}.in_layernorm.{k}": [dim] for k in ("weight", "bias")}
        shapes |= {f"{own}.mlp_head.0.{k}": [width] for k in ("weight", "bias")}
        shapes |= {f"{own}.mlp_head.1.weight": [classes, width], f"{own}.mlp_head.1.bias": [classes]}
    return shapes


def sfav(fusion: str, audio: int = 10, visual: int = 1024, classes: int = 8) -> Shapes:
    """From its face network's features on, and that network's first convolution."""
    shapes: Shapes = {"visual_model.conv1.0.weight": [29, 3, 3, 3]}
    for part, widths in (("audio", (audio, 64, 128, 256, 128)), ("visual", (visual, 64, 64, 128, 128))):
        for i in range(4):
            block = f"{part}_model.conv1d_{i}"
            shapes |= {f"{block}.0.weight": [widths[i + 1], widths[i], 3], f"{block}.0.bias": [widths[i + 1]]}
            shapes |= {f"{block}.1.{kind}": [widths[i + 1]] for kind in ("weight", "bias", "running_mean", "running_var")}
        shapes |= {f"{part}_model.classifier_1.0.weight": [classes, 128], f"{part}_model.classifier_1.0.bias": [classes]}
    number, wide = ("", {"av": (128, 128), "va": (128, 128)}) if fusion == "lt" else ("1", {"av": (128, 64), "va": (64, 128)})
    for name, (query, key) in wide.items():
        own = f"{name}{number}"
        attention = own if fusion == "ia" else f"{own}.attn"
        shapes |= {f"{attention}.q.weight": [query, query], f"{attention}.kv.weight": [2 * query, key]}
        shapes |= {f"{attention}.proj.weight": [query, query], f"{attention}.proj.bias": [query]}
        if fusion != "ia":
            for norm, width in (("norm1_q", query), ("norm1_k", key), ("norm2", query)):
                shapes |= {f"{own}.{norm}.weight": [width], f"{own}.{norm}.bias": [width]}
            shapes |= {f"{own}.mlp.fc1.weight": [2 * query, query], f"{own}.mlp.fc1.bias": [2 * query]}
            shapes |= {f"{own}.mlp.fc2.weight": [query, 2 * query], f"{own}.mlp.fc2.bias": [query]}
    return shapes | {"classifier_1.0.weight": [classes, 256], "classifier_1.0.bias": [classes]}
