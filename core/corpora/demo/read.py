"""Opens a demo corpus, built or bundled."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd

from affectscope.core.corpora import base
from affectscope.core.corpora.demo.truth import Truth
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.corpora.tables import columns_of, read_table
from affectscope.core.errors import UserError
from affectscope.core.models.labels import EMOTIONS

BUNDLED = Path(__file__).parent / "bundled"

# Positions of full expressions on Russell's circumplex, read off by eye; neutral is its centre.
CIRCLE = {
    "anger": {"arousal": 0.8, "valence": -0.6},
    "disgust": {"arousal": 0.3, "valence": -0.7},
    "fear": {"arousal": 0.7, "valence": -0.5},
    "happiness": {"arousal": 0.6, "valence": 0.8},
    "neutral": {"arousal": 0.0, "valence": 0.0},
    "sadness": {"arousal": -0.5, "valence": -0.7},
}
_COLUMNS = {"clip", "path", "label", "speaker"}
# Labels of planted clips, and the face region that a cue moves; see `planted`.
PLANTED_LABELS = ("cue", "none")
CUE_REGIONS = {"brow": "brows", "mouth corner": "mouth"}
INTENSITY = {"low": 1 / 3, "medium": 2 / 3, "high": 1.0}


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
    for attribute in ("arousal", "valence"):
        table[attribute] = [_affect(row, attribute) for _, row in table.iterrows()]
    features = root / "features"
    labels = tuple(sorted(set(table["label"]))) if set(table["label"]) <= set(PLANTED_LABELS) else EMOTIONS
    return base.Corpus(
        name or root.name, root, table, labels, _is_rendered(root), features if features.is_dir() else None, read_truth
    )


def read_truth(root: Path, row: pd.Series) -> base.Truth | None:
    """The generator's ground truth for a clip, or None where there is none."""
    path = root / "truth" / f"{row.name}.npz"
    if not path.is_file():
        return None
    truth = Truth.load(path)
    moments = (truth.onset, truth.apex_start, truth.apex_end, truth.offset)
    course = np.interp(truth.times, moments, (0.0, 1.0, 1.0, 0.0))
    # A face that stays neutral has nominal phases, but nothing moves.
    shown = bool(truth.mask.any())
    phases = tuple(zip(("onset", "apex", "offset"), moments[:-1], moments[1:], strict=True)) if shown else ()
    phonemes = zip(truth.phonemes.tolist(), truth.phoneme_starts.tolist(), truth.phoneme_ends.tolist(), strict=True)
    attributes = {name: course * _affect(row, name) for name in ("arousal", "valence")}
    cue = None
    if truth.cue:
        region = CUE_REGIONS.get(truth.cue, "")
        cue = base.Cue(truth.cue, truth.carrier, truth.onset, truth.offset, truth.cue_label, region)
    return base.Truth(truth.times, course * shown, phases, tuple(phonemes), truth.mask, truth.carrier, attributes, cue)


def _affect(row: pd.Series, attribute: str) -> float:
    """Arousal or valence of a clip's emotion at its apex; NaN for a label outside the circumplex."""
    return CIRCLE.get(row["label"], {}).get(attribute, np.nan) * INTENSITY.get(str(row.get("intensity")), 1.0)


def _is_rendered(root: Path) -> bool:
    manifest = root / "manifest.json"
    try:
        return manifest.is_file() and "seed" in dict(json.loads(manifest.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise UserError(f"{manifest} is damaged: build the corpus again.") from error


def recognises(path: Path) -> bool:
    """A labels.csv with our columns; others are ordinary folders."""
    file = path / "labels.csv"
    if not file.is_file():
        return False
    columns = set(columns_of(file))
    if (path / "manifest.json").is_file() or (path / "truth").is_dir() or columns <= {""}:
        return True
    return columns >= _COLUMNS and set(read_table(file, ["label"], [], ())["label"]) <= {*EMOTIONS, ""}


def _read(path: Path, options: Options) -> base.Corpus:
    return read_demo(path)


READERS.register("demo")(Reader(recognises, _read))
