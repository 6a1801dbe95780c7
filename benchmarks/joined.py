"""What a corpus of recordings brings that joins (`affectscope train --also`), measured on speakers who were left out.

``python -m benchmarks.joined FOLDER [--system vavl] [--corpus demo]``: FOLDER is a corpus of clips with a table of labels
and speakers. For each of its speakers in turn a model is trained on the others (one of them for development) and tested on that
speaker alone; nothing that is trained here is kept. Prints, by head, unweighted recall over all folds, of each speaker, and their
confusion, and how it reads the first corpus's held-out speakers.
"""

from __future__ import annotations

import argparse
import json
import os
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from affectscope.core.corpora import Corpus, open_corpus
from affectscope.core.library import named
from affectscope.core.metrics.intervals import mean_of_shares
from affectscope.core.training.recipes import recipe
from affectscope.core.training.run import train_checkpoint


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    asked.add_argument("folder", help="the corpus that joins")
    asked.add_argument("--corpus", default="demo", help="the corpus that it joins")
    asked.add_argument("--system", default="vavl")
    asked.add_argument("--epochs", type=int, default=None)
    asked.add_argument("--pretrained", default="", help="a checkpoint whose weights training begins with")
    asked.add_argument("--scratch", action="store_true", help="from random weights, also where a shipped checkpoint would fit")
    asked.add_argument("--held", type=int, default=1, help="for development: the speaker so many places after the one tested")
    asked.add_argument("--rate", type=float, default=None, help="the learning rate")
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--speakers", default="", help="only these, with commas between; all if left out")
    told = asked.parse_args()
    joins = open_corpus(told.folder)
    own = recipe(told.system, "demo")
    config = replace(own.config, seed=told.seed, **({"epochs": told.epochs} if told.epochs else {}))
    config = replace(config, **({"learning_rate": told.rate} if told.rate else {}))
    onto = not (told.scratch or told.pretrained or told.epochs or told.rate)
    start = (told.pretrained, named.checkpoint(told.pretrained)) if told.pretrained else None
    total: dict[str, np.ndarray] = {}
    first: dict[str, np.ndarray] = {}
    labels: list[str] = []
    for tested in _speakers(joins, told.speakers):
        with TemporaryDirectory() as room:
            place = _with_split(joins, tested, Path(room) / "joins", told.held)
            card = train_checkpoint(
                told.system, "demo", told.corpus, replace(own, config=config), Path(room) / "model.safetensors", workers=1,
                also=[str(place)], pretrained=start, onto_shipped=onto,
            )  # fmt: skip
        assert card is not None
        labels = card["labels"]
        for corpus, heads in card["metrics_by_corpus"].items():
            for head, metrics in heads.items():
                sums = total if corpus == "joins" else first
                sums[head] = sums.get(head, 0) + np.array(metrics["confusion"])
        alone = {head: round(metrics["uar"], 3) for head, metrics in card["metrics_by_corpus"]["joins"].items()}
        print(json.dumps({"left out": tested, "alone": alone} | _scores(total)), flush=True)
    print(json.dumps({told.corpus: _scores(first)}))
    print(json.dumps({"labels": labels, "confusion": {head: found.tolist() for head, found in total.items()}}))


def _speakers(corpus: Corpus, wanted: str) -> list[str]:
    known = sorted({str(name) for name in corpus.table["speaker"]} - {""})
    return [name for name in known if not wanted or name in wanted.split(",")]


def _with_split(corpus: Corpus, tested: str, place: Path, after: int) -> Path:
    """The corpus as a folder of links with a split of its own: one speaker tested, another one for development."""
    known = _speakers(corpus, "")
    held = known[(known.index(tested) + after) % len(known)]
    place.mkdir()
    lines = ["file,label,speaker,split"]
    for clip, row in corpus.table.iterrows():
        speaker = str(row["speaker"])
        part = "test" if speaker == tested else "development" if speaker == held else "train"
        name = os.path.basename(str(row["path"]))
        (place / name).symlink_to(corpus.media(str(clip)))
        lines.append(f"{name},{row['label']},{speaker},{part}")
    (place / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place


def _scores(total: dict[str, np.ndarray]) -> dict[str, dict[str, object]]:
    """Unweighted recall of all folds so far, with its interval, and accuracy, by head."""
    found: dict[str, dict[str, object]] = {}
    for head, confusion in total.items():
        counted = [(int(row[i]), int(row.sum())) for i, row in enumerate(confusion) if row.sum()]
        low, high = mean_of_shares(counted)
        uar = sum(right / count for right, count in counted) / len(counted)
        found[head] = {
            "uar": round(uar, 3), "interval": [round(low, 3), round(high, 3)],
            "accuracy": round(float(np.trace(confusion) / confusion.sum()), 3), "clips": int(confusion.sum()),
        }  # fmt: skip
    return found


if __name__ == "__main__":
    main()
