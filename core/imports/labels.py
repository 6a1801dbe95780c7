"""True labels and values as a table's owner spells them, and the classes and attributes that they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from affectscope.core.imports.check import ModelPredictions
from affectscope.core.imports.layout import LABEL, TRUTH
from affectscope.core.text import shown

_NAMED = 3


def spelled(table: pd.DataFrame, models: Mapping[str, ModelPredictions]) -> tuple[pd.DataFrame, list[str]]:
    """Labels in the spelling of the models' classes, where they differ in nothing but letter case and blanks."""
    if LABEL not in table:
        return table, []
    classes = {name for predictions in models.values() for name in predictions.classes}
    meant: dict[str, set[str]] = {}
    for name in classes:
        meant.setdefault(_plain(name), set()).add(name)
    written = {str(label) for label in table[LABEL].dropna().unique()} - classes
    changed = {label: next(iter(meant[_plain(label)])) for label in written if len(meant.get(_plain(label), ())) == 1}
    if not changed:
        return table, []
    named = ", ".join(f"{shown(old)} as {shown(new)}" for old, new in sorted(changed.items())[:_NAMED])
    more = f" and {len(changed) - _NAMED} more" if len(changed) > _NAMED else ""
    return table.assign(**{LABEL: table[LABEL].replace(changed)}), [
        f"True labels are read as the classes that they spell: {named}{more}."
    ]


def truths(table: pd.DataFrame, attributes: Sequence[str]) -> pd.DataFrame:
    """The table with the true values of attributes in columns of their names, whatever a person called them."""
    attribute_of: dict[str, str] = {}
    for column in map(str, table.columns):
        for attribute in attributes:
            if column != attribute and _is_truth(column.casefold(), attribute) and attribute not in table:
                attribute_of.setdefault(column, attribute)
    return table.rename(columns=attribute_of)


def _is_truth(column: str, attribute: str) -> bool:
    """Whether a column such as ``Valence``, ``true_valence`` or ``label.valence`` says what is true."""
    if column == attribute:
        return True
    parts = column.replace(".", "_").replace(" ", "_").split("_")
    own = attribute.split("_")
    return any("_".join(rest) in TRUTH for rest in (parts[: -len(own)], parts[len(own) :]) if rest and _rest(parts, rest) == own)


def _rest(parts: list[str], taken: list[str]) -> list[str]:
    return parts[len(taken) :] if parts[: len(taken)] == taken else parts[: -len(taken)]


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())
