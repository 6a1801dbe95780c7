"""Hair: strands over a thin shell, which gives a hairline and a soft outline, and a curtain for long hair.

A strand is a polyline along the scalp, combed according to its style, and rising from it. All hair rotates rigidly with the head.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from affectscope.core.corpora.demo.identities import Identity


@dataclass(frozen=True)
class Style:
    """Parameters of a hair style.

    `shell`: distance of the shell from the scalp in dm; `fringe`: how low on the forehead hair begins (1 low, -1 high); `length`
    of strands in dm, `lift` of their ends off the scalp in dm, `comb`: their direction; `falls`: the height y in dm to which hair
    falls, or 0; `strands`: their number.
    """

    shell: float
    fringe: float
    length: float
    lift: float
    comb: str
    falls: float = 0.0
    knot: bool = False
    strands: int = 2500


STYLES = {
    "short": Style(0.06, 0.55, 0.26, 0.13, "crown"), "crop": Style(0.025, 0.5, 0.10, 0.06, "crown"),
    "swept": Style(0.09, 0.6, 0.42, 0.17, "aside", strands=2900), "receding": Style(0.035, -0.9, 0.16, 0.08, "crown"),
    "bald": Style(0.0, -4.0, 0.0, 0.0, "crown"), "afro": Style(0.25, 0.7, 0.36, 0.36, "curl", strands=2900),
    "long": Style(0.08, 0.8, 0.55, 0.12, "part", falls=5.3), "bob": Style(0.09, 1.0, 0.5, 0.13, "part", falls=6.2),
    "bun": Style(0.03, 0.6, 0.5, 0.055, "back", knot=True),
}  # fmt: skip
STEPS = 5
# The skull as an ellipsoid, in dm: gives smooth normals, and the direction of raised hair.
CENTRE, RADII = np.array((0.0, 7.55, 0.45), np.float32), np.array((0.75, 0.95, 0.92), np.float32)


@dataclass(frozen=True)
class Lock:
    """A rigid piece of hair: `points` [K, 3], `normals` [K, 3], `cells` [Q, 4] quads or [Q, K] polylines, `colours` [K, 3]."""

    points: np.ndarray
    normals: np.ndarray
    cells: np.ndarray
    colours: np.ndarray
    lines: bool = False


def grow(
    identity: Identity, template: np.ndarray, neutral: np.ndarray, normals: np.ndarray, masks: dict[str, np.ndarray]
) -> tuple[list[Lock], np.ndarray, np.ndarray]:
    """A person's hair on the neutral head; the skin vertices [M] that it hides; and hair density [M] in 0..1 on the skin."""
    from affectscope.core.corpora.demo.puppet import hash_name, rig

    style = STYLES[identity.hair_style]
    rng = np.random.default_rng(hash_name(identity.name))
    cover = _scalp(template, style.fringe, 0.14 if style.falls else 0.0, rng) * (masks["ears"] < 0.3) * masks["body"]
    if not style.length:
        return [], np.zeros(len(cover), bool), cover
    quads = rig().quads["skin"]
    # The shell's rim is below the skin, so that they intersect in a smooth line; strands hide it.
    chosen = quads[(cover[quads] > 0.02).any(1) & (masks["ears"][quads] < 0.3).all(1)]
    used, flat = np.unique(chosen, return_inverse=True)
    depth = np.clip((cover[used] - 0.3) * 1.6, 0, 1)
    bumps = 1 + 0.05 * _waves(template[used], rng)
    rise = -0.03 + (style.shell * bumps + 0.03) * depth
    tone = 0.72 + 0.16 * _waves(template[used], rng)
    locks = [_lock(neutral[used] + normals[used] * rise[:, None], flat.reshape(chosen.shape), identity, tone)]
    body = (masks["body"] > 0) & (masks["ears"] < 0.3) & (neutral[:, 1] > 6.3)
    locks.append(_strands(identity, style, neutral, chosen, cover, cKDTree(neutral[body]), rng))
    if style.falls:
        locks += _curtain(identity, neutral, style.falls, rng)
    if style.knot:
        locks += _knot(identity, neutral, rng)
    # Otherwise ears would stick through falling hair.
    return locks, (cover > 0.97) | ((masks["ears"] > 0.3) & bool(style.falls)), cover


