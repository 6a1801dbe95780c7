"""`make bench`: ``python -m benchmarks [part ...]`` for the parts named below, everything if nothing is named."""

from __future__ import annotations

import os
import platform
import sys

import torch

from benchmarks import (
    browser,
    browser_embeddings,
    browser_imports,
    browser_masking,
    browser_pages,
    browser_start,
    features,
    gpu,
    heatmaps,
    models,
    planted,
    soak,
    sweep,
    terminal,
    training,
    trust,
    why,
    yardstick,
)

PARTS = {
    "models": models.main,
    "yardstick": yardstick.main,
    "training": training.main,
    "sweep": sweep.main,
    "features": features.main,
    "heatmaps": heatmaps.main,
    "terminal": terminal.main,
    "why": why.main,
    "trust": trust.main,
    "planted": planted.main,
    "start": browser_start.main,
    "browser": browser.main,
    "embeddings": browser_embeddings.main,
    "masking": browser_masking.main,
    "pages": browser_pages.main,
    "imports": browser_imports.main,
    "soak": soak.main,
}
# What a machine must have first; ran by its name alone.
ALONE = {"gpu": gpu.main}

LONG = ("planted",)
"""Run where they are named alone: they render and train for an hour."""


def main() -> None:
    names = sys.argv[1:] or [name for name in PARTS if name not in LONG]
    known = PARTS | ALONE
    if unknown := set(names) - set(known):
        raise SystemExit(f"There is no benchmark {unknown.pop()}: choose among {', '.join(known)}.")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"{platform.machine()}, {os.cpu_count()} cores, {gpu}, {platform.platform()}; load {os.getloadavg()[0]:.1f}")
    for name in names:
        print(f"\n{name}\n")
        known[name]()


if __name__ == "__main__":
    main()
