"""From a plan to blendshape curves: the emotion over time, lip-sync, blinks, gaze and head motion.

Expressions follow FACS (Ekman and Friesen) in ARKit's names. A name without a side means both sides. Weights were tuned on
training identities only, by a search that maximised the classification by a model of real faces (mini-XCEPTION on FER2013), with
a penalty for deviating from the textbook expression.
"""

from dataclasses import dataclass

import numpy as np

from affectscope.core.corpora.demo.puppet import rig
from affectscope.core.corpora.demo.script import Plan

FPS = 25

# Several variants per emotion: restrained and open, mouth closed and with teeth, asymmetric.
EXPRESSIONS: dict[str, tuple[dict[str, float], ...]] = {
    "anger": (
        {"browDown": 0.9, "eyeSquint": 0.4, "eyeWide": 0.25, "noseSneer": 0.6, "mouthPress": 0.45, "mouthFrown": 0.32,
         "mouthRollLower": 0.25, "mouthShrugLower": 0.2},
        {"browDown": 0.9, "noseSneer": 0.75, "mouthUpperUp": 0.65, "mouthLowerDown": 0.45, "jawOpen": 0.25, "mouthStretch": 0.22,
         "eyeSquint": 0.25, "eyeWide": 0.2},
        {"browDown": 0.9, "eyeWide": 0.26, "jawOpen": 0.36, "mouthUpperUp": 0.7, "mouthLowerDown": 0.5, "noseSneer": 0.48,
         "mouthFrown": 0.1, "jawForward": 0.1},
        {"browDown": 0.9, "eyeWide": 0.4, "mouthFrown": 0.35, "jawForward": 0.27, "mouthPress": 0.35, "noseSneer": 0.45,
         "cheekSquint": 0.15},
    ),
    "disgust": (
        {"noseSneer": 0.85, "cheekSquint": 0.85, "mouthUpperUp": 0.6, "mouthFrown": 0.55, "eyeSquint": 0.8, "browDown": 0.08,
         "mouthShrugLower": 0.75, "eyeBlink": 0.2, "tongueOut": 0.2},
        {"noseSneer": 0.85, "mouthUpperUp": 0.7, "tongueOut": 0.35, "mouthLowerDown": 0.25, "eyeSquint": 0.7, "cheekSquint": 0.8,
         "eyeBlink": 0.22, "mouthFrown": 0.3, "mouthShrugLower": 0.35},
        {"noseSneerLeft": 0.95, "noseSneerRight": 0.7, "mouthUpperUpLeft": 0.85, "mouthUpperUpRight": 0.45, "mouthFrown": 0.55,
         "eyeSquint": 0.7, "browDown": 0.1, "cheekSquint": 0.8, "eyeBlink": 0.2, "mouthShrugLower": 0.5},
        {"noseSneer": 0.85, "mouthShrugUpper": 0.35, "mouthShrugLower": 0.85, "mouthFrown": 0.68, "eyeSquint": 0.75,
         "cheekSquint": 0.7, "mouthUpperUp": 0.55, "eyeBlink": 0.22},
    ),
    "fear": (
        {"browInnerUp": 0.95, "browDown": 0.5, "eyeWide": 0.9, "mouthStretch": 0.65, "jawOpen": 0.17, "mouthLowerDown": 0.25,
         "mouthFrown": 0.25},
        {"browInnerUp": 0.85, "eyeWide": 0.9, "mouthStretch": 0.6, "mouthFrown": 0.55, "browOuterUp": 0.1, "jawOpen": 0.22,
         "mouthLowerDown": 0.12, "browDown": 0.25},
        {"browInnerUp": 0.95, "eyeWide": 0.75, "jawOpen": 0.38, "mouthStretch": 0.72, "browDown": 0.15, "mouthFrown": 0.34},
        {"browInnerUp": 0.85, "browDown": 0.25, "eyeWide": 0.8, "mouthStretch": 0.9, "mouthLowerDown": 0.6, "mouthUpperUp": 0.3,
         "jawOpen": 0.2, "mouthFrown": 0.14},
    ),
    "happiness": (
        {"mouthSmile": 0.85, "cheekSquint": 0.35, "eyeSquint": 0.32, "mouthDimple": 0.6, "mouthLowerDown": 0.15,
         "mouthUpperUp": 0.6},
        {"mouthSmile": 0.9, "mouthUpperUp": 0.7, "cheekSquint": 0.6, "eyeSquint": 0.3, "jawOpen": 0.15, "mouthDimple": 0.55},
        {"mouthSmile": 0.9, "jawOpen": 0.28, "mouthUpperUp": 0.55, "mouthLowerDown": 0.2, "cheekSquint": 0.55, "eyeSquint": 0.5,
         "mouthDimple": 0.5, "mouthStretch": 0.25},
        {"mouthSmileLeft": 0.95, "mouthSmileRight": 0.75, "mouthDimpleLeft": 0.7, "mouthDimpleRight": 0.5,
         "cheekSquintLeft": 0.55, "cheekSquintRight": 0.4, "eyeSquint": 0.35, "mouthUpperUpLeft": 0.6, "mouthUpperUpRight": 0.45},
    ),
    "neutral": ({},),
    "sadness": (
        {"browInnerUp": 0.9, "mouthFrown": 0.75, "eyeBlink": 0.2, "mouthShrugLower": 0.25, "jawOpen": 0.08, "mouthStretch": 0.2,
         "browDown": 0.12},
        {"browInnerUp": 0.9, "mouthShrugLower": 0.6, "mouthFrown": 0.55, "mouthRollLower": 0.3, "eyeSquint": 0.3,
         "mouthStretch": 0.3},
        {"browInnerUp": 0.9, "browDown": 0.3, "eyeSquint": 0.53, "mouthStretch": 0.55, "mouthFrown": 0.68, "cheekSquint": 0.3,
         "jawOpen": 0.05},
        {"browInnerUp": 0.85, "eyeBlink": 0.25, "eyeLookDown": 0.2, "mouthFrown": 0.75, "eyeSquint": 0.33, "cheekSquint": 0.12,
         "mouthStretch": 0.35},
    ),
}  # fmt: skip
# The face at rest, which an expression replaces.
REST = {"browOuterUp": 0.36, "mouthPress": 0.5, "eyeWide": 0.17, "mouthSmile": 0.04}

