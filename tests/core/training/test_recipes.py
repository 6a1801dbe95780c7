"""The papers' settings, as their text gives them."""

from __future__ import annotations

import pytest

from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.base import MODELS
from affectscope.core.training.presets import is_demo
from affectscope.core.training.recipes import DEMO, PAPER, Recipe, recipe


@pytest.mark.parametrize("system", ["auxformer", "mult", "crossmodal", "unimodal-attention"])
def test_goncalves2022robust(system):
    """4.3: Adam at 7.25e-4, gradients cut at 0.8, 25 epochs; 3.6: all but one modality alone are trained with losses of both."""
    found = recipe(system, "paper")
    assert found.strategy == ("standard" if system == "unimodal-attention" else "optimised")
    config = found.config
    assert (config.learning_rate, config.clip_norm, config.epochs, config.optimiser) == (7.25e-4, 0.8, 25, "adam")


@pytest.mark.parametrize(
    ("system", "strategy"),
    [
        ("vavl", "vavl"),
        ("uavm", "one-modality"),
        ("sfav", "standard"),
        ("tlstm", "standard"),
        ("unimodal-conformer", "standard"),
    ],
)
def test_goncalves2025versatile(system, strategy):
    """IV-C: Adam at 5e-5, 20 epochs, batches of 32; the betas and decay of its code, which cuts nothing and never slows down."""
    found = recipe(system, "paper")
    config = found.config
    assert found.strategy == strategy
    assert (config.learning_rate, config.epochs, config.batch_size, config.optimiser) == (5e-5, 20, 32, "adam")
    assert (config.betas, config.weight_decay, config.clip_norm, config.schedule) == ((0.95, 0.999), 5e-7, 0.0, "constant")


def test_parthasarathy2020detecting():
    """4.3: Adam at 1e-5, sequences of 100 frames."""
    for system in ("affect-transformer", "affect-rnn"):
        found = recipe(system, "paper")
        assert (found.strategy, found.config.learning_rate, found.config.schedule) == ("sequences", 1e-5, "constant")


def test_mocanu2023multimodal():
    """4.2: batches of 16, a first beta of 0.9, and patience of 20 epochs."""
    found = recipe("double-attention", "paper")
    config = found.config
    assert found.strategy == "metric"
    assert (config.batch_size, config.betas[0], config.patience, config.optimiser) == (16, 0.9, 20, "adam")


def test_every_published_system_has_both_recipes_and_a_demo_preset_its_own():
    published = {name for name in MODELS if not all(map(is_demo, MODELS[name].presets()))}
    assert set(PAPER) == set(DEMO) == published
    assert recipe("vavl", "demo") is DEMO["vavl"]
    assert recipe("vavl", "demo-anything") is DEMO["vavl"]
    assert recipe("vavl", "five-layers") is PAPER["vavl"]
    assert not any(preset.config.frame_noise or preset.config.clip_noise for preset in PAPER.values())


def test_a_system_without_a_recipe_is_trained_by_the_standard_strategy():
    """Small as ``demo`` models are, with their quick settings."""
    quick = DEMO["mult"].config
    assert recipe("a new one", "demo") == recipe("a new one", "demo-visual") == Recipe("standard", quick)
    assert recipe("a new one", "paper") == Recipe()
