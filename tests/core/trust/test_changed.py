"""A clip that is encoded again is the same file each time."""

from pathlib import Path

import numpy as np

from affectscope.core import media


def test_x264_does_without_what_hangs_on_memory(tmp_path: Path):
    """With trees of macroblocks, files of a clip differed within one process; x264 writes what it was asked for into each."""
    frames = [(i / 25, np.full((64, 64, 3), i, np.uint8)) for i in range(5)]
    files = {}
    for same in (False, True):
        media.encode(tmp_path / "a.mp4", iter(frames), same=same)
        files[same] = (tmp_path / "a.mp4").read_bytes()
    assert b"mbtree=1" in files[False]
    assert b"mbtree=0" in files[True]