# espeak-ng's phonemes by lip shape; matched by the longest known prefix, ignoring stress marks.
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
# Scale of jaw opening in speech, which is smaller than one expects.
SPEECH_SHARE = 0.68


@dataclass(frozen=True)
class Performance:
    """The face's motion.

    `weights` and `without` (the same without the emotion) [F, 52], `angles` [F, 3] in degrees, `shift` [F, 3] in dm, `envelope`
    [F] of the emotion in 0..1, `times` [F] seconds (frame centres).
    """

    times: np.ndarray
    weights: np.ndarray
    without: np.ndarray
    angles: np.ndarray
    shift: np.ndarray
    envelope: np.ndarray


def full_expression(emotion: str, variant: int = 0) -> dict[str, float]:
    """The weights of an emotion's full expression, without speech."""
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
    """The face for a plan whose lips form `phonemes` between `edges` [P + 1] (seconds), in a clip of `seconds`."""
    count = int(np.ceil(seconds * FPS))
    times = (np.arange(count) + 0.5) / FPS
    envelope = course(times / seconds, plan)
    names = rig().names
    habit = vector({
        "browDown": habit_rng.uniform(0, 0.1), "browInnerUp": habit_rng.uniform(0, 0.12), "mouthSmile": habit_rng.uniform(0, 0.1),
        "mouthFrown": habit_rng.uniform(0, 0.05), "eyeSquint": habit_rng.uniform(0, 0.12),
    })  # fmt: skip
    emotion = _emotion(plan, rng, habit_rng)
    angles, shift = _head(plan, phonemes, edges, times, envelope, rng)
    without = habit + vector(REST) + SPEECH_SHARE * _speech(phonemes, edges, times) + _beats(phonemes, edges, times, rng)
    without += _gaze(times, angles, rng)
    # Brows and lids need not move with the mouth: each region lags a little, and never leads.
    mouth = np.array([name.startswith(("mouth", "jaw", "tongue")) for name in names])
    delays = np.where(mouth, rng.uniform(0, 0.08), rng.uniform(0, 0.08)) / seconds
    strength = np.stack([course(times / seconds - delay, plan) for delay in delays], 1)
    # A strong expression reduces the lips' motion in speech.
    speaking = np.where(mouth, 1 - 0.5 * strength * min(plan.face_level, 1.0), 1.0)
    weights = (without - strength * min(plan.face_level, 1.0) * vector(REST)) * speaking + strength * emotion
    if plan.visual_emotion == "neutral" and not plan.second:
        weights = without
    blinks = _blinks(times, rng)
    weights, without = (np.clip(_blinked(array, blinks), 0, 1).astype(np.float32) for array in (weights, without))
    return Performance(times, weights, without, angles, shift, envelope)


