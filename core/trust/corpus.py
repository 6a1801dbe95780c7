"""Trust of methods over a corpus: a row per clip and explanation, and means with intervals and chance levels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of, of_clip
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.metrics.intervals import wilson
from affectscope.core.trust.curves import SHARES, interval
from affectscope.core.trust.measure import Measured
from affectscope.core.trust.trust import TRUST_VERSION, Request, Trust
from affectscope.core.trust.verdict import LEVELS, P_GOOD, verdict

MEASURES = {
    "learnt": "area beyond random weights",
    "area": "area beyond other places",
    "deletion_area": "deletion",
    "insertion_area": "insertion",
    "random_model": "model random",
    "random_weights": "all random",
    "random_chance": "two random with each other",
    "random_ssim": "all random, SSIM",
    "other_classes": "other classes",
    "stable": "stable",
    "max_sensitivity": "max-sensitivity",
    "lipschitz": "local Lipschitz",
    "place": "place",
    "time": "time",
}
"""Columns of ``summary`` that are means over clips, each with ``_low`` and ``_high``, as shown to users."""
_CHANCES = ("place", "time")
_EVERY = ("0", *(f"{share:g}" for share in SHARES), "1")
TEXTS = ("model", "clip", "class", "explanation", "title", "modality", "head", "level", "reasons")
"""Columns of ``over_corpus`` that hold text: a clip or a class may be called "nan", and a head may be empty."""
CURVES = tuple(f"{kind}_{share}" for kind in ("deletion", "insertion") for share in _EVERY)
"""Columns of ``over_corpus`` that hold the curves, each also with the prefixes ``random_`` and ``untrained_``."""


class Asker(Protocol):
    """Measures one clip: an analyzer."""

    @property
    def checkpoint(self) -> Checkpoint: ...

    def key(self, media: Path, explain: str | None = None, truth: bool = False, *, clip: str = "") -> str: ...

    def trust(self, media: Path, asked: Request | None = None) -> Trust: ...


def over_corpus(
    asker: Asker,
    corpus: Corpus,
    request: Request,
    clips: int = 0,
    progress: Callable[[str, float], None] = lambda stage, share: None,
) -> tuple[pd.DataFrame, list[str]]:
    """Measure a corpus's clips, each for its label if the model has that class. Results are cached.

    Args:
        request: for all clips.
        clips: sample size, drawn with the request's seed; 0 for all.

    Returns:
        A row per clip and explanation; and a sentence for each clip that could not be measured.

    Raises:
        UserError: when none could.
    """
    names = [str(name) for name in corpus.table.index]
    if 0 < clips < len(names):
        chance = np.random.default_rng(request.seed)
        names = [names[i] for i in sorted(chance.choice(len(names), clips, replace=False))]
    labels = asker.checkpoint.spec.labels
    rows: list[dict[str, Any]] = []
    broken: list[str] = []
    for number, clip in enumerate(names):
        progress(f"Trust: clip {number + 1} of {len(names)}", number / len(names))
        label = str(corpus.table.at[clip, "label"])
        target = request.target or (label if label in labels else "")
        asked = replace(request, target=target, truth=corpus.truth(clip), clip=clip)
        try:
            rows += _kept(asker, corpus.media(clip), asked)
        except UserError as error:
            broken.append(f"{clip}: {error}")
    progress("Trust", 1.0)
    if not rows:
        raise UserError(broken[0] if broken else "There is no map to measure: the model gives no explanation for these clips.")
    return pd.DataFrame(rows).assign(model=asker.checkpoint.name), broken


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Aggregated over the clips: a row per model, explanation, head and modality.

    Returns:
        ``clips``; means of ``MEASURES`` with 95 % intervals (bootstrap over clips), and chance levels where they exist;
        ``significant``, the share of clips with p up to 0.05 (5 % by chance), with Wilson's interval; the share of each level.
    """
    rows = []
    for about, group in table.groupby(["model", "explanation", "title", "modality", "head"], sort=False):
        row: dict[str, Any] = dict(zip(("model", "explanation", "title", "modality", "head"), about, strict=True))
        row["clips"] = len(group)
        hits = int((group["p"] <= P_GOOD + 1e-9).sum())
        row["significant"] = hits / len(group)
        row["significant_low"], row["significant_high"] = wilson(hits, len(group))
        for name in MEASURES:
            values = group[name].to_numpy(float)
            known = values[np.isfinite(values)]
            row[name] = float(known.mean()) if len(known) else float("nan")
            row[f"{name}_low"], row[f"{name}_high"] = interval(known)
            if name in _CHANCES:
                chance = group[f"{name}_chance"].to_numpy(float)[np.isfinite(values)]
                row[f"{name}_chance"] = float(chance.mean()) if len(chance) else float("nan")
        row |= {level: float((group["level"] == level).mean()) for level in LEVELS}
        row["seed"] = int(group["seed"].iloc[0])
        rows.append(row)
    return pd.DataFrame(rows)


