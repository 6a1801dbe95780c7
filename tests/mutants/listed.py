"""All faults."""

from __future__ import annotations

from tests.mutants import evaluation, experiments, models, training
from tests.mutants.faults import Fault

FAULTS: tuple[Fault, ...] = (*models.FAULTS, *training.FAULTS, *evaluation.FAULTS, *experiments.FAULTS)
