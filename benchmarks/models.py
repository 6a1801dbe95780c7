"""Time and memory of every system, each in a process of its own, so that one's memory is not another's.

A clip is three seconds: 300 frames of sound, 75 of picture; 100 of each for systems that answer by frame. "of peak" is the share
of the machine's own speed, that of a product of large float32 matrices, measured in the same process, that the floating point
operations of a forward pass are done with (those of matrix products, convolutions and attention).
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from affectscope.core.inference.precision import has_bf16
from affectscope.core.models import catalogue
from affectscope.core.models.base import MODELS, AVModel
from affectscope.core.models.blocks.conformer import Conformer, ConformerConfig
from affectscope.core.models.blocks.recurrent import run_present
from affectscope.core.models.blocks.transformer import EncoderConfig, TransformerEncoder
from affectscope.core.streams import Batch

FRAMES = {"audio": 300, "visual": 75, "text": 20}
SEQUENCE = 100
PRESETS = ("demo", "paper")
BATCHES = (1, 32)
REPEATS = 5
# A measurement that takes longer is given up; so is one that needs more than the machine's memory.
MOST_SECONDS = 150
MASKED_MOST = 1.2


@dataclass(frozen=True)
class Measured:
    """Seconds, and peak megabytes above the model's own: forward, and forward with backward.

    ``holes``: seconds of a forward pass with a frame missing in one clip, over those with nothing missing. ``share``: of the
    measured peak, see the module; ``bf16``: seconds of a forward pass in bfloat16, 0 where the machine would imitate it.
    """

    forward: float
    backward: float
    forward_mb: float
    backward_mb: float
    holes: float
    share: float
    bf16: float


def main() -> None:
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    for device in devices:
        kinds = [torch.float32, *([torch.bfloat16] if has_bf16(device) else [])]
        for kind in kinds:
            print(f"{device}: matrix products in {str(kind).removeprefix('torch.')} reach {gflops(kind, device):,.0f} GFLOP/s")
        for preset in PRESETS:
            for batch in BATCHES:
                found = {name: measure_apart(name, preset, batch, device) for name in MODELS}
                show(f"{preset} size, batch {batch}, {device}", found)
        for block, ratio in masked_ratios(device).items():
            verdict = "met" if ratio <= MASKED_MOST else "MISSED"
            print(f"{block}, a mask and nothing masked, over no mask, {device}: {ratio:.2f}  target {MASKED_MOST}: {verdict}")


def show(title: str, found: dict[str, Measured | str]) -> None:
    """One line a system, with the ratio to the fastest."""
    done = [m for m in found.values() if isinstance(m, Measured)]
    print(title)
    print(
        f"  {'':<20} {'forward':>12} {'ratio':>7} {'peak':>10} {'of peak':>8} {'in bf16':>12}"
        f" {'and backward':>14} {'ratio':>7} {'peak':>10} {'holes':>8}"
    )
    for name, m in found.items():
        if isinstance(m, str):
            print(f"  {name:<20} {m}")
            continue
        first, second = m.forward / min(o.forward for o in done), m.backward / min(o.backward for o in done)
        print(
            f"  {name:<20} {1e3 * m.forward:9.1f} ms {first:7.1f} {m.forward_mb:7.1f} MB {m.share:8.0%}"
            f" {f'{1e3 * m.bf16:9.1f} ms' if m.bf16 else '':>12}"
            f" {1e3 * m.backward:11.1f} ms {second:7.1f} {m.backward_mb:7.1f} MB {m.holes:8.2f}"
        )
    print(flush=True)


def measure_apart(name: str, preset: str, batch: int, device: str) -> Measured | str:
    """``measure`` in a process of its own; one line where it could not be done."""
    command = [sys.executable, "-m", "benchmarks.models", name, preset, str(batch), device]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=MOST_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"given up after {MOST_SECONDS} s"
    if run.returncode:
        memory = "memory" in run.stderr.lower() or run.returncode < 0
        return "needs more memory than there is" if memory else f"failed: {run.stderr.strip().splitlines()[-1]}"
    return Measured(**json.loads(run.stdout))


def measure(name: str, preset: str, size: int, device: str) -> Measured:
    if device == "cpu":
        # More than there is must end this process, not another one.
        resource.setrlimit(resource.RLIMIT_AS, (os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),) * 2)
    model = MODELS[name].preset(preset).to(device)
    batch = whole_batch(model, size).to(device)
    model.eval()

    def forward() -> None:
        with torch.inference_mode():
            model(batch)

    def both() -> None:
        model.zero_grad()
        sum(p.square().mean() for p in model(batch).predictions.values()).backward()  # type: ignore[union-attr]

    start = held(device)
    forward_time = best(forward, device)
    forward_peak = peak(device) - start
    share = operations(model, batch) / forward_time / gflops(torch.float32, device) / 1e9
    bf16 = 0.0
    if has_bf16(device):
        model.precision = "bf16"
        bf16 = best(forward, device)
        model.precision = "fp32"
    whole = batch
    batch = holed(whole)
    holes = best(forward, device) / forward_time
    batch = whole
    model.train()
    backward_time = best(both, device)
    return Measured(forward_time, backward_time, forward_peak, peak(device) - start, holes, share, bf16)


def operations(model: AVModel, batch: Batch) -> float:
    """Floating point operations of a forward pass: of matrix products, convolutions and attention."""
    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model(batch)
    return float(counter.get_total_flops())


def gflops(kind: torch.dtype, device: str, side: int = 2048) -> float:
    """The peak of this machine as it is now: a product of two large matrices, in operations a nanosecond."""
    a, b = (torch.randn(side, side, device=device).to(kind) for _ in range(2))
    with torch.inference_mode():
        return 2 * side**3 / best(lambda: a @ b, device) / 1e9


def holed(batch: Batch) -> Batch:
    """The batch without the middle frame of the first clip, in every modality."""
    keep = {m: torch.ones_like(mask) for m, mask in batch.present.items()}
    for mask in keep.values():
        mask[0, mask.shape[1] // 2] = False
    return batch.masked(**keep)


def whole_batch(model: AVModel, size: int) -> Batch:
    frames = {m: SEQUENCE if model.spec.reference else FRAMES[m] for m in model.spec.inputs}
    return Batch.of(**{m: torch.randn(size, frames[m], dim) for m, dim in model.spec.inputs.items()})


def masked_ratios(device: str) -> dict[str, float]:
    """Seconds of each shared block with a mask of ones, over its seconds with no mask at all."""
    x = torch.randn(32, FRAMES["audio"], 128, device=device)
    ones = torch.ones(x.shape[:2], dtype=torch.bool, device=device)
    transformer = TransformerEncoder(EncoderConfig(128, 4, 3)).to(device).eval()
    conformer = Conformer(ConformerConfig(128, 128, 4, 3)).to(device).eval()
    gru = nn.GRU(128, 128, 2, batch_first=True).to(device).eval()
    pairs: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "transformer": (lambda: transformer(x, None, ones), lambda: transformer(x)),
        "conformer": (lambda: conformer(x, ones), lambda: conformer(x)),
        "recurrent": (lambda: run_present(gru, x, ones), lambda: gru(x)),
    }
    with torch.inference_mode():
        return {name: best(masked, device) / best(dense, device) for name, (masked, dense) in pairs.items()}


def best(action: Callable[[], Any], device: str) -> float:
    """Seconds of the fastest run after one to warm up: what others do to this machine only ever adds."""
    action()
    times = []
    for _ in range(REPEATS):
        if device == "cuda":
            torch.cuda.synchronize()
        start = time.perf_counter()
        action()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
        if sum(times) > 10:
            break
    return min(times)


def held(device: str) -> float:
    """Megabytes in use now, from which on ``peak`` looks for the most; on a CPU all of the process's."""
    if device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        return torch.cuda.memory_allocated() / 2**20
    # 5 forgets the peak so far, which importing the libraries has set.
    Path("/proc/self/clear_refs").write_text("5")
    return _of_process("VmRSS")


def peak(device: str) -> float:
    return torch.cuda.max_memory_allocated() / 2**20 if device == "cuda" else _of_process("VmHWM")


def _of_process(field: str) -> float:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return int(line.split()[1]) / 1024


if __name__ == "__main__":
    assert catalogue
    print(json.dumps(asdict(measure(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]))))