def _scalp(template: np.ndarray, fringe: float, frame: float, rng: np.random.Generator) -> np.ndarray:
    """Hair density at each vertex [M], in 0..1: zero before the hairline, full a little behind it.

    `fringe` lowers the hairline, `frame` (dm) brings hair forward at the temples.
    """
    x, y, z = template.T
    heights = [6.3, 6.75, 7.0, 7.2, 7.45, 7.75, 8.0, 8.15, 8.3, 8.5]
    line = np.interp(y, heights, [-0.35, -0.1, 0.12, 0.48, 0.60, 0.86, 1.04, 1.24, 1.38, 1.5])
    # Hairlines are irregular: corners at the temples, a peak, and random variation.
    corners = rng.uniform(0.02, 0.16) * np.exp(-(((np.abs(x) - 0.42) / 0.14) ** 2)) * (y > 7.85)
    peak = rng.uniform(-0.02, 0.08) * np.exp(-((x / 0.14) ** 2)) * (y > 7.8)
    ragged = 0.02 * (np.sin(17 * x + rng.uniform(0, 6)) + np.sin(29 * y + 11 * x + rng.uniform(0, 6)))
    line = line + frame * np.clip((np.abs(x) - 0.35) / 0.2, 0, 1) * (y > 7.0)
    line = line + fringe * 0.14 * np.clip((y - 7.4) / 0.5, 0, 1) - corners + peak + ragged
    return np.clip((line - z) / 0.20, 0, 1) * np.clip((y - 6.4) / 0.25, 0, 1)


def _outward(points: np.ndarray) -> np.ndarray:
    """Unit normals [K, 3] of the skull's ellipsoid at `points` [K, 3]."""
    ray = (points - CENTRE) / RADII**2
    return ray / np.maximum(np.linalg.norm(ray, axis=1, keepdims=True), 1e-6)


def _combed(style: Style, points: np.ndarray, part: float) -> np.ndarray:
    """Hair direction [K, 3] at `points` [K, 3]: unit vectors along the scalp."""
    x, y, _ = points.T
    if style.comb == "crown":
        away = points - np.array((0.06, 8.6, 0.05))
        way = away + np.array((0, 0, 0.5)) * (y > 7.9)[:, None]
    elif style.comb == "aside":
        way = np.stack([np.where(x < part, -1.0, 0.9), 0.25 - 0.9 * np.clip(7.9 - y, 0, 1), np.full(len(x), -0.75)], 1)
    elif style.comb == "part":
        way = np.stack([np.tanh((x - part) / 0.05), -0.25 - 1.6 * np.clip(8.1 - y, 0, 1), np.full(len(x), -0.45)], 1)
    else:
        way = np.array((0.0, 8.15, -0.5)) - points
    normal = _outward(points)
    way = way - (way * normal).sum(1, keepdims=True) * normal
    return way / np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-6)


