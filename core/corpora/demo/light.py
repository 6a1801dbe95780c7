"""Lighting, computed at the vertices: the meshes are as fine as the picture, and it halves a software renderer's time."""

import numpy as np

from affectscope.core.corpora.demo.script import Look

# Ambient light: from above, and reflected by clothes and room from below.
_SKY, _GROUND = np.array((0.29, 0.30, 0.315), np.float32), np.array((0.19, 0.165, 0.15), np.float32)
# Wrap lighting for subsurface scattering: red reaches furthest into the shadow (Jensen et al. 2001).
_WRAP = {"skin": (0.42, 0.24, 0.18), "plain": (0.25, 0.25, 0.25)}
_KNEE = 0.72


class Lamps:
    """Key, fill and rim light of a clip; they are fixed while the head moves."""

    def __init__(self, look: Look) -> None:
        side, up = np.radians((look.side, look.up))
        away = -np.sign(look.side or 1)
        directions = np.array([
            (np.sin(side) * np.cos(up), np.sin(up), np.cos(side) * np.cos(up)), (0.6 * away, 0.15, 0.8), (0.5 * away, 0.6, -0.6),
        ])  # fmt: skip
        self._directions = (directions / np.linalg.norm(directions, axis=1, keepdims=True)).astype(np.float32)
        halves = self._directions + np.array((0, 0, 1))
        self._halves = (halves / np.linalg.norm(halves, axis=1, keepdims=True)).astype(np.float32)
        warm = np.array((1 + 0.08 * look.warmth, 1.0, 1 - 0.12 * look.warmth))
        strengths = np.array([look.key, look.fill, look.rim])
        self._colours = (0.62 * strengths[:, None] * np.stack([warm, np.ones(3), np.ones(3)])).astype(np.float32)
        self._strengths = strengths.astype(np.float32)

    def shade(self, colours: np.ndarray, normals: np.ndarray, shine: float, power: float, kind: str = "plain") -> np.ndarray:
        """Lit colours [K, 3] uint8 of vertices with their own `colours` [K, 3] and `normals` [K, 3]; `kind`: skin or plain."""
        facing = normals @ self._directions.T
        above = 0.5 + 0.5 * normals[:, 1:2]
        light = _GROUND + above * (_SKY - _GROUND)
        wraps = _WRAP[kind]
        if kind == "plain":
            light = light + np.maximum((facing + wraps[0]) * (1 / (1 + wraps[0])), 0) @ self._colours
        else:
            for channel, wrap in enumerate(wraps):
                light[:, channel] += np.maximum((facing + wrap) * (1 / (1 + wrap)), 0) @ self._colours[:, channel]
        lit = colours * light
        if shine:
            lit += shine * (np.maximum(normals @ self._halves.T, 0) ** power @ self._strengths)[:, None]
        # Soft highlight compression, as in cameras.
        lit = np.where(lit > _KNEE, _KNEE + (1 - _KNEE) * np.tanh((lit - _KNEE) / (1 - _KNEE)), lit)
        return (np.clip(lit, 0, 1) * 255).astype(np.uint8)


def openness(points: np.ndarray, normals: np.ndarray, *, rays: int = 48, cell: float = 0.05) -> np.ndarray:
    """Sky visibility of each vertex, [M] in 0..1, by depth maps from `rays` directions.

    It is low in the mouth, the nostrils, the corners of the eyes and under the chin. `cell` is the depth maps' pixel in dm.
    """
    # Evenly distributed directions (a Fibonacci lattice).
    height = 1 - (2 * np.arange(rays) + 1) / rays
    turn = np.pi * (1 + 5**0.5) * np.arange(rays)
    flat = np.sqrt(1 - height**2)
    directions = np.stack([flat * np.cos(turn), height, flat * np.sin(turn)], 1)
    seen, possible = np.zeros(len(points)), np.full(len(points), 1e-6)
    for direction in directions:
        facing = np.maximum(normals @ direction, 0)
        right = np.cross(direction, (0.3, 0.9, 0.1))
        right /= np.linalg.norm(right)
        above = np.cross(right, direction)
        plane = np.floor(np.stack([points @ right, points @ above], 1) / cell).astype(int)
        plane -= plane.min(0)
        index = plane[:, 0] * (plane[:, 1].max() + 1) + plane[:, 1]
        depth = points @ direction
        nearest = np.full(index.max() + 1, -np.inf)
        np.maximum.at(nearest, index, depth)
        seen += facing * (depth > nearest[index] - 0.1)
        possible += facing
    return (seen / possible).astype(np.float32)
