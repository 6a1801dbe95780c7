"""goncalves2022robust and goncalves2022auxformer: the model and its four baselines."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from tests.rewrites.plain import (
    Clip,
    Weights,
    asking,
    encoder,
    gru,
    linear,
    lstm,
    multi_head,
    residual_classifier,
    sines_then_cosines,
)

OTHER = {"audio": "visual", "visual": "audio"}


def _embedded(w: Weights, clip: Clip, m: str, width: int, positions: bool = True) -> Tensor:
    """3.1 and Eq. 1: the projection, where there is one, and the place of each frame."""
    x = clip[m][0]
    x = linear(w, f"project.{m}", x) if f"project.{m}.weight" in w else x
    return x + sines_then_cosines(len(x), width) if positions else x


def auxformer(w: Weights, config: Any, clip: Clip) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Sections 3.1 to 3.6 of one clip: the heads that it has evidence for, and vectors by name."""
    sizes = {"heads": config.heads, "layers": config.layers, "published": True}
    x, place, asks = {}, {}, {}
    for m in OTHER:
        values, present = clip[m]
        if config.token == "prepended":
            own = linear(w, f"project.{m}", values) if f"project.{m}.weight" in w else values
            rows = torch.cat([w[f"token.{m}"][None], own])
            x[m] = rows + sines_then_cosines(len(rows), config.width) if config.positions else rows
            # The token asks in any case, and is looked at where a frame is there too.
            place[m] = (
                torch.cat([torch.tensor([0]), present.nonzero()[:, 0] + 1]) if present.any() else torch.tensor([], dtype=int)
            )
            asks[m] = place[m] if present.any() else torch.tensor([0])
        else:
            x[m] = _embedded(w, clip, m, config.width, config.positions)
            place[m], asks[m] = present.nonzero()[:, 0], asking(present)
    logits, vectors, tokens = {}, {}, {}

    def token(h: Tensor) -> Tensor:
        return {"last": h[-1], "prepended": h[0], "mean": h.mean(0)}[config.token]

    for m, other in OTHER.items():
        h, states = encoder(w, f"cross.{m}", x[m][asks[m]], keys=x[other][place[other]], **sizes)
        vectors |= {f"cross layer {i + 1} {m}": state.mean(0) for i, state in enumerate(states)}
        if config.refine == "scaled":
            h, _ = encoder(w, f"fused.{m}", h, scaled=True, **sizes)
        elif config.refine != "none":
            h = {"lstm": lstm, "gru": gru}[config.refine](w, f"fused.{m}", h)
        tokens[m] = token(h)
    logits["av"], vectors["fused"] = residual_classifier(w, "main", torch.cat([tokens["audio"], tokens["visual"]]), 2)
    for m in OTHER if config.auxiliary else ():
        if clip[m][1].any():
            h, _ = encoder(w, f"auxiliary.{m}", x[m], among=place[m], **sizes)
            logits[m], vectors[m] = residual_classifier(w, "aux", token(h[asks[m]]), len(config.aux_hidden) + 1)
    if not any(clip[m][1].any() for m in OTHER):
        del logits["av"]
    return logits, vectors


def unimodal_attention(w: Weights, config: Any, clip: Clip) -> dict[str, Tensor]:
    """4.5.4 of goncalves2022robust, of a clip that has the modality."""
    values, present = clip[config.modality]
    x = linear(w, "project", values) if "project.weight" in w else values
    x = x + sines_then_cosines(len(x), config.width)
    asks = asking(present)
    made = {}
    for head, name, parts, depth in (("main", "refined", "main", 2), ("auxiliary", "auxiliary", "aux", 3)):
        h, _ = encoder(w, name, x[asks], config.heads, config.layers, published=True, scaled=name == "refined")
        made[head], _ = residual_classifier(w, parts, h[-1], depth)
    return made


def as_mult(x: Tensor) -> Tensor:
    """An encoder's input: times sqrt(D), and its place, save where the first feature is exactly zero."""
    table = sines_then_cosines(len(x), x.shape[1])
    return torch.stack([row * math.sqrt(x.shape[1]) + (table[t] if row[0] != 0 else 0) for t, row in enumerate(x)])


def mult(w: Weights, config: Any, clip: Clip) -> dict[str, Tensor]:
    """Two or more modalities, each of which queries every other."""
    names = [name for name, _ in config.inputs]
    x = {m: linear(w, f"project.{m}", clip[m][0]) for m in names}
    tokens = []
    for m in names:
        asks, seen = asking(clip[m][1]), []
        for other in names:
            if other != m:
                keys = as_mult(x[other])[clip[other][1]]
                seen.append(encoder(w, f"cross.{m}_asks_{other}", as_mult(x[m]), config.heads, config.layers, keys=keys)[0])
        h, _ = encoder(w, f"memory.{m}", as_mult(torch.cat(seen, 1)), config.heads, config.memory_layers, among=asks)
        tokens.append(h[asks[-1]])
    return {"av": residual_classifier(w, "main", torch.cat(tokens), 2)[0]}


def cross_modal(w: Weights, config: Any, clip: Clip, residual: bool = True) -> dict[str, Tensor]:
    """What each modality contributes [T, D], with alpha and beta in it (parthasarathy2020detecting, section 3)."""
    names = [m for m in OTHER if f"encode.encoders.{m}.layers.0.fc1.weight" in w]
    encoded, contributions = {}, {}
    for m in names:
        x = clip[m][0]
        x = linear(w, f"encode.project.{m}", x) if f"encode.project.{m}.weight" in w else x
        x = x + sines_then_cosines(len(x), config.width)
        encoded[m], _ = encoder(w, f"encode.encoders.{m}", x, config.heads, config.layers, among=clip[m][1])
    for m in names:
        if len(names) == 1:
            contributions[m] = encoded[m] * clip[m][1][:, None]
            continue
        there = clip[OTHER[m]][1]
        context = multi_head(w, f"encode.cross.{m}", encoded[m], encoded[OTHER[m]][there], config.heads)
        context = w[f"encode.scalars.{m}"] * (context if there.any() else torch.zeros_like(context))
        contributions[m] = (encoded[m] + context) * clip[m][1][:, None] if residual else context
    return contributions


def crossmodal(w: Weights, config: Any, clip: Clip) -> dict[str, Tensor]:
    """4.5.3 of goncalves2022robust: both contributions' means over their frames, added, and one layer."""
    parts = cross_modal(w, config, clip)
    pooled = [parts[m][clip[m][1]].mean(0) if clip[m][1].any() else torch.zeros(config.width, dtype=torch.float64) for m in OTHER]
    return {"av": linear(w, "out", pooled[0] + pooled[1])}
