"""One training loop, on Lightning Fabric: the same on a CPU or a GPU."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric, seed_everything
from torch import Tensor, nn

from core.errors import UserError
from core.evaluation.metrics import predict
from core.features.store import write_atomically
from core.models.base import AVModel
from core.streams import Batch
from core.training.augment import jitter
from core.training.data import Batches
from core.training.regimes import Regime, head_weights


@dataclass(frozen=True)
class TrainConfig:
    """The published settings of 000 (section 4.3) and 002 (section 5.1), and what these leave open.

    Attributes:
        patience (not published): epochs without a better development loss before training stops.
        decay_patience: epochs without one before the learning rate falls to a tenth ("learning decay set to five epochs").
        frame_noise, clip_noise: see ``augment.jitter``; 0 in the papers.
    """

    epochs: int = 25
    learning_rate: float = 7.25e-4
    clip_norm: float = 0.8
    batch_size: int = 32
    patience: int = 8
    decay_patience: int = 5
    weight_decay: float = 0.0
    frame_noise: float = 0.0
    clip_noise: float = 0.0
    seed: int = 0


History = list[dict[str, float]]


def train(
    model: AVModel,
    training: Batches,
    development: Batches,
    regime: Regime,
    config: TrainConfig,
    history_file: Path | None = None,
    progress: Callable[[dict[str, float]], None] | None = None,
) -> History:
    """Train in place and leave the model with the weights of its best epoch on the development set.

    Args:
        progress: called after each epoch with the history's new row.
    """
    fabric = Fabric(accelerator="auto", devices=1)
    seed_everything(config.seed, verbose=False)
    optimiser = torch.optim.Adam(model.parameters(), config.learning_rate, weight_decay=config.weight_decay)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, patience=config.decay_patience)
    step, optimiser = fabric.setup(_Step(model, regime), optimiser)
    best: dict[str, Any] = {}
    history: History = []
    for epoch in range(config.epochs):
        row = {"epoch": float(epoch), "train_loss": _epoch(fabric, step, optimiser, training, config)}
        row |= _development(model, development)
        schedule.step(row["dev_loss"])
        history.append(row)
        if progress:
            progress(row)
        if not math.isfinite(row["dev_loss"]):
            raise UserError(f"Training diverged in epoch {epoch + 1}: try a smaller learning rate than {config.learning_rate:g}.")
        if not best or row["dev_loss"] < best["loss"]:
            state = {k: v.detach().clone() for k, v in model.state_dict().items()}
            best = {"loss": row["dev_loss"], "epoch": epoch, "state": state}
        if history_file:
            content = json.dumps({"config": asdict(config), "best_epoch": best["epoch"], "epochs": history}, indent=1)
            write_atomically(history_file, partial(_write, content))
        if epoch - best["epoch"] >= config.patience:
            break
    model.load_state_dict(best["state"])
    model.to("cpu").eval()
    return history


class _Step(nn.Module):
    """Tensors in, loss out: what Fabric can cast and distribute."""

    def __init__(self, model: AVModel, regime: Regime) -> None:
        super().__init__()
        self.model, self.regime = model, regime

    def forward(self, values: dict[str, Tensor], present: dict[str, Tensor], target: Tensor) -> Tensor:
        return self.regime.loss(self.model, Batch(values, present), target)


def _epoch(fabric: Fabric, step: nn.Module, optimiser: Any, batches: Batches, config: TrainConfig) -> float:
    step.train()
    total = 0.0
    for batch, target in batches:
        batch = jitter(batch.to(fabric.device), config.frame_noise, config.clip_noise)
        loss = step(dict(batch.values), dict(batch.present), target.to(fabric.device))
        if not loss.requires_grad:
            # No clip of this batch gives any head evidence: there is nothing to learn.
            continue
        optimiser.zero_grad()
        fabric.backward(loss)
        fabric.clip_gradients(step, optimiser, max_norm=config.clip_norm, error_if_nonfinite=False)
        optimiser.step()
        total += float(loss.detach())
    return total / len(batches)


def _write(text: str, path: Path) -> None:
    path.write_text(text)


def _development(model: AVModel, batches: Batches) -> dict[str, float]:
    logits, target = predict(model, batches)
    weights = head_weights(model)
    losses = [w * torch.nn.functional.cross_entropy(logits[head], target) for head, w in weights.items()]
    return {
        "dev_loss": float(sum(losses)),
        "dev_accuracy": _accuracy(logits["decision"], target),
        **{f"dev_accuracy_{head}": _accuracy(logits[head], target) for head in weights},
    }


def _accuracy(logits: Tensor, target: Tensor) -> float:
    return float((logits.argmax(1) == target).float().mean())