def carriers(table: pd.DataFrame) -> tuple[int, int]:
    """Among clips whose emotion one modality carries: the number where its Shapley value is the largest, and their total."""
    known = table.drop_duplicates(["model", "clip"])["carrier"].dropna().astype(bool)
    return int(known.sum()), len(known)


def _kept(asker: Asker, media: Path, asked: Request) -> list[dict[str, Any]]:
    own = asker.key(media, asked.target, asked.truth is not None, clip=asked.clip)
    facts = (
        asked.head,
        list(asked.methods or ()),
        list(asked.sounds or ()),
        asked.lanes,
        asked.untrained,
        asked.controls,
        asked.seed,
    )
    path = cache_root() / "trust" / f"{of_clip(own, key_of(TRUST_VERSION, own, *facts, asked.seed))}.rows.json"
    if (known := sealed.read_json(path)) is not None:
        return [{name: float("nan") if value is None else value for name, value in row.items()} for row in known["rows"]]
    found = asker.trust(media, asked)
    rows = [_row(asked.clip, found, measured) for measured in found.measured]
    plain = [{n: None if isinstance(v, float) and not np.isfinite(v) else v for n, v in row.items()} for row in rows]
    sealed.write_cached_json(path, {"rows": plain})
    return rows


def _row(clip: str, found: Trust, measured: Measured) -> dict[str, Any]:
    drawn, rated, nan = measured.curves, verdict(measured), float("nan")
    row: dict[str, Any] = {
        "model": "", "clip": clip, "class": measured.target, "explanation": measured.explanation, "title": measured.title,
        "modality": measured.modality, "head": measured.head, "level": rated.level, "reasons": rated.reasons,
        "p": drawn.p, "learnt": _mean(drawn.learnt), "beaten": drawn.beaten, "controls": len(drawn.areas),
        "area": _mean(drawn.areas), "deletion_area": _mean(drawn.deletion_areas), "insertion_area": _mean(drawn.insertion_areas),
        "random_model": measured.headless, "random_weights": measured.random_weights, "random_chance": measured.untrained_chance,
        "random_ssim": measured.layers[-1].ssim if measured.layers else nan,
        "other_classes": measured.any_class, "stable": measured.stable, "max_sensitivity": measured.max_sensitivity,
        "lipschitz": measured.max_lipschitz, "place": nan, "place_chance": nan, "time": nan, "time_chance": nan,
        "carrier": nan if found.carrier is None else float(found.carrier), "seed": found.seed,
    }  # fmt: skip
    if (truth := measured.pointed) is not None:
        row |= {"place": truth.place, "place_chance": truth.place_chance}
        if truth.time is not None:
            row |= {"time": float(truth.time), "time_chance": truth.time_chance}
    for kind in ("deletion", "insertion"):
        own, random, untaught = (getattr(drawn, f"{what}{kind}") for what in ("", "random_", "untrained_"))
        for place, share in enumerate(_EVERY):
            row[f"{kind}_{share}"] = float(own[place])
            row[f"random_{kind}_{share}"] = _mean(random[:, place])
            row[f"untrained_{kind}_{share}"] = _mean(untaught[:, place])
    return row


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")
