"""What `affectscope analyze` writes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from core import export
from core.analyzer import Analysis, Analyzer
from core.answers import Answers, answers
from core.errors import UserError
from core.features.extract import Progress
from core.features.store import write_atomically
from core.sheet import Facts


def write_files(analyzer: Analyzer, media: Path, analysis: Analysis, out: Path, video: bool, report: Progress) -> None:
    """analysis.json, heatmaps.npz and, where wanted, overlay.mp4 in the folder ``out``."""
    out.mkdir(parents=True, exist_ok=True)
    (out / "analysis.json").write_text(analysis.to_json())
    arrays = {h.id: h.values.reshape(-1, h.height, h.width) for h in analysis.timeline.heatmaps}
    arrays |= {"times": analysis.timeline.frame_times, "boxes": analysis.timeline.boxes}
    np.savez_compressed(out / "heatmaps.npz", **arrays)  # type: ignore[arg-type]
    if video:
        facts = Facts(media.stem, (_said(analyzer, analysis),))
        export.overlay(
            media,
            analysis.timeline,
            out / "overlay.mp4",
            facts=facts,
            progress=lambda share: report("Writing overlay.mp4", share),
        )


def write_page(analyzer: Analyzer, media: Path, analysis: Analysis, out: Path, report: Progress) -> None:
    """The one HTML file of ``core.takehome``.

    Raises:
        UserError: where it cannot be written.
    """
    # A second of imports that nothing else needs.
    from core import takehome
    from core.cards import read_card

    path = analyzer.checkpoint.path
    grid = takehome.clip_grid(analyzer, media, progress=report).to_json()
    model = takehome.Model(_said(analyzer, analysis), read_card(path) if path else None, grid)
    clip = takehome.compact(media, report)
    home = takehome.Home(media.stem, clip, takehome.light(analysis.timeline), (model,), analysis.explained)
    report(f"Writing {out.name}", 0.9)
    try:
        write_atomically(out, lambda part: part.write_text(takehome.page(home), encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): choose another file.") from error


def _said(analyzer: Analyzer, analysis: Analysis) -> Answers:
    checkpoint = analyzer.checkpoint
    return answers(
        checkpoint.path.stem if checkpoint.path else checkpoint.spec.system,
        checkpoint.spec,
        analysis.predictions,
        analysis.evidence,
        digest=checkpoint.digest,
        synthetic=checkpoint.card.get("synthetic_training") is True,
    )
