"""AuxFormer and VAVL against a plain writing of them from torch's own modules, with the same weights, in turn in one process.

What the public code does is here said with ``nn.MultiheadAttention``, ``nn.Conv1d`` and no care for speed: written anew, from the
description in our own docstrings, so that a ratio can be measured where the public code may not lie. Both must say the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.inference.precision import has_bf16
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.models.base import AVModel
from affectscope.core.models.vavl import VAVL
from affectscope.core.streams import Batch
from benchmarks.models import best, gflops, operations, whole_batch

BATCHES = (1, 32)
# Least ratio to the plain writing that is wanted: of the pass in float32, or in bfloat16 where the machine has it.
WANTED = {("auxformer", 1): 2.0, ("vavl", 32): 2.0}
MOST_LOGITS = 1e-2


def main(device: str = "cpu") -> None:
    print(
        f"torch {torch.__version__}, {torch.get_num_threads()} threads; the public code's variant, published sizes, six classes"
    )
    peak = gflops(torch.float32, device)
    print(f"matrix products reach {peak:,.0f} GFLOP/s in float32", end="")
    print(f", {gflops(torch.bfloat16, device):,.0f} in bfloat16" if has_bf16(device) else "; bfloat16 is not multiplied here")
    for system, plain in ((AuxFormer, PlainAuxFormer), (VAVL, PlainVAVL)):
        torch.manual_seed(0)
        model = system.preset("paper", variant="code").eval().to(device)
        other = plain(model).eval()
        for size in BATCHES:
            _compare(model, other, whole_batch(model, size).to(device), device, peak)


@torch.inference_mode()
def _compare(model: AVModel, other: nn.Module, batch: Batch, device: str, peak: float) -> None:
    name, size = model.spec.system, len(batch)
    ours, theirs = model(batch).predictions, other(batch)
    apart = max(float((ours[head] - theirs[head]).abs().max()) for head in ours)
    assert apart < 1e-4, f"{name} says another thing than its plain writing: {apart:g}"
    plain, exact, near = _in_turn(
        [lambda: other(batch), lambda: model(batch), lambda: _as(model, batch, "bf16") if has_bf16(device) else None], device
    )
    share = operations(model, batch) / exact / peak / 1e9
    wanted = WANTED.get((name, size))
    line = f"  {name:<10} batch {size:2}: plain {1e3 * plain:8.1f} ms, ours {1e3 * exact:8.1f} ms, {plain / exact:4.2f} times"
    line += f" as fast, {share:.0%} of the peak, logits {apart:.0e} apart"
    if has_bf16(device):
        moved = max(float((_as(model, batch, "bf16")[head] - ours[head]).abs().max()) for head in ours)
        line += f"; in bfloat16 {1e3 * near:8.1f} ms, {plain / near:4.2f} times, logits {moved:.1e} apart"
    print(line)
    if wanted:
        most = plain / min(exact, near) if has_bf16(device) else plain / exact
        print(
            f"  {name:<10} batch {size:2}: {most:.2f} times as fast  target {wanted:g}: {'met' if most >= wanted else 'MISSED'}"
        )


def _as(model: AVModel, batch: Batch, precision: str) -> dict[str, Tensor]:
    before, model.precision = model.precision, precision  # type: ignore[assignment]
    try:
        return dict(model(batch).predictions)
    finally:
        model.precision = before


def _in_turn(actions: list[Callable[[], object]], device: str, rounds: int = 3) -> list[float]:
    """Seconds of the fastest run of each, one after the other: what else runs here then slows all alike."""
    times = [[best(action, device) for action in actions] for _ in range(rounds)]
    return [min(column) for column in zip(*times, strict=True)]


class _Encoder(nn.Module):
    """MulT's encoder: inputs times sqrt(D), with or without places, pre-norm layers, one norm at the end."""

    def __init__(self, ours: nn.Module, places: bool) -> None:
        super().__init__()
        self.layers, self.norm, self.places = ours.layers, ours.layer_norm, places
        config = ours.config
        self.attention = nn.ModuleList()
        for layer in ours.layers:
            made = nn.MultiheadAttention(config.dim, config.heads, batch_first=True)
            made.load_state_dict(layer.self_attn.state_dict())
            self.attention.append(made)

    def forward(self, x: Tensor, key: Tensor | None = None) -> Tensor:
        x, key = self._embedded(x), None if key is None else self._embedded(key)
        rows, columns = x.shape[1], (x if key is None else key).shape[1]
        later = torch.ones(rows, columns, dtype=torch.bool, device=x.device).triu(1 + abs(columns - rows))
        for layer, attention in zip(self.layers, self.attention, strict=True):
            normed = layer.layer_norms[0](x)
            keys = normed if key is None else layer.layer_norms[0](key)
            x = self._add(layer, x, attention(normed, keys, keys, attn_mask=later, need_weights=False)[0])
            x = self._add(layer, x, layer.fc2(F.relu(layer.fc1(layer.layer_norms[1](x)))))
        return self.norm(x)

    def _add(self, layer: nn.Module, x: Tensor, branch: Tensor) -> Tensor:
        alpha = getattr(layer, "alpha", None)
        return x + branch if alpha is None else alpha * x + (1 - alpha) * branch

    def _embedded(self, x: Tensor) -> Tensor:
        dim, y = x.shape[2], x * math.sqrt(x.shape[2])
        if not self.places:
            return y
        half = dim // 2
        angle = torch.arange(1, x.shape[1] + 1, device=x.device)[:, None] * torch.exp(
            torch.arange(half, device=x.device) * -(math.log(10_000) / (half - 1))
        )
        return y + torch.cat([angle.sin(), angle.cos()], 1)


