"""Recognises column names: ids and true labels, derived columns, numbered classes, attributes by letter."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from affectscope.core.errors import UserError
from affectscope.core.imports.read import Table
from affectscope.core.text import shown

CLIP, LABEL, PATH = "clip", "label", "path"
# In order of precedence. Names after the first line are reported in a remark.
_CLIP_NAMES = ("clip_id", "file", "filename", "id")
_OTHER_CLIP_NAMES = (
    "file_name", "video", "video_id", "utterance", "utterance_id", "utt_id", "segment", "segment_id", "name", "clip_name",
    "video_name", "file_path", "audio", "audio_path", "audio_file", "video_path", "wav", "wav_path", "wav_file", "sample_id",
    "image_id", "item_id", "row_id", "recording", "stimulus", "uid", "key",
)  # fmt: skip
_LABEL_NAMES = ("true_label",)
# Models of these names are no models: their columns say what is true.
TRUTH = frozenset(
    ("true", "truth", "label", "labels", "target", "targets", "gt", "gold", "ground_truth", "reference", "y_true", "actual")
)
_OTHER_LABEL_NAMES = (
    "labels", "y_true", "label_true", "ground_truth", "gt", "gt_label", "truth", "target", "targets", "gold", "true_class",
    "actual",
)  # fmt: skip
# How frames' own indices are called in files, of which those of texts name the rows.
_INDICES = ("", "Unnamed: 0", "index")
# What scripts write beside a model's answers, none of it one of its classes.
_WORKED_OUT = frozenset((
    "pred", "preds", "prediction", "predicted", "predicted_label", "pred_label", "predicted_class", "y_pred", "argmax", "top1",
    "correct", "is_correct", "acc", "accuracy", "loss", "nll", "cross_entropy", "confidence", "conf", "margin", "entropy",
    "max_prob", "label", "true_label", "target", "truth", "y_true", "gt",
))  # fmt: skip
_LETTERS: Mapping[str, str] = {"v": "valence", "a": "arousal", "d": "dominance"}
LETTERS = frozenset(_LETTERS)
_FORMS: tuple[tuple[str, ...], ...] = (
    ("valence", "val", "v"), ("arousal", "aro", "a"), ("dominance", "dom", "d"), ("activation", "act"),
)  # fmt: skip
_NAMED = 6
_NUMBERED = re.compile(r"(label|class|c|cls|logit|prob|p|y|output|out)?[ _-]?(\d+)", re.IGNORECASE)


def listed(names: Sequence[str]) -> str:
    """The first few of some columns' names, and the number of the others."""
    return ", ".join(map(shown, names[:_NAMED])) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


def meant(table: Table) -> list[str]:
    """Rename a table's columns of ids, true labels and paths to the standard names; returns remarks."""
    notes = []
    for name, plain, told in (
        (CLIP, _CLIP_NAMES, _OTHER_CLIP_NAMES), (LABEL, _LABEL_NAMES, _OTHER_LABEL_NAMES), (PATH, ("media",), ()),
    ):  # fmt: skip
        if name in table.columns:
            continue
        # A case-insensitive match of the standard name takes precedence.
        for alias in (name, *plain, *told):
            column = next((column for column in table.columns if _letters(column) == _letters(alias)), None)
            if column is None or table.has_lists(column) or (name == LABEL and _measured(table, column)):
                continue
            table.columns = {name if old == column else old: cells for old, cells in table.columns.items()}
            if alias in told:
                notes.append(f"Column {shown(column)} is read as the {'true label' if name == LABEL else name}.")
            break
    notes += _named_by_rows(table)
    table.columns.pop("", None)
    return notes


def _letters(name: str) -> str:
    """A column's name without what people put between its words: TrueLabel, true_label and "True label" are one."""
    return re.sub(r"[\W_]+", "", name.casefold())


def _named_by_rows(table: Table) -> list[str]:
    """Where no column names the clips, take paths, or the names that the rows themselves have; what to say of it."""
    if CLIP in table.columns:
        return []
    if PATH in table.columns:
        table.columns[CLIP] = table.columns[PATH]
        return ["The clips are called by their paths."]
    for name in (name for name in _INDICES if name in table.columns):
        names = table.texts(name)
        if not table.is_numeric(name) and len(set(names)) == len(names):
            table.columns = {CLIP if old == name else old: cells for old, cells in table.columns.items()}
            return ["The names of the rows are read as the clips."]
    return []


def _measured(table: Table, column: str) -> bool:
    """Whether its numbers have fractions: an attribute's values rather than class indices."""
    values = table.numbers(column)
    return bool((values % 1 > 0).any())


def without_worked_out(
    groups: Mapping[tuple[str, str], list[tuple[str, str]]], notes: list[str]
) -> dict[tuple[str, str], list[tuple[str, str]]]:
    """Heads without derived columns: a predicted class index is not a probability."""
    made = {}
    for (model, head), columns in groups.items():
        rest = [column for column in columns if column[0].casefold() not in _WORKED_OUT]
        worked_out = [name for output, name in columns if output.casefold() in _WORKED_OUT]
        if worked_out and len(rest) > 1:
            notes.append(f"What is worked out of answers is no class, and was left out: {', '.join(map(shown, worked_out))}.")
            made[model, head] = rest
        else:
            made[model, head] = columns
    return made


def numbered(outputs: Sequence[str]) -> list[int] | None:
    """[C] indices of outputs named by number (0, 1, 2, LABEL_0, class1), counted from 0; None for other names."""
    found = [_NUMBERED.fullmatch(output) for output in outputs]
    numbers = [int(match[2]) for match in found if match]
    if len(numbers) < len(outputs) or len({(match[1] or "").casefold() for match in found if match}) > 1:
        return None
    least = min(numbers)
    if least > 1 or sorted(numbers) != list(range(least, least + len(numbers))):
        return None
    return [number - least for number in numbers]


def named_by(outputs: Sequence[str], classes: Sequence[str], head: str) -> tuple[str, ...] | None:
    """The user's names for numbered outputs; None where the outputs have names.

    Raises:
        UserError: when their number differs.
    """
    places = numbered(outputs)
    if places is None:
        return None
    if len(classes) != len(outputs):
        raise UserError(
            f"{shown(head)} has {len(outputs)} classes, and --classes names {len(classes)}: name each once, in their order."
        )
    return tuple(classes[place] for place in places)


def spelled_out(outputs: Sequence[str]) -> tuple[str, ...]:
    """Valence, arousal and dominance for a head's outputs V, A, D; others in lower case."""
    small = tuple(output.casefold() for output in outputs)
    return tuple(_LETTERS[letter] for letter in small) if {"v", "a"} <= set(small) <= set(_LETTERS) else small


def forms(attribute: str) -> tuple[str, ...]:
    """Names for an attribute's true values, the plainest first."""
    own = next((forms for forms in _FORMS if attribute in forms), ())
    return (attribute, *(form for form in own if form != attribute))


def gathered(columns: Sequence[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    """Vectors with a column per number (``e0`` … ``e127``): name -> columns in numeric order."""
    made: dict[str, list[tuple[int, str]]] = {}
    for name, column in columns:
        digits = re.search(r"(\d+)$", name)
        stem = name[: digits.start()].rstrip("._- ") if digits else name
        made.setdefault(stem or "embedding", []).append((int(digits[1]) if digits else 0, column))
    return {stem: tuple(column for _, column in sorted(numbers)) for stem, numbers in made.items()}
