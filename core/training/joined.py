"""Corpora that are learnt from together (`affectscope train --also`): which of their clips take part, who is held out, and how
often each clip is drawn.

Labels are the first corpus's. Clips with one modality take part as they are: strategies teach the heads that have evidence
(goncalves2025versatile, Algorithm 1), and to models of several modalities such clips are training with one missing.
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
    """A corpus that others may join, or that joins one.

    Attributes:
        corpus: with the clips that take part, their labels in the model's words.
        remarks: what was done with its labels, and with its speakers, in sentences.
        left_out: label that the model lacks -> clips; "" for those without a label.
    """

    corpus: Corpus
    remarks: tuple[str, ...] = ()
    left_out: Mapping[str, int] | None = None


def opened(first: Corpus, others: Sequence[Corpus], spec: ModelSpec, aliases: Mapping[str, str]) -> list[Joined]:
    """The first corpus as it is, and those that join it with the clips whose label it has.

    Args:
        spec: of the model; of classes with the first corpus's labels.
        aliases: a label of a corpus that joins -> the first one's that it is.

    Raises:
        UserError: when one joins itself, has no clip with such a label, or an alias names no label.
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
    """Who of a corpus that joins is learnt from and who is held out, and a sentence where nobody can be held out.

    A corpus that came with a split keeps it; else speakers are drawn by the seed. With fewer than three, or with none named, all
    of it is learnt from: there is nobody to measure on.

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
    """How likely each clip is drawn: every corpus as often as the others, and in it every class; they add up to one.

    Args:
        origins: of each clip, the corpus that it is of.
        labels: of each clip; all alike for a model of attributes.

    >>> balanced_weights(["a", "a", "a", "b"], ["joy", "joy", "fear", "joy"])
    [0.125, 0.125, 0.25, 0.5]
    """
    cells = Counter(zip(origins, labels, strict=True))
    classes = Counter(origin for origin, _ in cells)
    share = 1 / max(1, len(classes))
    return [share / classes[origin] / cells[origin, label] for origin, label in zip(origins, labels, strict=True)]


def with_evidence(clips: Sequence[Clip], spec: ModelSpec) -> tuple[list[Clip], int]:
    """The clips that have a frame of any modality that the model takes, and how many have none."""
    kept = [clip for clip in clips if any(m in clip.streams and clip.streams[m].any for m in spec.inputs)]
    return kept, len(clips) - len(kept)


def facts(joined: Joined, parts: Mapping[str, Sequence[Clip]], spec: ModelSpec) -> dict[str, Any]:
    """What the card says of a corpus: how many of its clips and speakers are in each part, of what label and modality."""
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
