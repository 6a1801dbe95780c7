"""Initial weights of a network's trunks: from a file, or from pretraining on single frames of the training clips.

mocanu2023multimodal (4.2) starts from trunks trained on ImageNet and Kinetics. Of those only torchvision's depth 18 is available,
as a file from the user. Without one, a trunk first learns to classify the emotion of single frames, with a classifier that is
then discarded: a picture repeated for a snippet's length, as Carreira and Zisserman (CVPR 2017) made videos of ImageNet, and one
window of the sound. Only training speakers are used, with the same seed, so that no test data leaks.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

import torch
import torch.nn.functional as F
from lightning_fabric import seed_everything
from torch import Tensor, nn

from affectscope.core.errors import UserError
from affectscope.core.files.tensors import read_tensors
from affectscope.core.models.base import AVModel
from affectscope.core.streams import Batch
from affectscope.core.training.augment import jitter

# Frames per clip and epoch; the learning rate is the usual one for random initialisation.
STILLS, LEARNING_RATE = 2, 1e-3


@runtime_checkable
class HasTrunks(Protocol):
    """A model whose trunks can be trained separately."""

    def trunks(self) -> Mapping[str, nn.Module]:
        """Modality -> its trunk, which has ``features``."""

    def stills(self, modality: str, batch: Batch, count: int) -> tuple[Tensor, Tensor]:
        """For ``count`` random frames of each clip, the features [R * count, F], and the indices R of clips that have frames."""


def load_trunks(model: HasTrunks, files: Sequence[str | Path]) -> set[str]:
    """Load trunks' weights from files, without classifiers. Returns the modalities that were loaded.

    Raises:
        UserError: when a file cannot be read, or fits no trunk.
    """
    filled = set()
    for file in files:
        state = {key: value for key, value in read_tensors(Path(file))[0].items() if not key.startswith("fc.")}
        fits = [m for m, trunk in model.trunks().items() if _shapes(trunk.state_dict()) == _shapes(state)]
        if not fits:
            raise UserError(
                f"{Path(file).name} fits no trunk of this model: torchvision's r3d_18 and resnet18 fit the preset paper-18."
            )
        model.trunks()[fits[0]].load_state_dict(state, strict=False)
        filled.add(fits[0])
    return filled


def learn_stills(
    model: AVModel, modality: str, batches: Iterable[tuple[Batch, Tensor]], epochs: int, seed: int, noise: tuple[float, float]
) -> float:
    """Train one trunk, in place, to classify single frames. Returns the last epoch's mean loss.

    Args:
        batches: of the training clips, with classes or shares of votes.
        noise: per frame and per clip, see ``augment.jitter``.
    """
    trunk = model.trunks()[modality]  # type: ignore[operator]
    device = model.prior.device
    seed_everything(seed * 100_003 + 99_991, verbose=False)
    classify = nn.Linear(trunk.features, len(model.spec.labels)).to(device)
    optimiser = torch.optim.Adam([*trunk.parameters(), *classify.parameters()], LEARNING_RATE)
    model.train()
    mean = float("nan")
    for _ in range(epochs):
        losses = []
        for batch, target in batches:
            found, rows = model.stills(modality, jitter(batch.to(device), *noise), STILLS)  # type: ignore[operator]
            # Batch norm needs at least two frames for a variance.
            if len(found) < 2:
                continue
            loss = F.cross_entropy(classify(found), target.to(device)[rows].repeat_interleave(STILLS, 0))
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            losses.append(float(loss.detach()))
        mean = sum(losses) / max(1, len(losses))
    return mean


def _shapes(state: Mapping[str, Tensor]) -> dict[str, torch.Size]:
    # Old files lack batch norm's counters.
    return {key: value.shape for key, value in state.items() if not key.endswith("num_batches_tracked")}
