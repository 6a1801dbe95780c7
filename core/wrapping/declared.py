"""The declaration of a user's network, which ``affectscope.model`` makes from the function that builds it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import nn

from affectscope.core.errors import UserError
from affectscope.core.models.base import Task
from affectscope.core.plugins import loading, weights
from affectscope.core.plugins.sources import digest
from affectscope.core.registry import Registry
from affectscope.core.text import shown
from affectscope.core.wrapping.given import ABSENCES, Absence, Inputs
from affectscope.core.wrapping.taking import Take

Outputs = Literal["logits", "probabilities"]
Forward = Callable[[nn.Module, Inputs], Any]
_TASKS = ("classification", "regression")
_LONGEST_NAME = 60


@dataclass(frozen=True)
class Attention:
    """Where attention weights are found; ``module`` is empty where ``forward`` returns them under this name."""

    name: str
    query: str
    key: str
    module: str
    take: Take | None
    skip: int
    among: tuple[str, ...] = ()


@dataclass(frozen=True)
class Vector:
    """Where an embedding is found; ``module`` is empty where ``forward`` returns it under this name."""

    name: str
    module: str
    of: Literal["output", "input"]
    call: int


@dataclass
class Declared:
    """A user's network and everything declared about it. Calling it calls the decorated function.

    Attributes:
        build: the function that builds the network; it takes ``path``, ``state`` or nothing.
        inputs: modality -> feature set.
        heads: head -> the modalities that it draws on; empty where that is told from the first answer.
        reference: the modality whose frames get an answer each; empty where a clip gets one.
        absence: modality -> what stands for frames that are missing.
        weights: where they lie, for builders of ``path`` and ``state``.
        prior: what a regression says without any evidence, a value a label; empty for 0.
        source: the file that it stands in, where that is not the function's.
    """

    name: str
    build: Callable[..., nn.Module]
    labels: tuple[str, ...]
    inputs: Mapping[str, str]
    heads: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    decision: tuple[str, ...] = ()
    task: Task = "classification"
    reference: str = ""
    outputs: Outputs = "logits"
    absence: Mapping[str, Absence] = field(default_factory=dict)
    batched: bool = False
    weights: Path | None = None
    prior: tuple[float, ...] = ()
    answer: Forward | None = None
    attentions: list[Attention] = field(default_factory=list)
    vectors: list[Vector] = field(default_factory=list)
    looks: dict[str, str] = field(default_factory=dict)
    together: list[tuple[str, str]] = field(default_factory=list)
    source: str = ""

    def __call__(self, *args: Any, **kwargs: Any) -> nn.Module:
        return self.build(*args, **kwargs)

    @property
    def file(self) -> str:
        """The file that contains the declaration."""
        code = getattr(inspect.unwrap(self.build), "__code__", None)
        return self.source or (code.co_filename if code else "")

    @property
    def place(self) -> str:
        """`` (my_net.py, line 12)``: where ``forward`` or the builder is defined; empty if not in a file."""
        code = getattr(inspect.unwrap(self.answer or self.build), "__code__", None)
        return f" ({Path(code.co_filename).name}, line {code.co_firstlineno})" if code and self.digest else ""

    @property
    def digest(self) -> str:
        """Hash of the plugin's sources; empty if they are not in a file, as in a notebook."""
        return digest(self.file) if Path(self.file).is_file() else ""

    @property
    def wants(self) -> Literal["path", "state", ""]:
        """The argument that the builder takes."""
        given = inspect.signature(self.build).parameters
        return "state" if "state" in given else "path" if "path" in given else ""

    @property
    def needed(self) -> bool:
        """Whether the network needs weights to be built."""
        given = inspect.signature(self.build).parameters
        return bool(self.wants) and given[self.wants].default is inspect.Parameter.empty

    @property
    def beside(self) -> set[str]:
        """Names that the network may return besides predictions."""
        return {part.name for part in self.attentions} | {part.name for part in self.vectors}

    def __reduce__(self) -> tuple[Any, ...]:
        # Functions cannot be pickled; another process imports the plugin instead.
        return (_known, (self.name,)) if Path(self.file).is_file() else (_copied, (self.__dict__,))

    def forward(self, answer: Forward) -> Forward:
        """Decorator: how to call the network. The function takes the network and the batch (``core.wrapping.given.Inputs``).

        It returns logits or values [B, outputs] ([B, T, outputs] with a reference), or a dict of them by head. The dict may also
        hold weights and vectors, under names that ``attention`` and ``embedding`` declare without a module. By default the
        network is called with each modality in the order of ``inputs``.
        """
        self.answer = answer
        return answer

    def attention(
        self,
        name: str,
        *,
        query: str,
        key: str,
        module: str = "",
        take: Take | None = None,
        skip: int = 0,
        among: Sequence[str] = (),
    ) -> None:
        """Declare an attention of the network: ``query`` frames attend to ``key`` frames.

        Args:
            name: title of the player's lane.
            query: the modality of the queries.
            key: the modality of the keys.
            module: path of a module, as in ``named_modules``. ``*`` matches one component, so ``encoder.layers.*.self_attn`` is
                an attention of several layers. The module may be or contain an ``nn.MultiheadAttention``, call
                ``scaled_dot_product_attention``, return its weights, or be the softmax itself. Layers and heads are counted from
                the weights.
            take: function that extracts the weights from the module's output (``(output, weights)`` for
                ``nn.MultiheadAttention``); default: the tensor whose rows sum to one.
            skip: number of leading tokens that are not frames, such as a class token.
            among: the modalities whose frames are concatenated as the tokens, in order, as in a transformer over both. Only the
                block from ``query`` to ``key`` frames is used, and its rows are renormalised.

        Raises:
            UserError: when the name is taken, or the network does not have such a modality.
        """
        for role, modality in (("query", query), ("key", key)):
            if not isinstance(modality, str):
                raise UserError(
                    f"The {role} of {shown(name)} is one modality; where frames of several are tokens of one sequence, declare "
                    "an attention for each pair, with among= naming all in their order."
                )
        if strange := [modality for modality in among if modality not in self.inputs]:
            raise UserError(f"{self.name} takes no {shown(strange[0])}: choose one of {', '.join(self.inputs)}.")
        if among and not {query, key} <= set(among):
            raise UserError(f"The attention {shown(name)} is among {', '.join(among)}, where {query} and {key} must be.")
        for role, modality in (("query", query), ("key", key)):
            if modality not in self.inputs:
                raise UserError(f"{self.name} takes no {shown(modality)}, so it cannot be the {role} of {shown(name)}: "
                                f"choose one of {', '.join(self.inputs)}.")  # fmt: skip
        self._check_new(name)
        if any((attention.key, attention.name.split(".")[0]) == (key, name.split(".")[0]) for attention in self.attentions):
            raise UserError(f"{self.name} has two attentions to {key} that begin with {name.split('.')[0]}: rename one of them.")
        self.attentions.append(Attention(name, query, key, module, take, skip, tuple(among)))

    def embedding(self, name: str, *, module: str = "", of: Literal["output", "input"] = "output", call: int = -1) -> None:
        """Declare a vector that a map can show; vectors per frame are averaged.

        Args:
            module: path of a module, as in ``named_modules``.
            of: its ``output``, or its first ``input``.
            call: which call of the module in a forward pass, if there are several: 0 is the first, -1 the last.

        Raises:
            UserError: when the name is taken.
        """
        self._check_new(name)
        self.vectors.append(Vector(name, module, of, call))

    def look_at(self, modality: str, layer: str) -> None:
        """Declare the layer that heatmaps read: one that sees the pixels of ``modality``, as in ``named_modules``.

        Raises:
            UserError: when the network does not have such a modality.
        """
        if modality not in self.inputs:
            raise UserError(f"{self.name} takes no {shown(modality)}: choose one of {', '.join(self.inputs)}.")
        self.looks[modality] = layer

    def shared(self, *stages: tuple[str, str]) -> None:
        """Declare (audio, visual) pairs of embeddings that share a space, one per shared layer, first to last."""
        self.together += stages

    def _check_new(self, name: str) -> None:
        if name in self.beside:
            raise UserError(f"{self.name} has two things called {shown(name)}: rename one of them.")


