"""Checks a corpus's difficulty: simple classifiers on pooled features, and an encoder trained on real faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.features.extractors.encoders import READER_CLASSES, MiniXception
from affectscope.core.streams import Clip
from affectscope.core.text import shown


def pooled_accuracy(clips: Sequence[Clip], modalities: Sequence[str], folds: int = 5) -> float | None:
    """Accuracy of logistic regression on features averaged over time, with every speaker held out once.

    None with fewer than two speakers or classes, or if a class has one speaker only, so that it cannot be held out.
    """
    known = [clip for clip in clips if clip.labels["label"]]
    labels = np.array([c.labels["label"] for c in known])
    speakers = np.array([str(c.labels.get("speaker") or "") for c in known])
    folds = min(folds, len(set(speakers) - {""}))
    if folds < 2 or len(set(labels)) < 2:
        return None
    features = np.concatenate([[_pooled(c, m) for c in known] for m in modalities], 1)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=3000))
    cuts = GroupKFold(folds)
    if any(len(set(labels[train])) < 2 for train, _ in cuts.split(features, labels, speakers)):
        return None
    predicted = cross_val_predict(model, features, labels, groups=speakers, cv=cuts)
    return float((predicted == labels).mean())


def reader_accuracy(clips: Sequence[Clip], corpus: Corpus) -> dict[str, Any]:
    """Accuracy of the face encoder's own last layer, trained on real faces, at the emotion's apex (seven classes).

    For the demo corpus, full-intensity clips whose face shows the label; for others, every clip with a face and a known label.
    Probabilities are averaged over the apex frames, or over all frames if the apex is unknown.
    """
    right: dict[str, list[bool]] = {}
    acted = "visual_emotion" in corpus.table
    for clip in clips:
        row = corpus.table.loc[clip.id]
        truth = corpus.truth(clip.id)
        if acted and (row["intensity"] != "high" or row["visual_emotion"] != row["label"] or truth is None):
            continue
        if row["label"] not in READER_CLASSES:
            continue
        stream = clip.streams["visual"]
        phases = truth.phases if truth is not None else ()
        start, end = next(((s, e) for name, s, e in phases if name == "apex"), (0.0, clip.duration))
        frames = stream.present & (stream.times >= start) & (stream.times <= end)
        if not acted and not frames.any():
            continue
        probabilities = stream.values[frames, MiniXception.maps_dim :]
        answer = READER_CLASSES[probabilities.mean(0).argmax()] if frames.any() else ""
        right.setdefault(str(row["label"]), []).append(answer == row["label"])
    everything = [hit for hits in right.values() for hit in hits]
    by_label = {label: float(np.mean(hits)) for label, hits in sorted(right.items())}
    return {"clips": len(everything), "accuracy": float(np.mean(everything)) if everything else None, "by_label": by_label}


def check(clips: Sequence[Clip], corpus: Corpus) -> dict[str, Any]:
    """Measure everything that the demo corpus is designed for; None where a corpus lacks the annotation.

    Raises:
        UserError: when no clip has a label.
    """
    if not any(clip.labels["label"] for clip in clips):
        raise UserError(f"No clip of {shown(corpus.name)} that can be read has a label: there is nothing to measure.")
    seen = np.concatenate([c.streams["visual"].present for c in clips])
    return {
        "clips": len(clips),
        "audio": pooled_accuracy(clips, ["audio"]),
        "visual": pooled_accuracy(clips, ["visual"]),
        "audio_visual": pooled_accuracy(clips, ["audio", "visual"]),
        "faces_found": float(seen.mean()) if len(seen) else None,
        "reader": reader_accuracy(clips, corpus),
    }


def _pooled(clip: Clip, modality: str) -> np.ndarray:
    stream = clip.streams[modality]
    return stream.values[stream.present].mean(0) if stream.any else np.zeros(stream.values.shape[1], np.float32)
