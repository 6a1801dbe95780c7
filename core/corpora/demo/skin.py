"""The face's texture: brows, beard, freckles, the eyes, and soft folds that blendshapes alone do not make.

It is mapped in the plane of the template's face (x from -0.8 to 0.8 dm, y from 6.0 to 8.6 dm), so that it moves with the skin. It
multiplies the skin's colour: 1 leaves it, 0 is black.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import cv2
import numpy as np

from affectscope.core.corpora.demo.identities import Identity

LEFT, RIGHT, BOTTOM, TOP = -0.8, 0.8, 6.0, 8.6
SCALE = 160
WIDTH, HEIGHT = 256, 416
# Share of an eyeball's radius that its picture shows.
EYE_REACH = 0.62
Line = list[tuple[float, float]]


@dataclass(frozen=True)
class Fold:
    """A crease [H, W] in 0..1 and the blendshapes that deepen it; `age` is its permanent share due to age."""

    field: np.ndarray
    gains: dict[str, float]
    depth: float
    age: float


def coordinates(template: np.ndarray) -> np.ndarray:
    """Texture coordinates [N, 2] of template vertices [N, 3]."""
    x, y, z = template.T
    # Behind the jaw the texture's blank border is used, approached continuously to avoid smearing.
    back = np.clip((0.5 - z) / 0.2, 0, 1) * (y < 6.9)
    x = x + np.sign(x) * back
    uv = np.stack([(x - LEFT) / (RIGHT - LEFT), (y - BOTTOM) / (TOP - BOTTOM)], 1)
    return uv.clip(0.002, 0.998)


@lru_cache(maxsize=1)
def _grid() -> tuple[np.ndarray, np.ndarray]:
    x = LEFT + (np.arange(WIDTH) + 0.5) / SCALE
    y = TOP - (np.arange(HEIGHT) + 0.5) / SCALE
    return np.meshgrid(x.astype(np.float32), y.astype(np.float32))


def _distance(line: Line) -> tuple[np.ndarray, np.ndarray]:
    """Distance [H, W] to a polyline and the place along it, 0 to 1, of the nearest point."""
    x, y = _grid()
    nearest, along = np.full(x.shape, np.inf, np.float32), np.zeros(x.shape, np.float32)
    steps = len(line) - 1
    for index, ((ax, ay), (bx, by)) in enumerate(pairwise(line)):
        dx, dy = bx - ax, by - ay
        t = np.clip(((x - ax) * dx + (y - ay) * dy) / (dx * dx + dy * dy), 0, 1)
        distance = np.hypot(x - ax - t * dx, y - ay - t * dy)
        closer = distance < nearest
        nearest = np.where(closer, distance, nearest)
        along = np.where(closer, (index + t) / steps, along)
    return nearest, along


def _crease(*lines: Line, width: float = 0.014) -> np.ndarray:
    """Soft creases that fade towards their ends, and further to one side than to the other: [H, W] in 0..1."""
    field = np.zeros((HEIGHT, WIDTH), np.float32)
    for line in lines:
        distance, along = _distance(line)
        fade = np.clip(np.minimum(along, 1 - along) / 0.4, 0, 1)
        fade = fade * fade * (3 - 2 * fade)
        broad = 0.35 * np.exp(-0.5 * (distance / (2.6 * width)) ** 2) + 0.65 * np.exp(-0.5 * (distance / width) ** 2)
        field = np.maximum(field, broad * fade)
    return field


def _mirror(line: Line) -> Line:
    return [(-x, y) for x, y in line]


def _dimples() -> np.ndarray:
    """Dimples of the chin when it is pushed up: [H, W] in 0..1."""
    x, y = _grid()
    chin = np.exp(-(((x / 0.11) ** 2 + ((y - 6.37) / 0.07) ** 2) ** 2))
    return chin * (0.5 + 0.5 * np.sin(70 * x) * np.sin(80 * y))


@lru_cache(maxsize=1)
def folds() -> tuple[Fold, ...]:
    """All folds of the face; left and right separately, since expressions may be asymmetric."""
    lines = [[(-0.3, y + 0.01), (-0.15, y), (0, y + 0.02), (0.15, y), (0.3, y + 0.01)] for y in (7.71, 7.83, 7.94)]
    creases = [
        Fold(_crease([(0.06, 7.36), (0.05, 7.48), (0.07, 7.6)], [(-0.06, 7.36), (-0.05, 7.48), (-0.07, 7.6)], width=0.03),
             {"browDownLeft": 0.5, "browDownRight": 0.5}, 0.24, 0.15),
        Fold(_crease(*lines, width=0.022), {"browInnerUp": 0.7, "browOuterUpLeft": 0.15, "browOuterUpRight": 0.15}, 0.14, 0.3),
        Fold(_crease([(-0.12, 7.30), (0, 7.27), (0.12, 7.30)], [(-0.11, 7.23), (0, 7.2), (0.11, 7.23)], width=0.022),
             {"noseSneerLeft": 0.5, "noseSneerRight": 0.5}, 0.26, 0.05),
        Fold(_dimples(), {"mouthShrugLower": 0.9}, 0.1, 0.0),
    ]  # fmt: skip
    one_side = (
        ([(0.19, 6.99), (0.26, 6.9), (0.325, 6.78), (0.355, 6.66), (0.36, 6.56)], 0.034, 0.24, 0.35,
         {"mouthSmile": 0.6, "noseSneer": 0.7, "mouthUpperUp": 0.5, "cheekSquint": 0.25, "mouthStretch": 0.3}),
        ([(0.16, 7.2), (0.23, 7.13), (0.33, 7.11), (0.44, 7.16)], 0.034, 0.18, 0.45,
         {"cheekSquint": 0.7, "eyeSquint": 0.35, "mouthSmile": 0.25, "noseSneer": 0.3}),
        ([(0.29, 6.58), (0.33, 6.5), (0.34, 6.4)], 0.034, 0.18, 0.3, {"mouthFrown": 0.9, "mouthStretch": 0.3}),
        ([(0.1, 7.62), (0.25, 7.72), (0.45, 7.72)], 0.024, 0.12, 0.2, {"browOuterUp": 0.8}),
    )  # fmt: skip
    crow = ([(0.5, 7.31), (0.64, 7.37)], [(0.51, 7.28), (0.66, 7.28)], [(0.5, 7.25), (0.63, 7.19)])
    for side, turn in (("Left", list), ("Right", _mirror)):
        for line, width, depth, age, gains in one_side:
            field = _crease(turn(line), width=width)
            creases.append(Fold(field, {name + side: gain for name, gain in gains.items()}, depth, age))
        gains = {f"mouthSmile{side}": 0.4, f"cheekSquint{side}": 0.5, f"eyeSquint{side}": 0.3}
        creases.append(Fold(_crease(*(turn(line) for line in crow), width=0.018), gains, 0.13, 0.4))
    return tuple(creases)


@lru_cache(maxsize=1)
def _fold_fields() -> np.ndarray:
    return np.stack([fold.field for fold in folds()]).astype(np.float32)


def _brows(identity: Identity, rng: np.random.Generator) -> np.ndarray:
    """Coverage [H, W] of both brows: individual hairs over a soft shadow."""
    tilt, lift, arch = rng.normal(0, 0.010), rng.normal(0, 0.008), rng.uniform(-0.014, 0.006)
    heights = np.array((7.432 - tilt, 7.458, 7.482 + tilt + arch, 7.475 + tilt + arch, 7.43)) + lift
    along = np.array((0.11, 0.20, 0.33, 0.44, 0.54))
    thick = identity.brow_weight * np.array((0.014, 0.024, 0.021, 0.014, 0.005))
    zoom = 4
    canvas = np.zeros((HEIGHT * zoom, WIDTH * zoom), np.uint8)
    for side in (-1, 1):
        place = rng.uniform(0.09, 0.545, int(200 * identity.brow_weight))
        off = rng.uniform(-1, 1, len(place)) * np.interp(place, along, thick)
        root = np.stack([place, np.interp(place, along, heights) + off], 1)
        # Hairs are upright near the nose and flat towards the temple; upper and lower ones point to the middle.
        angle = np.radians(np.interp(place, [0.09, 0.2, 0.34, 0.54], [78, 48, 14, -22]) + rng.normal(0, 9, len(place)))
        angle -= 6 * off
        length = rng.uniform(0.03, 0.055, len(place))
        tip = root + length[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1)
        for (ax, ay), (bx, by), shade in zip(
            root, tip, rng.integers(90, 220, len(place)) * np.interp(place, [0.09, 0.17], [0.6, 1.0]), strict=True
        ):
            ends = [(round((side * x - LEFT) * SCALE * zoom), round((TOP - y) * SCALE * zoom)) for x, y in ((ax, ay), (bx, by))]
            cv2.line(canvas, ends[0], ends[1], int(shade), 3, cv2.LINE_AA)
    hairs = cv2.resize(canvas, (WIDTH, HEIGHT), interpolation=cv2.INTER_AREA).astype(np.float32) / 255
    return np.clip(0.75 * hairs + 0.55 * cv2.GaussianBlur(hairs, (0, 0), 2.2), 0, 1)


def _beard(identity: Identity) -> np.ndarray:
    """Coverage [H, W] of beard or stubble: chin, jaw and upper lip, without the lips."""
    x, y = _grid()
    jaw = 1 / (1 + np.exp((y - 6.62 - 0.5 * np.clip(np.abs(x) - 0.3, 0, 1) * 1.6) / 0.035))
    lip = np.exp(-(((np.abs(x) / 0.27) ** 4) + ((y - 6.76) / 0.055) ** 4))
    bare = np.exp(-(((x / 0.27) ** 4) + ((y - 6.595) / 0.085) ** 4))
    cover = (
        np.clip(np.maximum(jaw, lip) - bare, 0, 1) * np.clip((y - 6.12) / 0.14, 0, 1) * np.clip((0.74 - np.abs(x)) / 0.08, 0, 1)
    )
    return cv2.GaussianBlur(cover, (0, 0), 2.5) * identity.beard


def eye(identity: Identity, side: int = 128) -> np.ndarray:
    """The eyeball's picture [side, side, 3] uint8, seen along its axis; `EYE_REACH` of its radius fills half the side."""
    rng = np.random.default_rng(int(1e6 * sum(identity.eyes)))
    x, y = np.meshgrid(*[(np.arange(side) + 0.5) / side * 2 - 1] * 2)
    angle = np.degrees(np.arcsin(np.clip(np.hypot(x, y) * EYE_REACH, 0, 1)))
    turn = np.arctan2(y, x)
    fibres = sum(np.sin(f * turn + p) for f, p in zip((17, 29, 41), rng.uniform(0, 6, 3), strict=True)) / 3
    iris = np.array(identity.eyes) * (1.0 + 0.18 * fibres + 0.35 * np.exp(-(((angle - 13) / 4) ** 2)))[..., None]
    iris = iris * (1 - 0.65 * np.clip((angle - 20) / 5, 0, 1))[..., None]
    white = np.ones((side, side, 3)) * (1, 0.985, 0.97)
    edge = np.clip((angle - 24) / 3, 0, 1)[..., None]
    picture = iris * (1 - edge) + white * edge
    pupil = np.clip((11.5 - angle) / 2, 0, 1)[..., None]
    return (np.clip(picture * (1 - pupil) + 0.02 * pupil, 0, 1) * 255).astype(np.uint8)


