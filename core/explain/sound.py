"""Explanations of a clip's sound, per frame and column: the path to the scores, and the methods that read it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.explain.attention import frame_weights, stack_layers
from affectscope.core.explain.cams import Weighing
from affectscope.core.explain.gradients import quadrature
from affectscope.core.explain.paths import NotApplicable, listening, slopes_by_score
from affectscope.core.features.extractors.descriptors import columns
from affectscope.core.models.base import AttentionMap, over_clip
from affectscope.core.streams import Batch

SOUND = "audio"
STEPS = 16
"""Quadrature points of integrated gradients."""
WINDOWS = 24
"""Time windows of the sound, occluded in turn."""
BANDS = 8
"""Bands of a spectrum, occluded in turn; for descriptors it is their groups, for samples all at once."""
_CHUNK_FRAMES = 24_000


@dataclass(frozen=True)
class AudioPath:
    """From the sound of one clip, as model input, to the explained scores; all other inputs are fixed.

    Attributes:
        values: [T, D] float32; zeros where a frame is absent.
        present: [T] bool.
        network: rows [G, T, D] -> scores [G, S], one per explained head, differentiable.
        blank: [D], the baseline: the training set's mean, or the clip's own.
        parts: disjoint groups [N] of all columns, hidden together.
        at_once: rows per forward pass.
        layer: a module in ``network`` whose output for the sound is [N, T, K] or [N, K, T], if the model declares one.
        attention: returns the model's attention with the sound as keys; None if it has none.
        deep: whether one of those is self-attention of the sound, in several layers.
    """

    values: Tensor
    present: Tensor
    network: nn.Module
    blank: Tensor
    parts: tuple[np.ndarray, ...]
    at_once: int = 8
    layer: nn.Module | None = None
    attention: Callable[[], tuple[Attended, ...]] | None = None
    deep: bool = False


@dataclass(frozen=True)
class Attended:
    """An attention with the sound as keys.

    Weights [layers, heads, Tq, T], present queries [Tq], and whether the queries are the sound's frames too.
    """

    weights: Tensor
    asks: Tensor
    own: bool


def sound_road(checkpoint: Checkpoint, batch: Batch, targets: Mapping[str, int]) -> AudioPath:
    """The road of a clip that has sound.

    Args:
        batch: the clip alone, normalised.
        targets: head -> index of the explained class or attribute.
    """
    values, present = batch.values[SOUND][0], batch.present[SOUND][0]
    network, heard = (
        _SoundScores(checkpoint, batch, targets),
        [attention for attention in checkpoint.spec.attention if attention.key == SOUND],
    )
    return AudioPath(
        values, present, network, blank(checkpoint, batch), parts(checkpoint.sets[SOUND], values.shape[1]),
        max(1, batch.copies_at_once(_CHUNK_FRAMES)), checkpoint.model.look_at.get(SOUND),
        (lambda: _attention(checkpoint, batch)) if heard else None,
        any(attention.query == SOUND and attention.layers > 1 for attention in heard),
    )  # fmt: skip


def blank(checkpoint: Checkpoint, batch: Batch) -> Tensor:
    """[D], the baseline for sound: the training set's mean, 0 once normalised; without statistics, the clip's own mean."""
    values = batch.values[SOUND][0]
    if SOUND in checkpoint.normaliser.mean:
        return torch.zeros(values.shape[1])
    return values[batch.present[SOUND][0]].mean(0)


def parts(feature_set: str, dim: int) -> tuple[np.ndarray, ...]:
    """The columns hidden together: groups of descriptors, ``BANDS`` bands of a spectrum, otherwise all columns."""
    if groups := columns(feature_set, dim):
        own = list(groups.values())
        rest = np.setdiff1d(np.arange(dim), np.concatenate(own))
        return (*own, rest) if len(rest) else tuple(own)
    spectral = feature_set.startswith(("spectrogram-", "log-mel-"))
    return tuple(np.array_split(np.arange(dim), min(BANDS, dim) if spectral else 1))


def frequencies(feature_set: str, dim: int) -> np.ndarray:
    """[D] Hz, centre frequency of each column of a spectrogram; empty for other sets."""
    if feature_set.startswith("spectrogram-"):
        # 256 bins, 31.25 Hz apart, starting at 31.25; neighbours are averaged.
        width = 256 // dim
        return 31.25 * (1 + np.arange(dim) * width + (width - 1) / 2)
    if feature_set.startswith("log-mel-"):
        import librosa

        return librosa.mel_frequencies(dim + 2, fmin=0.0, fmax=8000.0)[1:-1]
    return np.zeros(0)


def integrated(road: AudioPath, steps: int = STEPS) -> Tensor:
    """Integrated gradients (Sundararajan et al. 2017) with baseline ``blank``: [S, T, D].

    For each score they sum to its difference from the baseline, up to the quadrature's error.
    """
    change = road.values - _nothing(road)
    total: Tensor | None = None
    shares, weights = (part.to(road.values) for part in quadrature(steps))
    size = max(1, road.at_once // 4)
    for share, weight in zip(shares.split(size), weights.split(size), strict=True):
        slopes = _slopes(road, _nothing(road) + share[:, None, None] * change)
        found = torch.einsum("g,sgtd->std", weight, slopes)
        total = found if total is None else total + found
    assert total is not None
    return total * change


def gradient_times_input(road: AudioPath) -> Tensor:
    """The gradient of each score times the sound's difference from ``blank``: [S, T, D]."""
    return _slopes(road, road.values[None])[:, 0] * (road.values - _nothing(road))


