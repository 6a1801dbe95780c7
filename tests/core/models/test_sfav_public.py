"""SFAV's public checkpoints against the public code, written down anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from affectscope.core.checkpoints import foreign
from affectscope.core.streams import Batch
from tests import public_states as public
from tests.reference import golden_state, needs_shared


def saved(path: Path, content: object) -> Path:
    torch.save(content, path)
    return path


def sfav_by_hand(state: dict[str, Tensor], fusion: str, audio: Tensor, visual: Tensor) -> Tensor:
    """The public code from its face network's features on, written down anew: audio [B, Ta, 10], visual [B, Tv, 1024]."""

    def block(x: Tensor, name: str, pool: bool) -> Tensor:
        x = F.conv1d(x, state[f"{name}.0.weight"], state[f"{name}.0.bias"], padding=0 if pool else 1)
        x = F.batch_norm(x, *(state[f"{name}.1.{k}"] for k in ("running_mean", "running_var", "weight", "bias")))
        return F.max_pool1d(F.relu(x), 2, 1) if pool else F.relu(x)

    def stage(x: dict[str, Tensor], numbers: tuple[int, int]) -> dict[str, Tensor]:
        for i in numbers:
            x = {m: block(v, f"{m}_model.conv1d_{i}", m == "audio") for m, v in x.items()}
        return x

    def attention(name: str, query: Tensor, key: Tensor) -> tuple[Tensor, Tensor]:
        q = query @ state[f"{name}.q.weight"].T
        k, v = (key @ state[f"{name}.kv.weight"].T).chunk(2, -1)
        weights = (q @ k.transpose(1, 2) / q.shape[-1] ** 0.5).softmax(-1)
        return weights, F.linear(weights @ v, state[f"{name}.proj.weight"], state[f"{name}.proj.bias"])

    def fused(name: str, query: Tensor, key: Tensor) -> Tensor:
        def norm(x: Tensor, kind: str) -> Tensor:
            return F.layer_norm(x, x.shape[-1:], state[f"{name}.{kind}.weight"], state[f"{name}.{kind}.bias"])

        h = attention(f"{name}.attn", norm(query, "norm1_q"), norm(key, "norm1_k"))[1]
        inner = F.gelu(F.linear(norm(h, "norm2"), state[f"{name}.mlp.fc1.weight"], state[f"{name}.mlp.fc1.bias"]))
        return h + F.linear(inner, state[f"{name}.mlp.fc2.weight"], state[f"{name}.mlp.fc2.bias"])

    x = stage({"audio": audio.transpose(1, 2), "visual": visual.transpose(1, 2)}, (0, 1))
    if fusion == "lt":
        x = stage(x, (2, 3))
    a, v = x["audio"].transpose(1, 2), x["visual"].transpose(1, 2)
    if fusion == "lt":
        pooled = [fused("av", a, v).mean(1), fused("va", v, a).mean(1)]
        return F.linear(torch.cat(pooled, 1), state["classifier_1.0.weight"], state["classifier_1.0.bias"])
    if fusion == "it":
        x = {"audio": x["audio"] + fused("av1", a, v).transpose(1, 2), "visual": x["visual"] + fused("va1", v, a).transpose(1, 2)}
    else:
        gate_v, gate_a = attention("av1", a, v)[0].sum(1), attention("va1", v, a)[0].sum(1)
        x = {"audio": x["audio"] * gate_a[:, None], "visual": x["visual"] * gate_v[:, None]}
    x = stage(x, (2, 3))
    return F.linear(
        torch.cat([x["audio"].mean(-1), x["visual"].mean(-1)], 1), state["classifier_1.0.weight"], state["classifier_1.0.bias"]
    )


@pytest.mark.parametrize("fusion", ["ia", "it", "lt"])
def test_sfav_as_its_trainer_saves_it(tmp_path: Path, fusion: str) -> None:
    state = public.filled(public.sfav(fusion, audio=10, visual=16))
    weights = {f"module.{k}": v for k, v in state.items()}
    optimizer = {"state": {}, "param_groups": []}
    content = {"epoch": 9, "arch": "cnn", "state_dict": weights, "best_prec1": torch.tensor(71.0), "optimizer": optimizer}
    found = foreign.read(saved(tmp_path / "x.pth", content))
    assert found.layout == "sfav"
    assert found.model.spec.labels[1] == "calm"
    assert any("EfficientFace" in line for line in found.remarks)
    make = torch.Generator().manual_seed(1)
    audio, visual = torch.randn(2, 20, 10, generator=make), torch.randn(2, 15, 16, generator=make)
    with torch.inference_mode():
        output = found.model(Batch.of(audio=audio, visual=visual), attention=True)
    torch.testing.assert_close(output.predictions["av"], sfav_by_hand(state, fusion, audio, visual), atol=1e-5, rtol=1e-5)
    shapes = {(a.query, tuple(a.weights.shape)) for a in output.attention}
    assert shapes == {("audio", (2, 1, 20, 15)), ("visual", (2, 1, 15, 20))}
    for attention in output.attention:
        torch.testing.assert_close(attention.weights.sum(-1), torch.ones(attention.weights.shape[:-1]))


@needs_shared
@pytest.mark.parametrize("fusion", ["ia", "it", "lt"])
def test_sfavs_published_keys(tmp_path: Path, fusion: str) -> None:
    state = golden_state(f"sfav_{fusion}_keys.txt", "MultiModalCNN")
    found = foreign.read(saved(tmp_path / "x.pth", {"state_dict": {f"module.{k}": v for k, v in state.items()}}))
    assert (found.model.config.fusion, found.model.spec.inputs) == (fusion, {"audio": 10, "visual": 1024})
