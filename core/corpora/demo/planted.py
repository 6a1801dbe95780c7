"""Planted clips: neutral face and voice, with one half-second event or none.

Two classes, `cue` and `none`. Three of five clips have a cue, one of: both brows rise; one corner of the mouth rises (either
side); the voice rises by an octave. The class can only be known from the cue, so that an explanation is right or wrong: which
modality, when, where in the face. All three share a class, so knowing the class does not reveal the place.

Nothing else distinguishes the classes: the time is drawn by the same rule for all five, and every voice passes the vocoder that
changes the pitch. Speech, blinks, gaze, nods and small brow movements on stressed words are the same in both classes.
"""

import csv
import io
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from affectscope.core.corpora.demo import corpus as clips_of
from affectscope.core.corpora.demo import script
from affectscope.core.corpora.demo.expressions import Performance, vector
from affectscope.core.corpora.demo.identities import Group, people
from affectscope.core.corpora.demo.speech import Speech
from affectscope.core.corpora.demo.truth import Truth

# Raise it when the same seed would give other clips.
VERSION = 1
CUES = ("none", "brow", "none", "mouth corner", "pitch")
MODALITY = {"brow": "visual", "mouth corner": "visual", "pitch": "audio"}
SECONDS, RISE, OCTAVE = 0.5, 0.08, 12.0
# Sentences of about two seconds.
SHORT = ("IEO", "DFA", "TSI", "ITS")
# Minimum voiced share of the event, if the sentence allows it: unvoiced sounds have no pitch.
_VOICED = 0.6
_TRIES = 6


@dataclass(frozen=True)
class Planted:
    """A clip's plan and its cue; `place` 0..1 is the event's place in the speech, `side` the corner of the mouth."""

    plan: script.Plan
    cue: str
    place: float
    side: str

    def spoken(self, plain: Speech) -> tuple[Speech, tuple[float, float]]:
        """The voice, raised by an octave for half a second if that is the cue, and the event's time in seconds of the clip."""
        from affectscope.core.corpora.demo import vocoder

        utterance = vocoder.analyse(plain)
        clock = np.arange(len(utterance.pitch)) * vocoder.FRAME_MS / 1000
        start = _moment(self.place, utterance.voiced, clock)
        raised = OCTAVE * rises(clock, start, start + SECONDS) * (self.cue == "pitch")
        samples = vocoder.synthesise(replace(utterance, pitch=utterance.pitch * 2 ** (raised / 12)))
        begin = self.plan.lead + start
        return replace(plain, samples=samples[: len(plain.samples)]), (begin, begin + SECONDS)

    def acted(self, plain: Performance, span: tuple[float, float]) -> Performance:
        """The face, moved for half a second if that is the cue; `without` is the face without it."""
        if MODALITY.get(self.cue) != "visual":
            return plain
        moved = {
            "brow": {"browInnerUp": 1.0, "browOuterUp": 1.0},
            "mouth corner": {f"mouthSmile{self.side}": 1.0, f"mouthDimple{self.side}": 0.7},
        }[self.cue]
        strength = rises(plain.times, *span)[:, None]
        weights = np.clip(plain.weights + strength * vector(moved), 0, 1).astype(np.float32)
        return replace(plain, weights=weights, without=plain.weights)

    def known(self, plain: Truth, span: tuple[float, float]) -> Truth:
        """The truth with the cue in it."""
        if self.cue == "none":
            return replace(plain, mask=np.zeros_like(plain.mask))
        start, end = span
        return replace(
            plain, onset=start, apex_start=start + RISE, apex_end=end - RISE, offset=end, cue=self.cue, cue_label="cue",
            carrier=MODALITY[self.cue],
        )  # fmt: skip


def rises(times: np.ndarray, start: float, end: float) -> np.ndarray:
    """Strength 0 to 1 at `times`: rises within `RISE` seconds from `start`, and falls within as many before `end`."""
    ramp = np.interp(times, (start, start + RISE, end - RISE, end), (0.0, 1.0, 1.0, 0.0))
    return ramp * ramp * (3 - 2 * ramp)


def _moment(place: float, voiced: np.ndarray, clock: np.ndarray) -> float:
    """Start of the cue in seconds of the speech: the first candidate that is voiced enough, or the most voiced."""
    latest = max(0.0, float(clock[-1]) - SECONDS)
    starts = [((place + step / _TRIES) % 1) * latest for step in range(_TRIES)]
    shares = [float(voiced[(clock >= start) & (clock < start + SECONDS)].mean()) for start in starts]
    return next((s for s, share in zip(starts, shares, strict=True) if share >= _VOICED), starts[int(np.argmax(shares))])


def planted(seed: int, index: int, group: Group) -> Planted:
    """The plan of clip `index` of the planted corpus with this `seed`."""
    rng = np.random.default_rng([seed, index, 18])
    cue = CUES[index % len(CUES)]
    plain = script.plan(seed, index, group)
    plan = replace(
        plain, clip=f"planted_s{seed}_{index:05d}", label="none" if cue == "none" else "cue", intensity="high",
        sentence=str(rng.choice(SHORT)), carrier=MODALITY.get(cue, "both"), audio_emotion="neutral", visual_emotion="neutral",
        second="", second_share=0.0, face_level=1.0, voice_level=1.0, lead=float(rng.uniform(0.1, 0.25)),
        tail=float(rng.uniform(0.15, 0.3)), av_offset=0.0, snr=float(rng.uniform(25, 48)),
    )  # fmt: skip
    return Planted(plan, cue, float(rng.random()), str(rng.choice(("Left", "Right"))))


def make_planted(out: Path, item: Planted) -> str:
    """Make one clip of the planted corpus."""
    return clips_of.make_clip(out, item.plan, change=item)


def build(
    out: Path,
    clips: int,
    seed: int,
    *,
    identities: Group = "train",
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Path:
    """Build `clips` planted clips into `out` and return it; resumes like `corpus.build`."""
    clips_of.check_tools()
    out = Path(out)
    items = [planted(seed, index, identities) for index in range(clips)]
    manifest = {"generator": "core.corpora.demo.planted", "version": VERSION, "demo": clips_of.VERSION, "seed": seed}
    manifest |= {"clips": clips, "identities": identities}
    by_clip = {item.plan.clip: item for item in items}
    clips_of.make_corpus(out, _table(items, identities), manifest, by_clip, make_planted, workers, progress)
    return out


def _table(items: list[Planted], group: Group) -> str:
    """The label table as CSV text."""
    sexes = {person.name: person.sex for person in people(group)}
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("clip", "path", "label", "speaker", "sex", "sentence", "cue"))
    for item in items:
        plan = item.plan
        path = f"clips/{plan.clip}.mp4"
        writer.writerow((plan.clip, path, plan.label, plan.speaker, sexes[plan.speaker], plan.sentence, item.cue))
    return text.getvalue()
