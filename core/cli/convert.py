"""A public repository's checkpoint as one of ours, from a terminal."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from affectscope.core.cli.common import AsJson, remarks, show
from affectscope.core.errors import UserError
from affectscope.core.text import shown


def convert(
    source: Annotated[Path, typer.Argument(help="A checkpoint of a public repository, or the folder of its files.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Output path, ending in .safetensors.")],
    layout: Annotated[str, typer.Option(help="The public layout; by default, detected from the keys.")] = "",
    labels: Annotated[str, typer.Option(help="Names of the outputs, in order: a,b,c. By default, numbers.")] = "",
    heads: Annotated[int, typer.Option(help="Number of attention heads; by default, that of the public repository.", min=0)] = 0,
    causal: Annotated[
        bool | None,
        typer.Option(
            "--causal/--no-causal",
            help="Whether attention is causal (frames don't attend to later ones); by default, as in the repository.",
        ),
    ] = None,
    task: Annotated[str, typer.Option(help="Type of the outputs: classification, regression or binary.")] = "",
    weights: Annotated[str, typer.Option(help="Which weights to use from a file with several, such as `model_ema`.")] = "",
    as_json: AsJson = False,
) -> None:
    """Convert a public repository's checkpoint (AuxFormer, MulT, VAVL, UAVM, SFAV) into one that every command accepts.

    Settings that the state_dict does not contain are those of the repository, and are recorded on the checkpoint's card.
    """
    from affectscope.core.checkpoints.choices import Choices, names
    from affectscope.core.checkpoints.layouts import LAYOUTS
    from affectscope.core.checkpoints.untrusted import load_untrusted

    if out.suffix != ".safetensors":
        raise UserError(f"{out.name} does not end in .safetensors: name the file so.")
    if source.is_symlink() and not source.exists():
        raise UserError(f"{source} is a link that leads to no file: choose the checkpoint itself.")
    if not source.exists():
        raise UserError(f"There is no {source}: check the path.")
    if layout:
        LAYOUTS[layout]
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.touch()
        report = load_untrusted(source, part, layout, choices=Choices(names(labels), heads, causal, task, weights))
        if report.error:
            raise UserError(f"{report.error} {report.guess}".strip())
        told = {"labels": labels, "heads": heads, "causal": causal is not None, "task": task, "weights": weights}
        if not report.layout and (idle := ", ".join(f"--{name}" for name, value in told.items() if value)):
            raise UserError(
                f"{shown(source.name)} is already an AffectScope checkpoint, which contains these settings: leave {idle} out."
            )
        part.replace(out)
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror or 'the disk refuses'}): choose another file.") from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    lines = [*(f"Assumed: {line}" for line in report.assumed), *(f"Note: {line}" for line in report.remarks)]
    for line in lines:
        remarks.print(line, markup=False, soft_wrap=True)
    from affectscope.core.library.cards import read_card

    card = read_card(out)
    if card.incompatible:
        remarks.print(f"Note: {card.incompatible}", markup=False, soft_wrap=True)
    row = {
        "layout": report.layout or "our own", "system": card.spec.system, "parameters": card.parameters,
        "labels": ", ".join(card.spec.labels), "inputs": ", ".join(f"{m} {dim}" for m, dim in card.spec.inputs.items()),
    }  # fmt: skip
    show([row], as_json, f"{source.name}: written to {out}")
