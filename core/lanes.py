"""What an analysis draws under the video: one function a kind of lane."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch

from core.corpora import Truth
from core.explain.attention import frame_weights, stack_layers
from core.features.extract import Extraction
from core.models.base import AttentionSpec, ModelOutput, ModelSpec
from core.streams import Batch, Stream
from core.timeline import Event, Lane, Matrix

HEAD_TITLES = {"av": "Audio-visual", "audio": "Audio", "visual": "Visual"}
ATTENTION_TITLES = {
    "cross": "asked by the other modality",
    "fused": "inside the fused stream",
    "auxiliary": "inside its own network",
}


def build_lanes(
    extraction: Extraction,
    streams: Mapping[str, Stream],
    batch: Batch,
    output: ModelOutput,
    spec: ModelSpec,
    over_time: tuple[np.ndarray, np.ndarray],
    truth: Truth | None,
) -> tuple[Lane, ...]:
    """Waveform, attention by modality, prediction by head, and what the corpus knows."""
    lanes = [
        Lane(
            "wave", "Sound", "wave", extraction.envelope_times, extraction.envelope, ("low", "high"), "audio",
            "Smallest and largest sample in each 10 ms.",
        )
    ]  # fmt: skip
    for attention in spec.attention:
        if streams[attention.key].any:
            lanes.append(_attention_lane(attention, streams, batch, output))
    times, probabilities = over_time
    for head, values in zip(spec.heads, probabilities, strict=True):
        if bool(output.evidence[head][0]):
            note = "Probability of each class from everything seen and heard up to this moment."
            title = f"{HEAD_TITLES.get(head, head)} head so far"
            lanes.append(Lane(f"prediction.{head}", title, "probability", times, values.T, spec.labels, "prediction", note))
    if truth is not None:
        note = "How strongly the face was made to show the emotion (the demo corpus knows)."
        values = truth.strength[None].astype(np.float32)
        lanes.append(Lane("truth.strength", "Emotion shown", "truth", truth.times, values, ("strength",), "truth", note))
    return tuple(lanes)


def _attention_lane(spec: AttentionSpec, streams: Mapping[str, Stream], batch: Batch, output: ModelOutput) -> Lane:
    stream = streams[spec.key]
    weights = frame_weights(stack_layers(output.attention, spec.name), batch.present[spec.query][0])
    values = weights[..., : len(stream.times)].flatten(0, 1).numpy().copy()
    values[:, ~stream.present] = np.nan
    kind = spec.name.split(".")[0]
    title = f"{spec.key.capitalize()} attention, {ATTENTION_TITLES.get(kind, kind)}"
    note = f"Weight of each {spec.key} frame, mean over the {spec.query} frames that ask; sums to 1 over the clip."
    series = tuple(f"layer {layer + 1}, head {head + 1}" for layer in range(spec.layers) for head in range(spec.heads))
    name = f"attention.{spec.key}.{kind}"
    return Lane(name, title, "weights", stream.times, values, series, spec.key, note, spec.layers, spec.heads)


def build_matrices(streams: Mapping[str, Stream], output: ModelOutput, spec: ModelSpec) -> tuple[Matrix, ...]:
    """Cross-modal attention, audio frames against video frames."""
    matrices = []
    for attention in spec.attention:
        query, key = streams[attention.query], streams[attention.key]
        if attention.query == attention.key or not (query.any and key.any):
            continue
        weights = stack_layers(output.attention, attention.name)[..., : len(query.times), : len(key.times)].flatten(0, 1)
        weights = torch.where(torch.from_numpy(query.present)[None, :, None], weights, 0)
        scaled = 255 * weights / weights.amax((1, 2), keepdim=True).clamp(min=1e-12)
        title = f"{attention.query.capitalize()} frames look at {attention.key} frames"
        values = scaled.round().to(torch.uint8).flatten(1).numpy()
        matrices.append(
            Matrix(
                attention.name, title, query.times, key.times, values,
                attention.query, attention.key, attention.layers, attention.heads,
            )
        )  # fmt: skip
    return tuple(matrices)


def truth_events(truth: Truth | None) -> tuple[Event, ...]:
    """Phonemes, and the emotion's onset, apex and offset."""
    if truth is None:
        return ()
    return tuple(Event("phonemes", *phoneme) for phoneme in truth.phonemes) + tuple(
        Event("emotion", name, start, end) for name, start, end in truth.phases
    )
