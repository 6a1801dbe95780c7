"""The one road: clip + checkpoint + perturbation -> Analysis. The app and the command line both take it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from affectscope.core.cache.store import FeatureStore, content_hash, key_of, of_clip
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.errors import UserError
from affectscope.core.explain import sight
from affectscope.core.explain.heatmaps import chosen, heatmaps, on_video
from affectscope.core.explain.methods import METHODS, SIDE
from affectscope.core.explain.road import NoWay
from affectscope.core.features.bulk.stages import cut
from affectscope.core.features.clipfile import ids_of
from affectscope.core.features.extract import EXTRACTION_VERSION, Extraction, Progress, can_hear, extract
from affectscope.core.features.stored.arrays import mark_of, source_of
from affectscope.core.features.taken import lacking, marks
from affectscope.core.media import hearing, reading
from affectscope.core.models.base import ModelOutput, over_clip
from affectscope.core.models.inputs import model_streams, on_its_reference
from affectscope.core.perturbation import Perturbation, gaps, perturb
from affectscope.core.streams import Batch, Stream
from affectscope.core.text import shown
from affectscope.core.timeline.lanes import LANES_VERSION, build_lanes, build_matrices, head_title, truth_events
from affectscope.core.timeline.places import place_heatmaps, place_lanes
from affectscope.core.timeline.timeline import Event, Heatmap, Timeline

if TYPE_CHECKING:
    # pandas with it, a second of imports.
    from affectscope.core.corpora import Truth

# Part of every key: raise it whenever an analysis changes.
ANALYSIS_VERSION = 9
PREFIXES = 24
# So many rows of attention are computed at once; a minute's frames in all prefixes would not fit.
_CHUNK_FRAMES = 60_000
# A strip of spans shows no more than a screen has columns.
_MOST_SPANS = 1500
_KEPT_CROPS = 32 << 20
_LONGEST_TITLE = 200


@dataclass(frozen=True)
class Analysis:
    """What a model makes of one clip.

    Attributes:
        predictions: head -> class -> probability, or attribute -> value, over the clip where the model answers by frame;
            "decision" is the system's own answer over its heads.
        evidence: head -> whether the clip had anything that this head draws on.
        explained: the class that each heatmap explains, by head.
        explanations: the methods that could have drawn the heatmaps, the one that is taken where nobody chose first; none where
            there are no heatmaps.
        key: hash of the clip, the checkpoint, the explained class and how it is explained, what was taken away, and whether truth
            and openSMILE were at hand.
    """

    predictions: Mapping[str, Mapping[str, float]]
    evidence: Mapping[str, bool]
    explained: Mapping[str, str]
    timeline: Timeline
    notices: tuple[str, ...]
    key: str
    embeddings: Mapping[str, np.ndarray] = field(default_factory=dict)
    explanations: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Predictions, notices, times and lanes; the heatmaps have a file of their own."""
        lanes = {
            lane.id: {
                "title": lane.title,
                "series": list(lane.series),
                "times": _numbers(lane.times),
                "values": [_numbers(row) for row in lane.values],
            }
            for lane in self.timeline.lanes
        }
        content: dict[str, Any] = {
            "predictions": self.predictions,
            "evidence": self.evidence,
            "explained": self.explained,
            "notices": self.notices,
            "duration": self.timeline.duration,
            "frame_times": _numbers(self.timeline.frame_times),
            "face_boxes": [_numbers(row) if np.isfinite(row).all() else None for row in self.timeline.boxes],
            "lanes": lanes,
        }
        return json.dumps(content, allow_nan=False, indent=1)