def _strands(
    identity: Identity, style: Style, neutral: np.ndarray, quads: np.ndarray, cover: np.ndarray, skull: cKDTree,
    rng: np.random.Generator,
) -> Lock:  # fmt: skip
    corners = neutral[quads]
    area = np.linalg.norm(np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1]), axis=1)
    # Behind the head only the outline is visible.
    weight = area * cover[quads].mean(1) ** 1.5 * np.where(corners[:, :, 2].mean(1) > 0.0, 1, 0.35)
    picks = rng.choice(len(quads), style.strands, p=weight / weight.sum())
    u, v = rng.random((2, len(picks), 1))
    a, b, c, d = (corners[picks, index] for index in range(4))
    points = (1 - u) * (1 - v) * a + u * (1 - v) * b + u * v * c + (1 - u) * v * d
    # Hair at the hairline is fine.
    full = np.clip(cover[quads].mean(1)[picks, None] * 1.3, 0.3, 1)
    length = style.length * rng.uniform(0.6, 1.15, (len(points), 1)) * (full if style.comb in ("crown", "curl") else 1)
    lift = style.lift * rng.uniform(0.45, 1.1, (len(points), 1))
    part = float(rng.uniform(0.08, 0.3) * rng.choice([-1, 1]))
    # Neighbouring strands form wisps with a common direction.
    wisp = 0.4 * _waves(points, rng)[:, None] + 0.14 * rng.normal(0, 1, (len(points), 1))
    path = [points - 0.01 * _outward(points)]
    for step in range(1, STEPS + 1):
        share = step / STEPS
        normal = _outward(points)
        if style.comb == "curl":
            turn = 2 * np.pi * (1.6 * share + rng.random((len(points), 1)) * 0.2) + 40 * wisp
            across = np.cross(normal, (0.3, 0.2, 0.9))
            swirl = np.cos(turn) * across + np.sin(turn) * np.cross(normal, across)
            path.append(path[0] + normal * length * share + 0.035 * swirl)
            continue
        way = _combed(style, points, part)
        way = way + 0.5 * wisp * np.cross(normal, way)
        points = points + way * length / STEPS
        _, near = skull.query(points)
        ground = skull.data[near]
        normal = _outward(points)
        height = ((points - ground) * normal).sum(1, keepdims=True)
        wanted = 0.012 + lift * share ** (0.7 if style.comb == "crown" else 0.5)
        points = points + normal * (wanted - height)
        path.append(points)
    return _wisps(np.stack(path, 1), identity, rng)


def _wisps(path: np.ndarray, identity: Identity, rng: np.random.Generator) -> Lock:
    """Polylines [S, K, 3] as one piece of hair, with a colour per strand that darkens towards the root."""
    count, steps, _ = path.shape
    along = np.gradient(path, axis=1)
    along /= np.maximum(np.linalg.norm(along, axis=2, keepdims=True), 1e-6)
    facing = _outward(path.reshape(-1, 3)).reshape(path.shape)
    facing = facing - 0.8 * (facing * along).sum(2, keepdims=True) * along + rng.normal(0, 0.18, (count, 1, 3))
    facing /= np.linalg.norm(facing, axis=2, keepdims=True)
    tone = np.exp(rng.normal(0, 0.22, (count, 1))) * np.linspace(0.72, 1.12, steps)
    colours = np.clip(np.array(identity.hair) * tone[..., None] + 0.012, 0, 1)
    cells = np.arange(count * steps).reshape(count, steps)
    flat = (array.reshape(-1, 3).astype(np.float32) for array in (path, facing, colours))
    points, normals, shades = flat
    return Lock(points, normals, cells, shades, lines=True)


