"""`make bench-gpu`: every system on a CUDA GPU, and the papers' own figures beside what their setting takes here.

- goncalves2025versatile, III-E: 3.77 ms a clip on an RTX 3090, VAVL with both modalities, features given.
- mocanu2023multimodal, 4.3: 235 ms for six snippets on an RTX 3090 Ti, the whole network on pixels and spectrograms.

Without a GPU it says so and measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from affectscope.core.inference.precision import has_bf16
from affectscope.core.models import catalogue
from affectscope.core.models.base import MODELS
from affectscope.core.streams import Batch
from benchmarks import yardstick
from benchmarks.models import BATCHES, best, gflops, measure_apart, operations, show

assert catalogue


@dataclass(frozen=True)
class Published:
    """A paper's figure, and the clip that it is of: frames of sound and of picture."""

    source: str
    system: str
    preset: str
    frames: dict[str, int]
    milliseconds: float
    on: str


PUBLISHED = (
    # Its clips are some 2.5 s: wav2vec 2.0 gives 50 frames a second, and there are 30 pictures a second.
    Published("goncalves2025versatile, III-E", "vavl", "five-layers", {"audio": 125, "visual": 75}, 3.77, "RTX 3090"),
    Published("mocanu2023multimodal, 4.3", "double-attention", "paper", {"audio": 600, "visual": 96}, 235.0, "RTX 3090 Ti"),
)


def main(device: str = "cuda") -> None:
    if device == "cuda" and not torch.cuda.is_available():
        print("There is no CUDA GPU on this machine: nothing was measured.")
        return
    for kind in (torch.float32, *((torch.bfloat16,) if has_bf16(device) else ())):
        print(f"matrix products in {str(kind).removeprefix('torch.')} reach {gflops(kind, device):,.0f} GFLOP/s")
    against_papers(PUBLISHED, device)
    yardstick.main(device)
    for preset in ("demo", "paper"):
        for size in BATCHES:
            show(f"{preset} size, batch {size}, {device}", {name: measure_apart(name, preset, size, device) for name in MODELS})


def against_papers(published: tuple[Published, ...], device: str) -> None:
    """A line a figure: in float32, with tensor cores' TF32, and in bfloat16 where there is such a thing."""
    peak = gflops(torch.float32, device)
    for figure in published:
        torch.manual_seed(0)
        model = MODELS[figure.system].preset(figure.preset).eval().to(device)
        values = {m: torch.randn(1, figure.frames[m], dim, device=device) for m, dim in model.spec.inputs.items()}
        batch = Batch.of(**values)

        @torch.inference_mode()
        def asked(model: Any = model, batch: Batch = batch) -> None:
            model(batch)

        times = {"float32": best(asked, device)}
        if device == "cuda":
            times["TF32"] = _with_tf32(lambda asked=asked: best(asked, device))
        if has_bf16(device):
            model.precision = "bf16"
            times["bfloat16"] = best(asked, device)
            model.precision = "fp32"
        share = operations(model, batch) / times["float32"] / peak / 1e9
        here = ", ".join(f"{1e3 * seconds:.2f} ms in {kind}" for kind, seconds in times.items())
        print(f"{figure.source}: {figure.milliseconds:g} ms on an {figure.on}; here {here}; {share:.0%} of the peak", flush=True)


def _with_tf32(action: Callable[[], float]) -> float:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    try:
        return action()
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
