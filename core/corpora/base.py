"""A corpus: a table of clips with labels, speakers and splits, and a way to open one clip's media and truth."""

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
    # Torch comes with it, which those who only count clips need not wait for.
    from affectscope.core.streams import Stream


@dataclass(frozen=True)
class Cue:
    """The one thing by which a planted clip can be told from others.

    Attributes:
        kind: what was planted: "brow", "mouth corner", "pitch", "mark", "beep".
        modality: "visual" or "audio"; nothing of the other one speaks for the class.
        start, end: seconds.
        label: the class that it stands for.
        region: the region of the face that moves (``core.features.extractors.landmarks``); "" where none does.
    """

    kind: str
    modality: str
    start: float
    end: float
    label: str
    region: str = ""


@dataclass(frozen=True)
class Truth:
    """What a corpus knows of a clip beyond its label; only a made corpus knows all of it.

    Attributes:
        times: [F] seconds, the video's frames.
        strength: [F] 0..1, how strongly the face shows the emotion.
        phases: (name, start, end) of onset, apex and offset.
        phonemes: (name, start, end).
        mask: [F, 64, 64] bool, the part of the picture that moves because of the emotion.
        carrier: the modality that carries the emotion.
        attributes: name (arousal, valence) -> [F], the course of the clip's emotional attributes.
        cue: what was planted into the clip; ``mask`` is then where it is in the picture.
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
    """Features of one modality that a corpus came with.

    Attributes:
        name: what the feature set is called on cards, such as "covarep".
        dim: features a frame.
        read: the stream of one clip; absent (no frames) where the corpus has none for it.
    """

    name: str
    dim: int
    read: Callable[[Path, pd.Series], Stream]


@dataclass(frozen=True)
class Corpus:
    """Clips with labels.

    Attributes:
        table: one row a clip, indexed by clip id; columns ``path`` (under ``root``), ``label``, ``speaker``, and whatever else
            the corpus knows (sex, age, intensity, sentence, split, and the attributes arousal and valence in -1..1).
        labels: the label space.
        synthetic: True when no person was recorded for it.
        features: a folder of features shipped with the clips, or None.
        kind, options: the reader that read it, and what was chosen of what it leaves to choose.
        facts: what its description says beyond the table: name -> anything that JSON can write.
        missing: one sentence each: what should be there and is not, or is there and should not be.
        given: modality -> the features that the corpus itself came with; a model is trained on these.
        read_annotations: the continuous annotations of attributes that people made of a clip, as ``Clip.annotations``.
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
            UserError: when the corpus has no such clip, or its file is not there.
        """
        if clip not in self.table.index:
            raise UserError(f"The corpus {self.name} has no clip {clip}: choose one from its table.")
        if not self.table.at[clip, "path"]:
            raise UserError(f"Clip {clip} of {self.name} has labels but no media: put its file into {self.root}.")
        # By the names alone: a link that the corpus's owner made inside the folder is theirs to make.
        path = Path(os.path.normpath(self.root / self.table.at[clip, "path"]))
        if not path.is_relative_to(os.path.normpath(self.root)):
            raise UserError(f"The corpus {self.name} names a file outside its folder for clip {clip}: correct its table.")
        if not path.is_file():
            raise UserError(f"The file of clip {clip} is missing: {path} is named in the table of {self.name}.")
        return path

    def truth(self, clip: str) -> Truth | None:
        """What the corpus knows of a clip of its table; None where it knows nothing, or has no such clip."""
        # A clip's id becomes a file's name: one with a path in it is no id.
        return self.read_truth(self.root, self.table.loc[clip]) if clip in self.table.index and Path(clip).name == clip else None
