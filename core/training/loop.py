"""The training loop, on Lightning Fabric: the same for a CPU, one or more GPUs, and several machines.

Every epoch starts from a seed derived from the run's seed and the epoch's number, so that an interrupted and resumed run ends
with the same weights as an uninterrupted one.

With several processes (``devices``, ``nodes``, or torchrun):

- Every process has the whole model and all clips in memory. Each epoch a distributed sampler shuffles the training clips in the
  same order everywhere, and each of n processes gets every n-th, in batches of ``batch_size``: a step covers n times as many
  clips. If the clips cannot be divided evenly, some are repeated, so that all processes take the same number of steps.
- Randomness (dropout, noise, dropped modalities) differs between processes; gradients are averaged.
- Only the first process evaluates the development set and writes files; the others wait for its result.
- Features are not shared: each process extracts what the store lacks. Run ``affectscope corpus features`` first to save that
  work.
"""

from __future__ import annotations

import math
import os
import pickle
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from lightning_fabric import Fabric, seed_everything
from lightning_fabric.utilities.exceptions import MisconfigurationException
from safetensors import SafetensorError
from torch import Tensor, nn

from affectscope.core.cache import sealed
from affectscope.core.errors import UserError
from affectscope.core.models.base import AVModel
from affectscope.core.streams import Batch
from affectscope.core.training.augment import jitter
from affectscope.core.training.batches import Batches
from affectscope.core.training.criteria import answer_loss, head_weights
from affectscope.core.training.strategies import Strategy

T = TypeVar("T")


@dataclass(frozen=True)
class TrainConfig:
    """Training settings. Defaults are goncalves2022robust's (section 4.3) and goncalves2022auxformer's (5.1), where published.

    Attributes:
        clip_norm: maximum gradient norm; 0 disables clipping.
        patience (not published): epochs without improvement of ``selection`` before training stops.
        selection: the best epoch has the lowest development loss, the lowest loss of the main head (the spec's first;
            goncalves2025versatile's audio-visual one), or the highest accuracy (mocanu2023multimodal, 4.2).
        decay_patience: epochs without improvement before the learning rate is divided by ten ("learning decay set to five
            epochs").
        betas: Adam's; (momentum, unused) for SGD.
        balance: weigh classes by inverse frequency.
        soft_votes: train on each class's share of a clip's votes (columns ``share <class>``); metrics still use the class.
        frame_noise, clip_noise: see ``augment.jitter``; 0 in the papers.
        batch_size: clips per step and process.
        split: see ``splits.split_speakers``.
        precision, accelerator, devices, nodes: Fabric's; a launcher's environment overrides the last two.
    """

    epochs: int = 25
    learning_rate: float = 7.25e-4
    clip_norm: float = 0.8
    batch_size: int = 32
    patience: int = 8
    decay_patience: int = 5
    schedule: Literal["plateau", "constant"] = "plateau"
    optimiser: Literal["adam", "adamw", "sgd"] = "adam"
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    balance: bool = False
    soft_votes: bool = False
    frame_noise: float = 0.0
    clip_noise: float = 0.0
    seed: int = 0
    split: Literal["speaker", "official", "folds"] = "speaker"
    selection: Literal["loss", "main loss", "accuracy"] = "loss"
    precision: str = "32-true"
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "devices", "nodes", "learning_rate"):
            if getattr(self, name) <= 0:
                raise UserError(f"The training setting {name} is {getattr(self, name):g}: it must be more than zero.")


History = list[dict[str, float]]


@dataclass
class Progress:
    """The state after a finished epoch: all that resuming needs."""

    model: dict[str, Tensor]
    best: dict[str, Tensor]
    best_epoch: int
    optimiser: dict[str, Any]
    schedule: dict[str, Any]
    history: History
    config: dict[str, Any]


