"""Cached access to core, a room for each kind of thing. What one page alone reckons is cached beside that page."""

from __future__ import annotations

import gc
from contextlib import suppress

from app.services.analyses import (
    Result,
    analyse,
    frame_png,
    lanes_csv,
    main_heatmap,
    overlay_path,
    result,
    timeline,
    timeline_url,
    verdicts,
    without_media,
    write_overlay,
)
from app.services.browsing import DEMO, corpus, corpus_name, corpus_names, keep_looking, look_at, opened
from app.services.clips import UPLOADS, Clip, clip, clips_of, corpus_here, covers, media_url, picture_url, pictures, thumb_url
from app.services.known import (
    analyzer,
    askable,
    card,
    corpus_of,
    declared,
    heads,
    imported,
    labels,
    loaded,
    models,
    spec,
    unasked,
    unload,
)
from app.services.surveys import ask_all, ask_each, path_on_disk, predicted, queue_id, survey, survey_id, survey_on_disk
from app.tidy import tidy
from core.errors import UserError
from core.threads import fit_thread_pools

__all__ = [
    "DEMO",
    "UPLOADS",
    "Clip",
    "Result",
    "analyse",
    "analyzer",
    "ask_all",
    "ask_each",
    "askable",
    "card",
    "clip",
    "clips_of",
    "corpus",
    "corpus_here",
    "corpus_name",
    "corpus_names",
    "corpus_of",
    "covers",
    "declared",
    "frame_png",
    "heads",
    "imported",
    "keep_looking",
    "labels",
    "lanes_csv",
    "loaded",
    "look_at",
    "main_heatmap",
    "media_url",
    "models",
    "opened",
    "overlay_path",
    "path_on_disk",
    "picture_url",
    "pictures",
    "predicted",
    "queue_id",
    "result",
    "spec",
    "survey",
    "survey_id",
    "survey_on_disk",
    "thumb_url",
    "timeline",
    "timeline_url",
    "unasked",
    "unload",
    "verdicts",
    "warm_up",
    "without_media",
    "write_overlay",
]


def warm_up() -> None:
    """Load what the first page needs, answer the clip that it opens with, then ask about all others for the table."""
    fit_thread_pools()
    tidy()
    with suppress(UserError):
        source = opened(DEMO)
        for name in list(models())[:1]:
            analyse(clip(source.name, str(source.table.index[0])), name, None).wait(60)
            if survey(name, source) is None:
                ask_all(name, source).wait(600)
    # Streamlit collects garbage in full after every run of a script. Walking all that torch and its friends have loaded takes
    # half a second in which nothing else can run; frozen, it is left out.
    gc.collect()
    gc.freeze()