def _freckles(identity: Identity, rng: np.random.Generator) -> np.ndarray:
    """Freckles and age spots, [H, W] in 0..1; most people have few."""
    x, _ = _grid()
    count = int(rng.choice([4, 15, 90], p=[0.5, 0.35, 0.15]) + max(0, identity.age - 50))
    field = np.zeros(x.shape, np.float32)
    for _ in range(count):
        at, radius = (rng.normal(0, 0.34), 7.0 + rng.normal(0, 0.35)), rng.uniform(0.5, 1.3)
        centre = (round((at[0] - LEFT) * SCALE * 8), round((TOP - at[1]) * SCALE * 8))
        cv2.circle(field, centre, round(radius * 8), float(rng.uniform(0.15, 0.5)), -1, cv2.LINE_AA, shift=3)
    return cv2.GaussianBlur(field, (0, 0), 0.7)


class Picture:
    """The face's texture, frame by frame."""

    def __init__(self, identity: Identity, seed: int) -> None:
        rng = np.random.default_rng(seed)
        blotches = sum(
            level * cv2.resize(rng.normal(0, 1, (HEIGHT // step, WIDTH // step)).astype(np.float32), (WIDTH, HEIGHT),
                               interpolation=cv2.INTER_CUBIC)
            for step, level in ((48, 0.022), (16, 0.014), (5, 0.010))
        )  # fmt: skip
        pores = cv2.GaussianBlur(rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32), (0, 0), 0.7)
        grain = 1 + blotches + 0.022 * pores
        skin = np.array(identity.skin, np.float32)
        hair = np.clip(np.array(identity.hair, np.float32) * 0.7 / skin, 0, 1)
        # Uneven blood flow: darker skin is also redder.
        paint = np.stack([0.5 + 0.5 * grain, grain, grain - 0.2 * blotches], 2) * np.float32(0.97)
        paint *= 1 - _freckles(identity, rng)[..., None] * np.array((0.25, 0.4, 0.5), np.float32)
        for cover, strength in ((_brows(identity, rng), 0.9), (_beard(identity) * np.clip(0.8 + 0.5 * pores, 0, 1.2), 0.75)):
            paint *= 1 - strength * cover[..., None] * (1 - hair)
        self._paint = np.clip(paint, 0, 1).astype(np.float32)
        self._age = float(np.clip((identity.age - 28) / 45, 0, 1))
        # Folds differ between people, and along a fold.
        self._habit = rng.uniform(0.5, 1.15, len(folds())).astype(np.float32)
        uneven = cv2.resize(rng.uniform(0, 1, (14, 9)).astype(np.float32), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
        self._uneven = np.clip(0.45 + 0.75 * uneven, 0.3, 1.2)

    def frame(self, weights: dict[str, float]) -> np.ndarray:
        """The texture [H, W, 3] uint8 for blendshape `weights`."""
        depths = self._habit * np.array([
            fold.depth * min(sum(weights.get(name, 0.0) * gain for name, gain in fold.gains.items()), 1.0)
            + 0.22 * fold.age * self._age
            for fold in folds()
        ], np.float32)  # fmt: skip
        dark = self._uneven * np.tensordot(depths, _fold_fields(), 1)
        # Light from a hollow has passed through skin, so it is warm.
        light = cv2.merge([1 - 0.75 * dark, 1 - dark, 1 - 1.05 * dark])
        return cv2.multiply(self._paint, np.maximum(light, 0.3), scale=255, dtype=cv2.CV_8U)
