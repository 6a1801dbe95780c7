"""Clips whose class is told by their file's size, so that whose answer stands on a page can be seen."""

from __future__ import annotations

from pathlib import Path

from tests.app import fake


def class_of(path: Path) -> str:
    return fake.CLASSES[path.stat().st_size % len(fake.CLASSES)]


def films(folder: Path, names: list[str]) -> list[Path]:
    """A second of film under each name, each with another hash and size: empty boxes at its end, which players pass over."""
    folder.mkdir(parents=True)
    first = fake.clip(folder / f"{names[0]}.mp4", seconds=1.0)
    made = [folder / f"{name}.mp4" for name in names]
    film = first.read_bytes()
    for i, path in enumerate(made):
        path.write_bytes(film + b"\0\0\0\x08free" * i)
    return made
