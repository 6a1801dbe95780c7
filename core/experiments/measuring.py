"""Measures a trained cell under one condition; ``core.experiments.plan`` lists the conditions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affectscope.core.analysis.distance import by_stage
from affectscope.core.analysis.neighbours import knn_accuracy, silhouette
from affectscope.core.analysis.projection import project
from affectscope.core.errors import UserError
from affectscope.core.evaluation.masking import Fill
from affectscope.core.evaluation.sweep import sweep
from affectscope.core.experiments.protocols import DRAWS
from affectscope.core.metrics.answers import collect
from affectscope.core.metrics.metrics import evaluate
from affectscope.core.models.base import AVModel
from affectscope.core.streams import Batch
from affectscope.core.training.batches import Batches


def measure(model: AVModel, batches: Batches, condition: str, seed: int) -> dict[str, dict[str, Any]]:
    """Metrics per head under one condition (see ``plan``); the mean over draws where frames are removed at random."""
    if condition in _WAYS:
        return {"decision": _WAYS[condition](model, batches, seed)}
    words = condition.split()
    if words[0] == "whole" or words[1] not in model.spec.inputs:
        return evaluate(model, batches)
    fill: Fill = "zeros" if "zeros" in words else "absent"
    if words[0] == "without":
        if fill == "zeros":
            return evaluate(model, _zeroed(batches, words[1]))
        return evaluate(model, batches, without=words[1])
    draws = next((int(word[1:]) for word in words if word[0] == "x"), DRAWS)
    rate = [float(words[-1])]
    points = sweep(model, batches, [words[1]], rate, words[0], draws=draws, seed=seed, fill=fill)  # type: ignore[arg-type]
    numbers = points.drop(columns=["modality", "rate", "draw"]).groupby("head").mean()
    return {str(head): {str(k): float(v) for k, v in row.items()} for head, row in numbers.iterrows()}


def _shared_layers(model: AVModel, batches: Batches, seed: int) -> dict[str, Any]:
    answers = collect(model, batches, embeddings=True)
    paired = torch.stack(list(answers.present.values())).all(0)
    table = by_stage({k: v[paired].numpy() for k, v in answers.embeddings.items()}, model.spec.shared, seed)
    means = table.groupby("stage", sort=False)[["distance", "mismatched"]].mean()
    stages = {f"distance {stage}": float(v) for stage, v in means["distance"].items()}
    return {k: float(v) for k, v in means.iloc[-1].items()} | stages


def _map(model: AVModel, batches: Batches, seed: int) -> dict[str, Any]:
    if model.spec.task != "classification":
        raise UserError(f"A map is coloured by class, and {model.spec.system} as it is trained here has none.")
    answers = collect(model, batches, embeddings=True)
    vectors = answers.embeddings[model.spec.embeddings[0]].numpy()
    labels = [model.spec.labels[i] for i in answers.target.tolist()]
    points = project(vectors, "t-SNE", seed=seed).points
    drawn = {"x": points[:, 0].tolist(), "y": points[:, 1].tolist(), "label": labels}
    return {"silhouette": silhouette(vectors, labels, seed), "knn_accuracy": knn_accuracy(vectors, labels), **drawn}


_WAYS: dict[str, Callable[[AVModel, Batches, int], dict[str, Any]]] = {"shared layers": _shared_layers, "map": _map}


def _zeroed(batches: Batches, modality: str) -> Iterator[tuple[Batch, Tensor]]:
    """The batches with one modality set to zeros that count as frames."""
    for batch, target in batches:
        yield batch.zeroed(**{modality: torch.zeros(1, 1, dtype=torch.bool)}), target


def cost(path: Path, card: Mapping[str, Any], labels: Sequence[str]) -> dict[str, Any]:
    """A model's parameters, file size and epochs."""
    return {
        "parameters": card["parameters"],
        "epochs": card["epochs"],
        "megabytes": path.stat().st_size / 2**20,
        "labels": list(labels),
    }


def milliseconds_a_clip(model: AVModel, batches: Batches, clips: int) -> float:
    """Inference time per clip in milliseconds, in batches that are in memory."""
    prepared = [batch.to(model.prior.device) for batch, _ in batches]
    with torch.inference_mode():
        return 1000 * _timed(lambda: [model(batch) for batch in prepared], model) / clips


def latency(model: AVModel, batches: Batches, seconds: Sequence[float], without: str = "") -> dict[str, float]:
    """Latency for one clip at a time (goncalves2025versatile, III-E): median seconds, and relative to the clip's length.

    Args:
        batches: of one clip each; ``seconds`` their lengths.
    """
    taken, shares = [], []
    with torch.inference_mode():
        for place, ((batch, _), length) in enumerate(zip(batches, seconds, strict=True)):
            batch = batch.to(model.prior.device)
            if without:
                others = [m for m in batch if m != without]
                batch = Batch({m: batch.values[m] for m in others}, {m: batch.present[m] for m in others})
            if not place:
                # Warm-up: the first pass includes one-time setup.
                model(batch)
            taken.append(_timed(lambda batch=batch: model(batch), model))  # type: ignore[misc]
            shares.append(taken[-1] / length if length > 0 else float("nan"))
    return {"seconds": float(np.median(taken)), "real_time_factor": float(np.nanmedian(shares))}


def _timed(work: Callable[[], Any], model: AVModel) -> float:
    on_gpu = model.prior.device.type == "cuda"
    if on_gpu:
        torch.cuda.synchronize()
    start = time.perf_counter()
    work()
    if on_gpu:
        torch.cuda.synchronize()
    return time.perf_counter() - start
