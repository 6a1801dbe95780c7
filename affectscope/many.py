"""Corpora, metrics, embeddings and maps."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from affectscope.core.corpora import Corpus, open_corpus
from affectscope.core.errors import UserError
from affectscope.core.plugins import loading
from affectscope.one import Model

__all__ = ["Corpus", "corpora", "corpus", "embed", "evaluate", "project"]


def corpora() -> list[str]:
    """The names of the available corpora: the bundled clips, and those added with `affectscope corpus add`.

    >>> import affectscope as afs
    >>> afs.corpora()[0]
    'demo'
    """
    from affectscope.core.corpora.known import known

    loading.load()
    return ["demo", *known()]


def corpus(name: str | Path) -> Corpus:
    """Open a corpus by its name, or by its folder, whose kind is detected.

    Returns:
        The corpus: ``table`` is a DataFrame with one row per clip, ``labels`` are the classes, and ``media(clip)`` is a clip's
        file.

    Raises:
        UserError: if there is no such corpus, or its kind is unknown.

    >>> import affectscope as afs
    >>> demo = afs.corpus("demo")
    >>> len(demo.table), demo.synthetic
    (48, True)
    """
    loading.load()
    return open_corpus(str(name))


def evaluate(model: Model, over: Corpus, alias: Mapping[str, str] | None = None) -> pd.DataFrame:
    """Evaluate a model on a corpus. Clips whose label the model does not know are left out.

    Args:
        model: the model to evaluate.
        over: the corpus.
        alias: label of the corpus -> class of the model.

    Returns:
        One row per head, including "decision"; one column per metric. ``attrs["remarks"]`` has one sentence for each kind of
        clip that was left out.

    Raises:
        UserError: if no clip can be read, or no label is one of the model's.

    >>> import affectscope as afs
    >>> table = afs.evaluate(afs.load("auxformer"), afs.corpus("demo"))
    >>> "accuracy" in table and "decision" in table.index
    True
    """
    from affectscope.core.evaluation.labelled import labelled_for
    from affectscope.core.training.measured import evaluate_checkpoint

    measured, remarks = labelled_for(over, model.checkpoint.spec, dict(alias or {}))
    metrics, broken = evaluate_checkpoint(model.checkpoint, measured, workers=1)
    plain = {
        head: {name: value for name, value in values.items() if isinstance(value, int | float)}
        for head, values in metrics.items()
    }
    table = pd.DataFrame.from_dict(plain, "index")
    table.index.name = "head"
    table.attrs["remarks"] = [*remarks, *broken]
    return table


def embed(model: Model, over: Corpus, name: str = "") -> pd.DataFrame:
    """Compute an embedding of every clip of a corpus.

    Args:
        model: the model to run.
        over: the corpus.
        name: one of ``model.embeddings``; by default, the last.

    Returns:
        [N, D], one row per clip that could be read.

    Raises:
        UserError: if there is no such embedding, or no clip can be read.

    >>> import affectscope as afs
    >>> vectors = afs.embed(afs.load("auxformer"), afs.corpus("demo"), "fused")
    >>> len(vectors)
    48
    """
    if not model.embeddings:
        raise UserError(f"{model.name} declares no embedding.")
    name = name or model.embeddings[-1]
    if name not in model.embeddings:
        raise UserError(f"{model.name} has no embedding {name!r}: choose one of {', '.join(model.embeddings)}.")

    from affectscope.core.inference.corpus import infer

    asked = infer(model.checkpoint, over)
    return pd.DataFrame(asked.embeddings[name], asked.table.index)


def project(vectors: pd.DataFrame | np.ndarray, method: str = "UMAP", seed: int = 0) -> pd.DataFrame:
    """Project vectors to two dimensions.

    Args:
        vectors: [N, D].
        method: "UMAP", "t-SNE" or "PCA".
        seed: the random seed of UMAP and t-SNE.

    Returns:
        [N, 2], columns x and y, rows in the given order.

    Raises:
        UserError: if there is no such method, or the vectors cannot be projected (fewer than three, not finite, all equal).

    >>> import affectscope as afs
    >>> import numpy as np
    >>> afs.project(np.eye(5), "PCA").shape
    (5, 2)
    """
    from affectscope.core.analysis.projection import METHODS
    from affectscope.core.analysis.projection import project as draw

    known = next((name for name in METHODS if name.lower() == method.lower()), None)
    if known is None:
        raise UserError(f"There is no map {method!r}: choose one of {', '.join(METHODS)}.")
    rows = vectors.index if isinstance(vectors, pd.DataFrame) else pd.RangeIndex(len(vectors))
    points = draw(np.asarray(vectors, np.float32), known, seed=seed).points
    return pd.DataFrame(points, rows, ["x", "y"])
