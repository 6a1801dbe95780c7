"""What a paper's preset is built of, and how its weights begin: neither shows in what a second writing makes of given weights."""

from __future__ import annotations

import math

import pytest
import torch

from affectscope.core.models import catalogue
from affectscope.core.models.base import MODELS


def built(system: str, preset: str = "paper", **changes: object) -> torch.nn.Module:
    with torch.device("meta"):
        return MODELS[system].preset(preset, **changes)


def count(module: torch.nn.Module) -> int:
    return catalogue.count(module)


def test_auxformer_as_published():
    """goncalves2022robust, 4.3: five layers of ten heads over 130 features; 3.5: 512 and 256 nodes."""
    model = built("auxformer")
    config = model.config
    assert (config.width, config.heads, config.layers, config.aux_hidden) == (130, 10, 5, (512, 256))
    assert (config.encoder_dropout, config.output_dropout) == (0.25, 0.2)
    assert config.loss_weights == (1 / 3, 1 / 3, 1 / 3)
    assert (config.variant, config.refine, config.token, config.positions, config.auxiliary) == (
        "paper", "scaled", "last", True, True
    )  # fmt: skip
    assert (count(model.project), set(model.project)) == (4096 * 130, {"visual"})
    alphas = [name for name, _ in model.named_parameters() if name.endswith("alpha")]
    assert len(alphas) == 10
    assert all(name.startswith("fused.") for name in alphas)
    assert dict(model.spec.loss_weights) == {"av": 1 / 3, "audio": 1 / 3, "visual": 1 / 3}


def test_vavl_as_published():
    """goncalves2025versatile, III-A and IV-C: a convolution that reaches its neighbours; 512 wide, 8 heads, 3, 3 and 2 layers."""
    model = built("vavl")
    assert count(model.project) == 608_000
    assert {conv.kernel_size for conv in model.project.values()} == {(5,)}
    config = model.config
    assert (config.width, config.heads, config.layers, config.shared_layers, config.kernel) == (512, 8, 3, 2, 31)
    assert (config.projected, config.hidden, config.audio_dim, config.visual_dim) == (50, (512, 256), 1024, 1408)
    assert (config.shared_residual, config.reconstruct, config.audiovisual, config.variant) == (True, True, "layers", "paper")


def test_the_affect_transformer_as_published():
    """parthasarathy2020detecting, 4.3: the text has no residual around the cross-modal layers; goncalves2022robust reads one."""
    assert {name: built("affect-transformer", name).encode.residual for name in ("paper", "paper-residual")} == {
        "paper": False,
        "paper-residual": True,
    }
    config = built("affect-transformer").config
    assert (config.width, config.heads, config.audio_dim, config.visual_dim) == (512, 4, 4096, 4096)


def test_double_attention_as_published():
    """mocanu2023multimodal, 4.2: six snippets of sixteen faces, eight heads, 512 features a snippet."""
    config = built("double-attention").config
    assert (config.snippets, config.snippet_frames, config.heads, config.width, config.depth) == (6, 16, 8, 512, 101)


@pytest.mark.parametrize(("system", "preset"), [("double-attention", "demo"), ("auxformer", "demo"), ("uavm", "demo")])
def test_attention_begins_as_xavier(system, preset):
    torch.manual_seed(0)
    model = MODELS[system].preset(preset)
    found = {name: p.detach() for name, p in model.named_parameters() if name.endswith("in_proj_weight")}
    if system == "double-attention":
        found["relevance"] = model.relevance.detach()
    assert found
    for name, weight in found.items():
        # Queries, keys and values in one tensor: PyTorch draws it as one matrix, mocanu2023multimodal's each by itself.
        own = system == "double-attention" and name.endswith("in_proj_weight")
        rows = weight.shape[0] // 3 if own else weight.shape[0]
        most = math.sqrt(6 / (rows + weight.shape[1]))
        assert float(weight.abs().max()) <= most, name
        # Even over [-most, most].
        assert float(weight.std()) == pytest.approx(most / math.sqrt(3), rel=0.1), name


def test_scales_of_residuals_begin_between_none_and_all_and_those_of_modalities_at_one():
    torch.manual_seed(0)
    model = MODELS["auxformer"].preset("demo")
    alphas = torch.cat([p.detach() for name, p in model.named_parameters() if name.endswith("alpha")])
    assert 0 <= float(alphas.min()) < float(alphas.max()) <= 1
    assert [p.item() for p in MODELS["affect-transformer"].preset("demo").encode.scalars.values()] == [1.0, 1.0]


@pytest.mark.parametrize("system", list(MODELS))
def test_before_anything_is_seen_all_classes_are_alike(system):
    model = MODELS[system].preset("demo")
    outputs = len(model.spec.labels)
    expected = math.log(1 / outputs) if model.spec.task == "classification" else 0.0
    torch.testing.assert_close(model.prior, torch.full((outputs,), expected))
