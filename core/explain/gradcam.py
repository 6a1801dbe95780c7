"""Grad-CAM from any head's class score, back through fusion and encoder, to every frame.

Grad-CAM (Selvaraju et al. 2017) in its spatial form, LayerCAM (Jiang et al. 2021), by ``pytorch-grad-cam``: each place of a map
is weighted by its own gradient. The encoder's last layer reads places differently, and plain Grad-CAM, which averages the
gradient over the map, loses where: in the pointing game on 60 training clips it hit 1.1 to 1.3 times as often as chance. The
maps are the product of the third block's, 8x8, and the fourth's, 4x4: where both find evidence. Over 60 training clips and
the bundled ones that hit 1.9 to 2.2 times as often as chance, either block alone or their plain mean less on one of the two. The
library takes one input tensor: the pictures' early maps are that tensor, the other modality is closed over.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy

import numpy as np
import torch
from pytorch_grad_cam import LayerCAM
from torch import Tensor, nn

from core.checkpoints import Checkpoint
from core.features.encoders import MiniXception, load_face_encoder
from core.streams import Batch, Stream

SIDE = 16


class MapsToLogits(nn.Module):
    """The encoder's early maps [P, 32, 15, 15] of one clip -> logits [1, C] of one head, over the clip, with all else held.

    The early blocks are no target of the explanation: leaving them out saves most of the work.
    """

    def __init__(self, encoder: MiniXception, checkpoint: Checkpoint, present: np.ndarray, batch: Batch, head: str) -> None:
        super().__init__()
        self.encoder, self.model, self.normalise = encoder, checkpoint.model, checkpoint.normaliser
        self.present = torch.from_numpy(np.flatnonzero(present)).to(batch.values["visual"].device)
        self.batch, self.head = batch, head

    def forward(self, early: Tensor) -> Tensor:
        features = self.normalise("visual", self.encoder.late(early))
        # What stands in place of a frame that was taken away stays as it is.
        visual = self.batch.values["visual"][0].index_copy(0, self.present, features)
        values = {**self.batch.values, "visual": visual[None]}
        answer = self.model(Batch(values, self.batch.present)).predictions[self.head]
        return answer.mean(1) if answer.ndim == 3 else answer


class ClipGradCAM(LayerCAM):
    """LayerCAM whose maps share one scale over the clip, so that a frame that counts for little stays pale.

    The class scores of one clip come from all its frames together: one gradient gives all maps.
    """

    def compute_cam_per_layer(self, input_tensor: Tensor, targets: list, eigen_smooth: bool) -> list[np.ndarray]:
        hooks = self.activations_and_grads
        maps = []
        for layer, activations, grads in zip(self.target_layers, hooks.activations, hooks.gradients, strict=True):
            cam = self.get_cam_image(input_tensor, layer, targets, activations.numpy(), grads.numpy(), eigen_smooth)
            maps.append(np.maximum(cam, 0))
        return maps

    def aggregate_multi_layers(self, cam_per_target_layer: list[np.ndarray]) -> np.ndarray:
        enlarged = [_enlarge(cam) for cam in cam_per_target_layer]
        return to_clip_scale(np.prod(enlarged, axis=0))


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
    # The library hooks the encoder; a copy keeps other threads, which share the original, out of it.
    encoder = deepcopy(load_face_encoder())
    with torch.no_grad():
        early = encoder.early(crops)
    heatmaps = {}
    for head, target in targets.items():
        wrapper = MapsToLogits(encoder, checkpoint, visual.present, batch, head).eval()
        layers = [wrapper.encoder.blocks[2], wrapper.encoder.blocks[3]]
        with torch.enable_grad(), ClipGradCAM(wrapper, layers) as cam:
            found = cam(early.clone().requires_grad_(True), [lambda logits, target=target: logits[target]])
        maps = np.zeros((len(visual.times), SIDE, SIDE), np.float32)
        maps[visual.present] = found
        heatmaps[head] = maps
    return heatmaps


def _enlarge(cam: np.ndarray) -> np.ndarray:
    """[F, h, w] -> [F, SIDE, SIDE], bilinear."""
    tensor = torch.from_numpy(np.ascontiguousarray(cam, np.float32))[:, None]
    return nn.functional.interpolate(tensor, (SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0].numpy()
