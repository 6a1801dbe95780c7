"""Which feature sets a model takes, whether they are available, and their part in cache keys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from affectscope.core.errors import UserError
from affectscope.core.features import settings
from affectscope.core.features.base import FEATURE_SETS, FeatureSet
from affectscope.core.features.extract import DEFAULT_SETS
from affectscope.core.features.published import by_width
from affectscope.core.features.stored import arrays
from affectscope.core.models.base import ModelSpec
from affectscope.core.text import shown

if TYPE_CHECKING:
    # Imports pandas.
    from affectscope.core.corpora import Corpus


_BROUGHT = "which its corpus, a plugin or arrays of yours brought"


@dataclass(frozen=True)
class Need:
    """A feature set that a model takes and that is unavailable.

    Attributes:
        set: its name; empty if no known set fits.
        origin: where its paper obtained it.
        weights: whether weights would make it available; otherwise only arrays do.
    """

    modality: str
    dim: int
    set: str = ""
    origin: str = ""
    weights: bool = False


def sets_of(spec: ModelSpec, card: Mapping[str, Any], digest: str = "", told: Mapping[str, str] | None = None) -> dict[str, str]:
    """Modality -> feature set, for every modality that is read from a clip for this model.

    In order of precedence: the user's setting for this checkpoint, the card's record of training, the model's own declaration,
    the default if its width fits, and the paper's set.

    Args:
        card: written by training or conversion.
        digest: of the checkpoint's file, which identifies it in the settings.
        told: modality -> feature set, given for this call.
    """
    named = {**(settings.of_model(digest) if digest else {}), **(told or {})}
    trained = card.get("features") if isinstance(card.get("features"), dict) else {}
    paper = by_width(spec.system, spec.inputs)
    # Descriptors beside VGG-Face are those of goncalves2022robust, whose windows are longer than the default's.
    published = paper.get("visual") == "vgg-face"
    chosen = {}
    for modality, dim in spec.inputs.items():
        default = DEFAULT_SETS.get(modality, "")
        usual = default if FEATURE_SETS.dim(default) == dim and not published else paper.get(modality, default)
        known = (named.get(modality), _fitting((trained or {}).get(modality), dim), spec.features.get(modality), usual)
        chosen[modality] = next((name for name in known if name), "")
    return {**DEFAULT_SETS, **chosen}


def given_for(corpus: Corpus, spec: ModelSpec, sets: Mapping[str, str]) -> dict[str, str]:
    """The sets of a model, with unavailable ones replaced by those that the corpus contains.

    A corpus's features of the same name are used anyway: see ``core.features.clips.read_streams``.
    """
    lost = {need.modality for need in needs(spec, sets)}
    return {**sets, **{m: own.name for m, own in corpus.given.items() if m in lost and own.dim == spec.inputs[m]}}


def check_told(spec: ModelSpec, told: Mapping[str, str]) -> None:
    """Validate the user's choice of sets for a model.

    Raises:
        UserError: when a set is unknown or does not fit.
    """
    for modality, name in told.items():
        if modality not in spec.inputs:
            raise UserError(f"The model takes no {shown(modality)}: name features of {', '.join(spec.inputs)}.")
        feature_set = FEATURE_SETS[name]
        if feature_set.dim != spec.inputs[modality]:
            raise UserError(
                f"{name} has {feature_set.dim} features a frame, and the model takes {spec.inputs[modality]} of {modality}: "
                f"choose {', '.join(fitting(modality, spec.inputs[modality])) or 'arrays of your own'}."
            )


def fitting(modality: str, dim: int) -> list[str]:
    """The sets of a modality that have the width of a model's input."""
    names = [*FEATURE_SETS, *FEATURE_SETS.sized(dim)]
    return sorted(name for name in names if (feature_set := FEATURE_SETS[name]).modality == modality and feature_set.dim == dim)


def needs(spec: ModelSpec, sets: Mapping[str, str]) -> tuple[Need, ...]:
    """The feature sets of a model that are unavailable: no weights, no arrays, or no set of that width."""
    needed = []
    for modality, dim in spec.inputs.items():
        name = sets.get(modality, "")
        feature_set = FEATURE_SETS.get(name)
        if feature_set is None or feature_set.dim != dim:
            brought = name and feature_set is None
            needed.append(Need(modality, dim, shown(name), _BROUGHT) if brought else Need(modality, dim))
            continue
        try:
            if feature_set.weights or feature_set.needs == "arrays":
                feature_set.check(None)
        except UserError:
            origin = feature_set.weights.origin if feature_set.weights else feature_set.source
            needed.append(Need(modality, dim, feature_set.name, origin, feature_set.weights is not None))
    return tuple(needed)


def lacking(spec: ModelSpec, sets: Mapping[str, str]) -> str:
    """One sentence about what is missing before the model can run, its origin, and a workaround; empty if nothing is missing."""
    missing = needs(spec, sets)
    if not missing:
        return ""
    named, unknown = [need for need in missing if need.set], [need for need in missing if not need.set]
    takes = [f"{need.set} for {need.modality} ({need.origin})" for need in named]
    takes += [f"{need.dim} {need.modality} features a frame, which no known feature set has" for need in unknown]
    todo = ["name its plugin (`--plugin FILE`)"] if any(need.origin == _BROUGHT for need in named) else []
    if names := [need.set for need in named if need.weights]:
        todo.append(f"name the weights (`affectscope features weights {names[0]} PATH`)")
    if names or named:
        whose = f" --modality {named[0].modality}" if named[0].origin == _BROUGHT else ""
        todo.append(f"name arrays of your own (`affectscope features arrays {named[0].set} FOLDER{whose}`)")
    else:
        need = unknown[0]
        todo.append(f"name arrays of your own (`affectscope features arrays NAME FOLDER --modality {need.modality}`)")
        todo.append(f"say which set it takes (`--features {need.modality}=NAME`)")
    there = "is" if len(missing) == 1 else "are"
    return (
        f"The model takes {' and '.join(takes)}, and {'that' if len(missing) == 1 else 'they'} {there} not at hand: "
        f"{' or '.join(todo)}; meanwhile its card, its structure and `affectscope check` work."
    )


def marks(spec: ModelSpec, sets: Mapping[str, str], ids: Sequence[str] = ()) -> list[Any]:
    """Cache key parts: which sets the model was given, and what they were made with.

    Empty where a model takes the sets that it declares, and these depend only on the clip.

    Args:
        ids: possible names of the clip; without them, the key covers the whole folder of arrays.
    """
    parts: list[Any] = []
    for modality in spec.inputs:
        name = sets.get(modality, "")
        feature_set = FEATURE_SETS.get(name)
        if feature_set is None:
            continue
        held = (arrays.mark_of(name, ids) if ids else arrays.stamp_of(name)) if arrays.source_of(name) else ""
        made = _made_with(feature_set, bool(held))
        if held or made or name != spec.features.get(modality, DEFAULT_SETS.get(modality, "")):
            parts.append([modality, name, held, made])
    return parts


def _made_with(feature_set: FeatureSet, held: bool) -> Any:
    if not (feature_set.weights or feature_set.code):
        return ""
    try:
        path = feature_set.check(None)
    except UserError:
        if held:
            return ""
        raise
    return {**feature_set.settings(path), "arrays": ""}


def _fitting(name: Any, dim: int) -> str:
    """The set named on a card, unless its width differs from the input's; a corpus's own sets are unknown here."""
    try:
        return name if isinstance(name, str) and FEATURE_SETS.dim(name) in (0, dim) else ""
    except UserError:
        # The card is untrusted: it may name a size that the family does not have.
        return ""
