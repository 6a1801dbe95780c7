"""How emotions change a voice, from the literature.

Values are relative to the speaker's own neutral voice, for acted, full emotion (level 1):

- Burkhardt & Sendlmeier 2000 (perception of formant-synthesised German; figures as tabled by Schroeder 2001): joy, mean pitch +50
  % (7 semitones), range +100 %, tempo +30 %, formants 1 and 2 +10 % (spread lips), stressed syllables raised, those between
  lowered; fear, mean pitch up to +150 %, range +20 %, tempo +30 %, falsetto; anger fast, tense, stressed syllables raised;
  sadness slower, narrower, breathy or trembling.
- Banse & Scherer 1996 (Tables 5 and 6, 14 emotions by 12 actors): pitch highest in panic, despair, elation and hot anger, lowest
  in contempt and boredom; energy highest in hot anger, elation, despair, lowest in shame and sadness; energy below 1 kHz least in
  hot anger and panic, most in sadness; disgust in between, slow.
- Juslin & Laukka 2003 (Table 11, review of 104 studies): anger fast, loud, varied, much high-frequency energy, open formants,
  rising; fear fast, high, little pitch variability, much variability of loudness, irregular; happiness fast, medium loud, high,
  much variability, regular, rising; sadness slow, quiet, little high-frequency energy, low, narrow, falling, with pauses,
  irregular.
- Murray & Arnott 1993 (Table 1): disgust very much slower, lower, quieter, grumbled, falling at the end.

Emotions are expressed in several ways: each has several variants, a person mixes them by their own habit, and each clip varies.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Manner:
    """Changes relative to the neutral voice.

    `pitch` in semitones; `range_` as a factor's log2; `accent` semitones on stressed syllables; `slope` semitones over the
    sentence (falling below 0); `tempo` as log2 of speed; `drawl` log2 of the factor on stressed vowels' length; `effort` around 0
    (1: shouted; tilt, first formant, lows); `open_` log2 of formant 1's factor; `smile` log2 of the upper formants'; `breath`
    -1..1; `tremor` semitones at 5-8 Hz; `jitter` and `creak` semitones per frame; `shimmer` dB; `energy` dB; `dynamics` log2 of
    the factor on loudness differences.
    """

    pitch: float = 0.0
    range_: float = 0.0
    accent: float = 0.0
    slope: float = 0.0
    tempo: float = 0.0
    drawl: float = 0.0
    effort: float = 0.0
    open_: float = 0.0
    smile: float = 0.0
    breath: float = 0.0
    tremor: float = 0.0
    jitter: float = 0.0
    creak: float = 0.0
    shimmer: float = 0.0
    energy: float = 0.0
    dynamics: float = 0.0


MANNERS: dict[str, tuple[Manner, ...]] = {
    "neutral": (Manner(),),
    "anger": (
        # Hot.
        Manner(pitch=8, range_=0.55, accent=3.5, slope=-1, tempo=0.12, effort=1.4, open_=0.18, breath=-0.3, jitter=0.1,
               shimmer=0.4, energy=9, dynamics=0.25),
        # Held back.
        Manner(pitch=4, range_=0.4, accent=3, slope=-2, tempo=-0.05, drawl=0.1, effort=1.1, open_=0.12, breath=-0.3, jitter=0.1,
               shimmer=0.3, energy=6, dynamics=0.3),
    ),
    "happiness": (
        # Elated.
        Manner(pitch=8, range_=0.9, accent=3.5, slope=1.5, tempo=0.12, drawl=0.1, effort=0.6, open_=0.08, smile=0.07, energy=6,
               dynamics=0.1),
        # Pleased.
        Manner(pitch=5, range_=0.75, accent=2.5, slope=1.5, tempo=0.05, effort=0.35, smile=0.08, breath=0.05, energy=3.5),
    ),
    "fear": (
        # Panic.
        Manner(pitch=9, range_=0.1, accent=0.5, slope=1, tempo=0.3, effort=0.4, breath=0.05, tremor=0.4, jitter=0.3,
               shimmer=1.0, energy=4, dynamics=-0.1),
        # Anxious.
        Manner(pitch=5, range_=0.0, slope=1, tempo=0.25, effort=0.0, breath=0.3, tremor=0.5, jitter=0.35, shimmer=1.2,
               energy=-2, dynamics=0.1),
    ),
    "disgust": (
        # Drawn out.
        Manner(pitch=1.5, range_=0.2, accent=1.5, slope=-3, tempo=-0.35, drawl=0.4, effort=0.4, smile=-0.05, creak=0.6,
               jitter=0.3, shimmer=1.2, energy=1, dynamics=0.2),
        # Grumbled.
        Manner(pitch=-1.5, range_=0.1, accent=1, slope=-3, tempo=-0.25, drawl=0.25, effort=0.2, smile=-0.06, breath=0.1,
               creak=1.2, jitter=0.4, shimmer=1.5, energy=-1),
    ),
    "sadness": (
        # Quiet.
        Manner(pitch=-1, range_=-1.2, accent=-0.6, slope=-1.5, tempo=-0.4, drawl=0.1, effort=-1.4, open_=-0.05, breath=0.25,
               jitter=0.35, shimmer=0.6, energy=-8, dynamics=-0.2),
        # Close to tears.
        Manner(pitch=1.5, range_=-1.0, accent=-0.4, slope=-2, tempo=-0.3, drawl=0.15, effort=-1.1, open_=-0.05, breath=0.2,
               tremor=0.35, jitter=0.5, shimmer=1.0, energy=-6),
    ),
}  # fmt: skip
# Variation between clips.
SPREAD = Manner(
    pitch=1.2, range_=0.25, accent=0.8, slope=1.2, tempo=0.09, drawl=0.08, effort=0.15, open_=0.03, smile=0.02, breath=0.08,
    tremor=0.06, jitter=0.06, creak=0.08, shimmer=0.25, energy=1.5, dynamics=0.1,
)  # fmt: skip
_NEVER_BELOW_ZERO = ("tremor", "jitter", "creak", "shimmer")


def manner(emotion: str, level: float, habit: np.random.Generator, rng: np.random.Generator) -> Manner:
    """An emotion at a level: a mixture of its variants by the person's `habit`, without the clip's own variation."""
    kinds = MANNERS[emotion]
    leaning = habit.dirichlet(np.ones(len(kinds)))
    shares = rng.dirichlet(0.3 + 1.5 * leaning)
    # Individual differences: some people change their pitch more, others their tempo or effort.
    own = {name: float(np.exp(habit.normal(0, 0.2))) for name in vars(Manner())}
    return Manner(
        **{name: level * own[name] * float(sum(s * getattr(k, name) for s, k in zip(shares, kinds, strict=True))) for name in own}
    )


def mixed(first: Manner, second: Manner, share: float) -> Manner:
    return Manner(**{name: (1 - share) * value + share * getattr(second, name) for name, value in vars(first).items()})


def deviating(mood: Manner, rng: np.random.Generator) -> Manner:
    """Add a clip's own variation."""
    values = {name: float(value + rng.normal(0, getattr(SPREAD, name))) for name, value in vars(mood).items()}
    for name in _NEVER_BELOW_ZERO:
        values[name] = max(0.0, values[name])
    values["tempo"] = float(np.clip(values["tempo"], -0.7, 0.55))
    values["breath"] = float(np.clip(values["breath"], -0.8, 0.7))
    return Manner(**values)
