"""The fixed roster: 36 fictional people, each with a face and a voice.

28 are for training and 8 are held out, independent of the seed, so that a model trained on one corpus never meets a held-out
person in another. Sex, age and ancestry are balanced by hand, the rest is drawn once from a fixed seed.
"""

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np

from affectscope.core.corpora.demo.recorded import VOICES as RECORDED

Group = Literal["train", "held-out"]
ROSTER_SEED = 20_262
TRAIN, HELD_OUT = 28, 8

# Skin in sRGB and hair, by ancestry: (african, asian, caucasian) weights -> lightest and darkest skin.
ANCESTRIES = {
    "african": ((1.0, 0.0, 0.0), (0.50, 0.33, 0.24), (0.66, 0.46, 0.34)),
    "asian": ((0.0, 1.0, 0.0), (0.84, 0.66, 0.52), (0.93, 0.77, 0.64)),
    "caucasian": ((0.0, 0.0, 1.0), (0.88, 0.69, 0.59), (0.95, 0.79, 0.70)),
    "mixed": ((0.4, 0.2, 0.4), (0.66, 0.47, 0.36), (0.82, 0.62, 0.49)),
    "south-asian": ((0.15, 0.35, 0.5), (0.60, 0.43, 0.32), (0.77, 0.58, 0.45)),
}
DARK_HAIR = ((0.07, 0.055, 0.05), (0.13, 0.085, 0.06), (0.20, 0.13, 0.085))
FAIR_HAIR = ((0.30, 0.19, 0.11), (0.42, 0.28, 0.15), (0.62, 0.48, 0.28), (0.40, 0.18, 0.09))
EYES = ((0.22, 0.12, 0.06), (0.30, 0.18, 0.09), (0.24, 0.33, 0.20), (0.25, 0.38, 0.52), (0.36, 0.40, 0.42))
HAIR_STYLES = {"male": ("short", "crop", "swept", "receding", "bald", "afro"), "female": ("long", "bob", "bun", "afro", "short")}
# Recorded voices (see `recorded`) and espeak-ng's, alternating. If the person's sex differs from the voice's, formants are
# shifted. Held-out people, whose clips are part of the project, have voices under unrestricted licences.
VOICES = {
    ("t", "male"): ("awb", "pc", "rms", "machac", "kal", "mv", "espeak m3", "ked", "ph", "russian", "rms", "espeak Michael",
                    "slt", "awb"),
    ("t", "female"): ("slt", "lp", "ona", "dita", "slt-hts", "lj", "espeak f2", "rms", "slt", "lp", "ona", "kal", "espeak linda",
                      "dita"),
    ("h", "male"): ("rms", "ked", "awb", "espeak m7"),
    ("h", "female"): ("slt", "slt-hts", "slt", "espeak f4"),
}  # fmt: skip


@dataclass(frozen=True)
class Voice:
    """A source voice (`source`: a name in `recorded.VOICES`, or "espeak" and a variant) and a person's modifications.

    `pitch` its median in Hz, `tempo` log2 of the speed, `formants` the factor on formant frequencies, `tilt` dB per octave above
    500 Hz, `breath` -1..1, `lively` the factor on pitch movements.
    """

    source: str
    pitch: float
    tempo: float
    formants: float
    tilt: float
    breath: float
    lively: float


@dataclass(frozen=True)
class Identity:
    """One person. Colours are sRGB in 0..1; `shape` maps MPFB shape targets to weights."""

    name: str
    sex: str
    age: int
    ancestry: str
    skin: tuple[float, ...]
    hair: tuple[float, ...]
    hair_style: str
    eyes: tuple[float, ...]
    brow_weight: float
    beard: float
    lips: float
    voice: Voice
    shape: dict[str, float] = field(hash=False, default_factory=dict)


