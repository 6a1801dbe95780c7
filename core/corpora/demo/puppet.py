"""A person's head as meshes that 52 blendshape weights and a head pose move.

`rig()` is shared by all heads: the finer mesh and every blendshape's displacement on it. `Puppet` adds a person's shape, colours
and hair. Everything here is linear algebra on vertices; `stage.py` draws it.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import scipy.sparse as sp
from scipy.spatial import cKDTree

from affectscope.core.corpora.demo import assets, hair, light, skin
from affectscope.core.corpora.demo.identities import Identity

# MakeHuman's blendshapes are too subtle for a picture of 256 pixels: here a weight of 1 is a strong movement.
GAINS = {
    "browDown": 1.7, "browInnerUp": 2.0, "browOuterUp": 1.7, "mouthFrown": 1.8, "eyeWide": 1.6, "noseSneer": 1.9,
    "mouthLowerDown": 1.5, "mouthUpperUp": 1.6, "mouthStretch": 1.4, "mouthShrugLower": 1.5, "mouthPress": 1.3,
    "mouthSmile": 1.2,
}  # fmt: skip
EYE_CENTRE = np.array([0.0, 7.284, 1.245], np.float32)
PIVOT = np.array([0.0, 6.35, 0.15], np.float32)
SKIN_PARTS = ("body",)
GLOSS_PARTS = (*assets.EYES.values(), "helper-upper-teeth", "helper-lower-teeth", "helper-tongue")


@dataclass(frozen=True)
class Rig:
    """The shared rig.

    `matrix` [M, N] from the file's vertices to the fine ones, `quads` by surface (skin, gloss, lash), `template` [M, 3], `deltas`
    [52, K, 3], the `names` of the blendshapes, `follow` [M] how far a vertex rotates with the head, `masks` [M] by name (lips,
    face, each eye …), `openness` [M] to the sky; `deltas` are those of the vertices `moving` [K] only.
    """

    matrix: sp.csr_matrix
    quads: dict[str, np.ndarray]
    template: np.ndarray
    deltas: np.ndarray
    names: tuple[str, ...]
    follow: np.ndarray
    masks: dict[str, np.ndarray]
    openness: np.ndarray
    moving: np.ndarray
    incidence: dict[str, sp.csr_matrix]


@lru_cache(maxsize=1)
def rig() -> Rig:
    """The rig, built once per process in about a second."""
    data = assets.head()
    levels = {"body": 1, "helper-l-eye": 2, "helper-r-eye": 2, "helper-upper-teeth": 1, "helper-lower-teeth": 1}
    blocks, parts, ranges, offset = [], {}, {}, 0
    for name in assets.PARTS:
        block, fine = _refine(data.parts[name], len(data.vertices), levels.get(name, 0))
        parts[name] = fine + offset
        ranges[name] = (offset, offset + block.shape[0])
        blocks.append(block)
        offset += block.shape[0]
    matrix = sp.vstack(blocks).tocsr().astype(np.float32)
    template = matrix @ data.vertices
    centres = template[parts["body"]].mean(1)
    # Omit what hair hides or the camera never sees.
    seen = ((centres[:, 2] > -0.15) | (centres[:, 1] < 6.3)) & (centres[:, 1] > 4.9) & (centres[:, 2] > -0.5)
    quads = {
        "skin": parts["body"][seen],
        "gloss": np.concatenate([_front(parts[name], template) for name in GLOSS_PARTS]),
        "lash": np.concatenate([parts[name] for name in assets.LASHES if name.endswith("2")]),
    }
    names, coarse = assets.blendshapes()
    gains = np.array([GAINS.get(name.removesuffix("Left").removesuffix("Right"), 1.0) for name in names], np.float32)
    deltas = np.stack([matrix @ delta for delta in coarse]) * gains[:, None, None]
    _open_in_the_middle(deltas[names.index("jawOpen")], ranges)
    fields = {name: np.zeros(offset, np.float32) for name in ranges}
    for name, (start, stop) in ranges.items():
        fields[name][start:stop] = 1
    for name in ("lips", "face", "ears", "inside-mouth", "eyelids"):
        fields[name] = (matrix @ assets.skin_mask(name)) * fields["body"]
    ramp = np.clip((template[:, 1] + 0.35 * template[:, 2] - 5.6) / 0.95, 0, 1)
    incidence = {name: _incidence(faces, offset) for name, faces in quads.items()}
    follow = (ramp * ramp * (3 - 2 * ramp)).astype(np.float32)
    moving = np.flatnonzero(np.abs(deltas).max((0, 2)) > 1e-4)
    facing = normals(template, parts["body"], _incidence(parts["body"], offset))
    body = fields["body"] > 0
    sky = np.ones(offset, np.float32)
    sky[body] = light.openness(template[body], facing[body])
    return Rig(matrix, quads, template, deltas[:, moving].copy(), names, follow, fields, sky, moving, incidence)


def _open_in_the_middle(delta: np.ndarray, ranges: dict[str, tuple[int, int]]) -> None:
    """Correct the jaw's displacement [M, 3]: MakeHuman's pulls the upper lip down, and leaves lower teeth and tongue.

    Small displacements, such as the upper lip's, are reduced further.
    """
    far = np.linalg.norm(delta, axis=1)
    keep = np.clip((far - 0.03) / 0.11, 0, 1)
    delta *= (0.15 + 0.85 * keep * keep * (3 - 2 * keep))[:, None]
    for name, more in (("helper-lower-teeth", (0, -0.05, -0.03)), ("helper-tongue", (0, -0.07, -0.05))):
        delta[slice(*ranges[name])] += np.array(more, np.float32)


def _front(quads: np.ndarray, template: np.ndarray) -> np.ndarray:
    """The front half of a part: the backs of eyeballs and teeth are never visible."""
    depth = template[quads].mean(1)[:, 2]
    return quads[depth > (depth.min() + depth.max()) / 2 - 0.05]


def _refine(quads: np.ndarray, count: int, levels: int) -> tuple[sp.csr_matrix, np.ndarray]:
    """The part's own vertices after `levels` Catmull-Clark steps: matrix [m, count] and quads within m."""
    matrix = sp.identity(count, format="csr", dtype=np.float32)
    for _ in range(levels):
        step, quads = assets.subdivide(quads, matrix.shape[0])
        matrix = step @ matrix
    used, flat = np.unique(quads, return_inverse=True)
    return matrix[used], flat.reshape(quads.shape)


