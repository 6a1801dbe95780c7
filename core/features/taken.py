"""Which feature sets a model takes, whether they can be had, and what keys have to say of them."""

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
    # pandas with it.
    from affectscope.core.corpora import Corpus


_BROUGHT = "which its corpus, a plugin or arrays of yours brought"


@dataclass(frozen=True)
class Need:
    """A feature set that a model takes and that cannot be had.

    Attributes:
        set: its name; empty where no set is known that fits.
        origin: where its paper took it.
        weights: whether weights would do; else arrays have to.
    """

    modality: str
    dim: int
    set: str = ""
    origin: str = ""
    weights: bool = False


def sets_of(spec: ModelSpec, card: Mapping[str, Any], digest: str = "", told: Mapping[str, str] | None = None) -> dict[str, str]:
    """Modality -> feature set, of all modalities that are read from a clip for this model.

    What was said of this checkpoint goes first, then what its card says that it was trained on, then what the model itself names;
    then the default where it is as wide as the input, then what its paper took.

    Args:
        card: what training or conversion wrote down.
        digest: of the checkpoint's file, by which a person's settings know it.
        told: modality -> feature set, as a person said just now.
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
    """The sets of a model with those that the corpus itself brought in the place of ones that cannot be had otherwise.

    A corpus's features of the same name are taken without this: see ``core.features.clips.read_streams``.
    """
    lost = {need.modality for need in needs(spec, sets)}
    return {**sets, **{m: own.name for m, own in corpus.given.items() if m in lost and own.dim == spec.inputs[m]}}


def check_told(spec: ModelSpec, told: Mapping[str, str]) -> None:
    """Raises:
    UserError: when a set that a person named for a model is none, or does not fit.
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
    """The sets of a modality that are as wide as a model's input."""
    names = [*FEATURE_SETS, *FEATURE_SETS.sized(dim)]
    return sorted(name for name in names if (feature_set := FEATURE_SETS[name]).modality == modality and feature_set.dim == dim)


def needs(spec: ModelSpec, sets: Mapping[str, str]) -> tuple[Need, ...]:
    """What a model takes that cannot be had: neither weights nor arrays are available, or no set is as wide."""
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
    """One sentence on what is missing before a model can run on a clip, where its paper took it, and what can be done
    meanwhile; empty where nothing is."""
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
    """Parts of the key of what a model says: which sets it was given where that could be otherwise, and what they were made with.

    None where a model has what it names itself and that depends on nothing but the clip.

    Args:
        ids: what the clip may be called; without, arrays count as a whole.
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
    """A set that a card names, unless it is one of another width than the input; a corpus's own is known to nobody here."""
    try:
        return name if isinstance(name, str) and FEATURE_SETS.dim(name) in (0, dim) else ""
    except UserError:
        # A card is anybody's: a size that no family has is no set.
        return ""
