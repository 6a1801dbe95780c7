"""The one road: clip + checkpoint + perturbation -> Analysis. The app and the command line both take it."""

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
from affectscope.core.explain import sight
from affectscope.core.explain.attention import attention_arrays
from affectscope.core.explain.methods import METHODS
from affectscope.core.features.bulk.stages import cut
from affectscope.core.features.clipfile import ids_of
from affectscope.core.features.extract import EXTRACTION_VERSION, Extraction, Progress, can_hear, extract
from affectscope.core.features.extractors.faces import seeing
from affectscope.core.features.taken import lacking, marks
from affectscope.core.inference.asked import Answered, ask, calibrate, nearness
from affectscope.core.knowing.words import Familiar
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
    # pandas with it, a second of imports.
    from affectscope.core.corpora import Truth
    from affectscope.core.trust.trust import Request, Trust

# Part of every key: raise it whenever an analysis changes.
ANALYSIS_VERSION = 13
PREFIXES = 24
# So many rows of attention are computed at once; a minute's frames in all prefixes would not fit.
_CHUNK_FRAMES = 60_000
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
        familiar: how near the clip is to what the model was trained on, and what its decision goes without.
        explanations: the methods that could have drawn the heatmaps, the one that is taken where nobody chose first; none where
            there are no heatmaps. ``sound_explanations``: the same of the sound's evidence.
        attention: as ``attention_arrays`` has it, where it was asked for.
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
    attention: Mapping[str, np.ndarray] = field(default_factory=dict)
    familiar: Familiar = field(default_factory=Familiar)
    sound_explanations: tuple[str, ...] = ()

    def to_json(self) -> str:
        """Predictions, notices, times and lanes; heatmaps and attention matrices have files of their own."""
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
    """Runs one checkpoint over clips. Safe to share among threads, which take turns: two at once would only slow each other.

    Raises:
        UserError: when features that the model takes cannot be had: neither their weights nor arrays are at hand.
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
        face: int | None = None,
        sound: str | None = None,
    ) -> str:
        """What ``analyze`` will call its answer, known before the work is done; it begins as all that is made from the clip."""
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
        """Predict, explain and draw one clip.

        Args:
            truth: what a corpus knows of the clip, for the truth lanes.
            explain: the class that the heatmaps explain; None takes each head's own answer.
            perturbation: what is taken from the clip before the model is asked; see ``core.perturbation``.
            track: the sound track that is heard, counted from 1; the first with sound if left out.
            clip: what its corpus calls it; arrays are found by this, or by the file's name.
            explanation: how the heatmaps are made, one of ``core.explain.methods.METHODS``; see ``heatmaps.fitting`` for what is
                taken where None is.
            face: whose face is read, counted from 1, the largest and longest seen first; that one if left out.
            sound: how the sound is explained, one of those too; see ``hearing.fitting_sound``.
            attention: whether the answer holds every attention matrix, which may be large.
            progress: called with a stage's name and its share done, 0..1.

        Raises:
            UserError: when the file cannot be played, or cannot be changed or explained as asked.
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
            # How near the clip is, is a matter of all its frames, whichever were taken away.
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
        # What was noticed of a network that is not ours, such as frames that were matched by proportion.
        noticed = self.checkpoint.card.get("remarks", ()) if "plugin" in self.checkpoint.card else ()
        familiar = answered.familiar(self.checkpoint)
        deaf = (f"The sound is not explained: {heard.deaf}.",) if heard.deaf else ()
        notices = (*familiar.sentences, *extraction.notices, *noticed, *deaf)
        # What replaces a frame that was taken away is attended to as a frame is.
        given = streams["visual"]
        faces = sight.faces_behind(given, extraction.faces.times, extraction.faces.present)
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
        """Why the model says what it says of one clip; see ``core.why``.

        Args:
            target, against: as of ``core.why.Question``; track, clip, explanation, face: as of ``analyze``.
            change: how what is taken away is replaced.
            label: what the clip's corpus says that it is.
            quick: without face, spectrum and what would change the answer.

        Raises:
            UserError: when the file cannot be played, or the question cannot be asked.
        """
        asked = self.question(media, target, against, change, track, clip, explanation, quick, face, progress)
        return explain(*asked, label, quick, progress or (lambda stage, share: None), self._turn)

    def question(
        self, media: Path, target: str = "", against: str = "", change: Perturbation | None = None, track: int | None = None,
        clip: str = "", explanation: str | None = None, quick: bool = False, face: int | None = None,
        progress: Progress | None = None,
    ) -> tuple[Question, View | None]:  # fmt: skip
        """A clip as what ``core.why`` asks about, and what there is to see of it; see ``why``."""
        extraction = extract(media, self.store, progress, self.sets, track, clip, face)
        question = Question(self.checkpoint, self.streams(extraction), extraction.duration, target, against, change)
        view = None if quick else self._view(media, extraction, explanation)
        return question, view

    def trust(self, media: Path, asked: Request | None = None, progress: Progress | None = None) -> Trust:
        """How far the explanations of one clip can be trusted; see ``core.trust``.

        Raises:
            UserError: when the file cannot be played, or the method cannot read this model.
        """
        # SciPy with it, which no analysis needs.
        from affectscope.core.trust.changed import Source
        from affectscope.core.trust.trust import Request, find_trust

        report, asked = progress or (lambda stage, share: None), asked or Request()
        extraction = extract(media, self.store, report, self.sets, asked.track, asked.clip, asked.face)
        question = Question(self.checkpoint, self.streams(extraction), extraction.duration, asked.target)
        source = Source(media, self.sets, extraction.faces, asked.track, asked.clip)
        return find_trust(question, self._view(media, extraction), source, asked, report, self._turn)

    def streams(self, extraction: Extraction) -> dict[str, Stream]:
        """The clip's streams as the model wants them (``model_streams``); what it does not take stays as it was."""
        return {**extraction.streams, **model_streams(extraction.streams, self.checkpoint.spec, self.checkpoint.normaliser)}

    def _sight(self) -> sight.Sight | None:
        """What the model sees faces through; None where it sees none, or no way leads back to pixels."""
        return sight.sight_of(self.sets["visual"]) if "visual" in self.checkpoint.spec.inputs else None

    def _view(self, media: Path, extraction: Extraction, explanation: str | None = None) -> View | None:
        if (looks := self._sight()) is None:
            return None
        return View.of(looks, lambda: self._crops(media, extraction, looks), media, extraction, self.store, explanation)

    def _crops(self, media: Path, extraction: Extraction, looks: sight.Sight | None) -> np.ndarray:
        """The faces of a clip as the model's encoder wants them cut, one for each frame of the video; none without an encoder.

        Those of the last clip are at hand, as a person asks about it again and again.
        """
        if looks is None or looks.encoder is None:
            return np.zeros((0, 0, 0), np.uint8)
        key = f"{content_hash(media)} {extraction.faces.number}"
        last = self._last_crops
        if last is None or last[0] != key:
            last = key, cut(looks.features.needs, media, extraction.faces)
            # More than some seconds of large faces would hold memory for as long as the model is loaded.
            self._last_crops = last if last[1].nbytes <= _KEPT_CROPS else None
        return last[1]

    def _over_time(
        self, batch: Batch, streams: Mapping[str, Stream], answered: Answered, duration: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """What each head says at each moment, [heads, moments, outputs]: by frame, or from all that came before the moment."""
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
                # Calibrated as the whole clip is: the last moment says what the heads say.
                by_head = [calibrate(self.checkpoint, h, soon.predictions[h], answered.nearness) for h in spec.heads]
                chunks.append(torch.stack([spec.readable(logits) for logits in by_head]))
        return times, torch.cat(chunks, 1).numpy()


def _numbers(values: np.ndarray) -> list[float | None]:
    return [round(float(v), 6) if np.isfinite(v) else None for v in values]
