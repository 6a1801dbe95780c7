"""From a plan to blendshape curves: the emotion's course, lip-sync, blinks, gaze and head motion.

Expressions follow FACS (Ekman and Friesen) in ARKit's names. A name without a side stands for both sides. Weights were
tuned on training identities only, by a search that asked a reader of real faces (mini-XCEPTION on FER2013) and paid
for every step away from the textbook's expression.
"""

from dataclasses import dataclass

import numpy as np

from affectscope.core.corpora.demo.puppet import rig
from affectscope.core.corpora.demo.script import Plan

FPS = 25

EXPRESSIONS: dict[str, tuple[dict[str, float], ...]] = {
    "anger": (
        {"browDown": 1.0, "eyeSquint": 0.3, "eyeWide": 0.15, "noseSneer": 0.5, "mouthPress": 0.5, "mouthFrown": 0.3,
         "mouthStretch": 0.15},
        {"browDown": 0.9, "eyeWide": 0.3, "eyeSquint": 0.4, "noseSneer": 0.6, "mouthPress": 0.15, "mouthFrown": 0.35,
         "mouthUpperUp": 0.6, "mouthLowerDown": 0.45, "jawOpen": 0.4, "mouthStretch": 0.2},
    ),
    "disgust": (
        {"noseSneer": 0.75, "browDown": 0.1, "cheekSquint": 0.95, "mouthUpperUp": 0.7, "mouthFrown": 0.7, "eyeSquint": 0.9,
         "mouthShrugLower": 0.9, "eyeBlink": 0.25, "tongueOut": 0.25},
    ),
    "fear": (
        {"browInnerUp": 1.0, "browOuterUp": 0.1, "eyeWide": 1.0, "mouthStretch": 1.0, "jawOpen": 0.7, "mouthLowerDown": 0.4,
         "mouthUpperUp": 0.2},
    ),
    "happiness": (
        {"mouthSmile": 1.0, "cheekSquint": 0.7, "mouthUpperUp": 0.9, "eyeSquint": 0.35, "mouthDimple": 0.6, "mouthLowerDown": 0.1,
         "browOuterUp": 0.1},
    ),
    "neutral": ({},),
    "sadness": (
        {"browInnerUp": 0.95, "mouthFrown": 1.0, "eyeSquint": 0.5, "mouthShrugLower": 0.45, "eyeLookDown": 0.25, "eyeBlink": 0.1,
         "mouthStretch": 0.75, "cheekSquint": 0.2, "jawOpen": 0.15},
    ),
}  # fmt: skip
# The face at rest; an expression takes its place.
REST = {"browOuterUp": 0.34, "mouthPress": 0.4, "eyeWide": 0.25}

# espeak-ng's phonemes by the lips' shape; a name is matched by its longest known beginning, stress marks apart.
VISEMES: dict[str, dict[str, float]] = {
    "closed": {"mouthClose": 0.06, "mouthPress": 0.45, "mouthRollLower": 0.2, "mouthRollUpper": 0.15},
    "teeth": {"mouthRollLower": 0.5, "mouthUpperUp": 0.25, "jawOpen": 0.06},
    "tongue": {"jawOpen": 0.16, "mouthLowerDown": 0.25, "tongueOut": 0.15},
    "flat": {"jawOpen": 0.12, "mouthStretch": 0.2, "mouthLowerDown": 0.2},
    "shut": {"jawOpen": 0.1, "mouthFunnel": 0.35, "mouthPucker": 0.25},
    "back": {"jawOpen": 0.2, "mouthLowerDown": 0.12},
    "round": {"jawOpen": 0.16, "mouthPucker": 0.6, "mouthFunnel": 0.3},
    "open": {"jawOpen": 0.55, "mouthLowerDown": 0.25},
    "half": {"jawOpen": 0.34, "mouthLowerDown": 0.2, "mouthStretch": 0.1},
    "wide": {"jawOpen": 0.18, "mouthStretch": 0.35, "mouthLowerDown": 0.2, "mouthDimple": 0.15},
    "o": {"jawOpen": 0.36, "mouthFunnel": 0.45, "mouthPucker": 0.2},
    "rest": {},
}
SOUNDS = {
    "closed": "p b m", "teeth": "f v", "tongue": "T D", "flat": "s z t d n l t# n- l- *", "shut": "S Z tS dZ",
    "back": "k g N h x", "round": "w u: U r r- u",
    "open": "aI aU A: A a a: A@ 0 aI@ aI3", "half": "V E e eI e@ 3 3: @ a# @L I2 @2 @5",
    "wide": "i i: I I# j i@ i@3", "o": "oU O O: OI O2 o@ O@ U@ o", "rest": "_ _: _! ?",
}  # fmt: skip
_SHAPE_OF = {sound: shape for shape, sounds in SOUNDS.items() for sound in sounds.split()}
SPEECH_SHARE = 0.8