class Analyzer:
    """Runs one checkpoint over clips. Safe to share among threads, which take turns: two at once would only slow each other.

    Raises:
        UserError: when features that the model takes cannot be had: neither their weights nor arrays are at hand.
    """

    def __init__(self, checkpoint: Checkpoint, store: FeatureStore | None = None) -> None:
        if sentence := lacking(checkpoint.spec, checkpoint.sets):
            raise UserError(sentence)
        self.checkpoint = checkpoint
        self.store = store or FeatureStore()
        self._turn = threading.Lock()
        self._last_crops: tuple[str, np.ndarray] | None = None

    @property
    def sets(self) -> dict[str, str]:
        """Modality -> feature set; a person may have said another one meanwhile."""
        return self.checkpoint.sets

    def key(
        self,
        media: Path,
        explain: str | None = None,
        truth: bool = False,
        perturbation: Perturbation | None = None,
        track: int | None = None,
        clip: str = "",
        explanation: str | None = None,
    ) -> str:
        """What ``analyze`` will call its answer, known before the work is done; it begins as all that is made from the clip."""
        model = self.checkpoint.digest or f"in memory {id(self)}"
        changed: list[object] = [perturbation.facts()] if perturbation and not perturbation.whole else []
        changed += [("explanation", explanation)] if explanation else []
        content, read = content_hash(media), (*reading(media), *hearing(media, track))
        read = (*read, *marks(self.checkpoint.spec, self.sets, ids_of(media, clip)))
        asked = key_of(
            ANALYSIS_VERSION, LANES_VERSION, EXTRACTION_VERSION, content, model, explain, truth, can_hear(), *changed, *read
        )
        return of_clip(content, asked)

    def analyze(
        self,
        media: Path,
        *,
        truth: Truth | None = None,
        explain: str | None = None,
        perturbation: Perturbation | None = None,
        track: int | None = None,
        clip: str = "",
        explanation: str | None = None,
        progress: Progress | None = None,
    ) -> Analysis:
        """Predict, explain and draw one clip.

        Args:
            truth: what a corpus knows of the clip, for the truth lanes.
            explain: the class that the heatmaps explain; None takes each head's own answer.
            perturbation: what is taken from the clip before the model is asked; see ``core.perturbation``.
            track: the sound track that is heard, counted from 1; the first with sound if left out.
            clip: what its corpus calls it; arrays are found by this, or by the file's name.
            explanation: how the heatmaps are made, one of ``core.explain.methods.METHODS``; see ``heatmaps.fitting`` for what is
                taken where None is.
            progress: called with a stage's name and its share done, 0..1.

        Raises:
            UserError: when the file cannot be played, or cannot be changed or explained as asked.
        """
        report = progress or (lambda stage, share: None)
        extraction = extract(media, self.store, report, self.sets, track, clip)
        report("Asking the model", 0.0)
        looks = self._sight(ids_of(media, clip))
        crops = self._crops(media, extraction, looks)
        whole = streams = self.streams(extraction)
        kept = {m: stream.present for m, stream in whole.items()}
        if perturbation and not perturbation.whole:
            changed = perturb(perturbation, whole, self.checkpoint)
            streams, kept = changed.streams, kept | changed.kept
        batch = Batch.collate([streams], self.checkpoint.spec.inputs)
        with self._turn:
            with torch.inference_mode():
                output = self.checkpoint.model(batch, attention=True)
            report("Answering moment by moment", 0.3)
            over_time = self._over_time(batch, streams, output, extraction.duration)
            report("Explaining", 0.6)
            seen = replace(whole["visual"], present=kept["visual"])
            drawn = self._heatmaps(looks, crops, extraction, seen, batch, output.predictions, explain, explanation)
            with torch.inference_mode():
                places = self.checkpoint.model.places(batch) if seen.any else ()
        if not all(torch.isfinite(logits).all() for logits in output.predictions.values()):
            raise UserError(f"The model's answer to {shown(media.name)} is not a number: its features or weights are damaged.")
        spec = self.checkpoint.spec
        labels = spec.labels
        # What replaces a frame that was taken away is attended to as a frame is.
        given = streams["visual"]
        faces = sight.faces_behind(given, extraction.faces.times, extraction.faces.present)
        answers = {**{h: output.predictions[h] for h in spec.heads}, "decision": self.checkpoint.model.decide(output)}
        probabilities = {head: over_clip(spec.readable(answer), batch)[0].tolist() for head, answer in answers.items()}
        timeline = Timeline(
            duration=extraction.duration,
            frame_times=extraction.faces.times,
            boxes=extraction.faces.boxes,
            heatmaps=drawn.heatmaps + place_heatmaps(places, faces, len(extraction.faces.times)),
            lanes=build_lanes(extraction, streams, batch, output, spec, over_time, truth)
            + place_lanes(places, streams["visual"]),
            matrices=build_matrices(streams, output, spec),
            events=truth_events(truth) + _removed(whole, kept),
            title=shown(media.stem, _LONGEST_TITLE),
            classes=labels,
            notices=extraction.notices,
            blind=self._blind(looks, extraction, seen.any, drawn.blind),
        )
        report("Done", 1.0)
        return Analysis(
            {h: dict(zip(labels, p, strict=True)) for h, p in probabilities.items()},
            {h: bool(v[0]) for h, v in output.evidence.items()},
            drawn.explained,
            timeline,
            extraction.notices,
            self.key(media, explain, truth is not None, perturbation, track, clip, explanation),
            {k: v[0].numpy() for k, v in output.embeddings.items()},
            drawn.explanations,
        )

    def streams(self, extraction: Extraction) -> dict[str, Stream]:
        """The clip's streams as the model wants them (``model_streams``); what it does not take stays as it was."""
        return {**extraction.streams, **model_streams(extraction.streams, self.checkpoint.spec, self.checkpoint.normaliser)}

    def _sight(self, ids: Sequence[str]) -> sight.Sight | None:
        """What the model sees faces through; None where it sees none, or no way leads back to pixels."""
        if "visual" not in self.checkpoint.spec.inputs:
            return None
        found = sight.sight_of(self.sets["visual"])
        # Arrays that were made elsewhere went through no encoder of ours.
        return None if found and found.encoder is not None and mark_of(self.sets["visual"], ids) else found

    def _crops(self, media: Path, extraction: Extraction, looks: sight.Sight | None) -> np.ndarray:
        """The faces of a clip as the model's encoder wants them cut, one for each frame of the video; none without an encoder.

        Those of the last clip are at hand, as a person asks about it again and again.
        """
        if looks is None or looks.encoder is None:
            return np.zeros((0, 0, 0), np.uint8)
        key = content_hash(media)
        last = self._last_crops
        if last is None or last[0] != key:
            last = key, cut(looks.features.needs, media, extraction.faces)
            # More than some seconds of large faces would hold memory for as long as the model is loaded.
            self._last_crops = last if last[1].nbytes <= _KEPT_CROPS else None
        return last[1]

    def _over_time(
        self, batch: Batch, streams: Mapping[str, Stream], output: ModelOutput, duration: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """What each head says at each moment, [heads, moments, outputs]: by frame, or from all that came before the moment."""
        spec = self.checkpoint.spec
        if spec.reference:
            times = max((streams[m].times for m in spec.inputs), key=len)
            return times, torch.stack([output.predictions[h][0, : len(times)] for h in spec.heads]).numpy()
        times = np.linspace(0, duration, PREFIXES + 1)[1:]
        keep = {}
        for name in batch:
            moments = np.full(batch.present[name].shape[1], np.inf)
            moments[: len(streams[name].times)] = streams[name].times
            keep[name] = torch.from_numpy(moments[None] <= times[:, None])
        size = batch.copies_at_once(_CHUNK_FRAMES)
        chunks = []
        with torch.inference_mode():
            for start in range(0, len(times), size):
                mask = {name: rows[start : start + size] for name, rows in keep.items()}
                chunk = len(next(iter(mask.values())))
                rows = Batch(
                    {k: v.expand(chunk, -1, -1) for k, v in batch.values.items()},
                    {k: v.expand(chunk, -1) for k, v in batch.present.items()},
                )
                soon = self.checkpoint.model(rows.masked(**mask))
                chunks.append(torch.stack([spec.readable(soon.predictions[h]) for h in spec.heads]))
        return times, torch.cat(chunks, 1).numpy()

    def _heatmaps(
        self,
        looks: sight.Sight | None,
        crops: np.ndarray,
        extraction: Extraction,
        seen: Stream,
        batch: Batch,
        predictions: Mapping[str, torch.Tensor],
        explain: str | None,
        explanation: str | None,
    ) -> _Drawn:
        spec, faces = self.checkpoint.spec, extraction.faces
        heads = [h for h in spec.heads if looks and seen.any and "visual" in spec.modalities[h]]
        if not looks or not heads:
            return _Drawn()
        strongest = {h: over_clip(predictions[h], batch)[0] for h in heads}
        if spec.task == "regression":
            strongest = {h: values.abs() for h, values in strongest.items()}
        targets = {h: spec.labels.index(explain) if explain else int(strongest[h].argmax()) for h in heads}
        frames = sight.faces_behind(seen, faces.times, faces.present)
        if looks.encoder is not None:
            road = sight.through_encoder(looks, self.checkpoint, crops, frames, seen, batch, targets)
            frames = np.unique(frames)
        else:
            raw = on_its_reference(extraction.streams, spec)["visual"]
            road = sight.on_pixels(looks, self.checkpoint, replace(raw, present=seen.present), batch, targets)
        try:
            method, offered = chosen(road, explanation)
            maps = on_video(heatmaps(road, tuple(heads), method), frames, len(faces.times))
        except NoWay as error:
            return _Drawn(blind=str(error))
        explained = {head: spec.labels[target] for head, target in targets.items()}
        how = f", {METHODS[explanation].title}" if explanation else ""
        drawn = [
            Heatmap(
                head,
                f"{head_title(head)} head: why {explained[head]}{how}",
                np.round(255 * one).astype(np.uint8).reshape(len(one), -1),
                SIDE,
                SIDE,
            )
            for head, one in maps.items()
        ]
        return _Drawn(tuple(drawn), explained, offered)

    def _blind(self, looks: sight.Sight | None, extraction: Extraction, seen: bool, lost: str) -> dict[str, str]:
        """Why heads have no heatmap, by head."""
        spec = self.checkpoint.spec
        faces = "no frame with a face is left" if extraction.faces.present.any() else "no face was found in this clip"
        reasons = {}
        for head in spec.heads:
            if "visual" not in spec.modalities[head]:
                reasons[head] = f"the {head_title(head).lower()} head looks at nothing"
            elif looks is None:
                made = "arrays that were made elsewhere, " if source_of(self.sets["visual"]) else ""
                reasons[head] = f"nothing leads from its features ({made}{self.sets['visual']}) back to the picture"
            elif not seen or lost:
                reasons[head] = lost or faces
        return reasons


@dataclass(frozen=True)
class _Drawn:
    """The heatmaps, what they explain, by head, and the methods that could have made them; or why there are none."""

    heatmaps: tuple[Heatmap, ...] = ()
    explained: Mapping[str, str] = field(default_factory=dict)
    explanations: tuple[str, ...] = ()
    blind: str = ""


def _removed(whole: Mapping[str, Stream], kept: Mapping[str, np.ndarray]) -> tuple[Event, ...]:
    """Where frames were taken away, a strip for each modality."""
    events = []
    for modality, stream in whole.items():
        spans = gaps(stream, kept[modality])
        events += [Event(f"{modality} removed", "removed", *span) for span in spans[:: len(spans) // _MOST_SPANS + 1]]
    return tuple(events)


def _numbers(values: np.ndarray) -> list[float | None]:
    return [round(float(v), 6) if np.isfinite(v) else None for v in values]
