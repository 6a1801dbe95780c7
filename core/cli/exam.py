"""`affectscope exam`: does an explanation find what was planted into clips?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer

from affectscope.core.checkpoints import DEFAULT
from affectscope.core.cli.common import AsJson, CheckpointOption, load, method_known, progress_bar, remarks, show
from affectscope.core.errors import UserError
from affectscope.core.text import percent


def exam(
    corpus: Annotated[
        str, typer.Argument(help="A corpus of `corpus build planted` or `corpus build shortcut`, by name or path.")
    ],
    checkpoint: CheckpointOption = DEFAULT,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="An explanation method for images or audio; may be repeated; by default, all."),
    ] = None,
    random_weights: Annotated[
        bool,
        typer.Option(
            "--random-weights", help="Use an untrained model of the same architecture: all results fall to the chance level."
        ),
    ] = False,
    clips: Annotated[int | None, typer.Option(min=1, help="Maximum number of clips with a cue.")] = None,
    seed: Annotated[int, typer.Option(help="Random seed of the weights.")] = 0,
    as_json: AsJson = False,
) -> None:
    """Test explanations on clips with a planted cue: which modality, when, where in the face, next to the chance level."""
    from affectscope.core.analyzer import Analyzer
    from affectscope.core.cache.store import FeatureStore
    from affectscope.core.corpora import open_corpus
    from affectscope.core.evaluation.planted import examine
    from affectscope.core.evaluation.randomly import random_like

    for name in method or ():
        method_known(name)
    loaded, opened = load(checkpoint), open_corpus(corpus)
    if "cue" not in opened.table:
        raise UserError(f"{opened.name} has no planted cues: build clips with `affectscope corpus build planted`.")
    if random_weights:
        loaded = random_like(loaded, seed)
    analyzer = Analyzer(loaded, FeatureStore(shipped=[opened.features] if opened.features else []))
    with progress_bar() as report:
        found = examine(
            lambda clip, target: analyzer.question(opened.media(clip), target, clip=clip), opened, method, random_weights, clips,
            progress=report,
        )  # fmt: skip
    if not found.clips:
        raise UserError(f"No clip of {opened.name} has a cue whose truth is known: build it again.")
    if as_json:
        import json

        print(json.dumps(asdict(found), indent=1))
        return
    show([asdict(use) for use in found.uses], False, f"Whether {checkpoint} uses the cues of {opened.name}")
    remarks.print(f"Evaluated on {found.asked} of {found.clips} clips, those whose prediction the cue made.", markup=False)
    rows: list[dict[str, Any]] = []
    for row in sorted(found.rows, key=lambda row: (row.question, row.cues, -row.share)):
        interval = f"{percent(row.share)} ({percent(row.low)} to {percent(row.high)})"
        rows.append(
            {"question": row.question, "cues": row.cues, "method": row.method, "clips": row.clips, "right": interval}
            | {"chance": percent(row.chance) if row.clips > 1 else ""}
        )
    show(rows, False, f"Planted truth, {checkpoint} on {opened.name}")
