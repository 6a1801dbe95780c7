"""Which features a preset is trained on, and which of its settings depend on them.

A demo preset takes this project's own features. A published one takes those of its paper, or none: it never falls back to smaller
ones.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.features.extract import DEFAULT_SETS
from affectscope.core.features.published import by_width
from affectscope.core.features.sets import FEATURE_SETS
from affectscope.core.features.stored.packed import PackedSet, choose_sets, open_sets
from affectscope.core.models import catalogue  # noqa: F401  (registers the systems)
from affectscope.core.models.base import MODELS, ModelSpec

NOTHING: Mapping[str, str] = MappingProxyType({})


def is_demo(preset: str) -> bool:
    """Whether a preset is for this project's features; all others have a paper's sizes."""
    return preset.startswith("demo")


def spec_of(system: str, preset: str, **changes: Any) -> ModelSpec:
    """A preset's spec, without building its weights."""
    with torch.device("meta"):
        return MODELS[system].preset(preset, **changes).spec


def published_sets(system: str, preset: str) -> dict[str, str]:
    """Modality -> the feature set that a published preset's paper used."""
    spec = spec_of(system, preset)
    return {**by_width(system, spec.inputs), **spec.features}


def adapt_preset(
    system: str,
    preset: str,
    corpus: Corpus,
    packed: Mapping[str, tuple[str, int]] | None = None,
    features: Mapping[str, str] = NOTHING,
    published: Mapping[str, str] = NOTHING,
    only: Collection[str] = (),
) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings of a preset that change for a corpus and its features, and the feature set of each modality.

    A corpus with its own features is trained on them; otherwise a demo preset uses this project's, a published one its paper's.

    Args:
        packed: modality -> name and width of a packed store's features, which take precedence over all others.
        features: modality -> feature set chosen by the user; precedes those of the system or the corpus.
        published: modality -> the paper's set for a published preset, where widths do not identify it.
        only: the modalities to use; all if empty.

    Raises:
        UserError: when the preset takes features that are not extracted here, or are unavailable.
    """
    spec = spec_of(system, preset)
    packed = packed or {}
    inputs = [m for m in spec.inputs if not only or m in only]
    if more := [m for m in features if m not in spec.inputs]:
        raise UserError(f"{system} takes no {more[0]}: name features of {', '.join(spec.inputs)}.")
    for modality, name in features.items():
        if modality not in packed and not (modality in corpus.given and corpus.given[modality].name == name):
            FEATURE_SETS[name].check(None)
    sets = {
        m: packed[m][0] if m in packed else features.get(m) or _feature_set(m, spec, corpus, preset, published) for m in inputs
    }
    ours = {name: known.dim for name in sets.values() if (known := FEATURE_SETS.get(name))}
    dims = {**ours, **{own.name: own.dim for own in corpus.given.values()}, **dict(packed.values())}
    unknown = [f"{name or 'features'} of {m}" for m, name in sets.items() if name not in dims]
    if unknown:
        raise UserError(
            f"{system} at {preset} size wants {unknown[0]}, which are not extracted here: train its demo size, or name others "
            "with --features."
        )
    changes = MODELS[system].sized({m: dims[name] for m, name in sets.items()})
    return changes | ({"labels": corpus.labels} if spec.task == "classification" else {}), sets


def check_sets(sets: Mapping[str, str], corpus: Corpus) -> None:
    """Check that features which have to be extracted can be.

    Raises:
        UserError: when weights, arrays or a package are missing.
    """
    for modality, name in sets.items():
        if not (modality in corpus.given and corpus.given[modality].name == name):
            FEATURE_SETS[name].check(None)


def stored_sets(
    system: str,
    preset: str,
    store: Path,
    features: Mapping[str, str] = NOTHING,
    published: Mapping[str, str] = NOTHING,
    only: Collection[str] = (),
) -> dict[str, PackedSet]:
    """The features of a store that a preset takes, by modality.

    A demo preset takes the set that its model declares, or the only set of a modality. A published one takes its paper's set, or
    the only one of the same width.

    Args:
        features: modality -> set, or its folder's name, chosen by the user; ``published`` and ``only`` as for ``adapt_preset``.

    Raises:
        UserError: when the store lacks some, or has several.
    """
    spec = spec_of(system, preset)
    inputs = {m: dim for m, dim in spec.inputs.items() if not only or m in only}
    wanted = {**spec.features, **features}
    if not is_demo(preset):
        names = {**published_sets(system, preset), **published}
        found = open_sets(store)
        for m, dim in inputs.items():
            if m not in features:
                dim = FEATURE_SETS.dim(names.get(m, "")) or dim
                wanted[m] = _as_published(m, dim, names.get(m, ""), found, f"{system} at {preset} size", store)
    chosen = choose_sets(store, {m: name for m, name in wanted.items() if m in inputs}, inputs)
    return {m: chosen[m] for m in inputs}


def _as_published(modality: str, dim: int, name: str, found: list[PackedSet], what: str, store: Path) -> str:
    own = [kept for kept in found if kept.modality == modality]
    fits = [kept for kept in own if kept.name == name] or [kept for kept in own if kept.dim == dim]
    if len(fits) == 1:
        return fits[0].folder.name
    there = ", ".join(kept.folder.name for kept in (fits or own)) or "none"
    raise UserError(
        f"{what} takes {name or f'{dim} features a frame'} of {modality}, and {store} has {there}: extract them into it, or say "
        f"which are meant with --features {modality}=SET."
    )


def _feature_set(modality: str, spec: ModelSpec, corpus: Corpus, preset: str, published: Mapping[str, str]) -> str:
    """The feature set of a modality: the one that the model declares, the corpus's own, or the default."""
    usual = DEFAULT_SETS if is_demo(preset) else {**by_width(spec.system, spec.inputs), **published}
    brought = corpus.given[modality].name if modality in corpus.given else usual.get(modality, "")
    return spec.features.get(modality, brought)
