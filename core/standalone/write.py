"""Writes the exported file of one model's analysis."""

from __future__ import annotations

from pathlib import Path

from affectscope.core.analyzer import Analysis, Analyzer
from affectscope.core.cache.store import write_atomically
from affectscope.core.errors import UserError
from affectscope.core.export.answers import answers_of
from affectscope.core.features.extract import Progress
from affectscope.core.library.cards import card_of
from affectscope.core.standalone.gather import clip_grid, compact, light
from affectscope.core.standalone.page import Home, Model, page
from affectscope.core.text import shown
from affectscope.core.why import with_reasons

_LONGEST_TITLE = 200


def page_of(
    analyzer: Analyzer,
    media: Path,
    analysis: Analysis,
    *,
    masking: bool = True,
    report: Progress = lambda stage, share: None,
    track: int | None = None,
    target: str = "",
    explanation: str | None = None,
) -> str:
    """The page as text.

    Args:
        masking: whether to include the masking sliders (which requires running the model at every share of sound and picture),
            and why.
        track: the audio track; default: the first that has sound.
        target, explanation: as given to the analysis; why uses the same, and the same face.
    """
    grid = clip_grid(analyzer, media, progress=report, track=track, face=analysis.timeline.face).to_json() if masking else ""
    predictions = answers_of(analyzer.checkpoint, analysis.predictions, analysis.evidence, analysis.familiar)
    why = (
        analyzer.why(media, target=target, track=track, explanation=explanation, face=analysis.timeline.face, progress=report)
        if masking
        else None
    )
    model = Model(predictions, card_of(analyzer.checkpoint), grid, why=why)
    clip = compact(media, report, track)
    report("Writing the page", 0.9)
    timeline = light(with_reasons(analysis.timeline, why))
    return page(Home(shown(media.stem, _LONGEST_TITLE), clip, timeline, (model,), analysis.explained))


def write_page(
    analyzer: Analyzer,
    media: Path,
    analysis: Analysis,
    out: Path,
    report: Progress = lambda stage, share: None,
    track: int | None = None,
    target: str = "",
    explanation: str | None = None,
) -> None:
    """Write the page to a file; see ``page_of``.

    Raises:
        UserError: when it cannot be written.
    """
    text = page_of(analyzer, media, analysis, report=report, track=track, target=target, explanation=explanation)
    try:
        write_atomically(out, lambda part: part.write_text(text, encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{out} cannot be written ({error.strerror}): choose another file.") from error
