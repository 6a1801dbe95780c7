"""A mask sweep over a small corpus, against the plain loop over levels, draws and clips, one forward pass for each.

The demo AuxFormer with random weights; 200 clips of 2.4 to 3 seconds, sound at 62 frames a second and picture at 30; ten levels
of missing frames, 0 to 90 %, of either modality, ten draws of each.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from affectscope.core.evaluation.masking import RATES, Missing, mask
from affectscope.core.evaluation.sweep import sweep
from affectscope.core.metrics.answers import collect
from affectscope.core.models.auxformer import AuxFormer
from affectscope.core.models.base import AVModel
from affectscope.core.streams import Batch, Stream

CLIPS, DRAWS, SIZE = 200, 10, 64
SECONDS = (2.4, 3.05)
RATE = {"audio": 62, "visual": 30}
# The plain loop takes long: every so many clips, one draw of each, and the time is scaled.
PLAIN_EVERY = 8
MOST_SECONDS, LEAST_RATIO = 60, 5

Clips = list[tuple[Batch, Tensor]]


def main() -> None:
    torch.manual_seed(0)
    model = AuxFormer.preset("demo").eval()
    streams = clips(model)
    targets = torch.randint(len(model.spec.labels), (CLIPS,))
    batches, alone = together(model, streams, targets, SIZE), together(model, streams, targets, 1)
    threads = torch.get_num_threads()
    print(f"torch {torch.__version__}, {threads} threads; {CLIPS} clips, {len(RATES)} levels of 2 modalities, {DRAWS} draws")
    sweep(model, batches[:1], rates=(0.9,), draws=1)
    wall = timed(lambda: sweep(model, batches, draws=DRAWS))
    print(f"sweep                     {wall:8.1f} s  {verdict(wall <= MOST_SECONDS, MOST_SECONDS, 's at most')}")
    asked = len(range(0, CLIPS, PLAIN_EVERY))
    scale = CLIPS * DRAWS / asked
    print(f"The plain loop asks about {asked} clips and 1 draw at every level; its time is multiplied by {scale:g}.")
    try:
        # What is fastest for one clip depends on the machine and on what else runs there.
        for some in sorted({1, threads}):
            torch.set_num_threads(some)
            plain_wall = scale * timed(lambda: plain(model, alone))
            ratio = plain_wall / wall
            print(
                f"plain loop, {some:2} thread(s)  {plain_wall:8.1f} s"
                f"  ratio {ratio:5.1f}  {verdict(ratio >= LEAST_RATIO, LEAST_RATIO, 'at least')}",
                flush=True,
            )
    finally:
        torch.set_num_threads(threads)


def clips(model: AVModel) -> list[dict[str, Stream]]:
    """Streams of noise, of different lengths."""
    make = np.random.default_rng(0)
    found = []
    for seconds in make.uniform(*SECONDS, CLIPS):
        clip = {}
        for name, dim in model.spec.inputs.items():
            count = int(seconds * RATE[name])
            values = make.standard_normal((count, dim), np.float32)
            clip[name] = Stream(values, np.arange(count) / RATE[name], np.ones(count, bool))
        found.append(clip)
    return found


def together(model: AVModel, streams: list[dict[str, Stream]], targets: Tensor, size: int) -> Clips:
    """Batches of ``size`` clips."""
    starts = range(0, len(streams), size)
    return [(Batch.collate(streams[i : i + size], model.spec.inputs), targets[i : i + size]) for i in starts]


def plain(model: AVModel, alone: Clips) -> None:
    """Levels, then clips: each is masked and asked about by itself. The metrics are left out: they would not scale."""
    for name in model.spec.inputs:
        for rate in RATES:
            collect(model, masked(alone, Missing(name, rate)))


def masked(alone: Clips, missing: Missing) -> Iterator[tuple[Batch, Tensor]]:
    for number in range(0, len(alone), PLAIN_EVERY):
        batch, target = alone[number]
        yield mask(batch, missing, clips=[number]), target


def timed(action: Callable[[], object]) -> float:
    """Seconds that passed."""
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def verdict(met: bool, target: float, how: str) -> str:
    return f"target {target:g} {how}: {'met' if met else 'MISSED'}"
