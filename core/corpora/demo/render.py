"""Renders weights, poses and light to pictures: one `Scene` draws any identity, frame by frame."""

import cv2
import numpy as np

from affectscope.core.corpora.demo import puppet as puppets
from affectscope.core.corpora.demo import skin
from affectscope.core.corpora.demo.identities import Identity
from affectscope.core.corpora.demo.light import Lamps
from affectscope.core.corpora.demo.script import Look
from affectscope.core.corpora.demo.stage import Stage, Surface
from affectscope.core.corpora.demo.truth import MASK_SIZE

SIZE = 320
# Rendered larger and averaged: in a software renderer cheaper than multisampling, and finer.
DRAWN = 448
CAMERA = ((0.0, 7.25, 15.0), (0.0, 7.13, 0.0), 12.4)


# Rotation in degrees after which hair is lit again.
HAIR_STEP = 1.5
# Strength and power of the highlight.
SHINE = {"skin": (0.085, 14.0), "gloss": (0.6, 60.0), "lash": (0.0, 1.0), "hair": (0.15, 20.0)}


class Scene:
    """A stage with one person on it. Faces are drawn at any blendshape weights and head pose."""

    def __init__(self, identity: Identity) -> None:
        self.stage = Stage(DRAWN, CAMERA)
        self._surfaces: dict[str, Surface] = {}
        self._used: dict[str, np.ndarray] = {}
        self._locks: list[Surface] = []
        self.cast(identity)
        self.light(Look())

    def cast(self, identity: Identity) -> None:
        """Put a person on the stage, replacing the previous one."""
        for surface in (*self._surfaces.values(), *self._locks):
            self.stage.remove(surface)
        shared = puppets.rig()
        self.puppet = puppets.Puppet(identity)
        self.picture = skin.Picture(identity, puppets.hash_name(identity.name))
        self._surfaces = {}
        for name, quads in self.puppet.quads.items():
            self._used[name], flat = np.unique(quads, return_inverse=True)
            alpha = 0.55 if name == "lash" else 1.0
            self._surfaces[name] = self.stage.add(
                flat.reshape(quads.shape), len(self._used[name]), solid=name == "skin", alpha=alpha
            )
        self._drawn = self.puppet.neutral, np.zeros((len(self._used["skin"]), 3), np.float32)
        coordinates = skin.coordinates(shared.template)
        # The face's texture would smear on the ears.
        ears = shared.masks["ears"] > 0.5
        coordinates[ears, 0] = np.where(coordinates[ears, 0] > 0.5, 0.998, 0.002)
        self._surfaces["skin"].wear(coordinates[self._used["skin"]], skin.HEIGHT, skin.WIDTH)
        looks = puppets.eye_coordinates(self.puppet.neutral)
        self._surfaces["gloss"].wear(looks[self._used["gloss"]], 128, 128)
        self._surfaces["gloss"].paint(skin.eye(identity))
        self._locks = [self.stage.add(lock.cells, len(lock.points), lines=lock.lines) for lock in self.puppet.hair]

    def light(self, look: Look) -> None:
        self._lamps = Lamps(look)
        self._hair_lit_at: tuple[float, ...] | None = None
        # Walls are less saturated than palettes.
        below, above = (tuple(np.mean(tone) + 0.6 * (np.array(tone) - np.mean(tone))) for tone in (look.below, look.above))
        self.stage.backdrop(below, above)

    def draw(self, weights: np.ndarray, angles: tuple[float, float, float], shift: np.ndarray) -> np.ndarray:
        """The picture [320, 320, 3] uint8 at blendshape `weights` [52]; head `angles` in degrees, `shift` [3] in dm."""
        shared = puppets.rig()
        points = self.puppet.pose(self.puppet.shape(weights), angles, shift)
        for name, surface in self._surfaces.items():
            used = self._used[name]
            facing = puppets.normals(points, self.puppet.quads[name], self.puppet.incidence[name])[used]
            surface.move(
                points[used],
                self._lamps.shade(self.puppet.colours[used], facing, *SHINE[name], kind="skin" if name == "skin" else "plain"),
            )
            if name == "skin":
                self._drawn = points, facing
        self._turn_hair(angles, shift)
        self._surfaces["skin"].paint(self.picture.frame(dict(zip(shared.names, weights.tolist(), strict=True))))
        return cv2.resize(self.stage.shoot(), (SIZE, SIZE), interpolation=cv2.INTER_AREA)

    def _turn_hair(self, angles: tuple[float, float, float], shift: np.ndarray) -> None:
        """Rotate the hair as one piece; its lighting is updated after a visible rotation."""
        lit_at = tuple(np.round(np.array(angles) / HAIR_STEP).tolist())
        turn = puppets.rotation(*angles)
        for surface, lock in zip(self._locks, self.puppet.hair, strict=True):
            if lit_at != self._hair_lit_at:
                near = puppets.rotation(*(HAIR_STEP * angle for angle in lit_at))
                surface.move(lock.points, self._lamps.shade(lock.colours, lock.normals @ near.T, *SHINE["hair"]))
            surface.turn(turn, puppets.PIVOT - turn @ puppets.PIVOT + shift)
        self._hair_lit_at = lit_at

    def motion(self, without: np.ndarray, angles: tuple[float, float, float], shift: np.ndarray) -> np.ndarray:
        """Displacement in pixels of the visible skin last drawn, compared with other weights.

        `without` are those weights [52]; the pose must be the drawn one. The result is [64, 64] float32, 0 where the face is not
        visible.
        """
        shared = puppets.rig()
        used = self._used["skin"]
        moved, facing = self._drawn
        still = self.puppet.pose(self.puppet.shape(without), angles, shift)
        visible = used[(facing[:, 2] > 0.15) & (shared.masks["inside-mouth"][used] < 0.5)]
        place, depth = project(moved[visible])
        distance = np.linalg.norm(place - project(still[visible])[0], axis=1) * SIZE
        inside = ((place >= 0) & (place < 1)).all(1)
        cells = (place[inside, 1] * MASK_SIZE).astype(int) * MASK_SIZE + (place[inside, 0] * MASK_SIZE).astype(int)
        depth, distance = depth[inside], distance[inside]
        nearest = np.full(MASK_SIZE**2, np.inf, np.float32)
        np.minimum.at(nearest, cells, depth)
        front = depth < nearest[cells] + 0.12
        field = np.zeros(MASK_SIZE**2, np.float32)
        np.maximum.at(field, cells[front], distance[front])
        # Close gaps: where the mesh is coarse, some cells contain no vertex.
        return cv2.morphologyEx(field.reshape(MASK_SIZE, MASK_SIZE), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))

    def head_box(self, angles: tuple[float, float, float], shift: np.ndarray) -> np.ndarray:
        """Left, top, right, bottom [4] of the face, from brow to chin, in 0..1 of the picture."""
        shared = puppets.rig()
        face = (shared.masks["face"] > 0.5) & (shared.template[:, 1] < 8.0)
        place, _ = project(self.puppet.pose(self.puppet.neutral, angles, shift)[face])
        return np.concatenate([place.min(0), place.max(0)]).astype(np.float32)