def train(
    model: AVModel,
    training: Batches,
    development: Batches,
    strategy: Strategy,
    config: TrainConfig,
    files: Path | None = None,
    progress: Callable[[dict[str, float]], None] | None = None,
    resume: bool = False,
) -> History:
    """Train in place. Afterwards the model has, in every process, the weights of its best epoch on the development set.

    Args:
        files: prefix of the run's files: ``.history.json``, and ``.resume.pt`` until it is done.
        progress: called after each epoch with the history's new row.
        resume: continue from ``.resume.pt`` if it exists.

    Raises:
        UserError: when training diverges, the disk is full, or the file to resume from belongs to another run.
    """
    fabric = _fabric(config)
    fabric.launch()
    if not (resume and files is not None and _resume_file(files).is_file()):
        strategy.prepare(model.to(fabric.device), training, config)
    optimiser = _optimiser(model, config)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimiser, patience=config.decay_patience)
    step, optimiser = fabric.setup(_Step(model, strategy, fabric.world_size > 1), optimiser)
    history: History = []
    best: dict[str, Tensor] = {}
    best_epoch = -1
    stored = _by_the_first(fabric, lambda: _stored(files, config) if resume else None)
    if stored:
        model.load_state_dict(stored.model)
        optimiser.load_state_dict(stored.optimiser)
        schedule.load_state_dict(stored.schedule)
        history, best, best_epoch = stored.history, stored.best, stored.best_epoch
    for epoch in range(len(history), config.epochs):
        if best and epoch - 1 - best_epoch >= config.patience:
            break
        seed_everything(config.seed * 100_003 + epoch, verbose=False)
        start = time.perf_counter()
        row = {"epoch": float(epoch), "train_loss": _epoch(fabric, step, optimiser, training, strategy, config)}
        row["seconds"] = time.perf_counter() - start
        row |= _by_the_first(fabric, lambda: _development(model, development, strategy))
        if not math.isfinite(row["dev_loss"]):
            raise UserError(f"Training diverged in epoch {epoch + 1}: try a smaller learning rate than {config.learning_rate:g}.")
        if config.schedule == "plateau":
            schedule.step(row["dev_loss"])
        history.append(row)
        if best_epoch < 0 or _selected(row, config) < _selected(history[best_epoch], config):
            best, best_epoch = {k: v.detach().cpu().clone() for k, v in model.state_dict().items()}, epoch
        now = Progress(
            model.state_dict(), best, best_epoch, optimiser.state_dict(), schedule.state_dict(), history, asdict(config)
        )
        _by_the_first(fabric, lambda now=now: _store(files, now))  # type: ignore[misc]
        if progress:
            progress(row)
    # Running statistics differ between processes.
    model.load_state_dict(fabric.broadcast(best))
    model.to("cpu").eval()
    return history


def _selected(row: dict[str, float], config: TrainConfig) -> float:
    """The value by which an epoch is selected; lower is better.

    Raises:
        UserError: when accuracy is requested for a regression.
    """
    if config.selection == "accuracy":
        if "dev_accuracy" not in row:
            raise UserError("Attributes have no accuracy: choose the epoch by its loss.")
        return -row["dev_accuracy"]
    return row["dev_main_loss" if config.selection == "main loss" else "dev_loss"]


def is_first() -> bool:
    """Whether this is the run's first process, which writes and logs."""
    return not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0


def forget(files: Path) -> None:
    """Delete the files that only an unfinished run needs."""
    _resume_file(files).unlink(missing_ok=True)


class _Step(nn.Module):
    """Tensors in, loss out: what Fabric can cast and distribute."""

    def __init__(self, model: AVModel, strategy: Strategy, several: bool = False) -> None:
        super().__init__()
        self.model, self.strategy, self.several = model, strategy, several

    def forward(self, values: dict[str, Tensor], present: dict[str, Tensor], target: Tensor, stage: str) -> tuple[Tensor, Tensor]:
        """The loss, and whether any clip of this batch takes part in the stage."""
        loss = self.strategy.loss(self.model, Batch(values, present), target, stage)
        teaches = torch.tensor(float(loss.requires_grad), device=loss.device)
        if self.several and not loss.requires_grad:
            # Another process's batch may take part: gradients are averaged over all, so this one contributes zeros.
            loss = loss + sum(0 * p.sum() for p in self.model.parameters() if p.requires_grad)
        return loss, teaches


def _fabric(config: TrainConfig) -> Fabric:
    # A launcher (torchrun, fabric run) sets the number of processes in the environment.
    devices, nodes = config.devices, config.nodes
    if "LOCAL_WORLD_SIZE" in os.environ:
        devices = int(os.environ["LOCAL_WORLD_SIZE"])
        nodes = int(os.environ["WORLD_SIZE"]) // devices
    several = devices * nodes > 1
    strategy = "ddp_find_unused_parameters_true" if several else "auto"
    try:
        return Fabric(
            accelerator=config.accelerator, devices=devices, num_nodes=nodes, strategy=strategy,
            precision=config.precision,  # type: ignore[arg-type]
        )  # fmt: skip
    except (RuntimeError, ValueError, MisconfigurationException) as error:
        raise UserError(f"Training cannot be set up with these settings: {' '.join(str(error).split())}") from error


def _optimiser(model: AVModel, config: TrainConfig) -> torch.optim.Optimizer:
    rate, decay = config.learning_rate, config.weight_decay
    if config.optimiser == "sgd":
        return torch.optim.SGD(model.parameters(), rate, momentum=config.betas[0], weight_decay=decay)
    kind = torch.optim.AdamW if config.optimiser == "adamw" else torch.optim.Adam
    return kind(model.parameters(), rate, betas=config.betas, weight_decay=decay)


