"""goncalves2025versatile: VAVL and the baselines that it describes. Conformers and batch norms see a whole batch of clips."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from tests.rewrites.plain import Clip, Weights, encoder, gelu, layer_norm, linear, lstm, relu
from tests.rewrites.robust import as_mult

MODALITIES = ("audio", "visual")
OTHER = {"audio": "visual", "visual": "audio"}


def _silu(x: Tensor) -> Tensor:
    return x / (1 + torch.exp(-x))


def _over_time(x: Tensor, kernel: Tensor, bias: Tensor | None = None, each: bool = False) -> Tensor:
    """A convolution over the frames of [T, D], zeros beyond the ends; ``each`` channel by itself, or all to all."""
    reach = kernel.shape[2] // 2
    rows = []
    for t in range(len(x)):
        total = torch.zeros(len(kernel), dtype=x.dtype)
        for step in range(kernel.shape[2]):
            at = t + step - reach
            if 0 <= at < len(x):
                total = total + (kernel[:, 0, step] * x[at] if each else kernel[:, :, step] @ x[at])
        rows.append(total if bias is None else total + bias)
    return torch.stack(rows)


def _batch_norm(w: Weights, name: str, clips: Sequence[Tensor], present: Sequence[Tensor], training: bool) -> list[Tensor]:
    """Over the present frames of all clips; the absent ones become zeros."""
    if training:
        frames = torch.cat([x[p] for x, p in zip(clips, present, strict=True)])
        mean, variance = frames.mean(0), (frames - frames.mean(0)).square().mean(0)
    else:
        mean, variance = w[f"{name}.running_mean"], w[f"{name}.running_var"]
    made = [(x - mean) / (variance + 1e-5).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"] for x in clips]
    return [x * p[:, None] for x, p in zip(made, present, strict=True)]


def _relative_attention(w: Weights, name: str, x: Tensor, present: Tensor, heads: int) -> Tensor:
    """(q_i + u) k_j + (q_i + v) W r_(i - j), over sqrt of a head's width; keys are the present frames."""
    h, dim = layer_norm(w, f"{name}.norm", x), x.shape[1]
    q, k, v = (linear(w, f"{name}.{part}", h) for part in ("query", "key", "value"))
    size, length = dim // heads, len(x)
    table = torch.zeros(2 * length - 1, dim, dtype=torch.float64)
    for row, distance in enumerate(range(1 - length, length)):
        for i in range(0, dim, 2):
            angle = distance * 10_000 ** (-i / dim)
            table[row, i], table[row, i + 1] = math.sin(angle), math.cos(angle)
    r = linear(w, f"{name}.position", table)
    keys = present.nonzero()[:, 0].tolist()
    parts = []
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        content = q[:, own] + w[f"{name}.content_bias"][head]
        position = q[:, own] + w[f"{name}.position_bias"][head]
        logits = torch.stack(
            [
                torch.stack([content[i] @ k[j, own] + position[i] @ r[i - j + length - 1, own] for j in keys])
                for i in range(length)
            ]
        )
        parts.append((logits / math.sqrt(size)).softmax(1) @ v[keys][:, own])
    return linear(w, f"{name}.out", torch.cat(parts, 1))


def _feed_forward(w: Weights, name: str, x: Tensor) -> Tensor:
    return linear(w, f"{name}.4", _silu(linear(w, f"{name}.1", layer_norm(w, f"{name}.0", x))))


def conformer(
    w: Weights, name: str, clips: Sequence[Tensor], present: Sequence[Tensor], heads: int, layers: int, training: bool
) -> list[Tensor]:
    """Macaron layers (Gulati et al. 2020): half a feed-forward, attention, convolution, half a feed-forward, norm."""
    h = [linear(w, f"{name}.input", x) for x in clips]
    for i in range(layers):
        layer = f"{name}.layers.{i}"
        h = [x + 0.5 * _feed_forward(w, f"{layer}.before", x) for x in h]
        h = [x + _relative_attention(w, f"{layer}.attention", x, p, heads) for x, p in zip(h, present, strict=True)]
        gated = []
        for x, p in zip(h, present, strict=True):
            a, b = linear(w, f"{layer}.convolution.gate", layer_norm(w, f"{layer}.convolution.norm", x)).chunk(2, 1)
            gated.append(_over_time(a * torch.sigmoid(b) * p[:, None], w[f"{layer}.convolution.depthwise.weight"], each=True))
        normed = _batch_norm(w, f"{layer}.convolution.batch_norm", gated, present, training)
        h = [x + linear(w, f"{layer}.convolution.out", _silu(y)) for x, y in zip(h, normed, strict=True)]
        h = [layer_norm(w, f"{layer}.norm", x + 0.5 * _feed_forward(w, f"{layer}.after", x)) for x in h]
    return h


