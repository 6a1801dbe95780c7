"""Maps a table's spellings of true labels and values to classes and attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pandas as pd

from affectscope.core.imports.check import ModelPredictions
from affectscope.core.imports.columns import LABEL, TRUTH, forms
from affectscope.core.models.labels import noun
from affectscope.core.text import shown

_NAMED = 3
_WHOLE = re.compile(r"(\d{1,9})(?:\.0+)?")
# Placeholders that programs write for a missing label.
_NOBODY_KNOWS = frozenset(("nan", "none", "null", "na", "n/a", "#n/a", "<na>", "nat", "-", "?", "xxx"))


def spelled(
    table: pd.DataFrame, models: Mapping[str, ModelPredictions], numbered: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Labels in the spelling of the models' classes, where they differ in nothing but letter case, blanks or a number's zeros, or
    are another word for one class alone (``angry``, ``ang``, ``Wut`` for ``anger``).

    Args:
        numbered: class index -> name, if the user named them in order.
    """
    if LABEL not in table:
        return table, []
    classes = {name for predictions in models.values() for name in predictions.classes}
    meant: dict[str, set[str]] = {}
    for name in classes:
        meant.setdefault(_plain(name), set()).add(name)
    written = {str(label) for label in table[LABEL].dropna().unique()} - classes
    unknown = sorted(label for label in written if _plain(label) in _NOBODY_KNOWS and _plain(label) not in meant)
    written -= set(unknown)
    changed = {label: next(iter(meant[_plain(label)])) for label in written if len(meant.get(_plain(label), ())) == 1}
    nouns: dict[str, set[str]] = {}
    for name in classes:
        nouns.setdefault(_noun(name), set()).add(name)
    left = written - set(changed)
    changed |= {label: next(iter(nouns[_noun(label)])) for label in left if len(nouns.get(_noun(label), ())) == 1}
    names = {_plain(number): name for number, name in (numbered or {}).items()}
    if not changed and written and {_plain(label) for label in written} <= set(names):
        changed = {label: names[_plain(label)] for label in written}
    notes = []
    if unknown:
        notes.append(f"True labels that read {', '.join(map(shown, unknown))} are taken as unknown.")
        table = table.assign(**{LABEL: table[LABEL].where(~table[LABEL].isin(unknown), None)})
    if changed:
        named = ", ".join(f"{shown(old)} as {shown(new)}" for old, new in sorted(changed.items())[:_NAMED])
        more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
        notes.append(f"True labels are read as the classes that they spell: {named}{more}.")
        table = table.assign(**{LABEL: table[LABEL].replace(changed)})
    return table, notes


def truths(table: pd.DataFrame, attributes: Sequence[str]) -> pd.DataFrame:
    """The table with attributes' true values in columns of the attributes' names."""
    attribute_of: dict[str, str] = {}
    for attribute in attributes:
        if attribute in table:
            continue
        free = [column for column in map(str, table.columns) if column not in attribute_of]
        for form in forms(attribute):
            found = next((column for column in free if _is_truth(column.casefold(), form)), None)
            if found is not None:
                attribute_of[found] = attribute
                break
    return table.rename(columns=attribute_of)


def _is_truth(column: str, attribute: str) -> bool:
    """Whether a column such as ``Valence``, ``true_valence`` or ``label.valence`` holds true values."""
    if column == attribute:
        return True
    parts = column.replace(".", "_").replace(" ", "_").split("_")
    own = attribute.split("_")
    return any("_".join(rest) in TRUTH for rest in (parts[: -len(own)], parts[len(own) :]) if rest and _rest(parts, rest) == own)


def _rest(parts: list[str], taken: list[str]) -> list[str]:
    return parts[len(taken) :] if parts[: len(taken)] == taken else parts[: -len(taken)]


def _noun(label: str) -> str:
    return noun(_plain(label))


def _plain(text: str) -> str:
    plain = " ".join(text.casefold().split())
    # 1, 01 and 1.0 are equal.
    number = _WHOLE.fullmatch(plain)
    return str(int(number[1])) if number else plain