WRAPPED: Registry[Declared] = Registry("model of a plugin")


def declare(declared: Declared, taken: Collection[str]) -> Declared:
    """Register a declaration; importing a file again replaces its declarations.

    Args:
        taken: names of models that plugins cannot use.

    Raises:
        UserError: when the name is taken or invalid, or the declaration is inconsistent.
    """
    name = declared.name
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME or set(name) & set("=/\\"):
        raise UserError(f"{shown(name, 30)!r} cannot be a model's name: take letters, digits and dashes.")
    before = WRAPPED[name] if name in list(WRAPPED) else None
    if name in taken or (before is not None and before.file != declared.file):
        whose = "of AffectScope's own" if name in taken else f"of {Path(before.file).name}" if before else ""
        raise UserError(f"There is already a model {whose} called {name}: choose another name.")
    _check(declared)
    # Computed now: this process runs the file as it was imported, even if it is edited later.
    _ = declared.digest
    declared.weights = weights.named().get(name, declared.weights)
    WRAPPED.replace(name, declared)
    return declared


def _check(declared: Declared) -> None:
    if not declared.labels or len(set(declared.labels)) != len(declared.labels):
        raise UserError(f"{declared.name} needs labels, each once, in the order of its outputs.")
    if not declared.inputs:
        raise UserError(f'{declared.name} needs inputs, such as inputs={{"audio": "log-mel-64"}}.')
    if declared.task not in _TASKS:
        raise UserError(f"There is no task {shown(declared.task)}: choose {' or '.join(_TASKS)}.")
    if declared.task == "classification" and len(declared.labels) == 1:
        raise UserError(
            f"{declared.name} has one class, and a class alone has all of the probability: of one output that tells two classes "
            'apart, return one for each in forward(); of a value, say task="regression".'
        )
    if declared.outputs not in ("logits", "probabilities"):
        raise UserError(f"outputs is logits or probabilities, not {shown(declared.outputs)}.")
    if declared.prior and (declared.task != "regression" or len(declared.prior) != len(declared.labels)):
        raise UserError(
            f"prior= is what a regression says without any evidence, one value for each of its labels, or one for all: "
            f"{declared.name} is a {declared.task} of {len(declared.labels)}."
        )
    if declared.task == "regression" and declared.outputs == "probabilities":
        raise UserError(f"{declared.name} is a regression, whose outputs are values: leave outputs= out.")
    named = {*declared.absence, *(m for modalities in declared.heads.values() for m in modalities)}
    named |= {declared.reference} if declared.reference else set()
    if strange := sorted(named - set(declared.inputs)):
        raise UserError(f"{declared.name} takes no {shown(strange[0])}: choose one of {', '.join(declared.inputs)}.")
    if wrong := [absence for absence in declared.absence.values() if absence not in ABSENCES]:
        raise UserError(f"There is no absence {shown(wrong[0])}: choose one of {', '.join(ABSENCES)}.")
    if strange := [head for head in declared.decision if declared.heads and head not in declared.heads]:
        raise UserError(f"{declared.name} has no head {shown(strange[0])} to decide: choose one of {', '.join(declared.heads)}.")


def _known(name: str) -> Declared:
    loading.load()
    return WRAPPED[name]


def _copied(state: dict[str, Any]) -> Declared:
    copy = Declared.__new__(Declared)
    copy.__dict__.update(state)
    return copy


def spread(absence: str | Mapping[str, str], modalities: Sequence[str]) -> dict[str, Any]:
    """Modality -> imputation, given one for all modalities or a mapping."""
    if isinstance(absence, str):
        return dict.fromkeys(modalities, absence)
    return {**dict.fromkeys(modalities, "zeros"), **absence}
