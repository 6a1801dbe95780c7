"""Training on several corpora (`affectscope train --also`): which clips take part, who is held out, and sampling weights.

Labels are the first corpus's. Clips with a single modality take part unchanged: strategies train the heads that have evidence
(goncalves2025versatile, Algorithm 1), so for models of several modalities such clips are training with one missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.evaluation.labelled import labelled_for, left_out
from affectscope.core.models.base import ModelSpec
from affectscope.core.streams import Clip
from affectscope.core.text import shown, unlike
from affectscope.core.training.splits import SPLITS, split_speakers


@dataclass(frozen=True)
class Joined:
    """A corpus that takes part in a joint training.

    Attributes:
        corpus: with the usable clips, their labels translated to the model's.
        remarks: how its labels and speakers were handled, in sentences.
        left_out: label that the model lacks -> number of clips; "" for those without a label.
    """

    corpus: Corpus
    remarks: tuple[str, ...] = ()
    left_out: Mapping[str, int] | None = None


def opened(first: Corpus, others: Sequence[Corpus], spec: ModelSpec, aliases: Mapping[str, str]) -> list[Joined]:
    """The first corpus, and the joining ones restricted to clips with one of its labels.

    Args:
        spec: of the model, with the first corpus's labels as classes.
        aliases: a joining corpus's label -> the first corpus's.

    Raises:
        UserError: when one joins itself or has no usable clip, or an alias names no label.
    """
    if aliases and not others:
        raise UserError("An alias is for the labels of an additional corpus: name one with --also.")
    places = [corpus.root.resolve() for corpus in (first, *others)]
    if len(set(places)) < len(places):
        twice = next(place for place, count in Counter(places).items() if count > 1)
        raise UserError(f"{twice} is named twice: a corpus cannot join itself.")
    labels = [set(_labels(other)) for other in others]
    for alias in aliases:
        if not any(alias in own for own in labels):
            known = sorted(set().union(*labels) - {""})
            raise UserError(f"No additional corpus has a label {shown(alias)}: they have {', '.join(map(shown, known))}.")
    found, taken = [Joined(first)], {first.name}
    for other, own in zip(others, labels, strict=True):
        given = {alias: word for alias, word in aliases.items() if alias in own}
        kept, remarks = labelled_for(other, spec, given)
        name = unlike(other.name, taken)
        taken.add(name)
        sentences = tuple(f"{shown(name)}: {sentence}" for sentence in remarks)
        found.append(Joined(replace(kept, name=name), sentences, left_out(other, spec, given)))
    return found


def _labels(corpus: Corpus) -> list[str]:
    return [str(label).strip() for label in corpus.table["label"].fillna("")] if "label" in corpus.table else []


def split_joining(corpus: Corpus, seed: int) -> tuple[pd.Series, str]:
    """Split a joining corpus into training and held-out speakers; and a sentence where nobody can be held out.

    A corpus's own split is used if it has one; otherwise speakers are drawn by the seed. With fewer than three speakers, or
    unnamed ones, all clips are used for training, and none are left for evaluation.

    Raises:
        UserError: as ``splits.split_speakers`` does.
    """
    table = corpus.table
    if "split" in table and table["split"].fillna("").astype(str).str.strip().nunique() > 1:
        return split_speakers(table, seed, "official"), ""
    speakers = table["speaker"].fillna("").astype(str).str.strip() if "speaker" in table else pd.Series("", table.index)
    count = speakers[speakers != ""].nunique()
    if count >= len(SPLITS):
        return split_speakers(table, seed), ""
    named = f"{count} speaker{'s' if count != 1 else ''}" if count else "no speaker's name"
    return (
        pd.Series("train", table.index),
        f"{shown(corpus.name)} has {named}: all of its clips are learnt from, and none is held out to measure on.",
    )


def balanced_weights(origins: Sequence[str], labels: Sequence[str]) -> list[float]:
    """Sampling probability of each clip, such that corpora are drawn equally often, and classes within each; they sum to one.

    Args:
        origins: the corpus of each clip.
        labels: of each clip; all the same for a model of attributes.

    >>> balanced_weights(["a", "a", "a", "b"], ["joy", "joy", "fear", "joy"])
    [0.125, 0.125, 0.25, 0.5]
    """
    cells = Counter(zip(origins, labels, strict=True))
    classes = Counter(origin for origin, _ in cells)
    share = 1 / max(1, len(classes))
    return [share / classes[origin] / cells[origin, label] for origin, label in zip(origins, labels, strict=True)]


def with_evidence(clips: Sequence[Clip], spec: ModelSpec) -> tuple[list[Clip], int]:
    """The clips with a frame of any modality that the model takes, and the number of those without."""
    kept = [clip for clip in clips if any(m in clip.streams and clip.streams[m].any for m in spec.inputs)]
    return kept, len(clips) - len(kept)


def facts(joined: Joined, parts: Mapping[str, Sequence[Clip]], spec: ModelSpec) -> dict[str, Any]:
    """A corpus's entry on the card: number of clips and speakers in each part, by label and modality."""
    clips = [clip for part in parts.values() for clip in part]
    learnt = parts.get("train", ())
    return {
        "name": joined.corpus.name,
        "kind": joined.corpus.kind,
        "synthetic": joined.corpus.synthetic,
        "clips": {name: len(part) for name, part in parts.items()},
        "speakers": {name: len({str(c.labels.get("speaker", "")) for c in part} - {""}) for name, part in parts.items()},
        "labels": dict(Counter(str(c.labels.get("label", "")) for c in learnt)) if spec.task == "classification" else {},
        "modalities": {m: sum(bool(m in c.streams and c.streams[m].any) for c in clips) for m in spec.inputs},
        "left_out": dict(joined.left_out or {}),
    }