def _incidence(quads: np.ndarray, count: int) -> sp.csr_matrix:
    rows, columns = quads.ravel(), np.repeat(np.arange(len(quads)), 4)
    return sp.csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (count, len(quads)))


def normals(points: np.ndarray, quads: np.ndarray, incidence: sp.csr_matrix) -> np.ndarray:
    """Vertex normals [M, 3] of a quad mesh: the area-weighted mean of adjacent faces."""
    a = points[quads[:, 2]] - points[quads[:, 0]]
    b = points[quads[:, 3]] - points[quads[:, 1]]
    face = np.empty_like(a)
    face[:, 0] = a[:, 1] * b[:, 2] - a[:, 2] * b[:, 1]
    face[:, 1] = a[:, 2] * b[:, 0] - a[:, 0] * b[:, 2]
    face[:, 2] = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    total = incidence @ face
    return total / np.sqrt(np.maximum((total * total).sum(1, keepdims=True), 1e-12))


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Head rotation [3, 3] from angles in degrees: yaw to the person's left, pitch down, roll to the person's right."""
    (cy, cp, cr), (sy, sp_, sr) = np.cos(np.radians((yaw, pitch, roll))), np.sin(np.radians((yaw, pitch, roll)))
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_x = np.array([[1, 0, 0], [0, cp, -sp_], [0, sp_, cp]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (about_y @ about_x @ about_z).astype(np.float32)


class Puppet:
    """A person's head. `colours` [M, 3]; hair is a list of rigid meshes that rotate with the head."""

    def __init__(self, identity: Identity) -> None:
        shared = rig()
        data = assets.head()
        coarse = data.vertices + sum(weight * assets.shape_target(name) for name, weight in identity.shape.items())
        fine = shared.matrix @ coarse.astype(np.float32)
        middle = sum((shared.masks[name] @ fine) / shared.masks[name].sum() for name in assets.EYES.values()) / 2
        height = _face_height(fine) / _face_height(shared.template)
        self.scale = float(height**-0.85)
        # Body shapes displace the whole head, so move every head to the same place.
        self.neutral = ((fine - middle) * self.scale + EYE_CENTRE).astype(np.float32)
        # Otherwise the ends of MakeHuman's teeth would pierce the cheeks of a narrow mouth.
        lips = shared.masks["lips"] > 0.5
        arch = float(np.clip(3.5 * np.ptp(self.neutral[lips, 0]) / 2, 0.75, 1.0))
        for name, back in (
            ("helper-upper-teeth", (0, 0.03, 0.05)),
            ("helper-lower-teeth", (0, 0.06, 0.13)),
            ("helper-tongue", (0, 0.05, 0.10)),
        ):
            teeth = shared.masks[name] > 0
            self.neutral[teeth] = self.neutral[teeth] * (arch, 1, 1) - back
        self.identity = identity
        self.colours = _colours(identity, self.neutral)
        skin_normals = normals(self.neutral, shared.quads["skin"], shared.incidence["skin"])
        self.hair, hidden, cover = hair.grow(identity, shared.template, self.neutral, skin_normals, shared.masks)
        # Darken the scalp like the hair above it, which softens the hairline.
        shadow = (0.8 * cover * min(1.0, 12 * hair.STYLES[identity.hair_style].length))[:, None]
        self.colours = (self.colours * (1 - shadow) + 0.7 * np.array(identity.hair) * shadow).astype(np.float32)
        faces = shared.quads["skin"]
        self.quads = shared.quads | {"skin": faces[~hidden[faces].all(1)]}
        self.incidence = shared.incidence | {"skin": _incidence(self.quads["skin"], len(self.neutral))}

    def shape(self, weights: np.ndarray) -> np.ndarray:
        """Vertices [M, 3] for blendshape `weights` [52], before the head's rotation."""
        active = np.flatnonzero(weights)
        if not len(active):
            return self.neutral
        moved = weights[active].astype(np.float32) @ rig().deltas[active].reshape(len(active), -1)
        points = self.neutral.copy()
        points[rig().moving] += self.scale * moved.reshape(-1, 3)
        return points

    def pose(self, points: np.ndarray, angles: tuple[float, float, float], shift: np.ndarray) -> np.ndarray:
        """Rotate `points` [M, 3] by `angles` (yaw, pitch, roll in degrees) around the neck, and move them by `shift` [3]."""
        turned = (points - PIVOT) @ rotation(*angles).T + PIVOT
        follow = rig().follow[:, None]
        return points + follow * (turned - points) + shift.astype(np.float32)


