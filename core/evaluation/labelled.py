"""The clips of a corpus on which a model can be evaluated: those with one of its labels, or a synonym of one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.models.base import ModelSpec
from affectscope.core.models.labels import noun
from affectscope.core.text import shown

_NAMED = 8


def labelled_for(corpus: Corpus, spec: ModelSpec, aliases: Mapping[str, str] | None = None) -> tuple[Corpus, list[str]]:
    """The corpus restricted to usable clips, with its labels translated to the model's; and what was done, in sentences.

    Args:
        aliases: a label of the corpus -> the model's class that it is. Letter case, adjectives (sad for sadness)
            and common words of other languages need none.

    Raises:
        UserError: when an alias names an unknown class or label, or no clip is left.
    """
    if spec.task != "classification" or corpus.table.empty:
        return corpus, []
    given = dict(aliases or {})
    labels = corpus.table["label"].fillna("").astype(str).str.strip()
    _check(given, spec, set(labels), corpus.name)
    meant = {label: _meant(label, spec, given) for label in labels.unique()}
    known = labels.map(meant).fillna("")
    remarks = []
    changed = sorted((label, word) for label, word in meant.items() if word and word != label)
    if changed:
        remarks.append(f"Labels are read as the model's classes: {', '.join(f'{shown(a)} as {shown(b)}' for a, b in changed)}.")
    strange = labels[(known == "") & (labels != "")].value_counts()
    if len(strange):
        named = ", ".join(f"{shown(str(label))} {count:,}" for label, count in strange.head(_NAMED).items())
        more = " …" if len(strange) > _NAMED else ""
        remarks.append(
            f"{_clips(int(strange.sum()))} of {len(labels):,} carry labels that the model has no class for ({named}{more}) "
            "and are left out; --alias LABEL=CLASS says which one is meant."
        )
    if unlabelled := int((labels == "").sum()):
        remarks.append(f"{_clips(unlabelled)} of {len(labels):,} have no label and are left out.")
    if not (known != "").any():
        named = ", ".join(shown(str(label)) for label in strange.index[:_NAMED]) or "none"
        raise UserError(
            f"No clip of {corpus.name} carries a label of the model: its labels are {named}, the model's "
            f"{', '.join(map(shown, spec.labels))}; --alias LABEL=CLASS says which are the same."
        )
    return replace(corpus, table=corpus.table.assign(label=known)[(known != "").to_numpy()]), remarks


def left_out(corpus: Corpus, spec: ModelSpec, aliases: Mapping[str, str] | None = None) -> dict[str, int]:
    """What ``labelled_for`` leaves out: label -> number of clips, largest first; "" for clips without a label."""
    if spec.task != "classification" or corpus.table.empty:
        return {}
    labels = corpus.table["label"].fillna("").astype(str).str.strip()
    strange = labels[[not _meant(label, spec, dict(aliases or {})) for label in labels]]
    return {str(label): int(count) for label, count in strange.value_counts().items()}


def _check(aliases: Mapping[str, str], spec: ModelSpec, labels: set[str], corpus: str) -> None:
    for label, word in aliases.items():
        if word not in spec.labels:
            raise UserError(f"The model has no class {shown(word)}: it has {', '.join(map(shown, spec.labels))}.")
        if label not in labels:
            raise UserError(f"{corpus} has no label {shown(label)}: it has {', '.join(map(shown, sorted(labels - {''})))}.")


def _meant(label: str, spec: ModelSpec, aliases: Mapping[str, str]) -> str:
    """The model's class for a label; empty if there is none."""
    if label in aliases or label in spec.labels:
        return aliases.get(label, label)
    same = [word for word in spec.labels if noun(word) == noun(label)] if label else []
    return same[0] if len(same) == 1 else ""


def _clips(count: int) -> str:
    return f"{count:,} clip{'s' if count != 1 else ''}"