def _waves(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise [K] around 0, running down from the crown."""
    angle = np.arctan2(points[:, 0], points[:, 2] - 0.4)
    tall = points[:, 1]
    waves = zip((11, 23, 47), (2, 3, 5), rng.uniform(0, 6, 3), strict=True)
    return sum(np.sin(f * angle + 3 * np.sin(g * tall + p) + p) for f, g, p in waves) / 3


def _lock(points: np.ndarray, quads: np.ndarray, identity: Identity, tone: np.ndarray | float) -> Lock:
    from affectscope.core.corpora.demo.puppet import _incidence, normals

    colours = np.array(identity.hair, np.float32) * np.broadcast_to(tone, len(points))[:, None]
    facing = normals(points.astype(np.float32), quads, _incidence(quads, len(points)))
    return Lock(points.astype(np.float32), facing, quads, colours)


def _sheet(rows: int, columns: int) -> np.ndarray:
    index = np.arange(rows * columns).reshape(rows, columns)
    corners = (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1])
    return np.stack([corner.ravel() for corner in corners], 1)


def _curtain(identity: Identity, neutral: np.ndarray, low: float, rng: np.random.Generator) -> list[Lock]:
    """Hair behind the ears: part of an elliptic tube, open towards the face, with strands on it."""
    skull = neutral[(neutral[:, 1] > 7.3) & (neutral[:, 2] < 1.0)]
    wide = float(np.quantile(np.abs(skull[:, 0]), 0.98)) + 0.07
    phase = rng.uniform(0, 6)

    def tube(y: np.ndarray, place: np.ndarray, out: np.ndarray | float = 0.0) -> np.ndarray:
        """Points [..., 3] at heights `y` and places -1..1 around the head."""
        opening = np.interp(y, [low, 6.6, 7.2, 7.6, 8.0], [31, 39, 46, 56, 76])
        angle = np.radians(180 + place * (180 - opening))
        reach = np.interp(y, [low, 6.5, 7.3, 7.7, 8.0], [1.10, 1.04, 1.02, 0.96, 0.84]) + out
        wave = 1 + 0.025 * np.sin(9 * y + 5 * np.sin(angle * 3 + phase))
        return np.stack([wide * reach * wave * np.sin(angle), y, 0.25 + 0.72 * reach * wave * np.cos(angle)], -1)

    y, place = np.meshgrid(np.linspace(8.0, low + 0.08, 24), np.linspace(-1, 1, 64), indexing="ij")
    tone = 0.68 + 0.2 * np.sin(61 * place + 4 * np.sin(3 * y)) * np.sin(23 * place)
    mesh = _lock(tube(y, place).reshape(-1, 3), _sheet(24, 64), identity, tone.ravel())
    count = 420
    # Most strands where they are visible: beside the face and at the edges.
    place = np.sign(rng.uniform(-1, 1, count)) * (1 - 0.75 * rng.random(count) ** 1.6)
    top, end = rng.uniform(7.3, 7.95, (count, 1)), low + rng.exponential(0.09, (count, 1)) - 0.08
    y = top + (end - top) * np.linspace(0, 1, 7)
    drift = rng.normal(0, 0.02, (count, 1)) * np.linspace(0, 1, 7) + 0.012 * np.sin(7 * y + rng.uniform(0, 6, (count, 1)))
    path = tube(y, place[:, None] + drift, rng.uniform(0.0, 0.09, (count, 1)) * np.linspace(0, 1, 7))
    return [mesh, _wisps(path, identity, rng)]


def _knot(identity: Identity, neutral: np.ndarray, rng: np.random.Generator) -> list[Lock]:
    rows, columns = 16, 24
    middle, radii = np.array((0, float(neutral[:, 1].max()) + 0.06, 0.1)), np.array((0.30, 0.22, 0.28))
    tilt, turn = np.meshgrid(np.linspace(0, np.pi, rows), np.linspace(0, 2 * np.pi, columns), indexing="ij")
    ball = np.stack([np.sin(tilt) * np.cos(turn), np.cos(tilt), np.sin(tilt) * np.sin(turn)], 2).reshape(-1, 3)
    # Coiled strands: great circles, each slightly tilted.
    count = 500
    start, lean = rng.uniform(0, 2 * np.pi, (count, 1)), rng.normal(0, 0.5, (count, 1))
    round_ = start + np.linspace(0, 1.6, STEPS + 1)
    height = np.clip(rng.uniform(-0.9, 0.95, (count, 1)) + 0.3 * lean * np.sin(round_), -0.97, 0.97)
    flat = np.sqrt(1 - height**2)
    path = np.stack([flat * np.cos(round_), height, flat * np.sin(round_)], 2) * rng.uniform(1.0, 1.08, (count, 1, 1))
    return [_lock(ball * radii + middle, _sheet(rows, columns), identity, 0.72), _wisps(path * radii + middle, identity, rng)]
