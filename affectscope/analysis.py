"""The results of a model for one clip."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affectscope.core.analyzer import Analysis as CoreAnalysis
from affectscope.core.timeline.timeline import Lane, Timeline

if TYPE_CHECKING:
    from affectscope.one import Model

_FRAME = 'width="100%" height="{height}" style="border:0" sandbox="allow-scripts allow-downloads" title="{title}"'
_HEIGHT = 920


@dataclass(frozen=True)
class Heatmap:
    """The heatmap of one head, per video frame, inside the face box.

    Attributes:
        values: [F, height, width] float32, linear, at least 0; 1 is the clip's reference value, the 95th percentile of the
            frames' maxima. 0 if a frame has no map.
        times: [F] seconds, of the video frames.
        boxes: [F, 4] left, top, right and bottom of the face as fractions of the picture; NaN if a frame has no face.
        explains: the explained class.
    """

    values: np.ndarray
    times: np.ndarray
    boxes: np.ndarray
    explains: str

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.values, dtype=dtype)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.values.shape


@dataclass(frozen=True)
class Analysis:
    """The results of a model for one clip. In a notebook, it displays the player with heatmap and lanes, which works offline.

    Attributes:
        model: the model.
        media: the clip's file.

    >>> import affectscope as afs
    >>> result = afs.load("auxformer").analyze(afs.corpus("demo").media("held_s2026_00000"))
    >>> result.predictions.shape
    (4, 6)
    >>> result.heatmaps["visual"].shape[1:]
    (16, 16)
    """

    model: Model
    media: Path
    _core: CoreAnalysis
    _track: int | None = None
    _explain: str = ""
    _method: str | None = None

    @property
    def decision(self) -> str:
        """The predicted class of the system; for regression, the predicted values as text."""
        outputs = self._core.predictions["decision"]
        if self.model.task == "regression":
            return ", ".join(f"{name} {value:+.2f}" for name, value in outputs.items())
        return max(outputs, key=lambda name: outputs[name])

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per head, "decision" first; one column per class (probabilities) or attribute (values)."""
        outputs = self._core.predictions
        heads = ("decision", *(head for head in outputs if head != "decision"))
        return pd.DataFrame.from_dict({head: outputs[head] for head in heads}, "index")

    @property
    def evidence(self) -> Mapping[str, bool]:
        """Head -> whether the clip has any input for this head; a head without input predicts its prior."""
        return MappingProxyType(dict(self._core.evidence))

    @property
    def duration(self) -> float:
        """The clip's duration in seconds."""
        return self.timeline.duration

    @property
    def notices(self) -> tuple[str, ...]:
        """Messages about how the file was read, one sentence each."""
        return self._core.notices

    @property
    def timeline(self) -> Timeline:
        """Everything that the player draws."""
        return self._core.timeline

    @cached_property
    def lanes(self) -> pd.DataFrame:
        """All lanes of the player: index in seconds, columns (lane, series); NaN if a lane has no frame at that time.

        Attention lanes have one series per layer and attention head, whose weights sum to 1 over the present frames.
        """
        parts = [_frame(lane) for lane in self.timeline.lanes]
        return pd.concat(parts, axis=1).sort_index() if parts else pd.DataFrame(index=pd.Index([], name="seconds"))

    def lane(self, id: str) -> pd.DataFrame:
        """One lane on its own frames: index in seconds, one column per series.

        Raises:
            KeyError: if there is no such lane.
        """
        known = {lane.id: lane for lane in self.timeline.lanes}
        if id not in known:
            raise KeyError(f"There is no lane {id!r}: choose one of {', '.join(known)}.")
        return _frame(known[id])[id]

    @cached_property
    def heatmaps(self) -> Mapping[str, Heatmap]:
        """Head -> heatmap, for every head with visual input."""
        timeline = self.timeline
        return MappingProxyType(
            {
                heatmap.id: Heatmap(
                    heatmap.linear,
                    timeline.frame_times,
                    timeline.boxes,
                    self._core.explained.get(heatmap.id, ""),
                )
                for heatmap in timeline.heatmaps
            }
        )

    @property
    def embeddings(self) -> Mapping[str, np.ndarray]:
        """Name -> [D] float32, the clip's embedding in a layer of the model."""
        return self._core.embeddings

    def save_html(self, path: str | Path) -> Path:
        """Write one HTML file that plays the clip with all results and the masking sliders, without a server or a network.

        Raises:
            UserError: if it cannot be written.
        """
        from affectscope.core.standalone.write import write_page

        out = Path(path)
        write_page(
            self.model.analyzer, self.media, self._core, out,
            track=self._track, target=self._explain, explanation=self._method,
        )  # fmt: skip
        return out

    def _repr_html_(self) -> str:
        from affectscope.core.standalone.write import page_of

        page = page_of(self.model.analyzer, self.media, self._core, masking=False, track=self._track)
        settings = _FRAME.format(height=_HEIGHT, title=escape(f"{self.media.name}, {self.model.name}", quote=True))
        return f'<iframe srcdoc="{escape(page, quote=True)}" {settings}></iframe>'

    def __repr__(self) -> str:
        return f"Analysis({self.media.name!r}, model={self.model.name!r}, decision={self.decision!r})"


def _frame(lane: Lane) -> pd.DataFrame:
    columns = pd.MultiIndex.from_product([[lane.id], lane.series], names=("lane", "series"))
    return pd.DataFrame(lane.values.T, pd.Index(lane.times, name="seconds"), columns)