def _epoch(fabric: Fabric, step: Any, optimiser: Any, batches: Batches, strategy: Strategy, config: TrainConfig) -> float:
    step.train()
    named = [(name, p) for name, p in step.module.model.named_parameters() if p.requires_grad]
    left_alone = {stage: [p for name, p in named if not strategy.trains(stage, name)] for stage in strategy.stages}
    losses = []
    # Set up again each epoch: a sampler that distributes clips takes its order from the epoch's seed.
    loader = fabric.setup_dataloaders(batches.loader, move_to_device=False)
    if fabric.global_rank:
        # The order is common to all processes; randomness within a batch is not.
        torch.manual_seed(torch.initial_seed() + fabric.global_rank)
    for batch, target in loader:
        batch = jitter(batch.to(fabric.device), config.frame_noise, config.clip_noise)
        target = target.to(fabric.device)
        for stage in strategy.stages:
            with frozen(left_alone[stage]):
                loss, teaches = step(dict(batch.values), dict(batch.present), target, stage)
                if not fabric.all_reduce(teaches.clone(), reduce_op="max"):
                    continue
                optimiser.zero_grad()
                fabric.backward(loss)
            if config.clip_norm:
                fabric.clip_gradients(step, optimiser, max_norm=config.clip_norm, error_if_nonfinite=False)
            optimiser.step()
            if teaches:
                losses.append(float(loss.detach()))
    mean = sum(losses) / max(1, len(losses))
    return float(fabric.all_reduce(torch.tensor(mean, device=fabric.device)))  # type: ignore[arg-type]


def _by_the_first(fabric: Fabric, action: Callable[[], T]) -> T:
    """Run an action in the first process, and return its result, or raise its error, in every process."""
    result, complaint = None, ""
    if fabric.is_global_zero:
        try:
            result = action()
        except UserError as error:
            complaint = str(error)
    result, complaint = fabric.broadcast((result, complaint))
    if complaint:
        raise UserError(complaint)
    return result  # type: ignore[return-value]


@contextmanager
def frozen(parameters: Sequence[nn.Parameter]) -> Iterator[None]:
    """Disable gradients of these parameters, so that autograd stores nothing for them."""
    for parameter in parameters:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in parameters:
            parameter.requires_grad_(True)


@torch.inference_mode()
def _development(model: AVModel, batches: Batches, strategy: Strategy) -> dict[str, float]:
    """The loss on whole clips, and for classes the accuracy, per head and for the decision."""
    model.eval()
    loss, main_loss, clips = 0.0, 0.0, 0
    main = {model.spec.heads[0]: 1.0}
    right: dict[str, int] = {}
    for batch, target in batches:
        batch, target = batch.to(model.prior.device), target.to(model.prior.device)
        output = model(batch)
        loss += len(batch) * float(answer_loss(output, target, model.spec, class_weights=strategy.class_weights))
        main_loss += len(batch) * float(answer_loss(output, target, model.spec, main, strategy.class_weights))
        clips += len(batch)
        if model.spec.task == "classification":
            answers = {"": model.decide(output), **{f"_{h}": output.predictions[h] for h in head_weights(model.spec)}}
            for name, logits in answers.items():
                right[name] = right.get(name, 0) + int((logits.argmax(1) == target).sum())
    return {
        "dev_loss": loss / clips,
        "dev_main_loss": main_loss / clips,
        **{f"dev_accuracy{name}": count / clips for name, count in right.items()},
    }


def _resume_file(files: Path) -> Path:
    return files.with_suffix(".resume.pt")


def _stored(files: Path | None, config: TrainConfig) -> Progress | None:
    if files is None or not _resume_file(files).is_file():
        return None
    name = _resume_file(files).name
    if not sealed.is_intact(_resume_file(files), old=True):
        raise UserError(f"{name} is damaged: remove it and start again.")
    try:
        stored = Progress(**torch.load(_resume_file(files), map_location="cpu", weights_only=True))
    except (OSError, RuntimeError, EOFError, TypeError, ValueError, LookupError, pickle.UnpicklingError) as error:
        raise UserError(f"{name} is damaged: remove it and start again.") from error
    # A finished run may be extended by more epochs; any other change makes it another run. Settings that are newer than the file
    # had their default values.
    both = (asdict(config), asdict(TrainConfig()) | stored.config)
    ours, theirs = ({k: v for k, v in settings.items() if k != "epochs"} for settings in both)
    if {k: list(v) if isinstance(v, tuple) else v for k, v in ours.items()} != {
        k: list(v) if isinstance(v, tuple) else v for k, v in theirs.items()
    }:
        raise UserError(f"{name} belongs to a run with other settings: give the same ones, or remove it.")
    return stored


def _store(files: Path | None, now: Progress) -> None:
    if files is None:
        return
    history = {"config": now.config, "best_epoch": now.best_epoch, "epochs": now.history}
    with explained(files):
        sealed.fill(_resume_file(files), lambda path: torch.save(vars(now), path))
        sealed.write_json(files.with_suffix(".history.json"), history)


@contextmanager
def explained(file: Path) -> Iterator[None]:
    """Turn write errors into one sentence."""
    try:
        yield
    except (OSError, RuntimeError, SafetensorError) as error:
        # torch's own message does not mention the disk.
        why = error.strerror if isinstance(error, OSError) and error.strerror else "is the disk full?"
        raise UserError(
            f"{file.parent} cannot be written to ({why}): make room or choose another place, and start again, "
            "`train` with --resume; what is finished is kept."
        ) from error
