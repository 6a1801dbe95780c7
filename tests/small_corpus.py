"""A corpus folder that trains in seconds, and the command on it, in this process."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from affectscope.core import cli
from affectscope.core.cache.store import FeatureStore, content_hash, key_of
from affectscope.core.features.extract import EXTRACTION_VERSION
from affectscope.core.models.labels import EMOTIONS

SPEAKERS = 5


@dataclass
class Corpus:
    """A corpus folder whose features were extracted beforehand: a class's clips differ by noise alone."""

    root: Path
    table: pd.DataFrame = field(default_factory=pd.DataFrame)

    def make(self, film: bytes) -> Corpus:
        rows = []
        (self.root / "clips").mkdir(parents=True)
        for i in range(SPEAKERS * len(EMOTIONS)):
            number, label = divmod(i, len(EMOTIONS))
            rows.append({"clip": f"c{i:02d}", "path": f"clips/c{i:02d}.mp4", "label": EMOTIONS[label], "speaker": f"s{number}"})
            # A box that players skip makes each file another one.
            mark = f"{i:08d}".encode()
            (self.root / rows[-1]["path"]).write_bytes(film + (8 + len(mark)).to_bytes(4, "big") + b"free" + mark)
            self.keep(rows[-1]["path"], i, shift=float(label))
        self.table = pd.DataFrame(rows)
        return self.write()

    def write(self) -> Corpus:
        self.table.to_csv(self.root / "labels.csv", index=False)
        return self

    def keep(self, path: str, seed: int, shift: float) -> None:
        """Features as ``extract`` keeps them."""
        random, content = np.random.default_rng(seed), content_hash(self.root / path)
        store, sound, faces = FeatureStore(self.root / "features"), np.arange(8) / 50, np.arange(5) / 20
        audio = random.normal(shift, 1, (8, 130)).astype(np.float32)
        visual = random.normal(shift, 1, (5, 135)).astype(np.float32)
        envelope = {"envelope": np.zeros((2, 3), np.float32), "envelope_times": np.arange(3.0), "track": np.array(True)}
        store.put(
            key_of("audio", EXTRACTION_VERSION, content),
            {"values": audio, "times": sound, "present": np.ones(8, bool), **envelope},
        )
        boxes = np.tile(np.array([0, 0, 9, 9], np.float32), (5, 1))
        store.put(key_of("visual", EXTRACTION_VERSION, content), {"values": visual, "times": faces, "boxes": boxes})

    def file(self, clip: str) -> Path:
        return self.root / str(self.table.set_index("clip").at[clip, "path"])

    def forget_features(self, clip: str) -> None:
        for kind in ("audio", "visual"):
            (self.root / "features" / f"{key_of(kind, EXTRACTION_VERSION, content_hash(self.file(clip)))}.npz").unlink()


def affectscope(*arguments: object, monkeypatch, capsys) -> tuple[int, str, str]:
    """The command in this process: a new one takes seconds to import torch."""
    monkeypatch.setattr(sys, "argv", ["affectscope", *map(str, arguments)])
    code = 0
    try:
        cli.main()
    except SystemExit as end:
        code = int(end.code or 0)
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def is_one_sentence(code: int, err: str) -> bool:
    return code == 1 and err.startswith("Error: ") and err.count("\n") == 1 and "Traceback" not in err
