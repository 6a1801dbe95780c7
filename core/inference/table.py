"""The table of a model's predictions for every clip of a corpus.

A separate module, so that imported predictions do not need torch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from affectscope.core.cache import sealed
from affectscope.core.cache.store import packed_arrays, read_arrays

DECISION = "decision"


@dataclass(frozen=True)
class PredictionTable:
    """A model's predictions for N clips.

    Attributes:
        table: a row per clip, indexed by clip id, with the corpus's own columns and ``duration``. For classes also ``predicted``,
            ``correct`` (None without a label), ``confidence`` (probability of the prediction), ``margin`` (to the second class),
            ``steadiness`` (the confidence that remains with either half of the clip, see ``steady``), ``disagreement`` (0 where
            all heads agree, 1 where none do), and per head ``predicted_<head>``, ``correct_<head>``, ``confidence_<head>``,
            ``steadiness_<head>``. For attributes ``<attribute>_predicted`` and ``error``, the mean absolute error.
            ``attention_entropy`` is 0 where one frame has all the attention and 1 where it is uniform.
        answers: head, including "decision" -> [N, outputs], probabilities or values; per clip, also where a model predicts per
            frame. Heads without evidence return the prior.
        embeddings: name -> [N, D].
        present: modality -> [N] bool.
        broken: one sentence for each clip that could not be read.
    """

    system: str
    task: str
    outputs: tuple[str, ...]
    heads: tuple[str, ...]
    shared: tuple[tuple[str, str], ...]
    table: pd.DataFrame
    answers: Mapping[str, np.ndarray]
    embeddings: Mapping[str, np.ndarray]
    present: Mapping[str, np.ndarray]
    broken: tuple[str, ...] = ()

    def save(self, path: Path) -> None:
        """Write the table to a file.

        Raises:
            OSError: when the file cannot be written.
        """
        sealed.write(path, self._packed())

    def keep(self, path: Path) -> None:
        """As ``save``, but if the file cannot be written, keep the table in memory."""
        sealed.write_cached(path, self._packed())

    def _packed(self) -> bytes:
        facts = {
            "system": self.system, "task": self.task, "outputs": self.outputs, "heads": self.heads, "shared": self.shared,
            "broken": self.broken, "table": self.table.to_json(orient="table"),
        }  # fmt: skip
        arrays = {f"answers:{k}": v for k, v in self.answers.items()} | {f"present:{k}": v for k, v in self.present.items()}
        arrays |= {f"embeddings:{k}": v for k, v in self.embeddings.items()}
        return packed_arrays({"facts": np.array(json.dumps(facts)), **arrays})

    @classmethod
    def load(cls, path: Path) -> PredictionTable | None:
        """A saved prediction table, or None where there is none, or it is damaged."""
        # Imports from before seals were introduced have a zip's checksums.
        arrays = read_arrays(path, old=True)
        if arrays is None:
            return None
        try:
            facts = json.loads(str(arrays.pop("facts")))
            table = pd.DataFrame.from_records(json.loads(facts["table"])["data"], index="clip")
            table.index = table.index.astype(str)
        except (KeyError, ValueError, TypeError):
            return None
        parts: dict[str, dict[str, np.ndarray]] = {"answers": {}, "embeddings": {}, "present": {}}
        for name, array in arrays.items():
            kind, _, own = name.partition(":")
            parts[kind][own] = array
        shared = tuple((str(a), str(b)) for a, b in facts["shared"])
        return cls(
            facts["system"], facts["task"], tuple(facts["outputs"]), tuple(facts["heads"]), shared, table,
            parts["answers"], parts["embeddings"], parts["present"], tuple(facts["broken"]),
        )  # fmt: skip


def score_predictions(
    table: pd.DataFrame, answers: Mapping[str, np.ndarray], outputs: Sequence[str], heads: Sequence[str], task: str
) -> pd.DataFrame:
    """The derived columns of ``PredictionTable.table``, computed from the answers and the corpus's columns."""
    names = np.array(outputs)
    made: dict[str, Any] = {}
    if task == "regression":
        for i, name in enumerate(names):
            made[f"{name}_predicted"] = answers[DECISION][:, i]
        known = [name for name in names if name in table]
        errors = [np.abs(made[f"{name}_predicted"] - table[name].astype(float).to_numpy()) for name in known]
        return pd.DataFrame(made | ({"error": np.mean(errors, 0)} if errors else {}), index=table.index)
    for head, probabilities in answers.items():
        own = "" if head == DECISION else f"_{head}"
        made[f"predicted{own}"] = names[probabilities.argmax(1)]
        made[f"confidence{own}"] = probabilities.max(1)
        if "label" in table:
            right = made[f"predicted{own}"] == table["label"].to_numpy()
            labelled = table["label"].notna().to_numpy()
            made[f"correct{own}"] = right if labelled.all() else np.where(labelled, right, None)
    ordered = np.sort(answers[DECISION], 1)
    made["margin"] = ordered[:, -1] - ordered[:, -2] if ordered.shape[1] > 1 else ordered[:, -1]
    chosen = np.stack([made[f"predicted_{head}"] for head in heads], 1) if len(heads) else names[:1].repeat(len(table))[:, None]
    different = np.array([len(set(row)) for row in chosen]) - 1
    made["disagreement"] = different / max(1, chosen.shape[1] - 1)
    return pd.DataFrame(made, index=table.index)
