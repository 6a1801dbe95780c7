"""What is painted on the face: brows, lips, beard, and the folds that blendshapes alone do not make.

The picture lies in the plane of the template's face (x from -0.8 to 0.8 dm, y from 6.0 to 8.6 dm), so that it moves with
the skin. It multiplies the skin's colour: 1 leaves it, 0 is black.
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
Line = list[tuple[float, float]]


@dataclass(frozen=True)
class Fold:
    """A crease [H, W] in 0..1 and the blendshapes that deepen it; `age` is how much of it age leaves standing."""

    field: np.ndarray
    gains: dict[str, float]
    depth: float
    age: float


def coordinates(template: np.ndarray) -> np.ndarray:
    """Texture coordinates [N, 2] of template vertices [N, 3]."""
    uv = np.stack([(template[:, 0] - LEFT) / (RIGHT - LEFT), (template[:, 1] - BOTTOM) / (TOP - BOTTOM)], 1)
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
    """Soft lines that fade towards their ends: [H, W] in 0..1."""
    field = np.zeros((HEIGHT, WIDTH), np.float32)
    for line in lines:
        distance, along = _distance(line)
        fade = np.clip(np.minimum(along, 1 - along) / 0.25, 0, 1)
        field = np.maximum(field, np.exp(-0.5 * (distance / width) ** 2) * fade)
    return field


def _mirror(line: Line) -> Line:
    return [(-x, y) for x, y in line]


def _dimples() -> np.ndarray:
    """The chin's skin when it is pushed up: [H, W] in 0..1."""
    x, y = _grid()
    chin = np.exp(-(((x / 0.11) ** 2 + ((y - 6.37) / 0.07) ** 2) ** 2))
    return chin * (0.5 + 0.5 * np.sin(70 * x) * np.sin(80 * y))


@lru_cache(maxsize=1)
def folds() -> tuple[Fold, ...]:
    """All folds of the face; left and right apart, since expressions may be lopsided."""
    found = [
        Fold(_crease([(0.05, 7.38), (0.045, 7.48), (0.06, 7.58)], [(-0.05, 7.38), (-0.045, 7.48), (-0.06, 7.58)], width=0.022),
             {"browDownLeft": 0.5, "browDownRight": 0.5}, 0.36, 0.25),
        Fold(_crease(*[[(-0.3, y + 0.01), (-0.15, y), (0, y + 0.02), (0.15, y), (0.3, y + 0.01)] for y in (7.70, 7.81, 7.93)]),
             {"browInnerUp": 0.8, "browOuterUpLeft": 0.15, "browOuterUpRight": 0.15}, 0.4, 0.35),
        Fold(_crease([(-0.10, 7.30), (0, 7.28), (0.10, 7.30)], [(-0.10, 7.23), (0, 7.21), (0.10, 7.23)]),
             {"noseSneerLeft": 0.5, "noseSneerRight": 0.5}, 0.5, 0.05),
        Fold(_dimples(), {"mouthShrugLower": 0.9}, 0.2, 0.0),
    ]  # fmt: skip
    one_side = (
        ([(0.19, 6.99), (0.26, 6.9), (0.325, 6.78), (0.355, 6.66), (0.36, 6.56)], 0.024, 0.4, 0.4,
         {"mouthSmile": 0.6, "noseSneer": 0.7, "mouthUpperUp": 0.5, "cheekSquint": 0.25, "mouthStretch": 0.3}),
        ([(0.16, 7.2), (0.23, 7.14), (0.33, 7.12), (0.44, 7.16)], 0.022, 0.3, 0.3,
         {"cheekSquint": 0.7, "eyeSquint": 0.35, "mouthSmile": 0.25, "noseSneer": 0.3}),
        ([(0.29, 6.58), (0.33, 6.5), (0.34, 6.4)], 0.026, 0.28, 0.35, {"mouthFrown": 0.9, "mouthStretch": 0.3}),
        ([(0.1, 7.62), (0.25, 7.72), (0.45, 7.72)], 0.014, 0.35, 0.3, {"browOuterUp": 0.8}),
    )  # fmt: skip
    crow = ([(0.5, 7.31), (0.62, 7.37)], [(0.51, 7.28), (0.63, 7.28)], [(0.5, 7.25), (0.61, 7.19)])
    for side, turn in (("Left", list), ("Right", _mirror)):
        for line, width, depth, age, gains in one_side:
            field = _crease(turn(line), width=width)
            found.append(Fold(field, {name + side: gain for name, gain in gains.items()}, depth, age))
        gains = {f"mouthSmile{side}": 0.4, f"cheekSquint{side}": 0.5, f"eyeSquint{side}": 0.3}
        found.append(Fold(_crease(*(turn(line) for line in crow), width=0.01), gains, 0.4, 0.4))
    return tuple(found)


