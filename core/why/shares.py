"""How much sound and picture contribute to a model's answers: for one clip, and for a corpus by class, right and wrong.

MM-SHAP (Parcalabescu and Frank 2023, section 3): the parts of a clip are the players; a modality's share is the sum of its parts'
absolute Shapley values divided by that of all. It measures use, whether for or against the answer, and whether or not the answer
is right. Parts here are windows of a quarter of a second.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from affectscope.core.cache.store import FeatureStore
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.inference.corpus import each_clip
from affectscope.core.why.asking import Question
from affectscope.core.why.modality import by_modality
from affectscope.core.why.shapley import sampled

ORDERS = 8
_DRAWS = 2000


def mm_shap(question: Question, orders: int = ORDERS, seed: int = 0) -> np.ndarray:
    """[H, N]: each modality's share of the absolute Shapley values of all windows, per head; NaN where all are 0.

    Args:
        orders: number of random orders to average, each forwards and reversed.
    """
    inside = {m: question.windows(m) for m in question.modalities}
    players = [(m, w) for m, rows in inside.items() for w in np.flatnonzero(rows.any(1))]
    if not players:
        return np.full((len(question.heads), len(inside)), np.nan)

    def worth(coalitions: np.ndarray) -> np.ndarray:
        stay = {m: np.zeros((len(coalitions), rows.shape[1]), bool) for m, rows in inside.items()}
        for j, (m, w) in enumerate(players):
            stay[m] |= coalitions[:, j, None] & inside[m][w]
        return question.scores(stay)

    values, _ = sampled(worth, len(players), orders, seed)
    own = np.array([m for m, _ in players])
    sums = np.stack([np.abs(values[:, own == m]).sum(1) for m in inside], 1)
    total = sums.sum(1, keepdims=True)
    return np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)


def over_corpus(
    checkpoint: Checkpoint,
    corpus: Corpus,
    store: FeatureStore | None = None,
    orders: int = ORDERS,
    seed: int = 0,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> tuple[pd.DataFrame, list[str]]:
    """Each clip's shares for its own prediction, and a sentence for each clip that cannot be read.

    Returns:
        A row per clip: ``label``, ``predicted``, ``correct`` (None without a label), and per modality ``shapley_NAME`` (exact, of
            whole modalities), ``share_NAME`` (of their absolute values) and ``mm_shap_NAME`` (of windows); all for the decision.

    Raises:
        UserError: when no clip can be read.
    """
    broken: list[str] = []
    rows = []
    for clip, streams, duration in each_clip(checkpoint, corpus, broken, store, progress):
        question = Question(checkpoint, streams, duration)
        modality, windows = by_modality(question), mm_shap(question, orders, seed)
        label = str(corpus.table.at[clip, "label"] or "") if "label" in corpus.table else ""
        right = None if not label or checkpoint.spec.task == "regression" else label == question.explained
        row: dict[str, object] = {"clip": clip, "label": label, "predicted": question.explained, "correct": right}
        for i, name in enumerate(modality.names):
            row |= {f"shapley_{name}": modality.shapley[0, i], f"share_{name}": modality.shares[0, i]}
            row |= {f"mm_shap_{name}": windows[0, i]}
        rows.append(row)
    if not rows:
        raise UserError(f"No clip of {corpus.name} can be read; the first says: {broken[0] if broken else 'it is empty.'}")
    return pd.DataFrame(rows).set_index("clip"), broken


def summary(table: pd.DataFrame, measure: str = "mm_shap", seed: int = 0) -> pd.DataFrame:
    """The mean share of each modality by class, right and wrong, with 95 % intervals (bootstrap over clips).

    Returns:
        A row each for all clips, all right and all wrong ones, and each label's; columns ``label``, ``answers`` ("all", "right",
        "wrong"), ``clips``, and per modality NAME, ``NAME_low``, ``NAME_high`` (NaN for one clip). Empty groups are left out.
    """
    names = [c.removeprefix(f"{measure}_") for c in table if c.startswith(f"{measure}_")]
    labels = ["", *sorted(filter(None, table["label"].unique()))]
    chance = np.random.default_rng(seed)
    rows = []
    for label in labels:
        own = table if not label else table[table["label"] == label]
        for answers in ("all", "right", "wrong"):
            part = own if answers == "all" else own[own["correct"].eq(answers == "right")]
            values = part[[f"{measure}_{name}" for name in names]].dropna().to_numpy(float)
            if not len(values):
                continue
            drawn = values[chance.integers(len(values), size=(_DRAWS, len(values)))].mean(1)
            # One clip does not give an interval.
            low, high = np.percentile(drawn, (2.5, 97.5), axis=0) if len(values) > 1 else np.full((2, len(names)), np.nan)
            row: dict[str, object] = {"label": label or "all", "answers": answers, "clips": len(values)}
            for i, name in enumerate(names):
                row |= {name: values[:, i].mean(), f"{name}_low": low[i], f"{name}_high": high[i]}
            rows.append(row)
    return pd.DataFrame(rows)
