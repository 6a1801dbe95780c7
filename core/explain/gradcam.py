"""Grad-CAM from any head's class score, back through fusion and encoder, to every frame.

Grad-CAM (Selvaraju et al. 2017) in its spatial form, LayerCAM (Jiang et al. 2021): each place of a map is weighted by its own
gradient. The encoder's last layer reads places differently, and plain Grad-CAM, which averages the gradient over the map, loses
where: in the pointing game on 60 training clips it hit 1.1 to 1.3 times as often as chance. The maps are the product of the third
block's, 8x8, and the fourth's, 4x4: where both find evidence. Over 60 training clips and the bundled ones that hit 1.9 to 2.2
times as often as chance, either block alone or their plain mean less on one of the two.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor, nn

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.features.extractors.encoders import MiniXception, load_face_encoder
from affectscope.core.streams import Batch, Stream

SIDE = 16


Score = Callable[[Tensor], Tensor]


def layer_cams(encoder: MiniXception, early: Tensor, score: Score) -> np.ndarray:
    """Where in the pictures the evidence for a score lies, [P, 16, 16], not yet scaled.

    The scores of one clip come from all its frames together: one gradient gives all maps.

    Args:
        early: the encoder's early maps [P, 32, 15, 15]. They are no target of the explanation, which saves most of the work.
        score: features [P, 135] -> the score that is explained.
    """
    with torch.enable_grad():
        third = encoder.blocks[2](early).detach().requires_grad_(True)
        fourth = encoder.blocks[3](third)
        slopes = torch.autograd.grad(score(encoder.features(fourth)), (third, fourth))
    maps = [(slope.relu() * layer.detach()).sum(1).relu() for slope, layer in zip(slopes, (third, fourth), strict=True)]
    return torch.stack([_enlarge(one) for one in maps]).prod(0).numpy()


def score_of(checkpoint: Checkpoint, present: np.ndarray, batch: Batch, head: str, target: int) -> Score:
    """One head's score for a class, over the clip, as a function of the present faces' features, with all else held."""
    places = torch.from_numpy(np.flatnonzero(present)).to(batch.values["visual"].device)

    def score(features: Tensor) -> Tensor:
        # What stands in place of a frame that was taken away stays as it is.
        visual = batch.values["visual"][0].index_copy(0, places, checkpoint.normaliser("visual", features))
        answer = checkpoint.model(Batch({**batch.values, "visual": visual[None]}, batch.present)).predictions[head]
        return (answer.mean(1) if answer.ndim == 3 else answer)[0, target]

    return score


def to_clip_scale(maps: np.ndarray) -> np.ndarray:
    """Scale [F, h, w] so that 1 is the clip's strong frame: the 95th percentile of the frames' largest values.

    One outlier would otherwise leave all other frames blank; what lies above 1 is cut.
    """
    peaks = maps.max((1, 2))
    strong = np.percentile(peaks[peaks > 0], 95) if (peaks > 0).any() else 1.0
    return np.clip(maps / strong, 0, 1)


def face_heatmaps(
    checkpoint: Checkpoint, crops: Tensor, visual: Stream, batch: Batch, targets: Mapping[str, int]
) -> dict[str, np.ndarray]:
    """Where each head looked for a class.

    Args:
        crops: [P, 1, 64, 64], the present frames' faces as the encoder wants them.
        visual: the clip's visual stream, which says which frames those are.
        batch: the clip alone, normalised.
        targets: head -> class index.

    Returns:
        head -> [F, 16, 16] float32 in 0..1 on the clip's scale (see ``to_clip_scale``); zeros where no face is.
    """
    encoder = load_face_encoder()
    with torch.no_grad():
        early = encoder.early(crops)
    heatmaps = {}
    for head, target in targets.items():
        maps = np.zeros((len(visual.times), SIDE, SIDE), np.float32)
        maps[visual.present] = to_clip_scale(
            layer_cams(encoder, early, score_of(checkpoint, visual.present, batch, head, target))
        )
        heatmaps[head] = maps
    return heatmaps


def _enlarge(maps: Tensor) -> Tensor:
    """[P, h, w] -> [P, SIDE, SIDE], bilinear."""
    return nn.functional.interpolate(maps[:, None], (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]