def _projected(w: Weights, name: str, clip: tuple[Tensor, Tensor]) -> Tensor:
    return _over_time(clip[0], w[f"{name}.weight"]) * clip[1][:, None]


def _head(w: Weights, name: str, x: Tensor) -> Tensor:
    """Three layers, ReLU after the first alone."""
    return linear(w, f"{name}.4", linear(w, f"{name}.3", relu(linear(w, f"{name}.0", x))))


def vavl_pooled(w: Weights, config: Any, clips: Sequence[Clip], m: str, training: bool) -> dict[int, Tensor]:
    """III-A and III-B for one modality: the mean frame of every clip that has it."""
    has = [i for i, clip in enumerate(clips) if clip[m][1].any()]
    if not has:
        return {}
    present = [clips[i][m][1] for i in has]
    x = [_projected(w, f"project.{m}", clips[i][m]) for i in has]
    own = conformer(w, f"own.{m}", x, present, config.heads, config.layers, training)
    shared = conformer(w, "shared", own, present, config.heads, config.shared_layers, training)
    h = [a + b if config.shared_residual else b for a, b in zip(own, shared, strict=True)]
    return {i: frames[p].mean(0) for i, frames, p in zip(has, h, present, strict=True)}


def vavl(w: Weights, config: Any, clips: Sequence[Clip], training: bool = False) -> list[dict[str, Tensor]]:
    """III-C: of each clip the modalities' predictions, "av", and "rebuilt audio" and "rebuilt visual"."""
    pooled = {m: vavl_pooled(w, config, clips, m, training) for m in MODALITIES}
    made: list[dict[str, Tensor]] = []
    for i in range(len(clips)):
        here = {m: pooled[m][i] for m in MODALITIES if i in pooled[m]}
        answers = {m: _head(w, f"predict.{m}", x) for m, x in here.items()}
        if len(here) == 2 and config.audiovisual == "layers":
            answers["av"] = _head(w, "predict.av", torch.cat([here["audio"], here["visual"]]))
        elif here:
            answers["av"] = sum(list(answers.values())) / len(here)
        if config.reconstruct:
            answers |= {f"rebuilt {m}": _head(w, f"rebuild.{m}", x) for m, x in here.items()}
        made.append(answers)
    return made


def unimodal_conformer(w: Weights, config: Any, clips: Sequence[Clip], training: bool = False) -> list[dict[str, Tensor]]:
    """IV-E, baseline 6, of clips that have the modality."""
    m = config.modality
    present = [clip[m][1] for clip in clips]
    x = [_projected(w, "project", clip[m]) for clip in clips]
    h = conformer(w, "encoder", x, present, config.heads, config.layers, training)
    pooled = [frames[p].mean(0) for frames, p in zip(h, present, strict=True)]
    return [{m: linear(w, "head.3", relu(linear(w, "head.0", x)))} for x in pooled]


