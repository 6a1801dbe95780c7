"""One row of each paper at the paper's size, from ``experiment run`` to its table: ``python -m benchmarks.paper_size FOLDER``.

The corpus has labels alone, and its packed store features as wide as the papers', drawn at random: no foreign extractor's weights
are needed, and the numbers in the tables say nothing. Two epochs over 200 clips of a second; minutes to an hour, by the machine.
What was finished is kept in FOLDER, and not done again.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from pathlib import Path

from tests.paper_store import SETS, annotated, corpus, store

# Paper -> its experiment, the row, its preset, and what else the command line says.
ROWS = {
    "000": ("goncalves2022robust-table-1", "AuxFormer, optimised", "paper", ()),
    "001": ("goncalves2025versatile-table-2", "VAVL", "paper", ()),
    "002": ("goncalves2022auxformer-table-2", "Sound alone", "paper", ()),
    "003": ("parthasarathy2020detecting-figure-4", "Arousal, picture missing", "paper", ("--split", "official")),
    "004": ("mocanu2023multimodal-table-2", "AT", "paper", ()),
    "004-full": ("mocanu2023multimodal-table-3", "Emotion constraint loss", "paper-18", ("--batch-size", "4")),
}


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--clips", type=int, default=200)
    asked.add_argument("--papers", default="000,001,002,003,004", help="004-full takes pixels: three gigabytes and hours.")
    asked.add_argument("--dry-run", action="store_true")
    told = asked.parse_args()
    papers = told.papers.split(",")
    sets = SETS + (("snippets-224",) if "004-full" in papers else ())
    made, packed = corpus(told.folder / "corpus", told.clips), store(told.folder / "store", told.clips, sets=sets)
    wild = annotated(told.folder / "annotated", told.clips, frames=30)
    for paper in papers:
        name, row, preset, more = ROWS[paper]
        out = told.folder / "results"
        command = [
            sys.executable, "-m", "affectscope", "experiment", "run", name, "--row", row, "--preset", preset, "--seeds", "1",
            "--corpus", str(wild if paper == "003" else made), "--store", str(packed), "--epochs", "2", "--workers", "1",
            "--out", str(out), "--no-html", *more,
        ]  # fmt: skip
        start = time.perf_counter()
        environment = {**os.environ, "AFFECTSCOPE_CACHE": str(told.folder / "cache")}
        subprocess.run([*command, *(["--dry-run"] if told.dry_run else [])], check=True, env=environment)
        print(f"{paper}: {name}, {row}, {preset}: {time.perf_counter() - start:.0f} s", flush=True)
        if not told.dry_run:
            print((out / f"{name}.md").read_text().split("###")[0])


if __name__ == "__main__":
    main()
