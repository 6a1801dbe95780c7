"""Hair: a shell over the scalp, with a curtain behind the face for long hair and a knot for buns."""

from dataclasses import dataclass

import numpy as np

from affectscope.core.corpora.demo.identities import Identity

# How far the shell stands off the scalp, in dm, and how far down the forehead it begins (1: low, -1: high).
STYLES = {
    "short": (0.09, 0.0, None), "crop": (0.045, 0.0, None), "swept": (0.14, 0.1, None), "receding": (0.05, -1.6, None),
    "bald": (0.0, -4.0, None), "afro": (0.34, 0.3, None), "long": (0.12, 0.0, "long"), "bob": (0.13, 0.25, "bob"),
    "bun": (0.06, -0.1, "bun"),
}  # fmt: skip


@dataclass(frozen=True)
class Lock:
    """A rigid mesh of hair: `points` [K, 3], `normals` [K, 3], `quads` [Q, 4], `colours` [K, 3]."""

    points: np.ndarray
    normals: np.ndarray
    quads: np.ndarray
    colours: np.ndarray


def grow(
    identity: Identity, template: np.ndarray, neutral: np.ndarray, normals: np.ndarray, masks: dict[str, np.ndarray]
) -> tuple[list[Lock], np.ndarray]:
    """The meshes of a person's hair, in the place of the neutral head, and the vertices [M] of the skin that they hide."""
    from affectscope.core.corpora.demo.puppet import hash_name, rig

    thickness, fringe, extra = STYLES[identity.hair_style]
    rng = np.random.default_rng(hash_name(identity.name))
    locks = []
    cover = _scalp(template, fringe) * (masks["ears"] < 0.3) * masks["body"]
    quads = rig().quads["skin"]
    # The shell's rim lies under the skin, so that the hairline is where the two cut: smooth, whatever the quads.
    chosen = quads[(cover[quads] > 0.02).any(1) & (masks["ears"][quads] < 0.3).all(1)]
    if thickness > 0 and len(chosen):
        used, flat = np.unique(chosen, return_inverse=True)
        depth = np.clip(cover[used] * 2.2, 0, 1)
        bumps = 1 + 0.12 * _streaks(template[used], rng) * (3 if identity.hair_style == "afro" else 1)
        sweep = 1 + (0.9 * np.clip(template[used, 1] - 8.0, 0, 0.5) if identity.hair_style == "swept" else 0)
        points = neutral[used] + normals[used] * (-0.03 + (thickness * bumps * sweep + 0.04) * depth)[:, None]
        locks.append(_lock(points, flat.reshape(chosen.shape), identity, template[used], rng))
    if extra in ("long", "bob"):
        locks.append(_curtain(identity, neutral, 5.3 if extra == "long" else 6.2, rng))
    if extra == "bun":
        locks.append(_knot(identity, neutral, rng))
    return locks, (cover > 0.95) & (thickness > 0)


def _scalp(template: np.ndarray, fringe: float) -> np.ndarray:
    """How much hair grows at each vertex [M], in 0..1: none before the hairline, full a little behind it."""
    x, y, z = template.T
    heights = [6.3, 6.75, 7.0, 7.2, 7.45, 7.75, 8.0, 8.15, 8.3, 8.5]
    line = np.interp(y, heights, [-0.35, -0.1, 0.12, 0.5, 0.58, 0.82, 0.98, 1.2, 1.35, 1.5])
    line = line + fringe * 0.12 * np.clip((y - 7.4) / 0.5, 0, 1) - 0.12 * np.clip(np.abs(x) - 0.42, 0, 0.2) * (y > 7.9)
    return np.clip((line - z) / 0.14, 0, 1) * np.clip((y - 6.4) / 0.15, 0, 1)


def _streaks(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Strand-like noise [K] about 0, running down from the crown."""
    angle = np.arctan2(points[:, 0], points[:, 2] - 0.4)
    tall = points[:, 1]
    waves = zip((23, 47, 91), (2, 3, 5), rng.uniform(0, 6, 3), strict=True)
    return sum(np.sin(f * angle + 3 * np.sin(g * tall + p) + p) for f, g, p in waves) / 3


def _lock(points: np.ndarray, quads: np.ndarray, identity: Identity, places: np.ndarray, rng: np.random.Generator) -> Lock:
    from affectscope.core.corpora.demo.puppet import _incidence, normals

    shade = 1 + 0.3 * _streaks(places, rng)
    colours = np.clip(np.array(identity.hair) * shade[:, None], 0, 1)
    facing = normals(points.astype(np.float32), quads, _incidence(quads, len(points)))
    return Lock(points.astype(np.float32), facing, quads, colours.astype(np.float32))


def _sheet(rows: int, columns: int) -> np.ndarray:
    index = np.arange(rows * columns).reshape(rows, columns)
    corners = (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1])
    return np.stack([corner.ravel() for corner in corners], 1)


def _curtain(identity: Identity, neutral: np.ndarray, low: float, rng: np.random.Generator) -> Lock:
    """Hair that falls behind the ears: part of an elliptic tube, open towards the face."""
    rows, columns = 28, 72
    skull = neutral[(neutral[:, 1] > 7.3) & (neutral[:, 2] < 1.0)]
    wide = float(np.abs(skull[:, 0]).max()) + 0.14
    y = np.linspace(8.1, low, rows)[:, None]
    opening = np.interp(y, [low, 6.6, 7.4, 8.1], [38, 52, 62, 80])
    angle = np.radians(opening + (360 - 2 * opening) * np.linspace(0, 1, columns)[None])
    reach = np.interp(y, [low, 6.5, 7.3, 8.1], [1.05, 1.06, 1.0, 0.86])
    wave = 1 + 0.03 * np.sin(9 * y + 5 * np.sin(angle * 3 + rng.uniform(0, 6)))
    points = np.stack([
        wide * reach * wave * np.sin(angle),
        np.broadcast_to(y, angle.shape),
        0.25 + 0.72 * reach * wave * np.cos(angle),
    ], 2).reshape(-1, 3)  # fmt: skip
    return _lock(points, _sheet(rows, columns), identity, points, rng)


def _knot(identity: Identity, neutral: np.ndarray, rng: np.random.Generator) -> Lock:
    rows, columns = 16, 24
    top = float(neutral[:, 1].max())
    tilt, turn = np.meshgrid(np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    ball = np.stack([np.sin(tilt) * np.cos(turn), np.cos(tilt), np.sin(tilt) * np.sin(turn)], 2).reshape(-1, 3)
    points = ball * (0.34, 0.26, 0.3) + (0, top + 0.1, 0.15)
    return _lock(points, _sheet(rows, columns), identity, ball * 3, rng)
