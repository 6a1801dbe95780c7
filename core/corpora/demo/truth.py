"""Ground truth of a synthetic clip: the truth file beside each clip.

`OUT/truth/<clip>.npz` holds the fields of `Truth` and nothing pickled. F is the number of frames, P of phonemes.
"""

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from affectscope.core.cache.store import read_arrays
from affectscope.core.errors import UserError

MASK_SIZE = 64


@dataclass(frozen=True)
class Truth:
    """The truth of one clip; all times are seconds on the clip's own clock.

    `times` [F]: frame centres. `blendshapes` [F, 52] in 0..1, all motion of the face (emotion, speech, blinks);
    `blendshape_names` [52]. `onset`, `apex_start`, `apex_end`, `offset`: the emotion over time. `mask` [F, 64, 64] bool: where
    the picture moves because of the emotion, compared with the same frame without it; row 0 on top. `phonemes` [P] by espeak-ng's
    names, with `phoneme_starts` and `phoneme_ends` [P] in the sound. `carrier`: both, visual, audio, conflict or blend.
    `av_offset`: delay of the sound after the lips. `head_box` [F, 4]: left, top, right, bottom of the face in 0..1 of the
    picture. `cue`: the planted cue ("" if none), from `onset` to `offset`, and `cue_label` the class that it indicates; `carrier`
    is then its modality and `mask` its place.
    """

    times: np.ndarray
    blendshape_names: np.ndarray
    blendshapes: np.ndarray
    onset: float
    apex_start: float
    apex_end: float
    offset: float
    mask: np.ndarray
    phonemes: np.ndarray
    phoneme_starts: np.ndarray
    phoneme_ends: np.ndarray
    carrier: str
    av_offset: float
    head_box: np.ndarray
    cue: str = ""
    cue_label: str = ""

    @classmethod
    def load(cls, path: Path) -> "Truth":
        """Read a truth file; nothing in it is unpickled."""
        try:
            # Shipped files are not sealed, but a zip's checksums are verified.
            fields: dict[str, Any] = dict(read_arrays(path, old=True) or {})
            frames = len(fields["times"])
            bits = np.unpackbits(fields["mask"], count=frames * MASK_SIZE * MASK_SIZE)
            fields["mask"] = bits.reshape(frames, MASK_SIZE, MASK_SIZE).astype(bool)
            for name in ("onset", "apex_start", "apex_end", "offset", "av_offset"):
                fields[name] = float(fields[name])
            for name in ("carrier", "cue", "cue_label"):
                fields[name] = str(fields.get(name, ""))
            return cls(**fields)
        except (ValueError, KeyError, TypeError) as error:
            raise UserError(f"{Path(path).name} is not a truth file of the demo corpus: build the corpus again.") from error

    def save(self, path: Path) -> None:
        """Write the truth file atomically."""
        fields = asdict(self) | {"mask": np.packbits(self.mask)}
        if not self.cue:
            del fields["cue"], fields["cue_label"]
        draft = path.with_suffix(f".{os.getpid()}.tmp")
        with open(draft, "wb") as file:
            np.savez_compressed(file, **fields)
        os.replace(draft, path)
