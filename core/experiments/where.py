"""The features and the device of an experiment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from affectscope.core.experiments.cells import Cell
from affectscope.core.experiments.plan import Run
from affectscope.core.features.bulk.spreading import HERE, Cluster
from affectscope.core.training.presets import spec_of


@dataclass(frozen=True)
class Where:
    """Where an experiment runs, and on which features.

    Attributes:
        store: a folder of packed features; "" for none.
        features: modality -> feature set chosen by the user.
        device: for measuring, "cuda" or "".
    """

    store: str = ""
    features: Mapping[str, str] = field(default_factory=dict)
    device: str = ""
    cluster: Cluster = HERE


USUAL = Where()


def cell_of(run: Run, corpus: str, seed: int, where: Where = USUAL) -> Cell:
    """The cell of a run, with the user's choice of features restricted to what its system takes."""
    own = spec_of(run.system, run.preset).inputs if where.features else {}
    return Cell(run, corpus, seed, where.store, {m: name for m, name in where.features.items() if m in own})