@lru_cache(maxsize=1)
def _fold_fields() -> np.ndarray:
    return np.stack([fold.field for fold in folds()]).astype(np.float32)


def _brows(identity: Identity, rng: np.random.Generator) -> np.ndarray:
    """Coverage [H, W] of both brows, with single hairs."""
    tilt, lift = rng.normal(0, 0.012), rng.normal(0, 0.01)
    heights = np.array((7.425 - tilt, 7.465, 7.49 + tilt, 7.475 + tilt, 7.42)) + lift
    line = list(zip((0.10, 0.20, 0.33, 0.44, 0.53), heights.tolist(), strict=True))
    x, y = _grid()
    hairs = 0.75 + 0.25 * np.sin(180 * (np.abs(x) * 0.9 - y * 0.55) + 2 * np.sin(60 * y))
    cover = np.zeros(x.shape, np.float32)
    for turned in (line, _mirror(line)):
        distance, along = _distance(turned)
        width = identity.brow_weight * np.interp(along, [0, 0.15, 0.6, 1], [0.030, 0.036, 0.028, 0.012])
        cover = np.maximum(cover, 1 / (1 + np.exp((distance - width) / 0.006)))
    return cover * hairs


def _beard(identity: Identity) -> np.ndarray:
    """Coverage [H, W] of beard or stubble: chin, jaw and upper lip, but not the lips."""
    x, y = _grid()
    jaw = 1 / (1 + np.exp((y - 6.62 - 0.5 * np.clip(np.abs(x) - 0.3, 0, 1) * 1.6) / 0.035))
    lip = np.exp(-(((np.abs(x) / 0.27) ** 4) + ((y - 6.76) / 0.055) ** 4))
    bare = np.exp(-(((x / 0.27) ** 4) + ((y - 6.595) / 0.085) ** 4))
    return np.clip(np.maximum(jaw, lip) - bare, 0, 1) * np.clip((y - 6.16) / 0.1, 0, 1) * identity.beard


class Picture:
    """The face's picture, frame by frame."""

    def __init__(self, identity: Identity, seed: int) -> None:
        rng = np.random.default_rng(seed)
        noise = rng.normal(0, 1, (HEIGHT // 4, WIDTH // 4)).astype(np.float32)
        pores = rng.normal(0, 1, (HEIGHT, WIDTH)).astype(np.float32)
        grain = 1 + 0.02 * np.kron(noise, np.ones((4, 4), np.float32)) + 0.015 * pores
        skin = np.array(identity.skin, np.float32)
        hair = np.clip(np.array(identity.hair, np.float32) * 0.7 / skin, 0, 1)
        paint = np.ones((HEIGHT, WIDTH, 3), np.float32) * grain[..., None] * 0.97
        for cover, strength in ((_brows(identity, rng), 0.95), (_beard(identity) * (0.8 + 0.2 * grain), 0.8)):
            paint *= 1 - strength * cover[..., None] * (1 - hair)
        self._paint = np.clip(paint, 0, 1).astype(np.float32)
        self._age = float(np.clip((identity.age - 28) / 45, 0, 1))

    def frame(self, weights: dict[str, float]) -> np.ndarray:
        """The picture [H, W, 3] uint8 under blendshape `weights`."""
        depths = np.array([
            fold.depth * min(sum(weights.get(name, 0.0) * gain for name, gain in fold.gains.items()), 1.2)
            + 0.35 * fold.age * self._age
            for fold in folds()
        ], np.float32)  # fmt: skip
        light = np.clip(1 - np.tensordot(depths, _fold_fields(), 1), 0.15, 1)
        return cv2.multiply(self._paint, cv2.merge([light, light, light]), scale=255, dtype=cv2.CV_8U)
