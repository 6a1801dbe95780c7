"""The answer to why as one or two sentences. Each clause refers to the numbers that support it.

"Mostly" means half or more of all support for the class; "most of all", the largest share below that. "Slight" means less than
0.1 in log-odds, which moves a probability by 2.5 points at most. A span of time is the windows around the largest loss that lose
at least half as much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from affectscope.core.text import percent, shown, signed
from affectscope.core.why.moments import span

if TYPE_CHECKING:
    from affectscope.core.why.label import ForLabel
    from affectscope.core.why.why import Why

Path = tuple[str | int, ...]
NOUNS = {"audio": "sound", "visual": "picture"}
"""Modality -> display name."""
_MOST = 0.5
_SLIGHT = 0.1


@dataclass(frozen=True)
class Clause:
    """A part of the sentence.

    Attributes:
        kind: the claim; ``docs/why.md`` has a line for each.
        lead: punctuation before it: "", a comma, a semicolon, a colon, or the end of the previous sentence.
        text: as shown.
        rests: the numbers that support it, and their paths in ``Why.to_dict``.
    """

    kind: str
    lead: str
    text: str
    rests: tuple[tuple[Path, float | str], ...]


def in_words(why: Why) -> str:
    """The clauses joined to text."""
    text = "".join(clause.lead + clause.text for clause in sentence(why))
    return text[:1].upper() + text[1:] + "." if text else ""


def sentence(why: Why) -> tuple[Clause, ...]:
    """The clauses that the numbers support."""
    return tuple(_attribute(why) if why.task == "regression" else _class(why))


def noun(modality: str) -> str:
    return NOUNS.get(modality, shown(modality))


def the(modality: str) -> str:
    """With article: "the sound"."""
    return f"the {noun(modality)}"


def _class(why: Why) -> list[Clause]:
    clauses = [_answer(why)]
    if not any(why.modality.present):
        return [
            *clauses,
            Clause("nothing", "; ", "the clip has nothing that the model can use, so this is the model's prior", ()),
        ]
    lead = _leader(why)
    if lead is None:
        clauses.append(Clause("nobody", ": ", f"no modality supports {shown(why.target)}", _shapley(why)))
    else:
        clauses += [_speaks(why, lead), *_details(why, lead)]
        clauses += _without(why, lead)
    clauses += _together(why)
    return [*clauses, *_for_label(why), *_turns(why)]


def _answer(why: Why) -> Clause:
    """The decision, and whether it is right; for another class, its probability."""
    place, own = why.labels.index(why.says), why.labels.index(why.target)
    value, rests = why.answers[0, place], [_at(("answers", 0, place), why.answers[0, place]), (("says",), why.says)]
    text = f"{shown(why.says)} ({percent(value)})"
    if why.label:
        rests.append((("label",), why.label))
        text += " is right" if why.label == why.says else f" is wrong (the label is {shown(why.label)})"
    elif why.says == why.target:
        text = f"the answer is {text}"
    if why.says != why.target:
        rests.append(_at(("answers", 0, own), why.answers[0, own]))
        text = text if why.label else f"the answer is {text}"
        text += f", and {shown(why.target)} has {percent(why.answers[0, own])}"
    if why.against:
        other = why.labels.index(why.against)
        rests.append(_at(("answers", 0, other), why.answers[0, other]))
        text += f"; {shown(why.target)} against {shown(why.against)} ({percent(why.answers[0, other])})"
    return Clause("answer", "", text, tuple(rests))


def _leader(of: Why | ForLabel) -> int | None:
    """The index of the modality that speaks for the class most; None where none does."""
    values = of.modality.shapley[0]
    return int(values.argmax()) if values.max() > 0 else None


def _speaks(why: Why, lead: int) -> Clause:
    """What the leading modality predicts alone; if that is another class, its part of the score."""
    modality = why.modality
    only = modality.only(modality.names[lead])
    alone = modality.answers[0, only]
    own = why.labels.index(why.target)
    if not why.against and int(alone.argmax()) == own:
        rests = [_at(("modality", "answers", 0, only, i), v) for i, v in enumerate(alone)]
        text = f"{the(modality.names[lead])} alone says {shown(why.target)} ({percent(alone[own])})"
        return Clause("says", ": ", text, (*rests, *_shapley(why)))
    total = float(modality.scores[0, -1] - modality.scores[0, 0])
    rests = [_at(("modality", "scores", 0, -1), modality.scores[0, -1]), _at(("modality", "scores", 0, 0), modality.scores[0, 0])]
    value = modality.shapley[0, lead]
    text = f"{the(modality.names[lead])} supports {shown(why.target)} most"
    text += f"{_but_slightly(value)} ({signed(value)} of {signed(total)})"
    best = int(alone.argmax())
    if best != own and not why.against:
        # Otherwise the sentence would suggest that it is wrong by itself.
        rests += [_at(("modality", "answers", 0, only, i), v) for i, v in enumerate(alone)]
        text += f", though on its own it says {shown(why.labels[best])} ({percent(alone[best])})"
        if why.label == why.labels[best]:
            rests.append((("label",), why.label))
            text += ", which is right"
    return Clause("speaks", ": ", text, (*_shapley(why), *rests))


def _details(of: Why | ForLabel, lead: int, root: Path = ()) -> list[Clause]:
    """Which descriptors or region of the leading modality, and when.

    Args:
        root: path of these numbers in ``Why.to_dict``.
    """
    name, clauses = of.modality.names[lead], []
    if name == "audio" and of.groups is not None:
        clauses += _being(of, lead, root) or _largest(
            "group", of.groups.names, of.groups.shapley[0], (*root, "groups", "shapley", 0)
        )
    if name == "visual" and of.face is not None:
        names = tuple(f"the {region}" for region in of.face.names)
        clauses += _largest("region", names, of.face.away[0], (*root, "face", "away", 0))
    values = of.moments.away[name][0]
    found = span(of.moments.edges, values)
    if found is not None:
        start, end = (float(of.moments.edges[i]) for i in found)
        rests = [_at((*root, "moments", "away", name, 0, w), v) for w, v in enumerate(values)]
        edges = [_at((*root, "moments", "edges", i), of.moments.edges[i]) for i in found]
        clauses.append(Clause("when", ", ", f"strongest at {seconds(start)}–{seconds(end)} s", (*rests, *edges)))
    return clauses


def _being(of: Why | ForLabel, lead: int, root: Path) -> list[Clause]:
    """The clause for a sound whose presence matters more than its properties.

    All descriptor groups together add less than half of the sound's contribution, so naming the largest group would mislead.
    """
    assert of.groups is not None
    how, total = float(of.groups.total[0]), float(of.modality.shapley[0, lead])
    if how >= _MOST * total:
        return []
    text = f"mostly because there is sound at all: how it sounds adds only {signed(how)} of {signed(total)}"
    if how < 0:
        # "A negative part of a positive whole" would read like an error.
        text = f"only because there is sound at all: how it sounds counts against it ({signed(how)})"
    rests = (_at((*root, "groups", "total", 0), how), _at((*root, "modality", "shapley", 0, lead), total))
    return [Clause("being", ", ", text, rests)]


def _largest(kind: str, names: tuple[str, ...], values: np.ndarray, path: Path) -> list[Clause]:
    """The part that adds most; empty where none adds."""
    if not values.max() > 0:
        return []
    best = int(values.argmax())
    share = values[best] / values[values > 0].sum()
    how = "mostly" if share >= _MOST else "most of all"
    rests = tuple(_at((*path, i), v) for i, v in enumerate(values))
    return [Clause(kind, ", ", f"{how} {names[best]}", rests)]


def _without(why: Why, lead: int) -> list[Clause]:
    """The decision without the leading modality, and whether it is right."""
    modality = why.modality
    rest = modality.without(modality.names[lead])
    # Without it nothing would be left, and the prior says nothing about this clip.
    if not any(there for name, there in zip(modality.names, modality.present, strict=True) if name != modality.names[lead]):
        return []
    answer = modality.answers[0, rest]
    best = int(answer.argmax())
    label = why.labels[best]
    rests = [_at(("modality", "answers", 0, rest, i), v) for i, v in enumerate(answer)]
    still = "still " if label == why.says else ""
    text = f"without {the(modality.names[lead])} the answer is {still}{shown(label)} ({percent(answer[best])})"
    if why.label and label != why.says:
        rests.append((("label",), why.label))
        right = "right" if label == why.label else "wrong too" if why.label != why.says else "wrong"
        text += f", which is {right}"
    return [Clause("without", "; ", text, tuple(rests))]


def _together(why: Why) -> list[Clause]:
    """The interaction of all modalities, where it exceeds what each adds alone."""
    modality = why.modality
    if sum(modality.present) < 2 or not modality.together:
        return []
    names, values = max(modality.together.items(), key=lambda item: abs(item[1][0]))
    value = float(values[0])
    if abs(value) <= np.abs(modality.alone[0]).max():
        return []
    way = "for" if value > 0 else "against"
    who = " and ".join(the(name) for name in names)
    rests = [_at(("modality", "together", "+".join(names), 0), value)]
    rests += [_at(("modality", "alone", 0, i), v) for i, v in enumerate(modality.alone[0])]
    text = f"the strongest evidence {way} {shown(why.target)} comes only from {who} together ({signed(value)})"
    return [Clause("together", "; ", text, tuple(rests))]


def _for_label(why: Why) -> list[Clause]:
    """What speaks for the label of a wrong decision, and when; or that nothing does."""
    of = why.for_label
    if of is None:
        return []
    place, root = why.labels.index(why.label), ("for_label",)
    rests = [
        _at(("answers", 0, place), why.answers[0, place]),
        (("label",), why.label),
        (("says",), why.says),
        *_shapley(of, root),
    ]
    name = f"{shown(why.label)} ({percent(why.answers[0, place])}) over {shown(why.says)}"
    lead = _leader(of)
    if lead is None:
        return [Clause("unheard", ". ", f"No modality supports {name}", tuple(rests))]
    who, value = the(of.modality.names[lead]), of.modality.shapley[0, lead]
    only = sum(of.modality.present) == 1
    text = f"{who[:1].upper()}{who[1:]} supports {name}" if only else f"The main support for {name} is {who}"
    text += f"{_but_slightly(value)} ({signed(value)})"
    return [Clause("label", ". ", text, tuple(rests)), *_details(of, lead, root)]


def _turns(why: Why) -> list[Clause]:
    """The smallest change that flips the prediction."""
    flip = why.flip
    if flip is None or not flip.found:
        return []
    best = int(flip.after.argmax())
    parts, rests = [], [_at(("flip", "after", i), v) for i, v in enumerate(flip.after)]
    for name in dict.fromkeys(m for m, _ in flip.windows):
        places = sorted(w for m, w in flip.windows if m == name)
        runs = np.split(np.array(places), np.flatnonzero(np.diff(places) > 1) + 1)
        spans = [(why.moments.edges[run[0]], why.moments.edges[run[-1] + 1]) for run in runs]
        parts.append(f"{the(name)} at {_and([f'{seconds(a)}–{seconds(b)}' for a, b in spans])} s")
        rests += [_at(("moments", "edges", int(i)), why.moments.edges[i]) for run in runs for i in (run[0], run[-1] + 1)]
    rests += [(("flip", "windows", i, 0), m) for i, (m, _) in enumerate(flip.windows)]
    rests += [_at(("flip", "windows", i, 1), w) for i, (_, w) in enumerate(flip.windows)]
    text = f"without {' and '.join(parts)} the answer would be {shown(why.labels[best])} ({percent(flip.after[best])})"
    return [Clause("turns", ". ", text[:1].upper() + text[1:], tuple(rests))]


def _attribute(why: Why) -> list[Clause]:
    """The sentence for a model of attributes."""
    modality, own = why.modality, why.labels.index(why.target)
    value = why.answers[0, own]
    clauses = [Clause("answer", "", f"{shown(why.target)} is {signed(value)}", (_at(("answers", 0, own), value),))]
    sizes = np.abs(modality.shapley[0])
    if not any(modality.present) or not sizes.max() > 0:
        return clauses
    lead = int(sizes.argmax())
    name, rest = modality.names[lead], modality.without(modality.names[lead])
    clauses.append(Clause("moves", ": ", f"{the(name)} moves it most ({signed(modality.shapley[0, lead])})", _shapley(why)))
    without = modality.answers[0, rest, own]
    text = f"without {the(name)} it is {signed(without)}"
    clauses.append(Clause("without", "; ", text, (_at(("modality", "answers", 0, rest, own), without),)))
    return clauses


def _but_slightly(value: float) -> str:
    return ", but only slightly" if value < _SLIGHT else ""


def seconds(value: float) -> str:
    """A time as written in sentences: 1, 0.5, 1.25."""
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _shapley(of: Why | ForLabel, root: Path = ()) -> tuple[tuple[Path, float | str], ...]:
    return tuple(_at((*root, "modality", "shapley", 0, i), v) for i, v in enumerate(of.modality.shapley[0]))


def _at(path: Path, value: float) -> tuple[Path, float | str]:
    return path, float(value)
