"""An imported model, with the interface that the app needs: its spec, and its predictions on the clip's clock."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import numpy as np

from affectscope.core import media
from affectscope.core.analyzer import Analysis
from affectscope.core.cache.store import content_hash, key_of
from affectscope.core.errors import UserError
from affectscope.core.features.extract import envelope
from affectscope.core.imports.stored import IMPORT_VERSION, Entry, attention_of
from affectscope.core.inference.table import PredictionTable
from affectscope.core.models.base import ModelSpec
from affectscope.core.text import shown
from affectscope.core.timeline.timeline import Lane, Timeline

UNASKED = "This model was imported as predictions: its weights are not here, so it cannot be asked anything new."
NO_HEATMAPS = "There are no heatmaps: this model's predictions were imported, and a heatmap takes its weights."
_SMALL = 32


class Imported:
    """Predictions in place of a model."""

    def __init__(self, entry: Entry) -> None:
        self.entry = entry

    @property
    def spec(self) -> ModelSpec:
        own = self.entry
        heads = dict(own.heads)
        return ModelSpec(
            "imported", {}, own.classes, tuple(heads), heads, (own.decision,), embeddings=own.embeddings, task=own.task
        )

    @cached_property
    def prediction_table(self) -> PredictionTable:
        """The stored predictions.

        Raises:
            UserError: when they cannot be read.
        """
        table = PredictionTable.load(self.entry.prediction_table)
        if table is None:
            raise UserError("The predictions of this model are no longer stored: import its table again.")
        return table

    def key(self, clip: str, file: Path, track: int | None = None) -> str:
        """The cache key of the result of ``analyze``."""
        return key_of(
            "imported",
            IMPORT_VERSION,
            self.entry.id,
            self.entry.added,
            clip,
            content_hash(file),
            *media.reading(file),
            *media.hearing(file, track),
        )

    def answers(self, clip: str) -> tuple[dict[str, dict[str, float]], dict[str, bool]]:
        """Probabilities by head and class, and which heads had evidence.

        Raises:
            UserError: when the table lacks the clip.
        """
        if clip not in self.prediction_table.table.index:
            raise UserError("The table that this model came from says nothing of this clip: choose one of its own.")
        place = self.prediction_table.table.index.get_loc(clip)
        answers = {
            h: dict(zip(self.spec.labels, map(float, rows[place]), strict=True))
            for h, rows in self.prediction_table.answers.items()
        }
        return answers, dict.fromkeys(self.spec.heads, True) or {"decision": True}

    def analyze(
        self,
        clip: str,
        file: Path,
        progress: Callable[[str, float], None] = lambda stage, share: None,
        track: int | None = None,
    ) -> Analysis:
        """The table's predictions for a clip, with its attention on the clip's clock.

        Raises:
            UserError: when it lacks the clip, or the file cannot be decoded.
        """
        answers, evidence = self.answers(clip)
        place = int(self.prediction_table.table.index.get_loc(clip))
        duration = media.probe(file, track=track).duration
        progress("Reading the picture", 0.2)
        times = np.array([time for time, _ in media.read_frames(file, _SMALL)])
        progress("Reading the sound", 0.7)
        heard = envelope(media.read_sound(file, track=track))
        wave = Lane(
            "wave", "Audio", "wave", heard["envelope_times"], heard["envelope"], ("low", "high"), "audio",
            "Smallest and largest sample in each 10 ms.",
        )  # fmt: skip
        lanes = [_lane(*own, duration) for own in attention_of(self.entry, place) if len(own[2])]
        notices = (NO_HEATMAPS,) if lanes else (f"{NO_HEATMAPS} The table holds no attention of this clip either.",)
        timeline = Timeline(
            duration, times, np.full((len(times), 4), np.nan, np.float32), lanes=(wave, *lanes), title=shown(file.stem, 200),
            classes=self.spec.labels, notices=notices,
        )  # fmt: skip
        return Analysis(answers, evidence, {}, timeline, notices, self.key(clip, file, track))


def _lane(modality: str, name: str, weights: np.ndarray, rate: float, duration: float) -> Lane:
    """Frame i is centred at (i + 1/2) / rate; without a rate, frames are spread evenly over the clip."""
    even = not np.isfinite(rate)
    times = (np.arange(len(weights)) + 0.5) / (len(weights) / duration if even and duration > 0 else 1.0 if even else rate)
    note = "The table gives no rate: the frames are spread evenly over the clip." if even else f"{rate:g} frames a second."
    title = f"{modality.capitalize()} attention{f', {name}' if name else ''}"
    own = f"attention.{modality}.{name or 'imported'}"
    meaning = f"Weight of each frame as the imported table gives it, scaled to sum to 1 over the clip. {note}"
    # Drop frames beyond the clip's end.
    there = times <= duration + 0.5
    return Lane(own, title, "weights", times[there], weights[None, there], ("imported",), modality, meaning, layers=1, heads=1)
