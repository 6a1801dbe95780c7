"""Training of every system at demo size: clips a second, seconds a step, memory, and whether batches come faster than steps.

Each system is measured in a process of its own, by its own recipe (strategy, batch size), on noise: clips of three seconds, once
as they are extracted (sound every 16 ms, as in goncalves2022robust and goncalves2022auxformer, picture 25 times a second), once
averaged to 80 ms a frame, as the experiments take them. Systems that answer by frame, or that cut spectrograms and pixels into
snippets, get them as they are.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from dataclasses import asdict, dataclass, replace

import numpy as np
import torch

from affectscope.core.checkpoints.saved import Normaliser
from affectscope.core.models import catalogue
from affectscope.core.models.base import MODELS, ModelSpec
from affectscope.core.streams import Clip, Stream
from affectscope.core.threads import fit_thread_pools
from affectscope.core.training.batches import Batches
from affectscope.core.training.loop import train
from affectscope.core.training.recipes import recipe
from affectscope.core.training.strategies import STRATEGIES

SECONDS = 3.0
# Seconds a frame.
STEPS = {"audio": 0.016, "visual": 0.04}
POOLED = 0.08
BATCHES = 4
EPOCHS = 4
# The loader works on the same cores as the step: at half of its time they would take turns.
LEAST_RATIO = 2.0
MOST_SECONDS = 600


@dataclass(frozen=True)
class Measured:
    """``step``: seconds of a batch through all stages of its strategy, its making included; ``loader``: of making one.

    ``peak_mb`` is all that the process held at its worst, ``bare_mb`` what it held before there was a model or a clip.
    """

    size: int
    step: float
    loader: float
    peak_mb: float
    bare_mb: float

    @property
    def ratio(self) -> float:
        """How many times as long as its making a batch takes to learn from."""
        return (self.step - self.loader) / self.loader


def main() -> None:
    for pooled in (True, False):
        found = {name: measure_apart(name, pooled) for name in MODELS}
        show(f"demo size, {'80 ms a frame' if pooled else 'frames as extracted'}", found)


def show(title: str, found: dict[str, Measured | str]) -> None:
    """One line a system."""
    print(title)
    print(f"  {'':<20} {'batch':>5} {'clips/s':>9} {'step':>11} {'loader':>11} {'step/loader':>12} {'peak':>9} {'bare':>11}")
    for name, m in found.items():
        if isinstance(m, str):
            print(f"  {name:<20} {m}")
            continue
        verdict = "met" if m.ratio >= LEAST_RATIO else "MISSED"
        print(
            f"  {name:<20} {m.size:5} {m.size / m.step:9.1f} {1e3 * m.step:8.1f} ms {1e3 * m.loader:8.1f} ms {m.ratio:12.1f}"
            f" {m.peak_mb:6.0f} MB {m.bare_mb:8.0f} MB  target {LEAST_RATIO:g}: {verdict}"
        )
    print(flush=True)


def measure_apart(name: str, pooled: bool) -> Measured | str:
    """``measure`` in a process of its own; one line where it could not be done."""
    command = [sys.executable, "-m", "benchmarks.training", name, str(int(pooled))]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"given up after {MOST_SECONDS} s"
    if run.returncode:
        return f"failed: {(run.stderr.strip().splitlines() or [f'signal {-run.returncode}'])[-1]}"
    return Measured(**json.loads(run.stdout.splitlines()[-1]))


def measure(name: str, pooled: bool) -> Measured:
    """The fastest of several epochs, and of as many passes through the loader: what others do to this machine only adds."""
    fit_thread_pools()
    bare = _memory()
    own = recipe(name, "demo")
    config = replace(own.config, epochs=EPOCHS, patience=EPOCHS)
    torch.manual_seed(0)
    model = MODELS[name].preset("demo")
    made = [clip(i, model.spec, pooled) for i in range(BATCHES * config.batch_size)]
    training = Batches(made, model.spec, Normaliser(), config.batch_size, shuffle=True)
    # One clip: the development set's time counts among the epoch's.
    development = Batches(made[:1], model.spec, Normaliser())
    loader = min(_pass(training) for _ in range(EPOCHS)) / len(training)
    ends = [time.perf_counter()]
    train(model, training, development, STRATEGIES[own.strategy](), config, progress=lambda row: ends.append(time.perf_counter()))
    step = float(np.diff(ends)[1:].min()) / len(training)
    return Measured(config.batch_size, step, loader, _memory(), bare)


def clip(number: int, spec: ModelSpec, pooled: bool) -> Clip:
    """Noise with a label, and with continuous annotations for systems that answer by frame."""
    random = np.random.default_rng(number)

    def stream(dim: int, step: float) -> Stream:
        times = (np.arange(round(SECONDS / step)) + 0.5) * step
        return Stream(random.normal(size=(len(times), dim)).astype(np.float32), times, np.ones(len(times), bool))

    streams = {m: stream(dim, STEPS[m]) for m, dim in spec.inputs.items()}
    if pooled and spec.reference is None:
        streams = {m: s if m in spec.features else s.pooled(POOLED) for m, s in streams.items()}
    attributes = spec.task == "regression"
    labels = {"label": "" if attributes else spec.labels[number % len(spec.labels)]}
    annotations = {n: stream(1, STEPS["visual"]) for n in spec.labels} if attributes else {}
    return Clip(f"c{number}", streams, SECONDS, labels, annotations)


def _pass(batches: Batches) -> float:
    start = time.perf_counter()
    for _ in batches:
        pass
    return time.perf_counter() - start


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    assert catalogue
    print(json.dumps(asdict(measure(sys.argv[1], bool(int(sys.argv[2]))))))
