"""VGG-Face fine-tuned on a folder of labelled faces before it extracts (goncalves2022robust, 4.2.1, on AffectNet).

A folder a class, its pictures below it: faces, cropped, of any size. What is kept are the weights up to the first fully connected
layer, under VGG's own names: the feature set ``vgg-face-unit`` reads them.

Deviations:

- goncalves2022robust (4.2.1): of the three fully connected layers that the paper adds, the first is read as VGG-Face's own fc6,
  whose 4,096 values are the features, and the other two as 4,096 -> 512 -> classes with ReLU and a dropout of 0.5: the paper
  gives no widths.
- goncalves2022robust (4.2.1): the paper gives neither the batch size (here 32) nor the criterion for the epoch: here the
  accuracy on a held-out tenth of the faces, drawn by the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch import Tensor, nn

from affectscope.core.cache.store import write_atomically
from affectscope.core.errors import UserError
from affectscope.core.features.extractors.networks import _VGG_CONVOLUTIONS, VggFace
from affectscope.core.text import shown
from affectscope.core.training.loop import explained

SIDE = 224
SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
HIDDEN, DROPOUT = 512, 0.5


@dataclass(frozen=True)
class FaceConfig:
    """How to fine-tune; epochs and rate are goncalves2022robust's.

    Attributes:
        held: share of the faces held out to choose the epoch.
    """

    epochs: int = 50
    learning_rate: float = 7.5e-5
    batch_size: int = 32
    held: float = 0.1
    seed: int = 0
    device: str = "cpu"


class Classified(nn.Module):
    """VGG-Face up to fc6, and the attached layers: pixels [N, 3, 224, 224] -> logits [N, classes]."""

    def __init__(self, encoder: VggFace, classes: int) -> None:
        super().__init__()
        self.encoder = encoder.requires_grad_(True)
        self.attached = nn.Sequential(
            nn.Dropout(DROPOUT), nn.Linear(encoder.dim, HIDDEN), nn.ReLU(), nn.Dropout(DROPOUT), nn.Linear(HIDDEN, classes)
        )

    def forward(self, pixels: Tensor) -> Tensor:
        return self.attached(self.encoder(pixels))  # type: ignore[no-any-return]


def labelled_faces(folder: Path) -> tuple[list[Path], list[int], tuple[str, ...]]:
    """The pictures in a folder of class folders, each one's class index, and the classes.

    Raises:
        UserError: with fewer than two classes, or one without a picture.
    """
    classes = sorted(path.name for path in folder.iterdir() if path.is_dir()) if folder.is_dir() else []
    if len(classes) < 2:
        raise UserError(f"{shown(str(folder))} has to hold a folder for each of two classes or more, with faces in them.")
    files, labels = [], []
    for number, name in enumerate(classes):
        own = sorted(path for path in (folder / name).rglob("*") if path.suffix.lower() in SUFFIXES)
        if not own:
            raise UserError(f"There is no picture of {shown(name)}: put some ({', '.join(SUFFIXES)}), or remove its folder.")
        files += own
        labels += [number] * len(own)
    return files, labels, tuple(classes)


def finetune(
    folder: Path,
    weights: Path,
    out: Path,
    config: FaceConfig = FaceConfig(),
    report: Callable[[str, float], None] = lambda stage, share: None,
) -> dict[str, object]:
    """Fine-tune VGG-Face on labelled faces, pixels in -1..1, and write its weights.

    Args:
        weights: of VGG-Face, as ``VggFace`` reads them.
        out: a .safetensors file.

    Returns:
        A summary: classes, numbers of training and held-out faces, the selected epoch and its accuracy.

    Raises:
        UserError: when there is nothing to train on, a picture cannot be read, or the disk is full.
    """
    if out.suffix != ".safetensors":
        raise UserError(f"{out.name} should end in .safetensors, the only format in which weights are written.")
    files, labels, classes = labelled_faces(folder)
    torch.manual_seed(config.seed)
    learnt, held = _shared_out(labels, config)
    network = Classified(VggFace(weights, "cpu", unit=True), len(classes)).to(config.device)
    optimiser = torch.optim.Adam(network.parameters(), config.learning_rate)
    best, best_epoch, best_accuracy = _state(network.encoder), -1, -1.0
    for epoch in range(config.epochs):
        network.train()
        order = [learnt[i] for i in torch.randperm(len(learnt)).tolist()]
        for pixels, target in _batches(files, labels, order, config, network.encoder):
            optimiser.zero_grad()
            F.cross_entropy(network(pixels), target).backward()
            optimiser.step()
        accuracy = _accuracy(network, files, labels, held, config)
        if accuracy > best_accuracy:
            best, best_epoch, best_accuracy = _state(network.encoder), epoch, accuracy
        report(f"Epoch {epoch + 1}: {accuracy:.3f} right of the faces held back", (epoch + 1) / config.epochs)
    with explained(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(out, lambda part: save_file(best, part))
    told = {
        "classes": list(classes),
        "learnt": len(learnt),
        "held": len(held),
        "epoch": best_epoch + 1,
        "accuracy": best_accuracy,
    }
    return told | {"config": asdict(config)}


def _shared_out(labels: Sequence[int], config: FaceConfig) -> tuple[list[int], list[int]]:
    """Indices of the training faces, and of the held-out ones: a share of each class, at least one if it has two."""
    chance = np.random.default_rng(config.seed)
    learnt, held = [], []
    for number in sorted(set(labels)):
        own = chance.permutation([i for i, label in enumerate(labels) if label == number]).tolist()
        count = max(1, round(config.held * len(own))) if len(own) > 1 else 0
        held += own[:count]
        learnt += own[count:]
    return learnt, held


def _batches(
    files: Sequence[Path], labels: Sequence[int], order: Sequence[int], config: FaceConfig, encoder: VggFace
) -> Iterator[tuple[Tensor, Tensor]]:
    for start in range(0, len(order), config.batch_size):
        chosen = order[start : start + config.batch_size]
        pixels = encoder.prepare(np.stack([read_face(files[i]) for i in chosen]))
        yield pixels, torch.tensor([labels[i] for i in chosen], device=pixels.device)


def read_face(path: Path) -> np.ndarray:
    """A picture as RGB [224, 224, 3] uint8.

    Raises:
        UserError: when it is not a picture.
    """
    try:
        picture = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_COLOR)
    except (cv2.error, OSError, ValueError):
        picture = None
    if picture is None or not picture.size:
        raise UserError(f"{shown(path.name)} cannot be read as a picture: remove it, or save it again as PNG.")
    shrunk = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.cvtColor(shrunk, cv2.COLOR_BGR2RGB))


@torch.inference_mode()
def _accuracy(
    network: Classified, files: Sequence[Path], labels: Sequence[int], held: Sequence[int], config: FaceConfig
) -> float:
    network.eval()
    right = sum(
        int((network(pixels).argmax(1) == target).sum())
        for pixels, target in _batches(files, labels, held, config, network.encoder)
    )
    return right / max(1, len(held))


def _state(encoder: VggFace) -> dict[str, Tensor]:
    """The weights under VGG's own names."""
    state = {"fc6.weight": encoder.fc6.weight, "fc6.bias": encoder.fc6.bias}
    layers = [layer for layer in encoder.layers if isinstance(layer, nn.Conv2d)]
    for name, layer in zip(_VGG_CONVOLUTIONS, layers, strict=True):
        assert layer.bias is not None
        state |= {f"conv{name}.weight": layer.weight, f"conv{name}.bias": layer.bias}
    return {name: value.detach().cpu().clone().contiguous() for name, value in state.items()}
