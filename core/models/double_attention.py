"""Double attention: snippets of a face and of a spectrogram, attention inside each and between the two.

Source: mocanu2023multimodal, sections 3.1 to 4.2; its authors published no code.
Shapes: visual [B, Tv, channels * side * side], a face crop a frame, flattened from [channels, side, side]; audio [B, Ta, bins],
a log spectrogram, 100 frames a second; the one head gives [B, outputs].

The road: the present frames are cut into N = 6 snippets, 16 frames taken evenly from each (3.1, 4.2). A 3D ResNet turns a snippet
into s places of m features; spatial attention (VS) runs over the places, channel attention (VC) over the features, each of
which is s wide; the places are averaged, and temporal attention (VT) runs over the snippets and brings m to m' = 512 (Eq. 1
to 6). Of the sound, N = 6 windows of one second become pictures for a 2D ResNet-18, are averaged over place, and see each other
by temporal attention (AT, 3.2). Fusion (3.3): Corr = A W V^T; each modality adds a mean of its own snippets that Corr weighs, and
tanh follows; both together, [N, 2 m'], are flattened for one fully connected layer (4.3). What enters that layer is the
embedding "fused" that the metric losses of 3.4 pull apart (``core.training.losses.emotion_loss``).

Where the paper cannot be followed or is silent, and what was chosen:

- The size of D (3.1: m = 1,024 maps of 16 x 16 after conv5): a 3D ResNet-101 gives 2,048 maps of 7 x 7 for 224 pixels, so m =
  2,048 and s = 49. The remaining time steps (one; two with depth 18) are averaged.
- Strides of 2 in conv2 to conv5 (3.1): the network of Hara et al., which it cites, has them in conv1, its pooling, and conv3 to
  conv5, also in time except in conv1. So 16 frames leave one step, though 3.1 has a temporal stride of 1. Its kernels are 3 x 3
  x 3 in the middle of a bottleneck, 1 around it, 7 in conv1. Depth 18 is torchvision's r3d_18, which pools nothing: s = 14 x 14.
  The 2D network is torchvision's ResNet-18, whose strides, pooling and 7 x 7 of conv1 are likewise not those of 3.2.
- The paper's trunks were pretrained on Kinetics and ImageNet (4.2). Here torchvision's weight files initialise depth 18 of both;
  no others are available. A trunk without a file is first trained on single frames of the training clips
  (``core.training.trunks``). W and the matrices of all attentions (queries, keys, values and W_o separately) have Xavier
  initialisation, which 4.2 states for the fusion.
- Faces are not cropped, flipped or brightened at random in training (4.2). Inputs are normalised by the training set, not by
  batch.
- H = 8 heads do not divide s = 49: channel attention has as many as divide s, at most H. That is 7.
- Fusion ends in fully connected layers (3.3) or in one (4.3): one. The paper does not say how the N snippets are combined before
  it: here they are concatenated, N * 2 m' = 6,144 values. This is also the embedding x of 3.4, which the paper does not define.
- The rows of Tables 1 and 2 without VT (VS, VS + VC) have no layer from m to m': the layer takes the snippets' spatial means, N
  * m. Rows of one modality have neither Corr nor tanh.
- How "the 2D-CNN framework has been modified" for spectrograms (3.2) is not explained: here it is unmodified. A window of 100
  frames by 256 frequencies is resized to 224 x 224, bilinearly, and copied to all three channels.
- The "column-wise softmax" before Eq. 8. Columns of Corr sum to one over the audio snippets, so Eq. 8 is a weighted mean only
  with the transpose: by column i, visual snippet i selects among the audio snippets, and the result is added to audio snippet i;
  for the visual the reverse. In the product as printed, weights don't sum to a fixed number, and audio is weighted by its
  position in the visual.
- There is no residual, norm or bias around VS, VC, VT and AT in the text, and none here. The demo has residuals around all four:
  newly initialised attention gives nearly the same mean for all positions, channels and snippets, and a small model learns slowly
  through it. They are around all or none, so that adding an attention in Table 2 removes no path.
- (4.6) Figs. 8 to 11 show the heads of the spatial attention by Grad-CAM. ``places`` gives each head's own weights, the mean
  attention that each position receives; Grad-CAM is a separate explanation.
- A clip of 3 to 4 s has no six separate seconds: the windows overlap.
- Without audio, the audio half is zeros, Corr is zero, and all visual snippets have the same weight; likewise without video.
  Batch norm uses only the clips that have the modality.

``attentions`` has the rows of Tables 1 and 2. Without VT, the snippets' m features are flattened as they are; with one modality
there is no fusion, and the head is named after the modality. Maps are those among snippets, from every frame of a part to the
frames that were taken; "cross.audio" is audio asking visual: what Eq. 8 weighs the visual with.

Counts, measured, six classes: 128,187,530; with depth 50 89,141,386, with depth 18 47,941,190. AT alone 12,243,526, VS
102,096,070, VS+VC 102,105,674, VS+VC+VT 115,681,866. The 3D ResNet-101 alone, with Kinetics' 400 classes: 86,064,720, as in Hara
et al.'s code. Demo: 1,429,706.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from affectscope.core.errors import UserError
from affectscope.core.models.base import (
    MODELS,
    AttentionMap,
    AttentionSpec,
    AVModel,
    ModelOutput,
    ModelSpec,
    PlaceAttention,
    Task,
)
from affectscope.core.models.blocks.attention import MultiHeadAttention
from affectscope.core.models.blocks.resnet import ResNet2D, ResNet3D
from affectscope.core.models.blocks.segments import segments, spread
from affectscope.core.models.blocks.snippets import membership, snippets, windows
from affectscope.core.models.labels import EMOTIONS
from affectscope.core.streams import Batch


@dataclass(frozen=True)
class DoubleAttentionConfig:
    """Sizes of a double attention network.

    Attributes:
        channels, side: of a face crop; a visual frame has channels * side * side values.
        audio_dim: bins of the spectrogram.
        snippets: N.
        snippet_frames: faces in a snippet.
        window_frames: spectrogram frames in an audio snippet.
        audio_side, audio_channels: of the picture that a window becomes; the channels are copies.
        depth, visual_width: of the 3D ResNet, and the width of its first stage.
        audio_depth, audio_width: of the 2D ResNet.
        width: m'.
        residual: add what goes into VS and VC to what comes out; not in the paper.
        temporal_residual: likewise VT and AT, which then must not change the width. Checkpoints of before have it around VS and
            VC alone.
    """

    labels: tuple[str, ...] = EMOTIONS
    task: Task = "classification"
    attentions: Literal["AT", "VS", "VS+VC", "VS+VC+VT", "AT+VS+VC+VT"] = "AT+VS+VC+VT"
    channels: int = 3
    side: int = 224
    audio_dim: int = 256
    snippets: int = 6
    snippet_frames: int = 16
    window_frames: int = 100
    audio_side: int = 224
    audio_channels: int = 3
    depth: Literal[10, 18, 50, 101] = 101
    visual_width: int = 64
    audio_depth: Literal[10, 18] = 18
    audio_width: int = 64
    width: int = 512
    heads: int = 8
    residual: bool = False
    temporal_residual: bool = False

    @property
    def visual_dim(self) -> int:
        return self.channels * self.side**2


@MODELS.register("double-attention")
class DoubleAttention(AVModel):
    """See the module. All parameters are used."""

    config_type = DoubleAttentionConfig
    config: DoubleAttentionConfig

    def __init__(self, config: DoubleAttentionConfig) -> None:
        super().__init__(config, _spec(config))
        used = config.attentions.split("+")
        features = {}
        if "AT" in used:
            self.listener = ResNet2D(config.audio_depth, config.audio_channels, config.audio_width)
            self.temporal_audio = self._temporal(self.listener.features)
            features["audio"] = config.width
        if "VS" in used:
            self.watcher = ResNet3D(config.depth, config.channels, config.visual_width)
            self.spatial = _attention(self.watcher.features, config.heads, self.watcher.features)
            self.look_at = {"visual": self.watcher.layer4}
            features["visual"] = self.watcher.features
        if "VC" in used:
            places = self.watcher.side(config.side) ** 2
            heads = max(h for h in range(1, min(config.heads, places) + 1) if places % h == 0)
            self.channel = _attention(places, heads, places)
        if "VT" in used:
            self.temporal_visual = self._temporal(self.watcher.features)
            features["visual"] = config.width
        if len(features) == 2:
            self.relevance = nn.Parameter(nn.init.xavier_uniform_(torch.empty(config.width, config.width)))
        self.classifier = nn.Linear(config.snippets * sum(features.values()), len(config.labels))

    @classmethod
    def presets(cls) -> dict[str, DoubleAttentionConfig]:
        """``paper`` has CREMA-D's six classes; the numbers are other depths of the 3D ResNet. ``demo`` looks at gray faces."""
        paper = DoubleAttentionConfig()
        return {
            "paper": paper,
            "paper-50": replace(paper, depth=50),
            "paper-18": replace(paper, depth=18),
            "demo": DoubleAttentionConfig(
                channels=1, side=48, audio_dim=64, snippet_frames=4, audio_side=64, audio_channels=1, depth=10, visual_width=16,
                audio_depth=10, audio_width=16, width=128, heads=4, residual=True, temporal_residual=True,
            ),
        }  # fmt: skip

    @classmethod
    def sized(cls, dims: Mapping[str, int]) -> dict[str, Any]:
        """Gray or coloured square crops, whichever has that many values.

        Raises:
            UserError: when neither has.
        """
        changes = {"audio_dim": dims["audio"]} if "audio" in dims else {}
        if "visual" in dims:
            sides = {channels: math.isqrt(dims["visual"] // channels) for channels in (1, 3)}
            fits = [c for c, side in sides.items() if side and c * side**2 == dims["visual"]]
            if not fits:
                raise UserError(
                    f"double-attention looks at square face crops, and {dims['visual']} values a frame are none: "
                    "extract faces, gray or in colour."
                )
            changes |= {"channels": fits[0], "side": sides[fits[0]]}
        return changes

    def forward(self, batch: Batch, attention: bool = False) -> ModelOutput:
        batch = batch.completed(self.spec.inputs)
        described: dict[str, Tensor] = {}
        asks: dict[str, Tensor] = {}
        taken: dict[str, Tensor] = {}
        maps: list[AttentionMap] = []

        def add(name: str, query: str, key: str, weights: Tensor) -> None:
            maps.append(AttentionMap(name, query, key, 0, spread(weights, asks[query], taken[key])))

        for m in self.spec.inputs:
            present = batch.present[m]
            indices = self._indices(m, present)
            rows = present.any(1).nonzero()[:, 0]
            described[m], weights = self._described(m, batch.values[m], indices, rows, attention)
            if attention:
                asks[m], taken[m] = segments(present, self.config.snippets), membership(indices, present)
            if weights is not None:
                add(f"temporal.{m}", m, m, weights)
        if len(described) == 2:
            h, look, listen = fuse(described["audio"], described["visual"], self.relevance)
            if attention:
                add("cross.audio", "audio", "visual", look[:, None])
                add("cross.visual", "visual", "audio", listen[:, None])
        else:
            (h,) = described.values()
        embedding = h.flatten(1)
        predictions, evidence = self.answers({self.spec.heads[0]: self.classifier(embedding)}, batch)
        return ModelOutput(predictions, evidence, {"fused": embedding}, tuple(maps))

    def places(self, batch: Batch) -> tuple[PlaceAttention, ...]:
        """What VS and VC attend to in each snippet: how much each place, or each channel, is asked for, the mean over who asks.

        A channel is shown by where the 3D ResNet finds it: the map is that of all channels, each by its weight.
        """
        if "visual" not in self.spec.inputs:
            return ()
        batch = batch.completed(self.spec.inputs)
        values, present = batch.values["visual"], batch.present["visual"]
        rows = present.any(1).nonzero()[:, 0]
        side = self.watcher.side(self.config.side)
        found = self._asked_for(_take(values, self._indices("visual", present), rows)) if len(rows) else {}

        def over(name: str, what: str, count: int, heads: int) -> PlaceAttention:
            maps = values.new_zeros(len(values), self.config.snippets, heads, side**2)
            spread = values.new_zeros(maps.shape[:3])
            if name in found:
                weights, where = (torch.unflatten(part, 0, (len(rows), -1)).to(maps) for part in found[name])
                maps = maps.index_copy(0, rows, where)
                spread = spread.index_copy(0, rows, torch.special.entr(weights).sum(-1).exp())
            placed = torch.unflatten(maps, -1, (side, side)).transpose(1, 2)
            return PlaceAttention(name, what, count, placed, spread.transpose(1, 2))

        spatial = over("spatial", "places", side**2, self.spatial.heads)
        if "VC" not in self.config.attentions:
            return (spatial,)
        return spatial, over("channel", "channels", self.watcher.features, self.channel.heads)

    def _asked_for(self, frames: Tensor) -> dict[str, tuple[Tensor, Tensor]]:
        """Name -> weights [R * N, heads, places or channels] and maps [R * N, heads, s], of frames [R, N, k, values]."""
        places = self._places(frames)
        context, weights = self.spatial(places, places, need_weights=True)
        spatial = weights.mean(2)
        found = {"spatial": (spatial, spatial)}
        if "VC" in self.config.attentions:
            channels = (context + float(self.config.residual) * places).transpose(1, 2)
            asked = []
            # One snippet after the other: of 2,048 channels the weights are 4 million a head.
            for snippet in channels.split(1):
                asked.append(self.channel(snippet, snippet, need_weights=True)[1].mean(2))
            channel = torch.cat(asked)
            found["channel"] = channel, channel @ places.transpose(1, 2)
        return found

    def trunks(self) -> dict[str, nn.Module]:
        """Modality -> the network below its attentions."""
        names = {"audio": "listener", "visual": "watcher"}
        return {m: getattr(self, names[m]) for m in self.spec.inputs}

    def stills(self, modality: str, batch: Batch, count: int) -> tuple[Tensor, Tensor]:
        """What a trunk makes of ``count`` single frames of each clip, drawn at random; of sound, of windows.

        A picture stands still for as long as a snippet is.

        Returns:
            Features [R * count, F], and the clips R that have the modality.
        """
        values, present = batch.values[modality], batch.present[modality]
        rows = present.any(1).nonzero()[:, 0]
        if not len(rows):
            return values.new_zeros(0, 1), rows
        if modality == "audio":
            chosen = torch.randint(self.config.snippets, (len(present), count, 1), device=present.device)
            indices = self._indices("audio", present)
            indices = indices.gather(1, chosen.expand(-1, -1, indices.shape[2]))
            return self._heard(_take(values, indices, rows)).flatten(0, 1), rows
        drawn = present[rows].float().multinomial(count, replacement=True)
        films = values[rows[:, None], drawn][:, :, None].expand(-1, -1, self.config.snippet_frames, -1)
        return self._places(films).mean(1), rows

    def _temporal(self, features: int) -> MultiHeadAttention:
        if self.config.temporal_residual and features != self.config.width:
            raise UserError(f"A residual around temporal attention needs a width of {features}, not {self.config.width}.")
        return _attention(features, self.config.heads, self.config.width)

    def _indices(self, modality: str, present: Tensor) -> Tensor:
        """The frames that make up each snippet [B, N, frames]."""
        if modality == "visual":
            return snippets(present, self.config.snippets, self.config.snippet_frames)
        return windows(present, self.config.snippets, self.config.window_frames)

    def _described(
        self, modality: str, values: Tensor, indices: Tensor, rows: Tensor, attention: bool
    ) -> tuple[Tensor, Tensor | None]:
        """A vector a snippet [B, N, features], and the temporal attention [B, heads, N, N] where asked for and there.

        Only ``rows``, the clips that have the modality, are computed; the others get zeros.
        """
        temporal = getattr(self, f"temporal_{modality}", None)
        count, width = self.config.snippets, self.config.width if temporal else self.watcher.features
        weights = values.new_zeros(len(values), self.config.heads, count, count) if temporal and attention else None
        if not len(rows):
            return values.new_zeros(len(values), count, width), weights
        h = (self._heard if modality == "audio" else self._seen)(_take(values, indices, rows))
        if temporal:
            context, own = temporal(h, h, need_weights=attention)
            h = context + h if self.config.temporal_residual else context
            weights = None if weights is None else weights.index_copy(0, rows, own.to(weights))
        return h.new_zeros(len(values), count, width).index_copy(0, rows, h), weights

    def _heard(self, frames: Tensor) -> Tensor:
        """[R, N, window_frames, bins] -> [R, N, 8 * audio_width]."""
        pictures = frames.flatten(0, 1).transpose(1, 2)[:, None]
        pictures = F.interpolate(pictures, (self.config.audio_side,) * 2, mode="bilinear")
        h = self.listener(pictures.expand(-1, self.config.audio_channels, -1, -1))
        return torch.unflatten(h.mean((2, 3)), 0, frames.shape[:2])

    def _seen(self, frames: Tensor) -> Tensor:
        """[R, N, snippet_frames, values] -> [R, N, m]."""
        places = self._places(frames)
        kept = float(self.config.residual)
        places = self.spatial(places, places)[0] + kept * places
        if "VC" in self.config.attentions:
            channels = places.transpose(1, 2)
            places = self.channel(channels, channels)[0].transpose(1, 2) + kept * places
        return torch.unflatten(places.mean(1), 0, frames.shape[:2])

    def _places(self, frames: Tensor) -> Tensor:
        """[R, N, snippet_frames, values] -> [R * N, s, m]."""
        side = self.config.side
        films = torch.unflatten(frames.flatten(0, 1), -1, (self.config.channels, side, side)).transpose(1, 2)
        maps: Tensor = self.watcher(films)
        return maps.mean(2).flatten(2).transpose(1, 2)


def fuse(audio: Tensor, visual: Tensor, relevance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Cross-modal fusion (Eq. 7 to 11) of snippets [B, N, m'] by W [m', m'].

    Returns:
        [B, N, 2 m'], visual before audio; the weights [B, N, N] with which audio snippets pick visual ones; the reverse.
    """
    corr = audio @ relevance @ visual.transpose(1, 2)
    look, listen = corr.softmax(2), corr.transpose(1, 2).softmax(2)
    return torch.tanh(torch.cat([visual + look @ visual, audio + listen @ audio], 2)), look, listen


def _attention(dim: int, heads: int, out: int) -> MultiHeadAttention:
    """As Eq. 1 to 6 write it: matrices, each Xavier's, and nothing added."""
    made = MultiHeadAttention(dim, heads, bias=False, out=nn.Linear(dim, out, bias=False))
    for matrix in (*made.in_proj_weight.data.chunk(3), made.out_proj.weight):
        nn.init.xavier_uniform_(matrix)
    return made


def _take(values: Tensor, indices: Tensor, rows: Tensor) -> Tensor:
    """Of the clips ``rows`` the frames ``indices`` [B, N, k], and no others: a face is large. [R, N, k, D]"""
    return values[rows[:, None, None], indices[rows]]


def _spec(config: DoubleAttentionConfig) -> ModelSpec:
    used = config.attentions.split("+")
    inputs = {"audio": config.audio_dim} if "AT" in used else {}
    inputs |= {"visual": config.visual_dim} if "VS" in used else {}
    colour = "snippets-224" if config.side == 224 else f"faces-{config.side}-rgb"
    faces = colour if config.channels == 3 else f"faces-{config.side}"
    features = {"audio": f"spectrogram-{config.audio_dim}", "visual": faces}
    head = "av" if len(inputs) == 2 else next(iter(inputs))
    maps = [AttentionSpec(f"temporal.{m}", m, m, 1, config.heads) for m in inputs if m == "audio" or "VT" in used]
    if len(inputs) == 2:
        maps += [AttentionSpec(f"cross.{m}", m, other, 1, 1) for m, other in (("audio", "visual"), ("visual", "audio"))]
    return ModelSpec(
        system="double-attention",
        inputs=inputs,
        labels=tuple(config.labels),
        heads=(head,),
        modalities={head: tuple(inputs)},
        decision=(head,),
        attention=tuple(maps),
        embeddings=("fused",),
        task=config.task,
        features={m: features[m] for m in inputs},
    )
