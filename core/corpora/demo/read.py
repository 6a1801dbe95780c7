"""Open a demo corpus that was built, or the one that the repository carries."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from core.corpora import base
from core.corpora.demo.truth import Truth
from core.errors import UserError
from core.models.labels import EMOTIONS

BUNDLED = Path(__file__).parent / "bundled"


def read_demo(root: str | Path, name: str | None = None) -> base.Corpus:
    """The corpus in a folder that ``affectscope corpus build demo`` made.

    Raises:
        UserError: when the folder holds none.
    """
    root = Path(root)
    table_file = root / "labels.csv"
    if not table_file.is_file():
        raise UserError(f"There is no corpus in {root}: it has no labels.csv; build one with `affectscope corpus build demo`.")
    try:
        table = pd.read_csv(table_file, dtype={"clip": str, "speaker": str}, keep_default_na=False)
        table = table.set_index("clip", verify_integrity=True)
        missing = {"path", "label", "speaker"} - set(table.columns)
    except (ValueError, KeyError, UnicodeDecodeError) as error:
        raise UserError(f"{table_file} cannot be read as a table of clips: {error}.") from error
    if missing:
        raise UserError(f"{table_file} has no column {sorted(missing)[0]}: build the corpus again.")
    features = root / "features"
    return base.Corpus(
        name or root.name, root, table, EMOTIONS, _is_rendered(root), features if features.is_dir() else None, read_truth
    )


def read_truth(root: Path, clip: str) -> base.Truth | None:
    """What the generator knows of a clip, or None where it wrote nothing down."""
    path = root / "truth" / f"{clip}.npz"
    if not path.is_file():
        return None
    truth = Truth.load(path)
    moments = (truth.onset, truth.apex_start, truth.apex_end, truth.offset)
    # A face that stays neutral has phases on paper only: nothing moves because of them.
    shown = bool(truth.mask.any())
    strength = np.interp(truth.times, moments, (0.0, 1.0, 1.0, 0.0)) * shown
    phases = tuple(zip(("onset", "apex", "offset"), moments[:-1], moments[1:], strict=True)) if shown else ()
    phonemes = zip(truth.phonemes.tolist(), truth.phoneme_starts.tolist(), truth.phoneme_ends.tolist(), strict=True)
    return base.Truth(truth.times, strength, phases, tuple(phonemes), truth.mask, truth.carrier)


def _is_rendered(root: Path) -> bool:
    manifest = root / "manifest.json"
    return manifest.is_file() and "seed" in json.loads(manifest.read_text())
