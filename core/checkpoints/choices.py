"""What a state_dict does not say about its model: questions for the user, with the public repository's values as defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from affectscope.core.errors import UserError
from affectscope.core.models.auxformer import AuxFormerConfig
from affectscope.core.models.labels import ATTRIBUTES
from affectscope.core.models.mult import MulTConfig
from affectscope.core.models.sfav import SFAVConfig
from affectscope.core.models.uavm import UAVMConfig
from affectscope.core.models.vavl import VAVLConfig
from affectscope.core.text import shown

Kind = Literal["classification", "regression", "binary"]
KINDS: dict[str, str] = {
    "classification": "one of several classes", "regression": "values", "binary": "several questions, each yes or no",
}  # fmt: skip
# MulT on IEMOCAP, and SFAV on RAVDESS, in the order of their outputs.
_IEMOCAP = ("neutral", "happiness", "sadness", "anger")
_RAVDESS = ("neutral", "calm", "happiness", "sadness", "anger", "fear", "disgust", "surprise")
_CAUSAL = (AuxFormerConfig, MulTConfig)
# Repositories in which three outputs always mean attributes.
_THREE = ("vavl", "auxformer-v2")


@dataclass(frozen=True)
class Choices:
    """The user's answers about a checkpoint; empty fields are as in the public repository.

    Attributes:
        labels: the classes, attributes or questions in the order of the outputs.
        heads: number of attention heads.
        causal: whether attention is masked so that frames do not see later ones.
        task: what the outputs are, one of ``KINDS``.
        weights: their place in the file, see ``core.files.weights.Weights.where``.
    """

    labels: tuple[str, ...] = ()
    heads: int = 0
    causal: bool | None = None
    task: str = ""
    weights: str = ""


NO_CHOICES = Choices()


@dataclass(frozen=True)
class Question:
    """A question that a file leaves open.

    Attributes:
        field: of ``Choices``.
        title: as shown to the user.
        default: value if unanswered, as text; empty where there is none.
        options: allowed values; empty for any text.
    """

    field: str
    title: str
    default: str
    options: tuple[str, ...] = ()


def settle(layout: str, config: Any, choices: Choices, name: str) -> tuple[Any, tuple[str, ...], tuple[str, ...]]:
    """A layout's config with the user's choices, what was assumed for the rest, and what was chosen, a sentence each.

    Raises:
        UserError: when a choice does not fit the file's shapes.
    """
    outputs, width = len(config.labels), width_of(config)
    task = choices.task or _task(layout, outputs, choices.labels)
    if task not in KINDS:
        raise UserError(f"There is no task {shown(task)}: choose one of {', '.join(KINDS)}.")
    if task == "binary" and (not isinstance(config, MulTConfig) or outputs % 2):
        raise UserError(f"{name} has {outputs} outputs as {layout}, which are not pairs of no and yes: choose another task.")
    if task == "classification" and outputs == 1:
        raise UserError(f"{name} has one output, which is a value and no class: choose the task regression.")
    count = outputs // 2 if task == "binary" else outputs
    labels = choices.labels or _labels(layout, task, count)
    if len(labels) != count:
        raise UserError(f"{name} has {_some(count, task)}, and {len(labels)} names were given: name each.")
    heads = choices.heads or config.heads
    if heads < 1 or width % heads:
        whose = "" if choices.heads else "the public repository's "
        raise UserError(
            f"{name} is {width} wide, which {whose}{heads} attention heads do not divide: give the right number "
            f"with --heads, one of {', '.join(map(str, divisors(width)))}."
        )
    assumed: list[str] = []
    answered: list[str] = []

    def tell(sentence: str, chosen: bool, why: str = "the file does not say") -> None:
        (answered if chosen else assumed).append(f"{sentence}: {'so it was answered' if chosen else why}.")

    def by(chosen: bool, what: str = "as the public repository has it") -> str:
        return "" if chosen else f", {what}"

    verb = "is" if count == 1 else "are"
    tell(f"Its {_some(count, task)} {verb} called {', '.join(labels)}", bool(choices.labels), "the file does not name them")
    some_heads = f"{heads} attention head{'' if heads == 1 else 's'}"
    tell(some_heads + by(bool(choices.heads), "as the public repository has"), bool(choices.heads))
    tell(f"Its outputs are {KINDS[task]}", bool(choices.task))
    changed: dict[str, Any] = {"heads": heads, "labels": labels, "task": task}
    if task == "binary":
        changed |= {"labels": ("no", "yes"), "task": "classification", "asked": labels}
        assumed.append("Of each pair of outputs the first is no and the second yes; there is no answer to all of them together.")
    if isinstance(config, _CAUSAL):
        causal = changed["causal"] = True if choices.causal is None else choices.causal
        seen = "Frames do not see later ones (causal mask)" if causal else "Frames see later ones (no causal mask)"
        tell(seen + by(choices.causal is not None), choices.causal is not None)
    elif choices.causal is not None:
        raise UserError(f"Models of the layout {layout} have no causal mask: leave --causal out.")
    return replace(config, **changed), tuple(assumed), tuple(answered)


def questions(layout: str, config: Any, weights: Sequence[str] = ()) -> tuple[Question, ...]:
    """The questions that a file of this layout leaves open.

    Args:
        weights: places of state_dicts in it, the default first.
    """
    outputs, width = len(config.labels), width_of(config)
    task = _task(layout, outputs, ())
    count = outputs // 2 if task == "binary" else outputs
    fitting = divisors(width)
    tasks = [kind for kind in KINDS if _may_be(kind, config)]
    asked = [
        Question("labels", f"Names of its {_some(count, task)}, in order", ", ".join(_labels(layout, task, count))),
        Question(
            "heads", "Attention heads", str(config.heads) if config.heads in fitting else "", tuple(map(str, fitting))
        ),
    ]  # fmt: skip
    if len(tasks) > 1:
        asked.append(Question("task", "Its outputs are", task, tuple(tasks)))
    if isinstance(config, _CAUSAL):
        asked.append(Question("causal", "Frames see later ones", "no", ("no", "yes")))
    if len(weights) > 1:
        asked.append(Question("weights", "Weights", weights[0], tuple(weights)))
    return tuple(asked)


def answered(told: dict[str, str]) -> Choices:
    """Parse answers to ``questions``, field -> text.

    Raises:
        UserError: when one is invalid.
    """
    heads = told.get("heads", "").strip()
    if heads and not (heads.isdecimal() and len(heads) < 6):
        raise UserError(f"{shown(heads)} is no number of heads: give a whole number.")
    causal = {"no": True, "yes": False}.get(told.get("causal", ""))
    return Choices(names(told.get("labels", "")), int(heads or 0), causal, told.get("task", ""), told.get("weights", ""))


def names(text: str) -> tuple[str, ...]:
    """Parse ``a, b, c``."""
    return tuple(part.strip() for part in text.split(",")) if text.strip() else ()


def divisors(width: int) -> list[int]:
    """Possible numbers of heads for a width."""
    return [n for n in range(1, min(width, 1024) + 1) if width % n == 0]


def width_of(config: Any) -> int:
    """The width that attention heads divide."""
    if isinstance(config, SFAVConfig):
        return config.visual_channels[-1 if config.fusion == "lt" else 1]
    known: AuxFormerConfig | MulTConfig | UAVMConfig | VAVLConfig = config
    return known.width


def _task(layout: str, outputs: int, labels: Sequence[str]) -> str:
    if outputs == 1 or (outputs == 3 and layout in _THREE and not labels):
        return "regression"
    return "binary" if layout == "mult" and outputs == 8 and len(labels) != 8 else "classification"


def _may_be(kind: str, config: Any) -> bool:
    outputs = len(config.labels)
    if kind == "binary":
        return isinstance(config, MulTConfig) and outputs % 2 == 0
    return kind == "regression" or outputs > 1


def _labels(layout: str, task: str, count: int) -> tuple[str, ...]:
    if task == "binary":
        return _IEMOCAP if count == len(_IEMOCAP) else tuple(f"question {i}" for i in range(count))
    if task == "regression":
        return {1: ("sentiment",) if layout == "mult" else ("value",), 3: ATTRIBUTES}.get(count) or _numbered("value", count)
    return _RAVDESS if layout == "sfav" and count == len(_RAVDESS) else _numbered("class", count)


def _numbered(noun: str, count: int) -> tuple[str, ...]:
    return tuple(f"{noun} {i}" for i in range(count))


def _some(count: int, task: str) -> str:
    noun = {"classification": "class", "regression": "value", "binary": "question"}[task]
    return f"{count} {noun}{'' if count == 1 else 'es' if noun == 'class' else 's'}"
