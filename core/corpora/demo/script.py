"""Plans each clip before anything is rendered.

A plan depends on (seed, clip index) only, so a corpus of 700 clips begins with the clips of one of 50. Every six clips are one
speaker's six emotions; intensities and speakers rotate, the rest is random.

Who carries the emotion:

- `both` (most clips): face and voice;
- `visual`: the voice stays neutral; `audio`: the face stays neutral;
- `conflict`: face and voice show different emotions; the label is the face's;
- `blend`: face and voice share an expression mixed with a second emotion; the label is the stronger one.

At high intensity the face always shows the emotion fully: `audio` and `blend` occur at low and medium intensity only.
"""

from dataclasses import dataclass

import numpy as np

from affectscope.core.corpora.demo.identities import Group, people

EMOTIONS = ("anger", "disgust", "fear", "happiness", "neutral", "sadness")
INTENSITIES = ("low", "medium", "high")
# The sentences of CREMA-D (Cao et al. 2014), by its own codes.
SENTENCES = {
    "IEO": "It's eleven o'clock.",
    "TIE": "That is exactly what happened.",
    "IOM": "I'm on my way to the meeting.",
    "IWW": "I wonder what this is about.",
    "TAI": "The airplane is almost full.",
    "MTI": "Maybe tomorrow it will be cold.",
    "IWL": "I would like a new alarm clock.",
    "ITH": "I think I have a doctor's appointment.",
    "DFA": "Don't forget a jacket.",
    "ITS": "I think I've seen this before.",
    "TSI": "The surface is slick.",
    "WSI": "We'll stop in a couple of minutes.",
}
CARRIERS = {
    "low": {"both": 0.58, "visual": 0.04, "audio": 0.28, "conflict": 0.02, "blend": 0.08},
    "medium": {"both": 0.64, "visual": 0.04, "audio": 0.22, "conflict": 0.02, "blend": 0.08},
    "high": {"both": 0.94, "visual": 0.04, "conflict": 0.02},
}
FACE_LEVEL = {"low": (0.18, 0.38), "medium": (0.36, 0.62), "high": (0.94, 1.06)}
VOICE_LEVEL = {"low": (0.65, 0.95), "medium": (0.85, 1.2), "high": (1.0, 1.4)}
# Emotions with which one is confused, used for blends.
NEIGHBOURS = {
    "anger": ("disgust", "fear"), "disgust": ("anger", "sadness"), "fear": ("sadness", "anger"),
    "happiness": ("neutral", "fear"), "neutral": ("sadness", "happiness"), "sadness": ("fear", "disgust"),
}  # fmt: skip


@dataclass(frozen=True)
class Look:
    """Lighting and camera of a clip.

    `key` direction (degrees to the side, degrees up), strengths of key, fill and rim light, `warmth` around 0, background colours
    below and above, `blur` in pixels, `noise` as a standard deviation in grey levels, `distance` factor of the camera.
    """

    side: float = 35.0
    up: float = 35.0
    key: float = 0.75
    fill: float = 0.35
    rim: float = 0.35
    warmth: float = 0.0
    below: tuple[float, ...] = (0.35, 0.37, 0.40)
    above: tuple[float, ...] = (0.55, 0.57, 0.60)
    blur: float = 0.0
    noise: float = 0.0


@dataclass(frozen=True)
class Plan:
    """One clip.

    Levels are factors on the full expression; times are fractions of the clip's length; `av_offset` is in seconds, positive when
    the sound comes after the picture; `snr` in dB; `angles` (yaw, pitch, roll) in degrees.
    """

    clip: str
    index: int
    speaker: str
    label: str
    intensity: str
    sentence: str
    carrier: str
    audio_emotion: str
    visual_emotion: str
    second: str
    second_share: float
    face_level: float
    voice_level: float
    onset: float
    apex_start: float
    apex_end: float
    offset: float
    lead: float
    tail: float
    av_offset: float
    angles: tuple[float, ...]
    shift: tuple[float, ...]
    look: Look
    snr: float
    loudness: float


def plan(seed: int, index: int, group: Group) -> Plan:
    """The plan of clip `index` of the corpus with this `seed`."""
    cast = people(group)
    order = np.random.default_rng([seed, 7919]).permutation(len(cast))
    block, emotion = divmod(index, len(EMOTIONS))
    rng = np.random.default_rng([seed, index])
    label = EMOTIONS[emotion]
    intensity = INTENSITIES[(block + block // len(cast) + emotion) % 3]
    carrier = _carrier(label, intensity, rng)
    others = [name for name in EMOTIONS if name not in (label, "neutral")]
    audio, visual = label, label
    if carrier == "visual":
        audio = "neutral"
    elif carrier == "audio":
        visual = "neutral"
    elif carrier == "conflict":
        audio = str(rng.choice(others))
    onset = rng.uniform(0.06, 0.2)
    apex_start = onset + rng.uniform(0.12, 0.22)
    apex_end = rng.uniform(0.7, 0.84)
    return Plan(
        clip=f"{'demo' if group == 'train' else 'held'}_s{seed}_{index:05d}", index=index,
        speaker=cast[order[block % len(cast)]].name, label=label, intensity=intensity,
        sentence=str(rng.choice(list(SENTENCES))), carrier=carrier, audio_emotion=audio, visual_emotion=visual,
        second=str(rng.choice(NEIGHBOURS[label])) if carrier == "blend" else "",
        second_share=float(rng.uniform(0.35, 0.48)) if carrier == "blend" else 0.0,
        face_level=float(rng.uniform(*FACE_LEVEL[intensity])), voice_level=float(rng.uniform(*VOICE_LEVEL[intensity])),
        onset=float(onset), apex_start=float(apex_start), apex_end=float(apex_end), offset=float(rng.uniform(0.9, 0.98)),
        lead=float(rng.uniform(0.08, 0.4)), tail=float(rng.uniform(0.1, 0.45)),
        av_offset=float(rng.uniform(-0.24, 0.24)) if rng.random() < 0.2 else 0.0,
        angles=tuple(float(value) for value in rng.normal(0, (6.0, 2.5, 2.5)).clip(-16, 16)),
        shift=tuple(float(value) for value in rng.normal(0, (0.07, 0.04, 0.2))),
        look=_look(rng), snr=float(rng.uniform(14, 48)), loudness=float(rng.normal(0, 2.5)),
    )  # fmt: skip


def _carrier(label: str, intensity: str, rng: np.random.Generator) -> str:
    shares = CARRIERS[intensity]
    drawn = str(rng.choice(list(shares), p=list(shares.values())))
    # A neutral clip has no emotion to remove from one modality.
    return "both" if label == "neutral" and drawn != "blend" else drawn


def _look(rng: np.random.Generator) -> Look:
    tone = rng.uniform(0.12, 0.8)
    tint = rng.uniform(-0.12, 0.12, 3)
    below = np.clip(tone + tint, 0.03, 0.95)
    above = np.clip(below + rng.uniform(-0.2, 0.25), 0.03, 0.98)
    return Look(
        side=float(rng.uniform(-55, 55)), up=float(rng.uniform(12, 50)), key=float(rng.uniform(0.5, 0.8)),
        fill=float(rng.uniform(0.25, 0.45)), rim=float(rng.uniform(0.1, 0.5)), warmth=float(rng.uniform(-1, 1)),
        below=tuple(below.tolist()), above=tuple(above.tolist()), blur=float(rng.uniform(0, 0.9)), noise=float(rng.uniform(0, 4)),
    )  # fmt: skip
