"""Small models with weights that hide nothing, and clips of several lengths with holes, for both roads of a comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.base import MODELS, AVModel
from affectscope.core.streams import Batch, Clip, Stream

AUDIO, VISUAL = 5, 6
SIZES = {"audio": AUDIO, "visual": VISUAL}
# Frames of sound and of picture, and which of them are absent.
LENGTHS = ((7, 4), (5, 6), (6, 5), (4, 3))
HOLES = {"audio": ((2,), (), (0, 5), (1,)), "visual": ((), (0, 5), (2,), (2,))}


def small(system: str, preset: str = "demo", **changes: object) -> AVModel:
    """A model none of whose weights is zero, one or like another: fresh ones hide what is added or multiplied by them."""
    torch.manual_seed(5)
    model = MODELS[system].preset(preset, **{**MODELS[system].sized(SIZES), **changes})
    random = torch.Generator().manual_seed(7)
    for parameter in model.parameters():
        parameter.data.add_(0.25 * torch.randn(parameter.shape, generator=random))
    for name, buffer in model.named_buffers():
        if name.endswith("running_mean"):
            buffer.add_(0.2 * torch.randn(buffer.shape, generator=random))
        elif name.endswith("running_var"):
            buffer.mul_(1 + torch.rand(buffer.shape, generator=random))
    return model.eval()


def weights_of(model: AVModel, learn: bool = False) -> dict[str, Tensor]:
    """The model's state in float64, under its own names; ``learn``: leaves that collect gradients."""
    state = {k: v.detach().clone().double() if v.is_floating_point() else v for k, v in model.state_dict().items()}
    for name, _ in model.named_parameters() if learn else ():
        state[name].requires_grad_()
    return state


def made_clips(
    lengths: Sequence[tuple[int, int]] = LENGTHS,
    holes: Mapping[str, Sequence[Sequence[int]]] = HOLES,
    lost: Mapping[int, str] | None = None,
    scale: float = 1.0,
) -> list[dict[str, tuple[Tensor, Tensor]]]:
    """Clips as the rewrites take them; ``lost``: clip -> a modality of which it has no frame."""
    random = np.random.default_rng(11)
    clips = []
    for i, frames in enumerate(lengths):
        clip = {}
        for m, count, dim in zip(SIZES, frames, SIZES.values(), strict=True):
            values = scale * random.normal(0, 1, (count, dim))
            present = np.ones(count, bool)
            present[list(holes[m][i])] = False
            if (lost or {}).get(i) == m:
                present[:] = False
            values[~present] = 0
            clip[m] = (torch.from_numpy(values.astype(np.float32)).double(), torch.from_numpy(present))
        clips.append(clip)
    return clips


def batch_of(clips: Sequence[Mapping[str, tuple[Tensor, Tensor]]]) -> Batch:
    """The same clips, padded, as a model takes them."""
    streams = [{m: _stream(*stream) for m, stream in clip.items()} for clip in clips]
    return Batch.collate(streams, SIZES)


def corpus_clips(
    clips: Sequence[Mapping[str, tuple[Tensor, Tensor]]],
    labels: Sequence[str] = (),
    attributes: Mapping[str, Sequence[Tensor]] | None = None,
) -> list[Clip]:
    """The same clips as a corpus has them, each with its label, or attribute -> a value a frame [T]."""
    made = []
    for i, clip in enumerate(clips):
        streams = {m: _stream(*stream) for m, stream in clip.items()}
        series = {k: _stream(v[i][:, None], torch.ones(len(v[i]), dtype=torch.bool)) for k, v in (attributes or {}).items()}
        made.append(Clip(f"c{i}", streams, 1.0, {"label": labels[i]} if labels else {}, series))
    return made


def _stream(values: Tensor, present: Tensor) -> Stream:
    return Stream(values.numpy().astype(np.float32), np.arange(len(values)) / 10, present.numpy())
