"""`affectscope corpus`: build a demo corpus, or look at the corpora at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from core.cli.common import AsJson, Workers, progress_bar, regret, remarks, show
from core.errors import UserError

corpus_app = typer.Typer(help="Build a demo corpus, or look at the corpora at hand.", no_args_is_help=True)


@corpus_app.command("build")
def corpus_build(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for clips, truth and labels.")],
    name: Annotated[str, typer.Argument(help="What to build: `demo`.")] = "demo",
    clips: Annotated[int, typer.Option(help="How many clips.")] = 720,
    seed: Annotated[int, typer.Option(help="Same seed, same corpus.")] = 1,
    identities: Annotated[
        Literal["train", "held-out"], typer.Option(help="`held-out` takes the speakers of the bundled clips.")
    ] = "train",
    workers: Workers = None,
) -> None:
    """Render the demo corpus: talking heads whose truth is known. Goes on where it was stopped."""
    if name != "demo":
        raise UserError(f"There is no corpus {name!r} to build; the only one is demo.")
    from core.corpora.demo import build

    with progress_bar() as report:
        build(
            out, clips, seed, identities=identities, workers=workers,
            progress=lambda done, total: report("Rendering clips", done / max(total, 1)),
        )  # fmt: skip
    remarks.print(f"The corpus is in {out}.", markup=False)


@corpus_app.command("describe")
def corpus_describe(
    name: Annotated[str, typer.Argument(help="A corpus folder, or `demo` for the bundled clips.")] = "demo",
    as_json: AsJson = False,
) -> None:
    """Count a corpus: clips and speakers by label."""
    from core.corpora import open_corpus

    table = open_corpus(name).table
    rows = [
        {"label": label, "clips": len(group), "speakers": int(group["speaker"].nunique())}
        for label, group in table.groupby("label")
    ]
    show([*rows, {"label": "all", "clips": len(table), "speakers": int(table["speaker"].nunique())}], as_json, name)


@corpus_app.command("check")
def corpus_check(
    name: Annotated[str, typer.Argument(help="A corpus folder, or `demo` for the bundled clips.")] = "demo",
    workers: Workers = None,
    as_json: AsJson = False,
) -> None:
    """Measure a corpus: pooled features with logistic regression, faces found, an independent reader of real faces."""
    from core.corpora import open_corpus
    from core.evaluation.corpus_check import check
    from core.training.data import load_clips

    corpus = open_corpus(name)
    with progress_bar() as report:
        clips, broken = load_clips(corpus, None, workers, lambda done, total: report("Reading clips", done / total))
    regret(broken)
    show([check(clips, corpus)], as_json, name)


@corpus_app.command("features")
def corpus_features(
    name: Annotated[str, typer.Argument(help="A corpus folder, or `demo` for the bundled clips.")] = "demo",
    workers: Workers = None,
) -> None:
    """Extract a corpus's features into its own folder, so that they travel with the clips."""
    from core.corpora import open_corpus
    from core.features.store import FeatureStore
    from core.training.data import load_clips

    corpus = open_corpus(name)
    store = FeatureStore(corpus.root / "features")
    with progress_bar() as report:
        clips, broken = load_clips(corpus, store, workers, lambda done, total: report("Reading clips", done / total))
    regret(broken)
    remarks.print(f"{len(clips)} clips' features are in {store.root}.", markup=False)
