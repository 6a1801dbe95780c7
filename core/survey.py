"""A model asked about every clip of a corpus: one table and one set of vectors, for the pages that look at many clips at once."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from core.checkpoints import Checkpoint
from core.corpora import Corpus
from core.errors import UserError
from core.features.extract import DEFAULT_SETS, EXTRACTION_VERSION, extract
from core.features.store import FeatureStore, key_of, read_arrays, write_atomically
from core.models.base import AttentionMap, AVModel, ModelOutput, over_clip
from core.streams import Batch
from core.training.data import model_streams

# Part of every key: raise it whenever a survey changes.
SURVEY_VERSION = 1
DECISION = "decision"


@dataclass(frozen=True)
class Survey:
    """What a model says of N clips.

    Attributes:
        table: a row a clip, indexed by clip id, with the corpus's own columns and ``duration``; for classes also ``predicted``,
            ``correct``, ``confidence`` (probability of the answer), ``margin`` (its distance to the second), ``disagreement``
            (0 where all heads say the same, 1 where none do), and by head ``predicted_<head>``, ``correct_<head>``,
            ``confidence_<head>``; for attributes ``<attribute>_predicted`` and ``error``, the mean absolute error.
            ``attention_entropy`` is 0 where one frame has all the attention and 1 where every frame has as much.
        answers: head, "decision" among them -> [N, outputs], probabilities or values; over the clip where a model answers
            by frame. Heads without evidence answer with the prior.
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
        facts = {
            "system": self.system, "task": self.task, "outputs": self.outputs, "heads": self.heads, "shared": self.shared,
            "broken": self.broken, "table": self.table.to_json(orient="table"),
        }  # fmt: skip
        arrays = {f"answers:{k}": v for k, v in self.answers.items()} | {f"present:{k}": v for k, v in self.present.items()}
        arrays |= {f"embeddings:{k}": v for k, v in self.embeddings.items()}

        def write(part: Path) -> None:
            with part.open("wb") as file:
                np.savez_compressed(file, facts=np.array(json.dumps(facts)), **arrays)  # type: ignore[arg-type]

        write_atomically(path, write)

    @classmethod
    def load(cls, path: Path) -> Survey | None:
        """A saved survey, or None where there is none that can be read."""
        arrays = read_arrays(path)
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


def survey_key(checkpoint: Checkpoint, corpus: Corpus) -> str:
    """What a survey will be called, known before the work is done."""
    return key_of_survey(checkpoint.digest, corpus)


def key_of_survey(digest: str, corpus: Corpus) -> str:
    """As ``survey_key``, by the hash of the checkpoint's file."""
    return key_of(SURVEY_VERSION, EXTRACTION_VERSION, digest, corpus.name, corpus.table.to_csv())


@torch.inference_mode()
def survey(
    checkpoint: Checkpoint,
    corpus: Corpus,
    store: FeatureStore | None = None,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> Survey:
    """Ask a model about every clip. Clips are read one after the other; a broken one is noted and left out.

    Raises:
        UserError: when no clip can be read.
    """
    model, spec = checkpoint.model, checkpoint.spec
    store = store or FeatureStore(shipped=[corpus.features] if corpus.features else [])
    sets = DEFAULT_SETS | {m: spec.features[m] for m in spec.inputs if m in spec.features}
    rows: list[dict[str, Any]] = []
    vectors: dict[str, list[Tensor]] = {}
    present: dict[str, list[bool]] = {m: [] for m in spec.inputs}
    answers: dict[str, list[Tensor]] = {}
    broken: list[str] = []
    for done, clip in enumerate(map(str, corpus.table.index)):
        progress(f"Asking about clip {done + 1} of {len(corpus.table)}", done / len(corpus.table))
        try:
            extraction = extract(corpus.media(clip), store, sets=sets)
        except UserError as error:
            broken.append(f"{clip}: {error}")
            continue
        streams = model_streams(extraction.streams, spec, checkpoint.normaliser)
        batch = Batch.collate([streams], spec.inputs).to(model.prior.device)
        output = model(batch, attention=True)
        facts = {str(k): v for k, v in corpus.table.loc[clip].items() if k != "path" and pd.notna(v)}
        rows.append({"clip": clip, **facts, "duration": extraction.duration, "attention_entropy": entropy(output, batch)})
        for head, logits in {**output.predictions, DECISION: model.decide(output)}.items():
            answers.setdefault(head, []).append(over_clip(spec.readable(logits), batch)[0].cpu())
        for name in spec.embeddings:
            vectors.setdefault(name, []).append(output.embeddings[name][0].cpu())
        for m in spec.inputs:
            present[m].append(bool(batch.present[m].any()))
    if not rows:
        raise UserError(f"No clip of {corpus.name} can be read; the first says: {broken[0] if broken else 'it is empty.'}")
    said = {head: torch.stack(values).numpy() for head, values in answers.items()}
    table = pd.DataFrame(rows).set_index("clip")
    table = pd.concat([table, _judged(table, said, model)], axis=1)
    return Survey(
        spec.system, spec.task, tuple(spec.labels), tuple(spec.heads), tuple(spec.shared), table, said,
        {name: torch.stack(values).numpy() for name, values in vectors.items()},
        {m: np.array(values) for m, values in present.items()}, tuple(broken),
    )  # fmt: skip


def entropy(output: ModelOutput, batch: Batch) -> float:
    """How evenly the model attends, 0 to 1: the mean over all maps with two keys or more; NaN where there is none."""
    found = [_spread(one, batch) for one in output.attention]
    known = [value for value in found if value is not None]
    return float(np.mean(known)) if known else float("nan")


def _spread(one: AttentionMap, batch: Batch) -> float | None:
    weights = one.weights[0]
    asked = weights.sum(-1) > 0
    keys = int((weights.sum((0, 1)) > 0).sum())
    if keys < 2 or not bool(asked.any()):
        return None
    rows = weights[asked]
    return float((torch.special.entr(rows).sum(-1) / np.log(keys)).mean())


def _judged(table: pd.DataFrame, answers: Mapping[str, np.ndarray], model: AVModel) -> pd.DataFrame:
    names = np.array(model.spec.labels)
    made: dict[str, Any] = {}
    if model.spec.task == "regression":
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
            made[f"correct{own}"] = made[f"predicted{own}"] == table["label"].to_numpy()
    ordered = np.sort(answers[DECISION], 1)
    made["margin"] = ordered[:, -1] - ordered[:, -2] if ordered.shape[1] > 1 else ordered[:, -1]
    heads = np.stack([made[f"predicted_{head}"] for head in model.spec.heads], 1)
    different = np.array([len(set(row)) for row in heads]) - 1
    made["disagreement"] = different / max(1, heads.shape[1] - 1)
    return pd.DataFrame(made, index=table.index)
