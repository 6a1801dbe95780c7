"""Jobs on processes and on a Ray cluster: the stand-in has Ray's functions and pickles what goes through them, as Ray does."""

import pickle
import sys
import types
from dataclasses import replace

import numpy as np
import pytest
import torch

from affectscope.core.checkpoints.saved import Checkpoint, Normaliser
from affectscope.core.corpora import bundled
from affectscope.core.errors import UserError
from affectscope.core.evaluation.sweep import sweep
from affectscope.core.features.bulk import spreading
from affectscope.core.features.bulk.spreading import Cluster, spread
from affectscope.core.inference.corpus import infer
from affectscope.core.inference.spreading import infer_spread
from affectscope.core.models import catalogue  # noqa: F401
from affectscope.core.models.base import MODELS
from affectscope.core.streams import Batch

RAY = Cluster("ray", 2)


class _Work:
    def __init__(self, function, given):
        self.function, self.given = function, given

    def options(self, **more):
        self.given.append(more)
        return self

    def remote(self, *arguments):
        return pickle.dumps((self.function, arguments))


@pytest.fixture
def ray(monkeypatch):
    """What ``spreading`` uses of Ray; jobs end in the reverse order."""
    fake = types.ModuleType("ray")
    fake.said, fake.up = [], False  # type: ignore[attr-defined]

    def init(**settings):
        fake.up = True
        fake.said.append(settings)

    def get(reference):
        function, arguments = pickle.loads(reference)  # noqa: S301
        opened = [
            pickle.loads(argument[1]) if isinstance(argument, tuple) and argument[:1] == ("put",) else argument  # noqa: S301
            for argument in arguments
        ]
        return function(*opened)

    def shutdown():
        fake.up = False

    fake.is_initialized = lambda: fake.up
    fake.init, fake.shutdown, fake.get = init, shutdown, get
    fake.put = lambda value: ("put", pickle.dumps(value))
    fake.remote = lambda function: _Work(function, fake.said)
    fake.wait = lambda references, num_returns: (references[-1:], references[:-1])
    fake.exceptions = types.SimpleNamespace(RayTaskError=ZeroDivisionError, RayError=EOFError)
    monkeypatch.setitem(sys.modules, "ray", fake)
    return fake


def halved(number, offset=0):
    if number % 2:
        raise UserError(f"{number} is odd")
    return number // 2 + offset


def test_jobs_on_ray_come_back_by_their_names_and_a_persons_fault_is_a_result(ray):
    found = dict(spread(halved, {f"job {i}": (i, 10) for i in range(4)}, replace(RAY, gpus=0.5)))
    assert {name: result for name, result in found.items() if not isinstance(result, UserError)} == {"job 0": 10, "job 2": 11}
    assert [str(found[name]) for name in ("job 1", "job 3")] == ["1 is odd", "3 is odd"]
    assert {"num_cpus": 1, "num_gpus": 0.5} in ray.said
    assert not ray.up


def test_a_job_that_ray_gives_up_is_one_sentence(ray):
    ray.get = lambda reference: (_ for _ in ()).throw(EOFError())
    ((_, error),) = spread(halved, {0: (2,)}, RAY)
    assert "Ray stopped it (EOFError)" in str(error)


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UserError, match=r"pip install 'affectscope\[ray\]'"):
        list(spread(halved, {0: (2,)}, RAY))


def _model():
    torch.manual_seed(0)
    return MODELS["unimodal-attention"].preset("demo", width=8, heads=2, layers=1).eval()


def test_mask_sweeps_have_the_same_numbers_on_ray(ray):
    make = torch.Generator().manual_seed(0)
    batches = [(Batch.of(audio=torch.randn(4, 9, 130, generator=make)), torch.tensor([0, 1, 2, 3])) for _ in range(2)]
    alone = sweep(_model(), batches, rates=(0.0, 0.3, 1.0), draws=2)
    assert alone.equals(sweep(_model(), batches, rates=(0.0, 0.3, 1.0), draws=2, cluster=RAY))


def test_a_corpus_has_the_same_answers_on_ray(ray, monkeypatch):
    opened = bundled()
    few = replace(opened, table=opened.table.iloc[:5])
    checkpoint = Checkpoint(_model(), Normaliser(), {})
    monkeypatch.setattr(spreading, "begin", lambda: None)
    alone, spread_out = infer(checkpoint, few), infer_spread(checkpoint, few, RAY)
    assert alone.table.equals(spread_out.table)
    for kind in ("answers", "embeddings", "present"):
        for name, values in getattr(alone, kind).items():
            np.testing.assert_array_equal(values, getattr(spread_out, kind)[name])


def test_cells_are_spread_over_ray(ray, monkeypatch):
    from affectscope.core.experiments import plan, run

    monkeypatch.setattr(run, "fill", _filled)
    table = plan.only(plan.load("goncalves2022robust-table-3"), ["With positions"])
    filled, failed = run.run(table, "demo", (0, 1), 2, where=run.Where(cluster=RAY))
    assert failed == ["auxformer, seed 1: no luck"]
    assert [np.isnan(values).tolist() for values in filled.values.values()] == [[False, True]] * 2
    filled, failed = run.run(table, "demo", (0, 2), 2, where=run.Where(cluster=RAY))
    assert filled.values["With positions", "micro-F1"] == (0.25, 0.75)


def _filled(cell, conditions, workers, device):
    if cell.seed == 1:
        raise UserError("no luck")
    score = (cell.seed + 1) / 4
    return {c: {"decision": {"micro_f1": score, "macro_f1": score, "clips": 3}} for c in conditions}