class PlainAuxFormer(nn.Module):
    """The public code's road: six encoders, the auxiliary ones three times in a row, all heads."""

    def __init__(self, ours: AuxFormer) -> None:
        super().__init__()
        self.ours = ours
        for kind in ("cross", "fused", "auxiliary"):
            made = {m: _Encoder(encoder, kind == "cross") for m, encoder in getattr(ours, kind).items()}
            setattr(self, kind, nn.ModuleDict(made))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        # Sound is projected only where it has another width than the encoders.
        own = self.ours.project
        audio, visual = (own[m](batch.values[m]) if m in own else batch.values[m] for m in ("audio", "visual"))
        tokens = [
            self.fused["audio"](self.cross["audio"](audio, visual))[:, -1],
            self.fused["visual"](self.cross["visual"](visual, audio))[:, -1],
        ]
        logits = {"av": self.ours.main(torch.cat(tokens, 1))[0]}
        for m, x in (("audio", audio), ("visual", visual)):
            for _ in range(3):
                x = self.auxiliary[m](x)
            logits[m] = self.ours.aux(x[:, -1])[0]
        return logits


class PlainVAVL(nn.Module):
    """The public code's road: conformers over the batch, frame by frame, with the old relative shift."""

    def __init__(self, ours: VAVL) -> None:
        super().__init__()
        self.ours = ours

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        ours, pooled = self.ours, {}
        for m, x in batch.values.items():
            h = ours.project[m](x.transpose(1, 2)).permute(2, 0, 1)
            own = self._conformer(ours.own[m], h)
            pooled[m] = ours.shared_norm(own + self._conformer(ours.shared, own)).mean(0)
        logits = {m: ours.predict[m](h) for m, h in pooled.items()}
        return logits | {"av": ours.predict["av"](torch.cat([pooled["audio"], pooled["visual"]], 1))}

    def _conformer(self, part: nn.Module, x: Tensor) -> Tensor:
        x = part.input(x)
        for layer in part.layers:
            x = x + 0.5 * layer.before(x)
            x = x + self._attention(layer.attention, x)
            c = layer.convolution
            h = F.glu(c.gate(c.norm(x)).transpose(1, 2), 1)
            x = x + c.out(F.silu(c.batch_norm(c.depthwise(h))).transpose(1, 2))
            x = layer.norm(x + 0.5 * layer.after(x))
        return x

    def _attention(self, attention: nn.Module, x: Tensor) -> Tensor:
        config, rows, length = attention.config, len(x), x.shape[1]
        size = config.dim // config.heads
        h = attention.norm(x)
        q = attention.query(h).view(rows, length, config.heads, size)
        k, v = (part(h).view(rows, length, config.heads, size).transpose(1, 2) for part in (attention.key, attention.value))
        frequency = torch.exp(torch.arange(0, config.dim, 2, device=x.device) * (-math.log(10_000) / config.dim))
        angle = torch.arange(length, device=x.device)[:, None] * frequency
        table = torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
        p = attention.position(table).view(1, length, config.heads, size).repeat(rows, 1, 1, 1).permute(0, 2, 3, 1)
        content = (q + attention.content_bias).transpose(1, 2) @ k.transpose(2, 3)
        position = (q + attention.position_bias).transpose(1, 2) @ p
        zeros = position.new_zeros(rows, config.heads, length, 1)
        padded = torch.cat([zeros, position], -1).view(rows, config.heads, length + 1, length)
        position = padded[:, :, 1:].reshape(position.shape)
        weights = ((content + position) / math.sqrt(config.dim)).softmax(-1)
        return attention.out((weights @ v).transpose(1, 2).reshape(rows, length, config.dim))


if __name__ == "__main__":
    main()