@dataclass(frozen=True)
class Performance:
    """What the face does: `weights` and `without` (the same without the emotion) [F, 52], `angles` [F, 3] in degrees,
    `shift` [F, 3] in dm, `envelope` [F] of the emotion in 0..1, `times` [F] seconds (frame centres)."""

    times: np.ndarray
    weights: np.ndarray
    without: np.ndarray
    angles: np.ndarray
    shift: np.ndarray
    envelope: np.ndarray


def full_expression(emotion: str, variant: int = 0) -> dict[str, float]:
    """The weights of an emotion's full expression, silent; `variant` chooses among its manners."""
    variants = EXPRESSIONS[emotion]
    return (REST if emotion == "neutral" else {}) | variants[variant % len(variants)]


def vector(weights: dict[str, float]) -> np.ndarray:
    """Blendshape weights [52] from names, sided or not."""
    names = rig().names
    row = np.zeros(len(names), np.float32)
    for name, weight in weights.items():
        for sided in (name, f"{name}Left", f"{name}Right"):
            if sided in names:
                row[names.index(sided)] = weight
    return row


def act(
    plan: Plan,
    phonemes: tuple[str, ...],
    edges: np.ndarray,
    seconds: float,
    rng: np.random.Generator,
    habit_rng: np.random.Generator,
) -> Performance:
    """The face of a plan whose lips form `phonemes` between `edges` [P + 1] (seconds), in a clip of `seconds`."""
    count = int(np.ceil(seconds * FPS))
    times = (np.arange(count) + 0.5) / FPS
    envelope = course(times / seconds, plan)
    emotion = _emotion(plan, rng)
    habit = vector({
        "browDown": habit_rng.uniform(0, 0.1), "browInnerUp": habit_rng.uniform(0, 0.12), "mouthSmile": habit_rng.uniform(0, 0.1),
        "mouthFrown": habit_rng.uniform(0, 0.08), "eyeSquint": habit_rng.uniform(0, 0.12),
    })  # fmt: skip
    without = habit + vector(REST) + SPEECH_SHARE * _speech(phonemes, edges, times) + _blinks(times, rng) + _gaze(times, rng)
    # A strong expression leaves the lips less room to speak.
    strength = (envelope * min(plan.face_level, 1.0))[:, None]
    calm = np.where(np.array([name.startswith(("mouth", "jaw")) for name in rig().names]), 1 - 0.5 * strength, 1.0)
    weights = (without - strength * vector(REST)) * calm + envelope[:, None] * emotion
    weights = np.clip(weights, 0, 1).astype(np.float32)
    if plan.visual_emotion == "neutral" and not plan.second:
        weights = np.clip(without, 0, 1).astype(np.float32)
    angles, shift = _head(plan, times, envelope, rng)
    return Performance(times, weights, np.clip(without, 0, 1).astype(np.float32), angles, shift, envelope)


def course(place: np.ndarray, plan: Plan) -> np.ndarray:
    """Strength of the emotion, 0 to 1, at places 0..1 of the clip: it rises, stays and goes."""
    knots = (plan.onset, plan.apex_start, plan.apex_end, plan.offset)
    ramp = np.interp(place, knots, (0.0, 1.0, 1.0, 0.15))
    return ramp * ramp * (3 - 2 * ramp)


