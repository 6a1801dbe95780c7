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
    models,
    soak,
    sweep,
    terminal,
    training,
)

PARTS = {
    "models": models.main,
    "training": training.main,
    "sweep": sweep.main,
    "features": features.main,
    "terminal": terminal.main,
    "start": browser_start.main,
    "browser": browser.main,
    "embeddings": browser_embeddings.main,
    "masking": browser_masking.main,
    "pages": browser_pages.main,
    "imports": browser_imports.main,
    "soak": soak.main,
}


def main() -> None:
    names = sys.argv[1:] or list(PARTS)
    if unknown := set(names) - set(PARTS):
        raise SystemExit(f"There is no benchmark {unknown.pop()}: choose among {', '.join(PARTS)}.")
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    print(f"{platform.machine()}, {os.cpu_count()} cores, {gpu}, {platform.platform()}; load {os.getloadavg()[0]:.1f}")
    for name in names:
        print(f"\n{name}\n")
        PARTS[name]()


if __name__ == "__main__":
    main()
