"""Cached access to core, a module per subject. Computations for a single page are cached beside that page."""

from __future__ import annotations

import gc
import time
from contextlib import suppress

from affectscope.app.services.analyses import (
    Result,
    analyse,
    main_heatmap,
    result,
    timeline,
    timeline_url,
    verdicts,
    without_media,
)
from affectscope.app.services.browsing import DEMO, corpus, corpus_name, corpus_names, keep_looking, look_at, opened
from affectscope.app.services.clips import (
    UPLOADS,
    Clip,
    clip,
    clip_here,
    clips_of,
    corpus_here,
    covers,
    heard,
    media_file,
    media_url,
    owner_of,
    picture_url,
    pictures,
    prepare,
    seen,
    thumb_url,
)
from affectscope.app.services.known import (
    analyzer,
    askable,
    card,
    corpus_of,
    declared,
    digest,
    heads,
    imported,
    is_plugin,
    labels,
    loaded,
    models,
    spec,
    take,
    taken,
    taken_marks,
    unasked,
    unload,
)
from affectscope.app.services.prediction_tables import (
    ask_all,
    ask_each,
    path_on_disk,
    predicted,
    prediction_table,
    prediction_table_id,
    prediction_table_on_disk,
    queue_id,
)
from affectscope.app.services.promises import broken_promises, check_promises, checkable, promises
from affectscope.app.serving import starting
from affectscope.app.serving.tidy import tidy
from affectscope.core.errors import UserError
from affectscope.core.threads import fit_thread_pools

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
    "broken_promises",
    "card",
    "check_promises",
    "checkable",
    "clip",
    "clip_here",
    "clips_of",
    "corpus",
    "corpus_here",
    "corpus_name",
    "corpus_names",
    "corpus_of",
    "covers",
    "declared",
    "digest",
    "heads",
    "heard",
    "imported",
    "is_plugin",
    "keep_looking",
    "labels",
    "loaded",
    "look_at",
    "main_heatmap",
    "media_file",
    "media_url",
    "models",
    "opened",
    "owner_of",
    "path_on_disk",
    "picture_url",
    "pictures",
    "predicted",
    "prediction_table",
    "prediction_table_id",
    "prediction_table_on_disk",
    "prepare",
    "promises",
    "queue_id",
    "result",
    "seen",
    "spec",
    "take",
    "taken",
    "taken_marks",
    "thumb_url",
    "timeline",
    "timeline_url",
    "unasked",
    "unload",
    "verdicts",
    "warm_up",
    "without_media",
]

# Seconds to wait before loading the rest: for a first visitor, and for their player.
_NOBODY_COMES, _PLAYER_STANDS = 10.0, 2.0


def warm_up() -> None:
    """Analyse the first page's default clip; once it is shown, load the rest, and analyse all other clips."""
    fit_thread_pools()
    # Disk errors are reported when somebody requests the result.
    with suppress(UserError, OSError):
        source = opened(DEMO)
        first = list(models())[:1]
        for name in first:
            analyse(clip(source.name, str(source.table.index[0])), name, None).wait(60)
        # A browser that just received the timeline is busy building the player.
        if starting.first_shown.wait(_NOBODY_COMES):
            time.sleep(_PLAYER_STANDS)
        tidy()
        starting.load_later()
        for name in first:
            if prediction_table(name, source) is None:
                ask_all(name, source).wait(600)
    gc.collect()
    gc.freeze()
