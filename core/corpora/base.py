"""A corpus: a table of clips with labels, speakers and splits, and access to each clip's media and ground truth."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affectscope.core.errors import UserError

if TYPE_CHECKING:
    # It imports torch, which takes seconds, and commands that only list clips don't need it.
    from affectscope.core.streams import Stream


@dataclass(frozen=True)
class Cue:
    """The one cue that distinguishes a planted clip.

    Attributes:
        kind: "brow", "mouth corner", "pitch", "mark", or "beep".
        modality: "visual" or "audio"; the other one carries no information about the class.
        start, end: seconds.
        label: the class that it indicates.
        region: the region of the face that moves (``core.features.extractors.landmarks``); "" if none does.
    """

    kind: str
    modality: str
    start: float
    end: float
    label: str
    region: str = ""


@dataclass(frozen=True)
class Truth:
    """A clip's ground truth beyond its label; complete only for synthetic corpora.

    Attributes:
        times: [F] seconds, the video's frames.
        strength: [F] 0..1, how strongly the face shows the emotion.
        phases: (name, start, end) of onset, apex and offset.
        phonemes: (name, start, end).
        mask: [F, 64, 64] bool, the part of the picture that moves because of the emotion.
        carrier: the modality that carries the emotion.
        attributes: name (arousal, valence) -> [F], emotional attributes over time.
        cue: the planted cue; ``mask`` is then its place in the picture.
    """

    times: np.ndarray
    strength: np.ndarray
    phases: tuple[tuple[str, float, float], ...]
    phonemes: tuple[tuple[str, float, float], ...]
    mask: np.ndarray
    carrier: str
    attributes: Mapping[str, np.ndarray] = field(default_factory=dict)
    cue: Cue | None = None


def _nothing(root: Path, row: pd.Series) -> None:
    return None


def _no_streams(root: Path, row: pd.Series) -> Mapping[str, Stream]:
    return {}


@dataclass(frozen=True)
class Given:
    """Features of one modality that are part of a corpus.

    Attributes:
        name: the feature set's name on cards, such as "covarep".
        dim: features per frame.
        read: the stream of one clip; absent (no frames) where the corpus has none for it.
    """

    name: str
    dim: int
    read: Callable[[Path, pd.Series], Stream]


@dataclass(frozen=True)
class Corpus:
    """Clips with labels.

    Attributes:
        table: one row per clip, indexed by clip id; columns ``path`` (under ``root``), ``label``, ``speaker``, and others if
            available (sex, age, intensity, sentence, split, and the attributes arousal and valence in -1..1).
        labels: the label space.
        synthetic: True when no person was recorded for it.
        features: a folder of features shipped with the clips, or None.
        kind, options: the reader, and its options.
        facts: further entries of its description: name -> anything that JSON can represent.
        missing: one sentence for each missing or unexpected item.
        given: modality -> the corpus's own features, which are used in training.
        read_annotations: reads continuous annotations of a clip, as in ``Clip.annotations``.
    """

    name: str
    root: Path
    table: pd.DataFrame
    labels: tuple[str, ...]
    synthetic: bool = False
    features: Path | None = None
    read_truth: Callable[[Path, pd.Series], Truth | None] = _nothing
    kind: str = "demo"
    options: Mapping[str, str] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    given: Mapping[str, Given] = field(default_factory=dict)
    read_annotations: Callable[[Path, pd.Series], Mapping[str, Stream]] = _no_streams

    def media(self, clip: str) -> Path:
        """The clip's file.

        Raises:
            UserError: when the corpus has no such clip, or its file is missing.
        """
        if clip not in self.table.index:
            raise UserError(f"The corpus {self.name} has no clip {clip}: choose one from its table.")
        if not self.table.at[clip, "path"]:
            raise UserError(f"Clip {clip} of {self.name} has labels but no media: put its file into {self.root}.")
        # The check uses names alone: symbolic links that the owner made inside the folder are allowed.
        path = Path(os.path.normpath(self.root / self.table.at[clip, "path"]))
        if not path.is_relative_to(os.path.normpath(self.root)):
            raise UserError(f"The corpus {self.name} names a file outside its folder for clip {clip}: correct its table.")
        if not path.is_file():
            raise UserError(f"The file of clip {clip} is missing: {path} is named in the table of {self.name}.")
        return path

    def truth(self, clip: str) -> Truth | None:
        """A clip's ground truth; None where there is none, or the clip is unknown."""
        # A clip's id becomes a file name, so an id that contains a path is invalid.
        return self.read_truth(self.root, self.table.loc[clip]) if clip in self.table.index and Path(clip).name == clip else None