def course(place: np.ndarray, plan: Plan) -> np.ndarray:
    """The emotion's strength, 0 to 1, at places 0..1 of the clip: rise, hold, fall."""
    knots = (plan.onset, plan.apex_start, plan.apex_end, plan.offset)
    ramp = np.interp(place, knots, (0.0, 1.0, 1.0, 0.15))
    return ramp * ramp * (3 - 2 * ramp)


def _emotion(plan: Plan, rng: np.random.Generator, habit_rng: np.random.Generator) -> np.ndarray:
    """Blendshape weights [52] of the plan's full expression, with this person's and this clip's variation."""
    liking = {emotion: habit_rng.dirichlet(np.full(len(manners), 1.5)) for emotion, manners in EXPRESSIONS.items()}
    vivid, crooked = habit_rng.uniform(0.88, 1.1), habit_rng.normal(0, 0.06)
    target = _mixture(plan.visual_emotion, liking, rng)
    if plan.second:
        target = (1 - plan.second_share) * target + plan.second_share * _mixture(plan.second, liking, rng)
    names = rig().names
    manner = np.exp(rng.normal(0, 0.16, len(names)))
    # Both sides of a face move together except for an asymmetry, which may differ between brows and mouth.
    leans = {True: crooked + rng.normal(0, 0.08), False: crooked + rng.normal(0, 0.08)}
    sides = np.ones(len(names))
    for index, name in enumerate(names):
        lean = leans[name.startswith(("mouth", "jaw"))]
        if name.endswith("Right"):
            manner[index] = manner[names.index(name.replace("Right", "Left"))]
            sides[index] = 1 - lean
        elif name.endswith("Left"):
            sides[index] = 1 + lean
    return (target * manner * sides * vivid * plan.face_level).astype(np.float32)


def _mixture(emotion: str, liking: dict[str, np.ndarray], rng: np.random.Generator) -> np.ndarray:
    """An expression [52] between two variants of an emotion, drawn by the person's preferences."""
    manners = EXPRESSIONS[emotion]
    chance = 0.65 * liking[emotion] + 0.35 / len(manners)
    first, second = rng.choice(len(manners), 2, p=chance / chance.sum())
    share = rng.uniform(0.6, 1.0)
    mixed = share * vector(manners[first]) + (1 - share) * vector(manners[second])
    if rng.random() < 0.5:
        # Mirror asymmetric variants half of the time.
        names = rig().names
        other = {"Left": "Right", "Right": "Left"}
        swapped = [next((n.removesuffix(a) + b for a, b in other.items() if n.endswith(a)), n) for n in names]
        mixed = mixed[[names.index(name) if name in names else i for i, name in enumerate(swapped)]]
    return mixed


def _speech(phonemes: tuple[str, ...], edges: np.ndarray, times: np.ndarray) -> np.ndarray:
    """Lip-sync [F, 52]: each phoneme's shape, blurred in time to simulate coarticulation."""
    step = 0.01
    clock = np.arange(0, times[-1] + 0.3, step)
    dense = np.zeros((len(clock), len(rig().names)), np.float32)
    for name, start, stop in zip(phonemes, edges[:-1], edges[1:], strict=True):
        dense[(clock >= start) & (clock < stop)] = vector(VISEMES[shape_of(name)])
    kernel = np.exp(-0.5 * (np.arange(-10, 11) * step / 0.035) ** 2)
    kernel /= kernel.sum()
    active = np.flatnonzero(dense.any(0))
    for column in active:
        dense[:, column] = np.convolve(dense[:, column], kernel, mode="same")
    return dense[np.searchsorted(clock, times).clip(0, len(clock) - 1)]


def shape_of(phoneme: str) -> str:
    """The lip shape, a key of `VISEMES`, for a phoneme by espeak-ng's name."""
    bare = phoneme.lstrip("',%=_|!") or "_"
    for length in range(len(bare), 0, -1):
        if bare[:length] in _SHAPE_OF:
            return _SHAPE_OF[bare[:length]]
    return "rest"