def _face_height(points: np.ndarray) -> float:
    masks = rig().masks
    eyes = sum((masks[name] @ points)[1] / masks[name].sum() for name in assets.EYES.values()) / 2
    lips = (masks["lips"] @ points)[1] / masks["lips"].sum()
    return float(eyes - lips)


def _colours(identity: Identity, neutral: np.ndarray) -> np.ndarray:
    """Colour [M, 3] of every vertex, before multiplication by the face's texture."""
    shared = rig()
    masks, template = shared.masks, shared.template
    skin = np.array(identity.skin, np.float32)
    colours = np.tile(skin, (len(template), 1))

    def tint(cover: np.ndarray, colour: np.ndarray | tuple[float, float, float]) -> None:
        nonlocal colours
        colours = colours * (1 - cover[:, None]) + np.asarray(colour, np.float32) * cover[:, None]

    x, y, z = template.T
    cheeks = np.exp(-(((np.abs(x) - 0.40) / 0.2) ** 2) - ((y - 6.97) / 0.22) ** 2) * (z > 0.7)
    nose = np.exp(-((x / 0.14) ** 2) - ((y - 6.93) / 0.12) ** 2) * (z > 1.2)
    tint(0.35 * cheeks + 0.3 * nose + 0.3 * masks["ears"], skin * (1.02, 0.80, 0.76))
    forehead = np.exp(-((x / 0.5) ** 2) - ((y - 7.9) / 0.35) ** 2) * (z > 0.7)
    tint(0.3 * forehead, skin * (1.01, 0.99, 0.92))
    sockets = np.exp(-(((np.abs(x) - 0.31) / 0.18) ** 2) - ((y - 7.25) / 0.11) ** 2) * (z > 0.9)
    tint(0.30 * sockets * masks["body"], skin * (0.76, 0.62, 0.60))
    tint(0.25 * masks["eyelids"].clip(0, 1), skin * (0.82, 0.66, 0.62))
    rims = cKDTree(neutral[np.any([masks[name] > 0 for name in assets.LASHES], axis=0)])
    near, _ = rims.query(neutral, distance_upper_bound=0.06)
    tint(0.55 * np.exp(-((near / 0.022) ** 2)) * masks["body"], (0.10, 0.06, 0.05))
    lip = skin * (0.90, 0.70, 0.67) * (1 - identity.lips) + np.array([0.60, 0.26, 0.27]) * identity.lips
    tint(0.9 * masks["lips"].clip(0, 1), lip)
    tint((masks["inside-mouth"] * 1.6).clip(0, 1), (0.30, 0.10, 0.09))
    under_chin = np.clip((6.35 - y - 0.25 * np.clip(z - 0.7, 0, 1)) / 0.3, 0, 1) * np.clip((y - 5.2) / 0.5, 0, 1)
    tint(0.35 * under_chin * masks["body"], skin * 0.45)
    cloth = np.random.default_rng(abs(hash_name(identity.name))).uniform(0.12, 0.75, 3)
    # Clothes are less saturated than a palette.
    cloth = cloth.mean() + 0.55 * (cloth - cloth.mean())
    below = np.clip((5.98 - 0.25 * np.clip(z, -1, 1) - y) / 0.09 + 0.5, 0, 1)
    tint(below * below * (3 - 2 * below) * masks["body"], cloth)
    for name in assets.EYES.values():
        cover = masks[name] > 0
        ray = neutral[cover] - neutral[cover].mean(0)
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        # The upper lid and its lashes shade the eyeball; the iris is painted in `skin.eye`.
        shade = 1 - 0.55 * np.clip((ray[:, 1] + 0.05) / 0.5, 0, 1) - 0.25 * np.clip((np.abs(ray[:, 0]) - 0.45) / 0.4, 0, 1)
        colours[cover] = np.array((0.88, 0.85, 0.83)) * shade[:, None].clip(0.25, 1)
    depth = np.clip((z - 0.95) / 0.40, 0.15, 1)[:, None]
    for name, colour in (("helper-upper-teeth", (0.97, 0.93, 0.86)), ("helper-lower-teeth", (0.80, 0.76, 0.69)),
                         ("helper-tongue", (0.50, 0.21, 0.20))):  # fmt: skip
        part = masks[name] > 0
        colours[part] = np.array(colour) * depth[part]
    for name in assets.LASHES:
        tint(masks[name], (0.07, 0.05, 0.04))
    colours *= np.where(masks["body"] > 0, np.clip(0.34 + 0.86 * shared.openness, 0.34, 1.08), 1)[:, None]
    return colours.astype(np.float32)


def eye_coordinates(neutral: np.ndarray) -> np.ndarray:
    """Texture coordinates [M, 2] of the eyeballs in `skin.eye`'s picture; other glossy parts use its white corner."""
    places = np.full((len(neutral), 2), 0.004, np.float32)
    for name in assets.EYES.values():
        cover = rig().masks[name] > 0
        ray = neutral[cover] - neutral[cover].mean(0)
        ray /= np.linalg.norm(ray, axis=1, keepdims=True)
        places[cover] = 0.5 + 0.5 * ray[:, :2] / skin.EYE_REACH
    return places.clip(0.004, 0.996)


def hash_name(name: str) -> int:
    """A hash of a name that is the same in every process, unlike `hash`."""
    return int.from_bytes(name.encode(), "little") % (2**31)
