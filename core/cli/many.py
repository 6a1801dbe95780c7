"""What is asked of a model about a whole corpus: its answers, and its curves with frames missing, on one machine or a cluster."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from affectscope.core.checkpoints import DEFAULT
from affectscope.core.cli.common import (
    AddressOption,
    AsJson,
    CheckpointOption,
    EngineOption,
    FeaturesOption,
    Workers,
    load,
    progress_bar,
    regret,
    show,
    taking,
)

CorpusOption = Annotated[
    str, typer.Option(help="An added corpus by name, the path of a corpus, or `demo` for the bundled clips.")
]


def predict(
    out: Annotated[Path, typer.Option("--out", "-o", help="Output table, CSV, with one row per clip.")],
    checkpoint: CheckpointOption = DEFAULT,
    corpus: CorpusOption = "demo",
    features: FeaturesOption = None,
    workers: Workers = None,
    engine: EngineOption = "processes",
    address: AddressOption = None,
    as_json: AsJson = False,
) -> None:
    """Run a model on every clip of a corpus, and write its predictions per head, with confidence and correctness."""
    import os

    from affectscope.core.cache.store import write_atomically
    from affectscope.core.corpora import open_corpus
    from affectscope.core.export.spreadsheet import csv_of
    from affectscope.core.features.bulk.spreading import Cluster
    from affectscope.core.inference.corpus import infer
    from affectscope.core.inference.spreading import infer_spread

    loaded, opened = taking(load(checkpoint), features), open_corpus(corpus)
    cluster = Cluster(engine, workers or os.cpu_count() or 1, address)
    with progress_bar() as report:
        alone = engine == "processes" and cluster.workers == 1
        found = infer(loaded, opened, None, report) if alone else infer_spread(loaded, opened, cluster, report)
    regret(list(found.broken))
    text = csv_of(found.table.reset_index(), index=False)
    write_atomically(out, lambda part: part.write_text(text, encoding="utf-8"))
    show([{"clips": len(found.table), "broken": len(found.broken), "table": str(out)}], as_json, f"{checkpoint} on {corpus}")


def curves(
    out: Annotated[Path, typer.Option("--out", "-o", help="Output table, CSV, with one row per modality, share, draw and head.")],
    checkpoint: CheckpointOption = DEFAULT,
    corpus: CorpusOption = "demo",
    pattern: Annotated[Literal["random", "burst", "tail"], typer.Option(help="The pattern of missing frames.")] = "random",
    fill: Annotated[
        Literal["absent", "zeros"],
        typer.Option(help="How missing frames are represented: absent, or as zeros, as in the papers."),
    ] = "absent",
    draws: Annotated[int, typer.Option(help="Number of random draws.", min=1)] = 5,
    seed: Annotated[int, typer.Option(help="Random seed of the missing frames.")] = 0,
    features: FeaturesOption = None,
    engine: EngineOption = "processes",
    address: AddressOption = None,
    as_json: AsJson = False,
) -> None:
    """Evaluate a model with 0 to 100 % of the frames of each modality missing."""
    import os

    from affectscope.core.cache.store import write_atomically
    from affectscope.core.corpora import open_corpus
    from affectscope.core.features.bulk.spreading import Cluster
    from affectscope.core.training.robustness import Curves, measure

    loaded, opened = taking(load(checkpoint), features), open_corpus(corpus)
    cluster = Cluster(engine, os.cpu_count() or 1, address) if engine == "ray" else None
    with progress_bar() as report:
        table = measure(loaded, opened, Curves(pattern, draws, seed, fill=fill), None, report, cluster)
    write_atomically(out, lambda part: table.to_csv(part, index=False))
    means = table[table["head"] == "decision"].drop(columns=["draw", "head"]).groupby(["modality", "rate"]).mean().reset_index()
    show(means.to_dict("records"), as_json, f"{checkpoint} on {corpus}")
