"""Error analysis: each clip scored by one head, and clips on which heads disagree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix

from affectscope.core.inference.table import DECISION, PredictionTable
from affectscope.core.timeline.lanes import head_title

Modalities = Mapping[str, Sequence[str]]


def cases(predictions: PredictionTable, head: str = DECISION, modalities: Modalities | None = None) -> pd.DataFrame:
    """Score every clip by one head.

    Args:
        predictions: of a classifier.
        head: a head, or "decision".
        modalities: head -> the modalities that it uses; a clip with none of them has no evidence for the head.

    Returns:
        A row per clip, by clip id: ``truth`` (missing where the corpus has no labels), ``predicted``, ``correct``,
            ``confidence``, ``margin`` to the second class, ``truth_share`` (probability of the true class), ``disagreement``,
            ``attention_entropy`` and ``steadiness`` as in ``PredictionTable.table``, and ``evidence``: False where the head
            returned the prior.
    """
    shares, names = predictions.answers[head], np.array(predictions.outputs)
    ordered = np.sort(shares, 1)
    table = pd.DataFrame(index=predictions.table.index)
    truth = predictions.table.get("label", pd.Series(None, predictions.table.index, dtype=object))
    table["truth"] = truth
    table["predicted"] = names[shares.argmax(1)]
    table["correct"] = table["predicted"] == table["truth"]
    table["confidence"] = ordered[:, -1]
    table["margin"] = ordered[:, -1] - (ordered[:, -2] if shares.shape[1] > 1 else 0)
    place = truth.map({str(name): i for i, name in enumerate(names)}).astype(float)
    known = place.notna().to_numpy()
    table["truth_share"] = np.nan
    table.loc[known, "truth_share"] = shares[known, place[known].astype(int)]
    for name in ("disagreement", "attention_entropy"):
        table[name] = predictions.table[name].to_numpy() if name in predictions.table else np.nan
    own = "steadiness" if head == DECISION else f"steadiness_{head}"
    table["steadiness"] = predictions.table[own].to_numpy() if own in predictions.table else np.nan
    table["evidence"] = evidence(predictions, head, modalities or {})
    return table


def evidence(predictions: PredictionTable, head: str, modalities: Modalities) -> np.ndarray:
    """[N] bool: whether a clip has any modality that the head uses; the decision uses all."""
    there = [predictions.present[m] for m in modalities.get(head, tuple(predictions.present)) if m in predictions.present]
    return np.any(there, axis=0) if there else np.ones(len(predictions.table), bool)


def groups(predictions: PredictionTable, head: str, modalities: Modalities) -> dict[str, tuple[str, np.ndarray]]:
    """Sets of clips worth inspecting: id -> display name, and [N] bool.

    The head's errors and correct predictions; errors where another head is right; and clips on which exactly one of the unimodal
    heads is right. A head without evidence never counts as right.
    """
    scored = {h: cases(predictions, h, modalities) for h in (*predictions.heads, DECISION)}
    right = {h: (table["correct"] & table["evidence"]).to_numpy(bool) for h, table in scored.items()}
    correct = scored[head]["correct"].to_numpy(bool)
    # A prediction without a label is neither right nor wrong.
    wrong = ~correct & scored[head]["truth"].notna().to_numpy()
    name = head_title(head).lower()
    found = {"wrong": ("Wrong", wrong), "right": ("Right", correct), "all": ("All", np.ones(len(wrong), bool))}
    for other in right:
        if other != head:
            found[f"rescued:{other}"] = (f"{head_title(other)} right, {name} wrong", right[other] & wrong)
    single = [h for h in predictions.heads if len(modalities.get(h, ())) == 1]
    for alone in single if len(single) > 1 else ():
        others = np.any([right[h] for h in single if h != alone], axis=0)
        found[f"alone:{alone}"] = (f"{head_title(alone)} alone right", right[alone] & ~others)
    return found


def confusion(table: pd.DataFrame, labels: Sequence[str]) -> pd.DataFrame:
    """The confusion matrix: true class (rows) by prediction (columns), over the labels of the model and of the corpus."""
    known = table[table["truth"].notna()]
    order = [*labels, *sorted(set(known["truth"].astype(str)) - set(labels))]
    counts = confusion_matrix(known["truth"].astype(str), known["predicted"].astype(str), labels=order) if len(known) else 0
    return pd.DataFrame(counts, index=order, columns=order)


def errors(
    predictions: PredictionTable, head: str = DECISION, attribute: str = "", modalities: Modalities | None = None
) -> pd.DataFrame:
    """For regression: each clip's ``truth``, ``predicted`` and absolute ``error`` of one attribute.

    Unlabelled clips are left out.
    """
    attribute = attribute or predictions.outputs[0]
    table = pd.DataFrame(index=predictions.table.index)
    table["truth"] = predictions.table[attribute].astype(float) if attribute in predictions.table else np.nan
    table["predicted"] = predictions.answers[head][:, predictions.outputs.index(attribute)].astype(float)
    table["error"] = (table["predicted"] - table["truth"]).abs()
    table["attention_entropy"] = predictions.table["attention_entropy"].to_numpy()
    spread = np.stack([predictions.answers[h][:, predictions.outputs.index(attribute)] for h in predictions.heads])
    table["disagreement"] = spread.max(0) - spread.min(0)
    table["evidence"] = evidence(predictions, head, modalities or {})
    return table[table["truth"].notna()]
