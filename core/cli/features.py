"""`affectscope features`: the features of the papers, for whole corpora."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from affectscope.core.cli.common import AsJson, Workers, progress_bar, regret, remarks, show
from affectscope.core.cli.plugins import WithPlugins
from affectscope.core.errors import UserError

features_app = typer.Typer(cls=WithPlugins, help="The features of the papers, for whole corpora.", no_args_is_help=True)


@features_app.command("list")
def features_list(as_json: AsJson = False) -> None:
    """Name the feature sets, with their sizes, sources and weights."""
    from affectscope.core.features.sets import FEATURE_SETS

    sets = [FEATURE_SETS[name] for name in FEATURE_SETS]
    rows: list[dict[str, Any]] = [
        {"name": s.name, "modality": s.modality, "dim": s.dim, "weights": s.weights.file if s.weights else "", "source": s.source}
        for s in sets
    ]
    show(rows, as_json, "Feature sets")


@features_app.command("extract")
def features_extract(
    corpus: Annotated[str, typer.Argument(help="A corpus, or its folder; `demo` for the bundled clips.")],
    features: Annotated[str, typer.Option(help="Feature sets, with commas between; `affectscope features list` names them.")],
    workers: Workers = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The store's folder; one in the cache if left out.")] = None,
    weights: Annotated[list[str] | None, typer.Option(help="SET=PATH, the weights that a feature set needs.")] = None,
    engine: Annotated[
        Literal["processes", "ray"], typer.Option(help="Processes of this machine, or tasks of a Ray cluster.")
    ] = "processes",
    address: Annotated[str | None, typer.Option(help="Of a Ray cluster; one of this machine if left out.")] = None,
    device: Annotated[str, typer.Option(help="Where the networks whose weights you give run: cpu or cuda.")] = "cpu",
    as_json: AsJson = False,
) -> None:
    """Extract the features of every clip into one store. Goes on where it was stopped; broken clips are listed."""
    from affectscope.core.corpora import open_corpus
    from affectscope.core.features.bulk.run import extract_corpus
    from affectscope.core.features.stored.packed import default_folder

    opened = open_corpus(corpus)
    folder = out or default_folder(opened.name, opened.root)
    sets = [name.strip() for name in features.split(",") if name.strip()]
    with progress_bar() as report:
        outcome = extract_corpus(
            opened, sets, folder, workers, _paths(weights or []), engine, device, address,
            lambda done, total: report(f"Extracting {done} of {total}", done / total),
        )  # fmt: skip
    regret([f"{clip}: {why}" for clip, why in outcome.broken.items()])
    row = {
        "clips": outcome.clips, "extracted": outcome.extracted, "kept": outcome.kept, "broken": len(outcome.broken),
        "store": str(outcome.folder),
    }  # fmt: skip
    show([row], as_json, opened.name)
    if outcome.broken:
        remarks.print(f"Broken clips and why are listed in broken.csv of each feature set in {folder}.", markup=False)


def _paths(given: list[str]) -> dict[str, Path]:
    found = {}
    for one in given:
        name, equals, path = one.partition("=")
        if not (name and equals and path):
            raise UserError(f"--weights {one} should read SET=PATH, such as vgg-face=vgg_face_dag.pth.")
        found[name] = Path(path).expanduser()
    return found