def _steps(values: Tensor, present: Tensor, count: int) -> Tensor:
    """The means of ``count`` equal parts of the present frames; short clips repeat frames."""
    frames, n = values[present], int(present.sum())
    rows = [frames[i * n // count : max((i + 1) * n // count, i * n // count + 1)] for i in range(count)]
    return torch.stack([row.mean(0) for row in rows])


def uavm(w: Weights, config: Any, clip: Clip) -> dict[str, Tensor]:
    """II-C: unit frames, steps, a transformer of the modality's own and the shared one; both logits' mean."""
    made = {}
    for m in MODALITIES:
        values, present = clip[m]
        if not present.any():
            continue
        x = _steps(values / values.square().sum(1, keepdim=True).sqrt().clamp(min=1e-12), present, config.steps)
        for part, depth in ((f"own.{m}", config.layers), ("shared", config.shared_layers)):
            x = layer_norm(w, f"{part}.norm", x, 1e-6)
            x = linear(w, f"{part}.project", x) if f"{part}.project.weight" in w else x
            x, _ = encoder(
                w, f"{part}.encoder", x + w[f"{part}.positions"], config.heads, depth, last_norm=False, activation=gelu
            )
        made[m] = linear(w, "head.1", layer_norm(w, "head.0", x.mean(0), 1e-6))
    return made | {"av": sum(made.values()) / len(made)} if made else made


def tlstm(w: Weights, config: Any, clip: Clip) -> dict[str, Tensor]:
    """IV-E, baseline 5, as ``core.models.tlstm`` reads it: own layers, cross layers, one LSTM over either sequence."""
    own, means = {}, []
    for m in MODALITIES:
        x = as_mult(linear(w, f"project.{m}", clip[m][0]))
        own[m], _ = encoder(w, f"own.{m}", x, config.heads, config.layers, among=clip[m][1])
    for m, other in OTHER.items():
        if clip[m][1].any():
            keys = own[other][clip[other][1]]
            h, _ = encoder(w, f"cross.{m}", own[m][clip[m][1]], config.heads, config.cross_layers, keys=keys)
            means.append(lstm(w, "recurrent", h).mean(0))
    return {"av": linear(w, "out", sum(means) / len(means))}


def sfav(w: Weights, config: Any, clips: Sequence[Clip], training: bool = False) -> list[dict[str, Tensor]]:
    """IV-E, baseline 4: two convolutions, gates by each other's attention, two convolutions, the mean."""
    present = {m: [clip[m][1] for clip in clips] for m in MODALITIES}

    def block(name: str, m: str, x: list[Tensor]) -> list[Tensor]:
        kernel, bias = w[f"{name}.convolution.weight"], w[f"{name}.convolution.bias"]
        h = _batch_norm(w, f"{name}.norm", [_over_time(frames, kernel, bias) for frames in x], present[m], training)
        h = [relu(frames) for frames in h]
        if m == "audio":
            h = [torch.maximum(frames, torch.cat([frames[1:], torch.zeros_like(frames[:1])])) for frames in h]
        return [frames * p[:, None] for frames, p in zip(h, present[m], strict=True)]

    x = {m: [clip[m][0] for clip in clips] for m in MODALITIES}
    for m in MODALITIES:
        for i in range(2):
            x[m] = block(f"first.{m}.{i}", m, x[m])
    gated: dict[str, list[Tensor]] = {m: [] for m in MODALITIES}
    for i in range(len(clips)):
        for m, other in OTHER.items():
            asks, keys = present[other][i], present[m][i]
            if not (asks.any() and keys.any()):
                gated[m].append(x[m][i])
                continue
            # How much this modality's frames are asked for by the other's: weights alone, one head.
            q, k = linear(w, f"cross.{other}.query", x[other][i][asks]), linear(w, f"cross.{other}.key", x[m][i][keys])
            asked = (q @ k.T / math.sqrt(q.shape[1])).softmax(1).mean(0) * len(k)
            gate = torch.ones(len(keys), dtype=torch.float64).index_put((keys.nonzero()[:, 0],), asked)
            gated[m].append(x[m][i] * gate[:, None])
    x = gated
    for m in MODALITIES:
        for i in range(2):
            x[m] = block(f"second.{m}.{i}", m, x[m])
    width = w["out.weight"].shape[1] // 2
    pooled = {
        m: [h[p].mean(0) if p.any() else torch.zeros(width, dtype=torch.float64) for h, p in zip(x[m], present[m], strict=True)]
        for m in MODALITIES
    }
    return [{"av": linear(w, "out", torch.cat([pooled["audio"][i], pooled["visual"][i]]))} for i in range(len(clips))]