def occlusion(road: AudioPath) -> Tensor:
    """How much each score falls when a part of the sound is ``blank`` for a while, divided among its frames and columns.

    Returns:
        [S, T, D]; sums over a part are comparable with those of ``integrated``.
    """
    nothing, there = _nothing(road), torch.nonzero(road.present)[:, 0]
    spans = [window for window in np.array_split(there.numpy(), min(WINDOWS, len(there))) if len(window)]
    places = [(torch.from_numpy(span), torch.from_numpy(own)) for span in spans for own in road.parts]
    with torch.inference_mode():
        (base,) = road.network(road.values[None])
        found = base.new_zeros(len(base), *road.values.shape)
        for start in range(0, len(places), road.at_once):
            some = places[start : start + road.at_once]
            rows = road.values.repeat(len(some), 1, 1)
            for row, (span, own) in zip(rows, some, strict=True):
                row[span[:, None], own] = nothing[span[:, None], own]
            falls = base - road.network(rows)
            for fall, (span, own) in zip(falls, some, strict=True):
                found[:, span[:, None], own] = (fall / (len(span) * len(own)))[:, None, None]
    return found


def of_layer(weigh: Weighing) -> Callable[[AudioPath], Tensor]:
    """A class activation map of the layer that the model declares for sound: [S, T, 1], >= 0."""

    def maps(road: AudioPath) -> Tensor:
        assert road.layer is not None
        with torch.enable_grad(), listening((road.layer,), True) as heard:
            (scores,) = road.network(road.values[None])
            calls = [call for call in heard[0] if call.ndim == 3 and len(call) == 1 and len(road.values) in call.shape[1:]]
        if not calls:
            raise NotApplicable("the layer to look at gives nothing that is as long as the sound")
        values = calls[0]
        slopes = torch.stack([slope[0] for slope in slopes_by_score(scores, [values])])
        held = values.detach()
        if held.shape[2] != len(road.values):
            held, slopes = held.transpose(1, 2), slopes.transpose(2, 3)
        return weigh(held, slopes)[:, 0, :, None]

    return maps


def attended(road: AudioPath) -> Tensor:
    """Attention to each frame: mean over all attentions with the sound as keys, layers, heads and present queries.

    [S, T, 1], the same for all scores.
    """
    rows = [frame_weights(attention.weights, attention.asks).mean((0, 1)) for attention in _attention_of(road)]
    return _for_all(road, torch.stack(rows).mean(0))


def rolled_out(road: AudioPath) -> Tensor:
    """Attention rollout (Abnar and Zuidema 2020) of each self-attention of the sound that has several layers.

    The heads' mean, half residual, multiplied over layers; then the mean over present frames and attentions. [S, T, 1], the same
    for all scores.
    """
    rows = []
    for attention in _attention_of(road):
        if not attention.own or len(attention.weights) < 2:
            continue
        together = torch.eye(attention.weights.shape[-1])
        for layer in attention.weights.mean(1):
            together = (layer + torch.eye(len(layer))) / 2 @ together
        rows.append(together[attention.asks].mean(0))
    return _for_all(road, torch.stack(rows).mean(0))


def _attention_of(road: AudioPath) -> tuple[Attended, ...]:
    return road.attention() if road.attention else ()


def _for_all(road: AudioPath, weights: Tensor) -> Tensor:
    with torch.inference_mode():
        count = road.network(road.values[None]).shape[1]
    return torch.where(road.present, weights[: len(road.values)], 0.0).expand(count, -1)[..., None]


def _nothing(road: AudioPath) -> Tensor:
    """[T, D]: ``blank`` at present frames, zeros at absent ones."""
    return torch.where(road.present[:, None], road.blank, torch.zeros(()))


def _slopes(road: AudioPath, rows: Tensor) -> Tensor:
    """[S, G, T, D]: the gradients of each row's scores on it.

    Raises:
        NotApplicable: when no gradient reaches the sound.
    """
    try:
        with torch.enable_grad():
            given = rows.detach().requires_grad_(True)
            scores = road.network(given).sum(0)
            return torch.stack([slopes[0] for slopes in slopes_by_score(scores, [given])])
    except NotApplicable as error:
        raise NotApplicable(str(error).replace("what is to be looked at", "the sound")) from error


class _SoundScores(nn.Module):
    """Sounds [G, T, D] of a clip -> scores [G, S], with all other inputs fixed."""

    def __init__(self, checkpoint: Checkpoint, batch: Batch, targets: Mapping[str, int]) -> None:
        super().__init__()
        self.model = checkpoint.model
        self._batch, self._targets = batch, dict(targets)

    def forward(self, rows: Tensor) -> Tensor:
        batch = with_sound(self._batch, rows)
        predictions = self.model(batch.to(self.model.prior.device)).predictions
        return torch.stack([over_clip(predictions[head], batch)[:, place] for head, place in self._targets.items()], 1)


def with_sound(batch: Batch, rows: Tensor) -> Batch:
    """The clip with its sound replaced by [G, T, D]; absent frames stay zeros."""
    count = len(rows)
    there = batch.present[SOUND].expand(count, -1)
    values = {
        m: torch.where(there[..., None], rows, rows.new_zeros(())) if m == SOUND else v.expand(count, -1, -1)
        for m, v in batch.values.items()
    }
    return Batch(values, {m: p.expand(count, -1) for m, p in batch.present.items()})


def _attention(checkpoint: Checkpoint, batch: Batch) -> tuple[Attended, ...]:
    with torch.inference_mode():
        maps: tuple[AttentionMap, ...] = checkpoint.model(batch, attention=True).attention
    found = []
    for attention in checkpoint.spec.attention:
        if attention.key == SOUND:
            asks = batch.present[attention.query][0]
            found.append(Attended(stack_layers(maps, attention.name).cpu(), asks, attention.query == SOUND))
    return tuple(found)