def _blinks(times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How far the lids are closed [F], 0 to 1.

    They close in 0.1 s and open in 0.2 s (VanderWerf et al. 2003, Eyelid movements), about every three seconds of speech.
    """
    closed = np.zeros(len(times))
    moment = rng.uniform(0.1, 3.0)
    while moment < times[-1]:
        depth = rng.choice([1.0, 0.75], p=[0.85, 0.15])
        ramp = np.interp(times - moment, (0.0, 0.08, 0.12, 0.31), (0.0, 1.0, 1.0, 0.0))
        closed = np.maximum(closed, depth * ramp * ramp * (3 - 2 * ramp))
        moment += 0.4 + rng.gamma(2.2, 1.3)
    return closed


def _blinked(weights: np.ndarray, closed: np.ndarray) -> np.ndarray:
    """The face [F, 52] with lids closed as far as `closed` [F], overriding what else moves them."""
    names = rig().names
    weights = weights.copy()
    for side in ("Left", "Right"):
        lid = names.index(f"eyeBlink{side}")
        weights[:, lid] = np.maximum(weights[:, lid], closed)
        for other, share in (("eyeWide", 1.0), ("eyeSquint", 0.6)):
            weights[:, names.index(other + side)] *= 1 - share * closed
    return weights


def _gaze(times: np.ndarray, angles: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Both eyes [F, 52]: on the camera, compensating the head's `angles` [F, 3], with saccades and rare glances elsewhere."""
    side, up = -angles[:, 0].astype(float), angles[:, 1].astype(float)
    moment, away = 0.0, False
    while moment < times[-1]:
        stay = rng.uniform(0.25, 0.6) if away else rng.uniform(0.3, 1.2)
        jump = rng.normal(0, (7.0, 4.0)) - (0, 2) if away else rng.normal(0, (1.1, 0.7))
        during = (times >= moment) & (times < moment + stay)
        side[during] += jump[0]
        up[during] += jump[1]
        moment, away = moment + stay, not away and rng.random() < 0.08
    field = np.zeros((len(times), len(rig().names)))
    for names, turn, reach in (
        (("eyeLookOutLeft", "eyeLookInRight"), side, 22.0), (("eyeLookInLeft", "eyeLookOutRight"), -side, 22.0),
        (("eyeLookUpLeft", "eyeLookUpRight"), up, 11.0), (("eyeLookDownLeft", "eyeLookDownRight"), -up, 17.0),
    ):  # fmt: skip
        for name in names:
            field[:, rig().names.index(name)] = np.clip(turn / reach, 0, 0.9)
    return field


def _stresses(phonemes: tuple[str, ...], edges: np.ndarray) -> np.ndarray:
    """Centre times [S] in seconds of the stressed phonemes, or if none is marked, of every fourth."""
    middles = (edges[:-1] + edges[1:]) / 2
    marked = [index for index, name in enumerate(phonemes) if name.startswith("'")]
    spoken = [index for index, name in enumerate(phonemes) if shape_of(name) != "rest"]
    return middles[marked or spoken[1::4]]


def _beats(phonemes: tuple[str, ...], edges: np.ndarray, times: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Brows [F, 52] that rise slightly with some stressed words."""
    field = np.zeros(len(times))
    for moment in _stresses(phonemes, edges):
        field += max(0.0, rng.normal(0.03, 0.09)) * np.exp(-0.5 * ((times - moment) / 0.13) ** 2)
    return field[:, None] * vector({"browInnerUp": 0.8, "browOuterUp": 1.0})


def _head(
    plan: Plan, phonemes: tuple[str, ...], edges: np.ndarray, times: np.ndarray, envelope: np.ndarray, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Head angles [F, 3] and shift [F, 3]: the plan's pose, slow sway, nods on stressed words, and some of the emotion.

    Nods follow Munhall et al. 2004, Visual prosody.
    """
    sway = np.zeros((len(times), 6))
    for speed in (0.35, 0.8, 1.7):
        sway += rng.normal(0, 1, 6) * np.sin(2 * np.pi * speed * times[:, None] + rng.uniform(0, 6.28, 6)) / (1 + speed)
    lean = {"sadness": (0, 4, 2), "fear": (0, -2, 0), "disgust": (3, -2, 2), "anger": (0, 3, 0), "happiness": (0, -2, 2)}
    emotional = np.array(lean.get(plan.visual_emotion, (0, 0, 0))) * rng.uniform(-0.2, 1.2) * plan.face_level
    angles = np.array(plan.angles) + sway[:, :3] * (2.0, 1.4, 0.9) + envelope[:, None] * emotional
    lively = 0.6 if plan.visual_emotion == "sadness" else 1.0
    for moment in _stresses(phonemes, edges):
        nod = np.exp(-0.5 * ((times - moment - 0.04) / 0.11) ** 2)
        angles = angles + lively * nod[:, None] * rng.normal((0.0, 1.4, 0.0), (0.6, 0.8, 0.5))
    shift = np.array(plan.shift) + sway[:, 3:] * (0.012, 0.01, 0.02)
    return angles.clip(-20, 20).astype(np.float32), shift.astype(np.float32)
