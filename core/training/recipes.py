"""Training settings of each system: as published for paper sizes, and for demo sizes within minutes on two cores."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from affectscope.core.training.loop import TrainConfig


@dataclass(frozen=True)
class Recipe:
    """A strategy's name and its settings."""

    strategy: str = "standard"
    config: TrainConfig = field(default_factory=TrainConfig)


# goncalves2025versatile, IV-C, for VAVL and its baselines; betas and decay are the public code's.
_VERSATILE = TrainConfig(
    epochs=20, learning_rate=5e-5, clip_norm=0.0, schedule="constant", betas=(0.95, 0.999), weight_decay=5e-7, patience=20
)

PAPER: dict[str, Recipe] = {
    # goncalves2022robust, 3.6 and 4.3, for its baselines too.
    **dict.fromkeys(("auxformer", "mult", "crossmodal"), Recipe("optimised")),
    "unimodal-attention": Recipe(),
    "vavl": Recipe("vavl", _VERSATILE),
    "uavm": Recipe("one-modality", _VERSATILE),
    **dict.fromkeys(("sfav", "tlstm", "unimodal-conformer"), Recipe("standard", _VERSATILE)),
    # parthasarathy2020detecting, 4.3; it does not state epochs, batch size or schedule.
    **dict.fromkeys(
        ("affect-transformer", "affect-rnn"),
        Recipe("sequences", TrainConfig(learning_rate=1e-5, clip_norm=0.0, schedule="constant")),
    ),
    # mocanu2023multimodal, 4.2: "a momentum of 0.9 with Adam" is its first beta; epochs are not published. It stops after 20
    # epochs without better accuracy.
    "double-attention": Recipe(
        "metric",
        TrainConfig(
            epochs=200, learning_rate=1e-4, clip_norm=0.0, schedule="constant", batch_size=16, patience=20, selection="accuracy"
        ),
    ),
}

# Small models overfit the training faces without noise.
_DEMO = TrainConfig(epochs=20, learning_rate=1.5e-3, frame_noise=0.3, clip_noise=0.3)
DEMO: dict[str, Recipe] = {name: replace(recipe, config=_DEMO) for name, recipe in PAPER.items()} | {
    # Fewer epochs, because this strategy takes several steps per batch.
    "vavl": Recipe("vavl", replace(_DEMO, epochs=8, learning_rate=1e-3)),
    # Clips of the demo corpus are about as long as a sequence of parthasarathy2020detecting.
    **dict.fromkeys(("affect-transformer", "affect-rnn"), Recipe("standard", _DEMO)),
    # The published settings, including learning rate and selection, plus noise.
    "double-attention": Recipe("metric", replace(PAPER["double-attention"].config, epochs=20, frame_noise=0.1, clip_noise=0.1)),
}


def recipe(system: str, preset: str) -> Recipe:
    """The published settings for a published size, the quick ones for ``demo``.

    A system without a recipe gets the standard strategy, with the settings of goncalves2022robust or the quick ones.
    """
    return DEMO.get(system, Recipe(config=_DEMO)) if preset.startswith("demo") else PAPER.get(system, Recipe())
