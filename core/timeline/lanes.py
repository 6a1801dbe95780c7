"""The lanes under the video: one function per kind of lane."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch

from affectscope.core.explain.attention import frame_weights, shrunk, stack_layers
from affectscope.core.features.extract import Extraction
from affectscope.core.models.base import AttentionSpec, ModelOutput, ModelSpec
from affectscope.core.streams import Batch, Stream
from affectscope.core.timeline.timeline import Event, Heatmap, Lane, Matrix

if TYPE_CHECKING:
    from affectscope.core.corpora import Truth

# Part of every analysis's key: raise it whenever a lane is added or drawn otherwise.
LANES_VERSION = 5
MATRIX_SIDE = 600
_HEAD_TITLES = {"av": "Audio-visual", "all": "All modalities", "decision": "Decision"}
ATTENTION_TITLES = {
    "cross": "cross-modal",
    "fused": "self (fused)",
    "auxiliary": "self (own network)",
}


def head_title(head: str) -> str:
    """A head's display name."""
    return _HEAD_TITLES.get(head, head.capitalize())


def build_lanes(
    extraction: Extraction,
    streams: Mapping[str, Stream],
    batch: Batch,
    output: ModelOutput,
    spec: ModelSpec,
    over_time: tuple[np.ndarray, np.ndarray],
    truth: Truth | None,
    evidence: tuple[Lane, ...] = (),
) -> tuple[Lane, ...]:
    """Waveform, attention per modality, the heatmaps' ``evidence``, prediction per head, and the corpus's ground truth."""
    lanes = [
        Lane(
            "wave", "Audio", "wave", extraction.envelope_times, extraction.envelope, ("low", "high"), "audio",
            "Smallest and largest sample in each 10 ms.",
        )
    ]  # fmt: skip
    for attention in spec.attention:
        if streams[attention.key].any:
            lanes.append(_attention_lane(attention, streams, batch, output))
    lanes += evidence
    times, probabilities = over_time
    for head, values in zip(spec.heads, probabilities, strict=True):
        if bool(output.evidence[head][0]):
            lanes.append(_answer_lane(spec, head, times, values.T))
    if truth is not None:
        note = "How strongly the face was made to show the emotion (the demo corpus knows)."
        values = truth.strength[None].astype(np.float32)
        lanes.append(Lane("truth.strength", "Emotion shown", "truth", truth.times, values, ("strength",), "truth", note))
        if spec.task == "regression" and truth.attributes:
            series = tuple(name for name in spec.labels if name in truth.attributes)
            values = np.stack([truth.attributes[name] for name in series]).astype(np.float32)
            note = "The attributes that the clip was made with (the demo corpus knows)."
            lanes.append(Lane("truth.attributes", _of("True", series), "line", truth.times, values, series, "truth", note))
    return tuple(lanes)


def _answer_lane(spec: ModelSpec, head: str, times: np.ndarray, values: np.ndarray) -> Lane:
    which = f"{head_title(head).lower()} head"
    so_far = "at this frame" if spec.reference else "from everything seen and heard up to this moment"
    if spec.task == "classification":
        note, title = f"Probability of each class {so_far}.", f"Answer {'by frame' if spec.reference else 'so far'}, {which}"
        return Lane(f"prediction.{head}", title, "probability", times, values, spec.labels, "prediction", note)
    title, note = f"{_of('Predicted', spec.labels)}, {which}", f"{_of('Predicted', spec.labels)} {so_far}."
    return Lane(f"prediction.{head}", title, "line", times, values, spec.labels, "prediction", note)


def evidence_lanes(heatmaps: Sequence[Heatmap], times: np.ndarray) -> tuple[Lane, ...]:
    """The maximum of each heatmap frame, relative to the median frame; the player fades frames by it.

    Args:
        times: [F] of the heatmaps' frames, in seconds.
    """
    lanes = []
    for heatmap in heatmaps:
        there = np.nan_to_num(heatmap.peaks) > 0
        values = (heatmap.peaks / (np.median(heatmap.peaks[there]) if there.any() else 1.0)).astype(np.float32)[None]
        note = (
            "How much each frame counts: the largest value of its heatmap, over that of the clip's median frame. The bars are as "
            "high as the heatmap is opaque where it is scaled by clip."
        )
        title = f"Evidence, {heatmap.label or f'{head_title(heatmap.id).lower()} head'}"
        lanes.append(Lane(f"evidence.{heatmap.id}", title, "evidence", times, values, ("evidence",), "evidence", note))
    return tuple(lanes)


def _of(what: str, names: tuple[str, ...]) -> str:
    return f"{what} {' and '.join(names)}"


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
    """Cross-modal attention matrices, audio frames against video frames."""
    matrices = []
    for attention in spec.attention:
        query, key = streams[attention.query], streams[attention.key]
        if attention.query == attention.key or not (query.any and key.any):
            continue
        weights = stack_layers(output.attention, attention.name)[..., : len(query.times), : len(key.times)].flatten(0, 1)
        weights = torch.where(torch.from_numpy(query.present)[None, :, None], weights, 0)
        # More would not fit on a screen, and would take long to send.
        weights, query_times, key_times = shrunk(weights, query.times, key.times, MATRIX_SIDE)
        scaled = 255 * weights / weights.amax((1, 2), keepdim=True).clamp(min=1e-12)
        title = f"{attention.query.capitalize()} → {attention.key} attention"
        values = scaled.round().to(torch.uint8).flatten(1).numpy()
        matrices.append(
            Matrix(
                attention.name, title, query_times, key_times, values,
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
