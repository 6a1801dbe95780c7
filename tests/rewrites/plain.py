"""What several systems are made of, one clip at a time."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Weights = Mapping[str, Tensor]
Clip = Mapping[str, tuple[Tensor, Tensor]]


def linear(w: Weights, name: str, x: Tensor) -> Tensor:
    y = x @ w[f"{name}.weight"].T
    return y + w[f"{name}.bias"] if f"{name}.bias" in w else y


def layer_norm(w: Weights, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
    centred = x - x.mean(-1, keepdim=True)
    return centred / (centred.square().mean(-1, keepdim=True) + eps).sqrt() * w[f"{name}.weight"] + w[f"{name}.bias"]


def gelu(x: Tensor) -> Tensor:
    return x * 0.5 * (1 + torch.erf(x / math.sqrt(2)))


def relu(x: Tensor) -> Tensor:
    return x * (x > 0)


def sines_then_cosines(length: int, dim: int) -> Tensor:
    """MulT's table: row t is for place t + 1."""
    half = dim // 2
    table = torch.zeros(length, dim, dtype=torch.float64)
    for t in range(length):
        for i in range(half):
            angle = (t + 1) * 10_000 ** (-i / max(half - 1, 1))
            table[t, i], table[t, half + i] = math.sin(angle), math.cos(angle)
    return table


def heads_of(q: Tensor, k: Tensor, v: Tensor, heads: int, divisor: float) -> Tensor:
    """softmax(q k^T / divisor) v for each head [Tq, D]; zeros where there is no key."""
    if not len(k):
        return torch.zeros(len(q), v.shape[1], dtype=q.dtype)
    size = q.shape[1] // heads
    parts = []
    for h in range(heads):
        own = slice(h * size, (h + 1) * size)
        logits = torch.einsum("qd,kd->qk", q[:, own], k[:, own]) / divisor
        weights = torch.exp(logits - logits.max(1, keepdim=True).values)
        parts.append(weights / weights.sum(1, keepdim=True) @ v[:, own])
    return torch.cat(parts, 1)


def multi_head(w: Weights, name: str, query: Tensor, key: Tensor, heads: int, by_length: bool = False) -> Tensor:
    """torch's multi-head attention; logits over sqrt of a head's width, or of how many keys there are."""
    thirds = w[f"{name}.in_proj_weight"].chunk(3)
    biases = w[f"{name}.in_proj_bias"].chunk(3) if f"{name}.in_proj_bias" in w else (0, 0, 0)
    q, k, v = (x @ third.T + bias for x, third, bias in zip((query, key, key), thirds, biases, strict=True))
    divisor = math.sqrt(max(1, len(key)) if by_length else q.shape[1] // heads)
    return linear(w, f"{name}.out_proj", heads_of(q, k, v, heads, divisor))


def encoder(
    w: Weights,
    name: str,
    x: Tensor,
    heads: int,
    layers: int,
    keys: Tensor | None = None,
    among: Tensor | None = None,
    published: bool = False,
    scaled: bool = False,
    last_norm: bool = True,
    activation: Callable[[Tensor], Tensor] = relu,
) -> tuple[Tensor, list[Tensor]]:
    """Pre-norm layers over ``x`` [T, D]: the last frames (after the final norm, if there is one), and those of each layer.

    Args:
        keys: fixed keys, normalised anew by each layer; without them the rows of ``x`` that ``among`` [T] names.
        published: as goncalves2022robust has it (Eq. 2 and 4): logits over sqrt of how many keys there are, a norm on the
            feed-forward's branch, none at the end.
        scaled: alpha a layer (3.3).
    """
    states = []
    last_norm = last_norm and not published
    assert (f"{name}.layer_norm.weight" in w) == last_norm
    for i in range(layers):
        layer = f"{name}.layers.{i}"
        normed = layer_norm(w, f"{layer}.layer_norms.0", x)
        looked_at = (
            layer_norm(w, f"{layer}.layer_norms.0", keys) if keys is not None else normed if among is None else normed[among]
        )
        assert (f"{layer}.alpha" in w) == scaled
        assert (f"{layer}.branch_norm.weight" in w) == published
        share, rest = (w[f"{layer}.alpha"], 1 - w[f"{layer}.alpha"]) if scaled else (1, 1)
        x = share * x + rest * multi_head(w, f"{layer}.self_attn", normed, looked_at, heads, published)
        branch = linear(w, f"{layer}.fc2", activation(linear(w, f"{layer}.fc1", layer_norm(w, f"{layer}.layer_norms.1", x))))
        if published:
            branch = layer_norm(w, f"{layer}.branch_norm", branch)
        x = share * x + rest * branch
        states.append(x)
    return (layer_norm(w, f"{name}.layer_norm", x) if last_norm else x), states


def residual_classifier(w: Weights, name: str, token: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    h = token
    for i in range(depth):
        h = linear(w, f"{name}.layers.{i}", h)
        h = relu(h) if i < depth - 1 else h
    return linear(w, f"{name}.out", h + token), h + token


def gru(w: Weights, name: str, x: Tensor, layers: int = 1) -> Tensor:
    for i in range(layers):
        h, out = torch.zeros(w[f"{name}.weight_hh_l{i}"].shape[1], dtype=x.dtype), []
        for frame in x:
            a = (w[f"{name}.weight_ih_l{i}"] @ frame + w[f"{name}.bias_ih_l{i}"]).chunk(3)
            b = (w[f"{name}.weight_hh_l{i}"] @ h + w[f"{name}.bias_hh_l{i}"]).chunk(3)
            reset, update = torch.sigmoid(a[0] + b[0]), torch.sigmoid(a[1] + b[1])
            h = (1 - update) * torch.tanh(a[2] + reset * b[2]) + update * h
            out.append(h)
        x = torch.stack(out)
    return x


def lstm(w: Weights, name: str, x: Tensor) -> Tensor:
    h = cell = torch.zeros(w[f"{name}.weight_hh_l0"].shape[1], dtype=x.dtype)
    out = []
    for frame in x:
        gates = (
            w[f"{name}.weight_ih_l0"] @ frame + w[f"{name}.bias_ih_l0"] + w[f"{name}.weight_hh_l0"] @ h + w[f"{name}.bias_hh_l0"]
        )
        into, forget, new, outward = gates.chunk(4)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(into) * torch.tanh(new)
        h = torch.sigmoid(outward) * torch.tanh(cell)
        out.append(h)
    return torch.stack(out)


def asking(present: Tensor) -> Tensor:
    """Places of the present frames; the first place of a clip that has none."""
    found = present.nonzero()[:, 0]
    return found if len(found) else torch.tensor([0])


def cross_entropy(logits: Sequence[Tensor], answers: Sequence[int]) -> Tensor:
    costs = [torch.log(torch.exp(x - x.max()).sum()) + x.max() - x[i] for x, i in zip(logits, answers, strict=True)]
    return torch.stack(costs).mean()


def weighted_losses(heads: Sequence[Mapping[str, Tensor]], answers: Sequence[int], lambdas: Mapping[str, float]) -> Tensor:
    """Every head's cross-entropy over the clips that it has a prediction of, weighted and added up."""
    total = torch.zeros((), dtype=torch.float64)
    for head, weight in lambdas.items():
        seen = [i for i, answer in enumerate(heads) if head in answer]
        if seen:
            total = total + weight * cross_entropy([heads[i][head] for i in seen], [answers[i] for i in seen])
    return total
