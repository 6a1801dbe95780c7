"""A clip that is encoded again is the same file each time, whatever memory held before."""

from pathlib import Path

import numpy as np

from affectscope.core import media


def test_what_is_encoded_twice_is_the_same(tmp_path: Path):
    # Smooth shapes that move: with noise alone x264 has nothing to look ahead for.
    y, x = np.mgrid[:320, :320] / 320
    frames = [(i / 25, np.uint8(127 + 120 * np.sin(9 * np.stack([x + i / 50, y - i / 70, x * y], -1)))) for i in range(40)]
    found = set()
    for number in range(6):
        junk = [np.full(size, 37 * number % 251, np.uint8) for size in (1 << 14, 1 << 16, 1 << 18, 1 << 20, 1 << 21) * 6]
        del junk
        media.encode(tmp_path / f"{number}.mp4", iter(frames), None, 25, 36, same=True)
        found.add((tmp_path / f"{number}.mp4").read_bytes())
    assert len(found) == 1