def _emotion(plan: Plan, rng: np.random.Generator) -> np.ndarray:
    """Blendshape weights [52] of the plan's full expression, in this clip's own manner."""
    target = _variant(plan.visual_emotion, rng)
    if plan.second:
        target = (1 - plan.second_share) * target + plan.second_share * _variant(plan.second, rng)
    names = rig().names
    manner = np.exp(rng.normal(0, 0.12, len(names)))
    lean = rng.normal(0, 0.08)
    sides = np.array([1 + lean if n.endswith("Left") else 1 - lean if n.endswith("Right") else 1 for n in names])
    # Both sides of a face move together but for the lean.
    for index, name in enumerate(names):
        if name.endswith("Right"):
            manner[index] = manner[names.index(name.replace("Right", "Left"))]
    return (target * manner * sides * plan.face_level).astype(np.float32)


def _variant(emotion: str, rng: np.random.Generator) -> np.ndarray:
    variants = EXPRESSIONS[emotion]
    return vector(variants[rng.integers(len(variants))])


def _speech(phonemes: tuple[str, ...], edges: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Lip-sync [F, 52]: each phoneme's shape, blurred in time as neighbours colour each other."""
    step = 0.01
    clock = np.arange(0, times[-1] + 0.3, step)
    dense = np.zeros((len(clock), len(rig().names)), np.float32)
    for name, start, stop in zip(phonemes, edges[:-1], edges[1:], strict=True):
        dense[(clock >= start) & (clock < stop)] = vector(VISEMES[_shape(name)])
    kernel = np.exp(-0.5 * (np.arange(-10, 11) * step / 0.035) ** 2)
    kernel /= kernel.sum()
    active = np.flatnonzero(dense.any(0))
    for column in active:
        dense[:, column] = np.convolve(dense[:, column], kernel, mode="same")
    return dense[np.searchsorted(clock, times).clip(0, len(clock) - 1)]


def _shape(phoneme: str) -> str:
    bare = phoneme.lstrip("',%=_|!") or "_"
    for length in range(len(bare), 0, -1):
        if bare[:length] in _SHAPE_OF:
            return _SHAPE_OF[bare[:length]]
    return "rest"


def _blinks(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    closed = np.zeros(len(times))
    moment = rng.uniform(0.2, 2.5)
    while moment < times[-1]:
        closed = np.maximum(closed, np.exp(-0.5 * ((times - moment) / 0.045) ** 2))
        moment += rng.uniform(1.5, 4.0)
    return closed[:, None] * vector({"eyeBlink": 1.0})


def _gaze(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Small, sudden turns of both eyes."""
    jumps = np.floor(times / rng.uniform(0.5, 0.9)).astype(int)
    side = rng.normal(0, 0.1, jumps.max() + 1)[jumps]
    left = vector({"eyeLookOutLeft": 1.0, "eyeLookInRight": 1.0})
    right = vector({"eyeLookInLeft": 1.0, "eyeLookOutRight": 1.0})
    return np.maximum(side, 0)[:, None] * left + np.maximum(-side, 0)[:, None] * right


def _head(plan: Plan, times: np.ndarray, envelope: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Head angles [F, 3] and shift [F, 3]: the plan's pose, slow sway, and a little of the emotion."""
    sway = np.zeros((len(times), 6))
    for speed in (0.35, 0.8, 1.7):
        sway += rng.normal(0, 1, 6) * np.sin(2 * np.pi * speed * times[:, None] + rng.uniform(0, 6.28, 6)) / (1 + speed)
    lean = {"sadness": (0, 4, 2), "fear": (0, -2, 0), "disgust": (3, -2, 2), "anger": (0, 3, 0), "happiness": (0, -2, 2)}
    emotional = np.array(lean.get(plan.visual_emotion, (0, 0, 0))) * rng.uniform(-0.2, 1.2) * plan.face_level
    angles = np.array(plan.angles) + sway[:, :3] * (2.0, 1.4, 0.9) + envelope[:, None] * emotional
    shift = np.array(plan.shift) + sway[:, 3:] * (0.012, 0.01, 0.02)
    return angles.clip(-20, 20).astype(np.float32), shift.astype(np.float32)
