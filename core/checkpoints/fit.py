"""Explains how a file's tensors differ from a model's."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

from affectscope.core.errors import UserError
from affectscope.core.models.base import ModelSpec
from affectscope.core.text import shown

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]

_NAMED = 3
_LAYER = re.compile(r"^(.*?)(?:^|\.)?layers\.(\d+)\.")


class Mismatch(UserError):
    """A file that does not fit its model.

    Attributes:
        missing: keys that only the model has.
        unexpected: keys that only the file has.
        misshapen: (key, the file's shape, the model's).
        guess: the likely cause; empty if none suggests itself.
    """

    def __init__(
        self, sentence: str, missing: list[str], unexpected: list[str], misshapen: list[tuple[str, Shape, Shape]], guess: str
    ) -> None:
        super().__init__(sentence)
        self.missing, self.unexpected, self.misshapen, self.guess = missing, unexpected, misshapen, guess


def check_fit(name: str, spec: ModelSpec, own: Shapes, given: Shapes, optional: Collection[str] = ()) -> None:
    """Compare a file's tensors with the model's.

    Raises:
        Mismatch: when they differ; its sentence names the first few keys of each kind.
    """
    missing = sorted(own.keys() - given.keys() - set(optional))
    unexpected = sorted(map(shown, given.keys() - own.keys()))
    misshapen = sorted((k, given[k], own[k]) for k in own.keys() & given.keys() if own[k] != given[k])
    faults = [
        f"{kind} {', '.join(keys[:_NAMED])}{f' and {len(keys) - _NAMED} more' if len(keys) > _NAMED else ''}"
        for kind, keys in (
            ("lacks", missing), ("does not know", unexpected), ("has another shape for", [key for key, _, _ in misshapen])
        )
        if keys
    ]  # fmt: skip
    if faults:
        sentence = f"{name} does not fit {spec.system}: it {'; it '.join(faults)}."
        raise Mismatch(sentence, missing, unexpected, misshapen, guess(spec, own, given))


def guess(spec: ModelSpec, own: Shapes, given: Shapes) -> str:
    """The likely difference: system, number of layers or classes, input size or width. Empty where unclear."""
    if not own.keys() & given.keys() - {"prior"}:
        return f"None of its tensors has a name that {spec.system} knows: it is another system, or another layout."
    counts, wanted = _layers(given), _layers(own)
    for part, count in wanted.items():
        if counts.get(part, count) != count:
            return f"It has {_some(counts[part], 'layer')} in {part or 'its stack'} where the model has {count}."
    differing = [(key, given[key], own[key]) for key in own if key in given and given[key] != own[key]]
    rows = [(a[0], b[0]) for _, a, b in differing if a and b and a[1:] == b[1:]]
    if rows and all(pair == rows[0] for pair in rows) and rows[0][1] == len(spec.labels):
        return f"It answers with {_some(rows[0][0], 'output')} where the model has {rows[0][1]}."
    for modality, dim in spec.inputs.items():
        taken = {a[1] for _, a, b in differing if len(a) > 1 and len(b) > 1 and b[1] == dim and a[0] == b[0]}
        if len(taken) == 1:
            return f"It takes {taken.pop()} {modality} features a frame where the model takes {dim}."
    return "Its layers are of other widths than the model's." if differing else ""


def _layers(shapes: Shapes) -> dict[str, int]:
    """Stack of layers -> number of layers."""
    numbers_of: dict[str, set[str]] = {}
    for key in shapes:
        if match := _LAYER.match(key):
            numbers_of.setdefault(match[1], set()).add(match[2])
    return {part: len(numbers) for part, numbers in numbers_of.items()}


def _some(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"