def project(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positions [N, 2] of `points` [N, 3] in the picture, 0..1 from its upper left, and their distance [N] in dm."""
    eye, aim = (np.array(place, np.float32) for place in CAMERA[:2])
    ahead = (aim - eye) / np.linalg.norm(aim - eye)
    right = np.cross(ahead, (0, 1, 0))
    right = right / np.linalg.norm(right)
    above = np.cross(right, ahead)
    away = points - eye
    depth = away @ ahead
    reach = depth * np.tan(np.radians(CAMERA[2] / 2))
    return np.stack([0.5 + 0.5 * (away @ right) / reach, 0.5 - 0.5 * (away @ above) / reach], 1), depth


class Camera:
    """Simulates a camera: blur and sensor noise."""

    def __init__(self, look: Look, rng: np.random.Generator) -> None:
        self._look = look
        self._rng = rng
        # A strip of noise cut again for each frame is as good as new noise, and much cheaper.
        self._noise = (rng.standard_normal((SIZE * 2, SIZE * 2)) * look.noise).astype(np.float32)

    def take(self, picture: np.ndarray) -> np.ndarray:
        """The picture [320, 320, 3] uint8 with blur and noise."""
        row, column = self._rng.integers(0, SIZE, 2)
        if self._look.blur > 0.2:
            picture = cv2.GaussianBlur(picture, (0, 0), self._look.blur)
        if self._look.noise < 0.5:
            return picture
        noise = self._noise[row : row + SIZE, column : column + SIZE, None]
        return np.clip(picture + noise, 0, 255).astype(np.uint8)