@lru_cache(maxsize=1)
def roster() -> tuple[Identity, ...]:
    """All 36 identities, the 28 for training first."""
    rng = np.random.default_rng(ROSTER_SEED)
    kinds = list(ANCESTRIES)
    ages = {"female": (22, 27, 31, 36, 41, 48, 55, 63, 70), "male": (23, 26, 33, 38, 44, 50, 57, 64, 72)}
    used = {"female": 0, "male": 0}
    people = []
    for number in range(TRAIN + HELD_OUT):
        sex = ("female", "male")[number % 2]
        group, index = ("t", number) if number < TRAIN else ("h", number - TRAIN)
        age = ages[sex][(used[sex] * 4 + number // 18) % 9]
        ancestry = kinds[(number // 2 + (number % 2) * 2) % len(kinds)]
        people.append(_person(f"{group}{index + 1:02d}", sex, age, ancestry, used[sex], rng))
        used[sex] += 1
    return tuple(people)


def people(group: Group) -> tuple[Identity, ...]:
    """The identities of one group; the two groups share nobody."""
    return roster()[:TRAIN] if group == "train" else roster()[TRAIN:]


def _person(name: str, sex: str, age: int, ancestry: str, number: int, rng: np.random.Generator) -> Identity:
    _, dark, light = ANCESTRIES[ancestry]
    mix = rng.random()
    skin = tuple(float(a + (b - a) * mix) for a, b in zip(dark, light, strict=True))
    palette = DARK_HAIR + FAIR_HAIR if ancestry == "caucasian" else DARK_HAIR[: 3 if ancestry == "mixed" else 2]
    hair = np.array(palette[rng.integers(len(palette))])
    grey = np.clip((age - 45) / 25 + rng.normal(0, 0.2), 0, 0.9)
    hair = hair + (np.array([0.66, 0.65, 0.63]) - hair) * grey
    styles = [style for style in HAIR_STYLES[sex] if style != "afro" or ancestry in ("african", "mixed")]
    styles = [style for style in styles if style not in ("receding", "bald") or age > 35]
    eyes = EYES[rng.integers(len(EYES))] if ancestry == "caucasian" else EYES[rng.integers(2)]
    return Identity(
        name=name, sex=sex, age=age, ancestry=ancestry, skin=skin, hair=tuple(float(c) for c in hair),
        hair_style=styles[rng.integers(len(styles))], eyes=eyes,
        brow_weight=float(rng.uniform(0.85, 1.25) if sex == "male" else rng.uniform(0.65, 0.95)),
        beard=float(rng.choice([0.0, 0.15, 0.35, 0.8], p=[0.35, 0.3, 0.2, 0.15])) if sex == "male" else 0.0,
        lips=float(rng.uniform(0.15, 0.55) if sex == "female" else rng.uniform(0.0, 0.2)),
        voice=_voice(name, sex, age, number, rng), shape=_shape(sex, age, ancestry, rng),
    )  # fmt: skip


def _voice(name: str, sex: str, age: int, number: int, rng: np.random.Generator) -> Voice:
    sources = VOICES[name[0], sex]
    source = sources[(number if name[0] == "t" else number - TRAIN // 2) % len(sources)]
    given = RECORDED[source].sex if source in RECORDED else sex
    crossed = 1.0 if given == sex else 1.17 if sex == "female" else 0.86
    # Kept although unused, so that all later random draws, and therefore faces, are unchanged.
    spread = rng.uniform(-1, 1, 5)
    middle, width = (112, 0.22) if sex == "male" else (196, 0.16)
    return Voice(
        source=source,
        pitch=float(middle * np.exp(width * spread[0])),
        tempo=float(0.15 * spread[1] - max(0, age - 50) * 0.005),
        formants=float(crossed * np.exp(0.06 * spread[2])),
        tilt=float(1.5 * spread[3]),
        breath=float(0.2 * spread[4]),
        lively=float(np.exp(0.25 * np.sin(7 * number))),
    )


def _shape(sex: str, age: int, ancestry: str, rng: np.random.Generator) -> dict[str, float]:
    """Weights of shape targets: MakeHuman's macro targets, then a random face."""
    old = float(np.clip((age - 25) / 65, 0, 1))
    weights: dict[str, float] = {}
    for race, part in zip(("african", "asian", "caucasian"), ANCESTRIES[ancestry][0], strict=True):
        for stage, share in (("young", 1 - old), ("old", old)):
            if part * share > 0.02:
                weights[f"macrodetails/{race}-{sex}-{stage}"] = part * share
    build = rng.uniform(-0.6, 0.8)
    body = "averageweight" if abs(build) < 0.1 else ("maxweight" if build > 0 else "minweight")
    for stage, share in (("young", 1 - old), ("old", old)):
        stem = f"macrodetails/universal-{sex}-{stage}-averagemuscle"
        weights[f"{stem}-{body}"] = share * abs(build)
        weights[f"{stem}-averageweight"] = weights.get(f"{stem}-averageweight", 0) + share * (1 - abs(build))
    pairs = (
        ("head/head-fat", "decr", "incr"), ("head/head-scale-horiz", "decr", "incr"), ("head/head-scale-vert", "decr", "incr"),
        ("nose/nose-hump", "decr", "incr"), ("nose/nose-volume", "decr", "incr"), ("nose/nose-scale-horiz", "decr", "incr"),
        ("nose/nose-scale-vert", "decr", "incr"), ("nose/nose-point", "down", "up"), ("nose/nose-greek", "decr", "incr"),
        ("mouth/mouth-scale-horiz", "decr", "incr"), ("mouth/mouth-lowerlip-volume", "decr", "incr"),
        ("mouth/mouth-upperlip-volume", "decr", "incr"), ("mouth/mouth-trans", "down", "up"),
        ("chin/chin-width", "decr", "incr"), ("chin/chin-height", "decr", "incr"), ("chin/chin-bones", "decr", "incr"),
        ("chin/chin-prominent", "decr", "incr"), ("eyebrows/eyebrows-trans", "down", "up"),
        ("forehead/forehead-scale-vert", "decr", "incr"), ("forehead/forehead-temple", "decr", "incr"),
    )  # fmt: skip
    sided = (
        ("cheek/{}-cheek-bones", "decr", "incr"), ("cheek/{}-cheek-volume", "decr", "incr"),
        ("eyes/{}-eye-scale", "decr", "incr"), ("eyes/{}-eye-trans", "in", "out"), ("eyes/{}-eye-height2", "decr", "incr"),
        ("eyes/{}-eye-corner2", "down", "up"), ("eyes/{}-eye-eyefold", "down", "up"),
    )  # fmt: skip
    for stem, low, high in pairs:
        weights.update(_signed(stem, low, high, rng.normal(0, 0.32)))
    for stem, low, high in sided:
        value = rng.normal(0, 0.3)
        for side in "lr":
            weights.update(_signed(stem.format(side), low, high, value))
    outline = rng.choice(["oval", "round", "square", "rectangular", "diamond", "triangular", "invertedtriangular"])
    weights[f"head/head-{outline}"] = float(rng.uniform(0.2, 0.7))
    return {name: float(weight) for name, weight in weights.items() if abs(weight) > 0.01}


def _signed(stem: str, low: str, high: str, value: float) -> dict[str, float]:
    value = float(np.clip(value, -0.8, 0.8))
    return {f"{stem}-{high if value > 0 else low}": abs(value)}
