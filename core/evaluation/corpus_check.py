"""Is a corpus as hard as it should be? Plain classifiers on pooled features, and a reader that knows real faces."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from affectscope.core.corpora import Corpus
from affectscope.core.features.extractors.encoders import READER_CLASSES, MiniXception
from affectscope.core.streams import Clip


def pooled_accuracy(clips: Sequence[Clip], modalities: Sequence[str], folds: int = 5) -> float:
    """Accuracy of logistic regression on features averaged over time, every speaker held out once."""
    features = np.concatenate([[_pooled(c, m) for c in clips] for m in modalities], 1)
    labels = np.array([c.labels["label"] for c in clips])
    speakers = np.array([c.labels["speaker"] for c in clips])
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.05, max_iter=3000))
    folds = min(folds, len(set(speakers)))
    predicted = cross_val_predict(model, features, labels, groups=speakers, cv=GroupKFold(folds))
    return float((predicted == labels).mean())


def reader_accuracy(clips: Sequence[Clip], corpus: Corpus) -> dict[str, Any]:
    """How often the face encoder's own last layer, trained on real faces, names the emotion at the apex (seven classes).

    Full-intensity clips whose face shows the label; each answers by its mean probability over the apex frames.
    """
    right: dict[str, list[bool]] = {}
    for clip in clips:
        row = corpus.table.loc[clip.id]
        truth = corpus.truth(clip.id)
        if row["intensity"] != "high" or row["visual_emotion"] != row["label"] or truth is None:
            continue
        stream = clip.streams["visual"]
        start, end = next(((s, e) for name, s, e in truth.phases if name == "apex"), (0.0, clip.duration))
        frames = stream.present & (stream.times >= start) & (stream.times <= end)
        probabilities = stream.values[frames, MiniXception.maps_dim :]
        answer = READER_CLASSES[probabilities.mean(0).argmax()] if frames.any() else ""
        right.setdefault(str(row["label"]), []).append(answer == row["label"])
    everything = [hit for hits in right.values() for hit in hits]
    by_label = {label: float(np.mean(hits)) for label, hits in sorted(right.items())}
    return {"clips": len(everything), "accuracy": float(np.mean(everything)) if everything else 0.0, "by_label": by_label}


def check(clips: Sequence[Clip], corpus: Corpus) -> dict[str, Any]:
    """Everything that the demo corpus promises of itself, measured."""
    seen = np.concatenate([c.streams["visual"].present for c in clips])
    return {
        "clips": len(clips),
        "audio": pooled_accuracy(clips, ["audio"]),
        "visual": pooled_accuracy(clips, ["visual"]),
        "audio_visual": pooled_accuracy(clips, ["audio", "visual"]),
        "faces_found": float(seen.mean()),
        "reader": reader_accuracy(clips, corpus),
    }


def _pooled(clip: Clip, modality: str) -> np.ndarray:
    stream = clip.streams[modality]
    return stream.values[stream.present].mean(0) if stream.any else np.zeros(stream.values.shape[1], np.float32)
