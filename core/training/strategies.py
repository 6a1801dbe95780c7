"""Training strategies: each says what one step sees and what it minimises.

A step has one stage or several. The loop goes through them in order; each gives a loss and says which parameters it moves.

Deviations:

- goncalves2022robust (3.6): group sizes in a batch are rounded (6 and 6 of 32); a clip with only one modality does not lose it.
- goncalves2025versatile (Algorithm 1): the order is the paper's: audio, video, both; the public code starts with video. There is
  one Adam optimiser, where the public code has nine.
- goncalves2025versatile (III-C): layers that are frozen while the audio-visual layers learn get no gradient but stay in training
  mode: dropout is active, and batch norm counts the clips again. The paper does not say.
- goncalves2025versatile (Eq. 1): the paper does not give alpha: 2 for classes and 1 for attributes, as in the public code.
- goncalves2025versatile (Eq. 3): the CCC is computed per batch and attribute, and averaged over attributes; unrated clips are
  excluded.
- parthasarathy2020detecting (4.3): development clips are also predicted in sequences of 100, but their 1 - CCC is computed over
  each whole clip.
- parthasarathy2020detecting (4.3): 1 - CCC is the mean over sequences and both attributes; a sequence counts for an attribute if
  it has at least two frames with different values.
- mocanu2023multimodal (3.4): the paper does not say which loss trains the last layer: cross-entropy is added to the metric loss,
  with weight one. Softmax in Figs. 6 and 7 is cross-entropy alone.
- mocanu2023multimodal (3.4): the paper does not say which triplets of a batch are used: all of them, averaged. It gives no
  margins: 0.2 on squared distances of unit-length embeddings.
- mocanu2023multimodal (3.4): an emotion that has no other of its polarity among the classes has the plain triplet loss, as the
  paper says of neutral: in CREMA-D happiness too. Neutral clips are related or opposed to none: Eq. 14 and 15 don't include
  them, so only neutral anchors, and those with the plain loss, are separated from them.
- mocanu2023multimodal (4.2): "a momentum of 0.9 with Adam" is read as its first beta.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from affectscope.core.models.affect_transformer import SEQUENCE
from affectscope.core.models.base import AVModel
from affectscope.core.registry import Registry
from affectscope.core.streams import Batch
from affectscope.core.training.criteria import answer_loss, one_loss
from affectscope.core.training.losses import emotion_loss, reconstruction_loss, triplet_loss
from affectscope.core.training.trunks import HasTrunks, learn_stills, load_trunks

if TYPE_CHECKING:
    from affectscope.core.training.loop import TrainConfig

MODALITIES = ("audio", "visual")
Missing = Literal["absent", "zeros"]


@dataclass(frozen=True)
class Strategy:
    """Every clip whole ("standard training" in goncalves2022robust and goncalves2022auxformer).

    For per-frame predictions the loss is 1 - CCC per clip.

    Attributes:
        class_weights: see ``answer_loss``.
    """

    class_weights: tuple[float, ...] = ()
    stages: ClassVar[tuple[str, ...]] = ("all",)

    def prepare(self, model: AVModel, batches: Iterable[tuple[Batch, Tensor]], config: TrainConfig) -> None:
        """Prepare the model once, before the first epoch, on its device."""

    def loss(self, model: AVModel, batch: Batch, target: Tensor, stage: str) -> Tensor:
        """A scalar; without a graph where no clip of the batch takes part in this stage."""
        return answer_loss(model(batch), target, model.spec, class_weights=self.class_weights)

    def trains(self, stage: str, parameter: str) -> bool:
        """Whether a stage updates the parameter of that name."""
        return True


STRATEGIES: Registry[type[Strategy]] = Registry("strategy")
STRATEGIES.register("standard")(Strategy)


@STRATEGIES.register("sequences")
@dataclass(frozen=True)
class Sequences(Strategy):
    """parthasarathy2020detecting, section 4.3: clips cut into consecutive sequences of 100 frames, and 1 - CCC of each.

    The last sequence of a clip may be shorter. A batch has as many rows as its clips have sequences, so long clips need small
    batches. Clips with a single prediction stay whole, and so do those of the development set.

    Attributes:
        frames: length of a sequence.
    """

    frames: int = SEQUENCE

    def loss(self, model: AVModel, batch: Batch, target: Tensor, stage: str) -> Tensor:
        if model.spec.reference:
            batch, target = self.cut(batch, target)
        if not len(batch):
            return target.new_zeros((), dtype=torch.float32)
        return answer_loss(model(batch), target, model.spec, class_weights=self.class_weights)

    def cut(self, batch: Batch, target: Tensor) -> tuple[Batch, Tensor]:
        """The non-empty sequences as rows, [S, frames, ...]; targets are NaN after the end."""
        batch = batch.synchronous()
        count = -(-next(iter(batch.present.values())).shape[1] // self.frames)

        def rows(x: Tensor, fill: float) -> Tensor:
            x = F.pad(x, (*(0, 0) * (x.ndim - 2), 0, count * self.frames - x.shape[1]), value=fill)
            return torch.unflatten(x, 1, (count, self.frames)).flatten(0, 1)

        present = {m: rows(mask, False) for m, mask in batch.present.items()}
        there = torch.stack(list(present.values())).any(0).any(1)
        values = {m: rows(x, 0.0)[there] for m, x in batch.values.items()}
        return Batch(values, {m: mask[there] for m, mask in present.items()}), rows(target, torch.nan)[there]


@STRATEGIES.register("optimised")
@dataclass(frozen=True)
class Optimised(Strategy):
    """Each batch in three random groups: 20 % without sound, 20 % without picture, the rest whole (goncalves2022robust, 3.6).

    Attributes:
        missing: removed modalities are absent, or zeros as in the paper, which also train their heads.
    """

    audio_share: float = 0.2
    visual_share: float = 0.2
    missing: Missing = "absent"

    def loss(self, model: AVModel, batch: Batch, target: Tensor, stage: str) -> Tensor:
        return answer_loss(model(self.ablate(batch)), target, model.spec, class_weights=self.class_weights)

    def ablate(self, batch: Batch) -> Batch:
        """Drop a modality from random rows; a row never loses its only modality."""
        size = len(batch)
        order = torch.randperm(size)
        first, second = round(self.audio_share * size), round(self.visual_share * size)
        keep = {m: torch.ones(size, dtype=torch.bool) for m in MODALITIES}
        keep["audio"][order[:first]] = False
        keep["visual"][order[first : first + second]] = False
        return _without(batch, keep, self.missing)


@STRATEGIES.register("modality-dropout")
@dataclass(frozen=True)
class ModalityDropout(Strategy):
    """Without sound or without picture, with probability 0.2 each (goncalves2022auxformer, 4.3).

    Attributes:
        missing: see ``Optimised``.
        each: one draw per batch, as in the public code, or per clip; the paper does not say.
    """

    probability: float = 0.2
    missing: Missing = "absent"
    each: Literal["batch", "clip"] = "batch"

    def loss(self, model: AVModel, batch: Batch, target: Tensor, stage: str) -> Tensor:
        return answer_loss(model(self.ablate(batch)), target, model.spec, class_weights=self.class_weights)

    def ablate(self, batch: Batch) -> Batch:
        """Drop a modality at random; a row never loses its only modality."""
        size = len(batch)
        throw = torch.rand(size) if self.each == "clip" else torch.rand(()).expand(size)
        lost = (throw < self.probability, (throw >= self.probability) & (throw < 2 * self.probability))
        return _without(batch, {m: ~gone for m, gone in zip(MODALITIES, lost, strict=True)}, self.missing)


@STRATEGIES.register("vavl")
@dataclass(frozen=True)
class VersatileTraining(Strategy):
    """goncalves2025versatile, Algorithm 1: sound with the shared layers, picture with them, then the audio-visual head.

    A clip with one modality takes part in that modality's stage.

    Attributes:
        reconstruction: alpha of Eq. 1; None takes the public code's, 2 for classes and 1 for attributes.
    """

    reconstruction: float | None = None
    stages: ClassVar[tuple[str, ...]] = ("audio", "visual", "av")

    def loss(self, model: AVModel, batch: Batch, target: Tensor, stage: str) -> Tensor:
        if stage == "av":
            paired = torch.stack([batch.present[m].any(1) for m in MODALITIES]).all(0)
            if not bool(paired.any()):
                return target.new_zeros((), dtype=torch.float32)
            output = model(batch)
            return one_loss(output.predictions["av"][paired], target[paired], model.spec, self.class_weights)
        if stage not in batch.values:
            return target.new_zeros((), dtype=torch.float32)
        alone = Batch({stage: batch.values[stage]}, {stage: batch.present[stage]})
        output = model(alone)
        loss = answer_loss(output, target, model.spec, {stage: 1.0}, self.class_weights)
        if stage in output.reconstruction and bool(output.evidence[stage].any()):
            alpha = (
                self.reconstruction if self.reconstruction is not None else 2.0 if model.spec.task == "classification" else 1.0
            )
            loss = loss + alpha * reconstruction_loss(output.reconstruction[stage], alone.values[stage], alone.present[stage])
        return loss

    def trains(self, stage: str, parameter: str) -> bool:
        if stage == "av":
            return parameter.startswith("predict.av.")
        return parameter.startswith("shared") or f".{stage}." in parameter


@STRATEGIES.register("one-modality")
@dataclass(frozen=True)
class OneModality(Strategy):
    """UAVM: each batch trains one modality, chosen at random."""

    def loss(self, model: AVModel, batch: Batch, target: Tensor, stage: str) -> Tensor:
        there = [m for m in MODALITIES if m in batch.values and bool(batch.present[m].any())]
        if not there:
            return target.new_zeros((), dtype=torch.float32)
        chosen = there[int(torch.randint(len(there), ()))]
        alone = Batch({chosen: batch.values[chosen]}, {chosen: batch.present[chosen]})
        heads = [head for head in model.spec.heads if chosen in model.spec.modalities[head]]
        weights = {head: 1 / len(heads) for head in heads}
        return answer_loss(model(alone), target, model.spec, weights, self.class_weights)


@STRATEGIES.register("metric")
@dataclass(frozen=True)
class MetricLearning(Strategy):
    """mocanu2023multimodal, section 3.4: cross-entropy of the last layer, and a metric loss on the embedding below it.

    The paper minimises Eq. 16 and predicts classes by a last layer, but does not say how that layer is trained. Here both losses
    are added. The embedding is normalised to length one for the metric, so that the margins mean the same for every model.

    Attributes:
        metric: "emotion" (Eq. 16), "triplet" (Eq. 13), or "softmax" for the cross-entropy alone.
        alpha, beta: the margins, on squared distances of unit vectors; not published.
        trunks: files with initial weights of trunks, in torchvision's format; see ``core.training.trunks``.
        stills: epochs in which a trunk without a file is pretrained on single frames of the training clips; at most as many as
            follow.
    """

    metric: Literal["emotion", "triplet", "softmax"] = "emotion"
    alpha: float = 0.2
    beta: float = 0.2
    weight: float = 1.0
    trunks: tuple[str, ...] = ()
    stills: int = 10

    def prepare(self, model: AVModel, batches: Iterable[tuple[Batch, Tensor]], config: TrainConfig) -> None:
        if not isinstance(model, HasTrunks):
            return
        filled = load_trunks(model, self.trunks)
        for modality in model.spec.inputs:
            if self.stills and modality not in filled and model.spec.task == "classification":
                epochs = min(self.stills, config.epochs)
                learn_stills(model, modality, batches, epochs, config.seed, (config.frame_noise, config.clip_noise))

    def loss(self, model: AVModel, batch: Batch, target: Tensor, stage: str) -> Tensor:
        output = model(batch)
        loss = answer_loss(output, target, model.spec, class_weights=self.class_weights)
        seen = output.evidence[model.spec.heads[0]]
        if self.metric == "softmax" or not bool(seen.any()):
            return loss
        embedding = F.normalize(output.embeddings["fused"][seen], dim=1)
        if target.is_floating_point():
            # The metric needs classes: for shares of votes, the largest.
            target = target.argmax(1)
        if self.metric == "triplet":
            return loss + self.weight * triplet_loss(embedding, target[seen], self.alpha)
        return loss + self.weight * emotion_loss(embedding, target[seen], model.spec.labels, self.alpha, self.beta)


@STRATEGIES.register("metric-triplet")
@dataclass(frozen=True)
class TripletLearning(MetricLearning):
    """mocanu2023multimodal's baseline: the plain triplet loss."""

    metric: Literal["emotion", "triplet", "softmax"] = "triplet"


def _without(batch: Batch, keep: dict[str, Tensor], missing: Missing) -> Batch:
    """Remove modalities from rows, except the only one of a row."""
    kept = {}
    for m in batch:
        others = [batch.present[other].any(1) for other in batch if other != m]
        alone = ~torch.stack(others).any(0) if others else torch.ones_like(batch.present[m][:, 0])
        kept[m] = (keep[m].to(alone.device) if m in keep else torch.ones_like(alone)) | alone
    change = batch.zeroed if missing == "zeros" else batch.masked
    return change(**{m: mask[:, None] for m, mask in kept.items()})
