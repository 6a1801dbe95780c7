"""`make bench`: ``python -m benchmarks [part ...]`` for the parts named below, everything if nothing is named."""

from __future__ import annotations

import importlib
import os
import platform
import sys

import torch

PARTS = {
    "models": "models",
    "yardstick": "yardstick",
    "training": "training",
    "sweep": "sweep",
    "features": "features",
    "heatmaps": "heatmaps",
    "terminal": "terminal",
    "why": "why",
    "trust": "trust",
    "planted": "planted",
    "start": "browser_start",
    "browser": "browser",
    "embeddings": "browser_embeddings",
    "masking": "browser_masking",
    "pages": "browser_pages",
    "imports": "browser_imports",
    "soak": "soak",
}
"""The module behind each name, imported only where its part runs: some need what `make corpus-tools` installs."""

# What a machine must have first; ran by its name alone.
ALONE = {"gpu": "gpu"}

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
        importlib.import_module(f"benchmarks.{known[name]}").main()


if __name__ == "__main__":
    main()
