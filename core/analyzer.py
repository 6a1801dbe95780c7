"""Analyse a clip: clip + checkpoint + perturbation -> Analysis. The app and the command line both use this."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from affectscope.core.cache.store import FeatureStore, content_hash, key_of, of_clip
from affectscope.core.checkpoints.saved import Checkpoint
from affectscope.core.errors import UserError
from affectscope.core.explain import face_input
from affectscope.core.explain.attention import attention_arrays
from affectscope.core.explain.methods import METHODS
from affectscope.core.familiarity.words import Familiar
from affectscope.core.features.bulk.stages import cut
from affectscope.core.features.clipfile import ids_of
from affectscope.core.features.extract import EXTRACTION_VERSION, Extraction, Progress, can_hear, extract
from affectscope.core.features.extractors.faces import seeing
from affectscope.core.features.taken import lacking, marks
from affectscope.core.inference.asked import ProcessedOutput, ask, calibrate, nearness
from affectscope.core.media import hearing, reading
from affectscope.core.models.inputs import model_streams
from affectscope.core.perturbation import Perturbation, perturb
from affectscope.core.streams import Batch, Stream
from affectscope.core.text import shown
from affectscope.core.threads import Turns
from affectscope.core.timeline import explained
from affectscope.core.timeline.lanes import LANES_VERSION, build_lanes, build_matrices, evidence_lanes, truth_events
from affectscope.core.timeline.places import place_heatmaps, place_lanes
from affectscope.core.timeline.removed import removed_events
from affectscope.core.timeline.timeline import NOBODY, Timeline
from affectscope.core.why import Question, View, Why, explain

if TYPE_CHECKING:
    # They import pandas, which takes a second.
    from affectscope.core.corpora import Truth
    from affectscope.core.trust.trust import Request, Trust

# Part of every cache key: raise it whenever the result of an analysis changes.
ANALYSIS_VERSION = 13
PREFIXES = 24
# The most frames in one batch of prefixes; all prefixes of a minute would not fit into memory.
_CHUNK_FRAMES = 60_000
_KEPT_CROPS = 32 << 20
_LONGEST_TITLE = 200


@dataclass(frozen=True)
class Analysis:
    """The analysis of one clip by one model.

    Attributes:
        predictions: head -> class -> probability, or attribute -> value; for the whole clip, also where the model predicts per
            frame. "decision" is the system's own answer, which combines its heads.
        evidence: head -> whether the clip has a present frame in any modality that the head uses.
        explained: head -> the class that its heatmap explains.
        familiar: how close the clip is to the training data, and which modalities the decision lacks.
        explanations: the methods that could have drawn the heatmaps, the default first; empty without heatmaps.
        sound_explanations: the same for the sound.
        attention: as returned by ``attention_arrays``; empty unless requested.
        key: hash of the clip, the checkpoint, the explained class and method, the perturbation, and whether truth and openSMILE
            were available.
    """

    predictions: Mapping[str, Mapping[str, float]]
    evidence: Mapping[str, bool]
    explained: Mapping[str, str]
    timeline: Timeline
    notices: tuple[str, ...]
    key: str
    embeddings: Mapping[str, np.ndarray] = field(default_factory=dict)
    explanations: tuple[str, ...] = ()
    attention: Mapping[str, np.ndarray] = field(default_factory=dict)
    familiar: Familiar = field(default_factory=Familiar)
    sound_explanations: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Predictions, notices, times and lanes. Heatmaps and attention matrices are saved in their own files."""
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
            "familiar": self.familiar.to_json(),
            "notices": self.notices,
            "no_heatmap": self.timeline.blind,
            "duration": self.timeline.duration,
            "frame_times": _numbers(self.timeline.frame_times),
            "face_boxes": [_numbers(row) if np.isfinite(row).all() else None for row in self.timeline.boxes],
            "face": self.timeline.face,
            "people_boxes": [
                [_numbers(row) if np.isfinite(row).all() else None for row in boxes] for boxes in self.timeline.people
            ],
            "lanes": lanes,
        }
        return json.dumps(content, allow_nan=False, indent=1)


class Analyzer:
    """Runs one checkpoint over clips. Thread-safe: calls are serialised, because two at once would only slow each other down.

    Raises:
        UserError: when features that the model takes are unavailable: neither their weights nor arrays are found.
    """

    def __init__(self, checkpoint: Checkpoint, store: FeatureStore | None = None) -> None:
        if sentence := lacking(checkpoint.spec, checkpoint.sets):
            raise UserError(sentence)
        self.checkpoint = checkpoint
        self.store = store or FeatureStore()
        self._turn = Turns()
        self._last_crops: tuple[str, np.ndarray] | None = None

    @property
    def sets(self) -> dict[str, str]:
        """Modality -> feature set. Looked up on each access, because the user's choice may change meanwhile."""
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
        face: int | None = None,
        sound: str | None = None,
    ) -> str:
        """The key that ``analyze`` gives its answer, computed without analysing. It starts with the clip's own prefix."""
        model = self.checkpoint.digest or f"in memory {id(self)}"
        changed: list[object] = [perturbation.facts()] if perturbation and not perturbation.whole else []
        changed += [(what, how, METHODS[how].digest) for what, how in (("explanation", explanation), ("sound", sound)) if how]
        content, read = content_hash(media), (*reading(media), *hearing(media, track), *seeing(face))
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
        face: int | None = None,
        sound: str | None = None,
        attention: bool = False,
        progress: Progress | None = None,
    ) -> Analysis:
        """Run the model on one clip, explain its answer and build the timeline.

        Args:
            truth: the corpus's ground truth for the clip, for the truth lanes.
            explain: the class that the heatmaps explain; None explains each head's own prediction.
            perturbation: what is removed from the clip before the forward pass; see ``core.perturbation``.
            track: the audio track, counted from 1; default: the first that has sound.
            clip: the clip's id in its corpus. Feature arrays are found by this, or by the file's name.
            explanation: heatmap method, one of ``core.explain.methods.METHODS``; for the default see ``heatmaps.fitting``.
            face: which face is analysed, counted from 1, in order of size and time on screen; default: the first.
            sound: explanation method for the sound; for the default see ``hearing.fitting_sound``.
            attention: whether to return every attention matrix, which may be large.
            progress: called with a stage's name and the share done, 0..1.

        Raises:
            UserError: when the file cannot be decoded, or cannot be perturbed or explained as requested.
        """
        report = progress or (lambda stage, share: None)
        extraction = extract(media, self.store, report, self.sets, track, clip, face)
        report("Asking the model", 0.0)
        looks = self._sight()
        crops = self._crops(media, extraction, looks)
        whole = streams = self.streams(extraction)
        kept = {m: stream.present for m, stream in whole.items()}
        if perturbation and not perturbation.whole:
            changed = perturb(perturbation, whole, self.checkpoint)
            streams, kept = changed.streams, kept | changed.kept
        batch = Batch.collate([streams], self.checkpoint.spec.inputs)
        with self._turn:
            # The distance from the training data uses all frames, including removed ones.
            near = nearness(self.checkpoint, Batch.collate([whole], self.checkpoint.spec.inputs))
            answered = ask(self.checkpoint, batch, attention=True, near=near)
            output = answered.output
            report("Answering moment by moment", 0.3)
            over_time = self._over_time(batch, streams, answered, extraction.duration)
            report("Explaining", 0.6)
            seen = replace(whole["visual"], present=kept["visual"])
            asked = (batch, output.predictions, explain)
            drawn = explained.faces(self.checkpoint, looks, crops, extraction, seen, *asked, explanation)
            heard = explained.sound(self.checkpoint, streams, *asked, sound)
            with torch.inference_mode():
                places = self.checkpoint.model.places(batch) if seen.any else ()
        if not all(torch.isfinite(logits).all() for logits in output.predictions.values()):
            raise UserError(f"The model's answer to {shown(media.name)} is not a number: its features or weights are damaged.")
        spec = self.checkpoint.spec
        labels = spec.labels
        # Remarks about a plugin's network, such as frames that were matched proportionally.
        noticed = self.checkpoint.card.get("remarks", ()) if "plugin" in self.checkpoint.card else ()
        familiar = answered.familiar(self.checkpoint)
        deaf = (f"The sound is not explained: {heard.deaf}.",) if heard.deaf else ()
        notices = (*familiar.sentences, *extraction.notices, *noticed, *deaf)
        # Frames that replace removed ones receive attention like any other.
        given = streams["visual"]
        faces = face_input.faces_behind(given, extraction.faces.times, extraction.faces.present)
        probabilities = {head: rows[0].tolist() for head, rows in answered.readable(self.checkpoint, batch).items()}
        evidence = (*heard.lanes, *evidence_lanes(drawn.heatmaps, extraction.faces.times))
        timeline = Timeline(
            duration=extraction.duration,
            frame_times=extraction.faces.times,
            boxes=extraction.faces.boxes,
            people=extraction.faces.everyone if len(extraction.faces.everyone) > 1 else NOBODY,
            face=extraction.faces.number,
            heatmaps=drawn.heatmaps + place_heatmaps(places, faces, len(extraction.faces.times)),
            lanes=build_lanes(extraction, streams, batch, output, spec, over_time, truth, evidence)
            + place_lanes(places, streams["visual"]),
            matrices=build_matrices(streams, output, spec),
            events=truth_events(truth) + removed_events(whole, kept),
            title=shown(media.stem, _LONGEST_TITLE),
            classes=labels,
            notices=notices,
            blind=explained.blind(self.checkpoint, looks, extraction, seen.any, drawn.blind),
        )
        report("Done", 1.0)
        return Analysis(
            {h: dict(zip(labels, p, strict=True)) for h, p in probabilities.items()},
            {h: bool(v[0]) for h, v in output.evidence.items()},
            drawn.explained,
            timeline,
            notices,
            self.key(media, explain, truth is not None, perturbation, track, clip, explanation, face, sound),
            {k: v[0].numpy() for k, v in output.embeddings.items()},
            drawn.explanations,
            attention_arrays(streams, output, spec) if attention else {},
            familiar,
            heard.explanations,
        )

    def why(
        self, media: Path, *, target: str = "", against: str = "", change: Perturbation | None = None, label: str = "",
        track: int | None = None, clip: str = "", explanation: str | None = None, quick: bool = False,
        face: int | None = None, progress: Progress | None = None,
    ) -> Why:  # fmt: skip
        """Why the model predicts what it predicts for one clip; see ``core.why``.

        Args:
            target, against: as in ``core.why.Question``; track, clip, explanation, face: as in ``analyze``.
            change: how removed frames are replaced.
            label: the clip's label in its corpus.
            quick: skip regions of the face, the spectrum and counterfactuals.

        Raises:
            UserError: when the file cannot be decoded, or the question does not apply to this model.
        """
        asked = self.question(media, target, against, change, track, clip, explanation, quick, face, progress)
        return explain(*asked, label, quick, progress or (lambda stage, share: None), self._turn)

    def question(
        self, media: Path, target: str = "", against: str = "", change: Perturbation | None = None, track: int | None = None,
        clip: str = "", explanation: str | None = None, quick: bool = False, face: int | None = None,
        progress: Progress | None = None,
    ) -> tuple[Question, View | None]:  # fmt: skip
        """The clip as a ``core.why`` question, and the view of its faces (None if ``quick``); see ``why``."""
        extraction = extract(media, self.store, progress, self.sets, track, clip, face)
        question = Question(self.checkpoint, self.streams(extraction), extraction.duration, target, against, change)
        view = None if quick else self._view(media, extraction, explanation)
        return question, view

    def trust(self, media: Path, asked: Request | None = None, progress: Progress | None = None) -> Trust:
        """How far the explanations of one clip can be trusted; see ``core.trust``.

        Raises:
            UserError: when the file cannot be decoded, or the method does not apply to this model.
        """
        # Imports SciPy, which an analysis does not need.
        from affectscope.core.trust.changed import Source
        from affectscope.core.trust.trust import Request, find_trust

        report, asked = progress or (lambda stage, share: None), asked or Request()
        extraction = extract(media, self.store, report, self.sets, asked.track, asked.clip, asked.face)
        question = Question(self.checkpoint, self.streams(extraction), extraction.duration, asked.target)
        source = Source(media, self.sets, extraction.faces, asked.track, asked.clip)
        return find_trust(question, self._view(media, extraction), source, asked, report, self._turn)

    def streams(self, extraction: Extraction) -> dict[str, Stream]:
        """The clip's streams as the model takes them (``model_streams``). Modalities that it does not take are left unchanged."""
        return {**extraction.streams, **model_streams(extraction.streams, self.checkpoint.spec, self.checkpoint.normaliser)}

    def _sight(self) -> face_input.FaceInput | None:
        """The face encoder to explain through; None where the model takes no faces, or its features do not lead back to
        pixels."""
        return face_input.face_input_of(self.sets["visual"]) if "visual" in self.checkpoint.spec.inputs else None

    def _view(self, media: Path, extraction: Extraction, explanation: str | None = None) -> View | None:
        if (looks := self._sight()) is None:
            return None
        return View.of(looks, lambda: self._crops(media, extraction, looks), media, extraction, self.store, explanation)

    def _crops(self, media: Path, extraction: Extraction, looks: face_input.FaceInput | None) -> np.ndarray:
        """The face crops that the encoder takes, one per video frame; empty without an encoder.

        Those of the last clip stay in memory, because users ask about one clip repeatedly.
        """
        if looks is None or looks.encoder is None:
            return np.zeros((0, 0, 0), np.uint8)
        key = f"{content_hash(media)} {extraction.faces.number}"
        last = self._last_crops
        if last is None or last[0] != key:
            last = key, cut(looks.features.needs, media, extraction.faces)
            # Large crops would hold memory for as long as the model is loaded.
            self._last_crops = last if last[1].nbytes <= _KEPT_CROPS else None
        return last[1]

    def _over_time(
        self, batch: Batch, streams: Mapping[str, Stream], answered: ProcessedOutput, duration: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Each head's prediction over time: times [N] and [heads, N, outputs]; per frame, or for the prefix that ends at each
        time."""
        spec = self.checkpoint.spec
        if spec.reference:
            times = max((streams[m].times for m in spec.inputs), key=len)
            return times, torch.stack([spec.readable(answered.logits[h][0, : len(times)]) for h in spec.heads]).cpu().numpy()
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
                # Calibrated like the whole clip, so that the last prefix equals the clip's prediction.
                by_head = [calibrate(self.checkpoint, h, soon.predictions[h], answered.nearness) for h in spec.heads]
                chunks.append(torch.stack([spec.readable(logits) for logits in by_head]))
        return times, torch.cat(chunks, 1).numpy()


def _numbers(values: np.ndarray) -> list[float | None]:
    return [round(float(v), 6) if np.isfinite(v) else None for v in values]
