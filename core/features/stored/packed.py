"""A packed store: the features of a whole corpus in a few memory-mapped files.

    STORE/<feature set>-<settings>/set.json               what the features are and how they were made
                                   clips.csv              clip, SHA-256 of its file, seconds, in the order of the corpus's table
                                   broken.csv             clips that could not be read, and why; set.json has checksums of both
                                   00000.safetensors ...  shards, ``shard_clips`` clips each, see ``core.features.stored.shards``

Features are addressed by the content of a clip and its extractor's settings. ``clips.csv`` is written last: a set without it is
unfinished. Single clips are cached in ``core.cache.store`` instead.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of
from affectscope.core.corpora.base import Corpus
from affectscope.core.errors import UserError
from affectscope.core.features.base import from_pixels
from affectscope.core.features.stored.arrays import source_of
from affectscope.core.features.stored.shards import Reading, Row, Shard
from affectscope.core.streams import Stream

# Each open shard keeps two file descriptors; a process has about a thousand.
MOST_OPEN = 100
CLIPS, BROKEN, SETTINGS = "clips.csv", "broken.csv", "set.json"


def default_folder(corpus: str, root: Path) -> Path:
    """Where a corpus's features are packed by default."""
    return cache_root() / "packed" / f"{Path(corpus).name}-{key_of(str(root.resolve()))[:8]}"


def shard_path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.safetensors"


class PackedSet:
    """One feature set of a store. Opening it reads two small files; shards are mapped on first access.

    Attributes:
        name, modality, dim: the features, and how many per frame.
        pixels, low: True where values are stored as bytes, and read as ``low`` to 1.
        content, durations: clip -> SHA-256 of its file; seconds.
    """

    def __init__(self, folder: Path) -> None:
        """Open a set.

        Raises:
            UserError: when the folder holds no finished feature set.
        """
        self.folder = folder
        try:
            about: dict[str, Any] = sealed.read_json(folder / SETTINGS) or {}
            self._sums = dict(about["sums"])
            table = pd.read_csv(self._text(CLIPS), dtype={"clip": str, "content": str}, keep_default_na=False)
            self.name, self.modality, self.dim = str(about["name"]), str(about["modality"]), int(about["dim"])
            self.pixels, self.settings = about["dtype"] == "uint8", dict(about["settings"])
            self.low = float(about.get("low", -1.0))
            self._shard_clips = int(about["shard_clips"])
            self.content: Mapping[str, str] = dict(zip(table["clip"], table["content"], strict=True))
            self.durations: Mapping[str, float] = dict(zip(table["clip"], table["seconds"].astype(float), strict=True))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UserError(f"{folder} holds no finished feature set: run `affectscope features extract` again.") from error
        self._number = {clip: number for number, clip in enumerate(self.content)}
        self._contents = list(self.content.values())
        self._shards: dict[int, Shard] = {}

    def __contains__(self, clip: object) -> bool:
        return clip in self._number

    def __len__(self) -> int:
        return len(self._number)

    @property
    def digest(self) -> str:
        """Hash of how the features were made, and of which clips."""
        return key_of(self.name, self.settings, self._sums[CLIPS])

    def row(self, clip: str) -> Row:
        """The stored row of a clip; its arrays are views of the mapped file.

        Raises:
            UserError: when the set lacks the clip, or its shard is damaged.
        """
        _, shard, row = self.place(self.number(clip))
        return shard.row(row)

    def stream(self, clip: str) -> Stream:
        """A copy of a clip's features as model input; no frames if the clip is broken.

        Raises:
            UserError: as ``row``.
        """
        place = self.place(self.number(clip))
        values = np.empty((place.frames, self.dim), np.float32)
        raw = np.empty(values.shape, np.uint8) if self.pixels else values
        read([place.reading(raw)])
        if self.pixels:
            from_pixels(raw, values, self.low)
        return Stream(values, place.times, place.present)

    def number(self, clip: str) -> int:
        """A clip's index in the store, for ``place``.

        Raises:
            UserError: when the set lacks the clip.
        """
        try:
            return self._number[clip]
        except KeyError:
            raise UserError(
                f"The features in {self.folder} have no clip {clip}: run `affectscope features extract` again."
            ) from None

    def place(self, number: int) -> Place:
        """The location of the clip with this index.

        Raises:
            UserError: when its shard is damaged.
        """
        shard, row = divmod(number, self._shard_clips)
        return Place(self, self._shards.get(shard) or self._open(shard), row)

    @cached_property
    def broken(self) -> Mapping[str, str]:
        """Clips that could not be read, and why.

        Raises:
            UserError: when the list is damaged.
        """
        try:
            table = pd.read_csv(self._text(BROKEN), dtype=str, keep_default_na=False)
            return dict(zip(table["clip"], table["why"], strict=True))
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{self.folder / BROKEN} is damaged: run `affectscope features extract` again.") from error

    def _text(self, name: str) -> io.BytesIO:
        """A file of the set, its checksum verified.

        Raises:
            ValueError: when it was changed.
        """
        content = (self.folder / name).read_bytes()
        if sum_of(content) != self._sums[name]:
            raise ValueError(f"{name} is damaged")
        return io.BytesIO(content)

    def _open(self, number: int) -> Shard:
        path = shard_path(self.folder, number)
        try:
            shard = Shard(path)
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"{path} is missing or damaged: run `affectscope features extract` again.") from error
        if shard.content != self._contents[number * self._shard_clips : (number + 1) * self._shard_clips]:
            raise UserError(f"{path} holds other clips: run `affectscope features extract` again.")
        if len(self._shards) >= MOST_OPEN:
            self._shards.pop(next(iter(self._shards)), None)
        self._shards[number] = shard
        return shard


class Place(NamedTuple):
    """The location of a clip's features."""

    set: PackedSet
    shard: Shard
    row: int

    @property
    def frames(self) -> int:
        """Number of frames, T."""
        return self.shard.counts[self.row]

    @property
    def whole(self) -> bool:
        """Whether all frames are present."""
        return self.shard.whole[self.row]

    @property
    def times(self) -> np.ndarray:
        return self.shard.times[self.shard.frames(self.row)]

    @property
    def present(self) -> np.ndarray:
        return self.shard.present[self.shard.frames(self.row)]

    def reading(self, out: np.ndarray) -> Reading:
        """The arguments of ``read`` that copy the stored values to the first rows of ``out`` [.., D], contiguous.

        Valid as long as this place is referenced, which keeps the file open.
        """
        return self.shard.reading(self.row, out[: self.frames])

    def expect(self) -> None:
        """Ask the system to prefetch the clip's values."""
        self.shard.expect(self.row)


def read(readings: Iterable[Reading]) -> None:
    """Copy values from files, without the GIL.

    Raises:
        UserError: when a file is damaged.
    """
    for file, into, begin, size, shard, place in readings:
        if os.preadv(file, into, begin) != size:
            raise UserError("A file of the store was damaged meanwhile: run `affectscope features extract` again.")
        shard.check(place, into[0] if into else b"")


def sum_of(content: bytes) -> str:
    """Checksum for ``set.json``."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def open_sets(folder: Path) -> list[PackedSet]:
    """The finished feature sets of a store, sorted by name.

    Raises:
        UserError: when it has none.
    """
    sets = [PackedSet(path.parent) for path in sorted(folder.glob(f"*/{CLIPS}"))]
    if not sets:
        raise UserError(f"There are no finished features in {folder}: run `affectscope features extract`.")
    return sets


def choose_sets(folder: Path, wanted: Mapping[str, str], modalities: Iterable[str] = ()) -> dict[str, PackedSet]:
    """The feature set of each modality.

    Args:
        wanted: modality -> feature set, or its folder's name where the store has it with several settings; default: the only one
            in the store.
        modalities: required modalities; default: all in the store, and those of ``wanted``.

    Raises:
        UserError: when there is none, or more than one.
    """
    sets = open_sets(folder)
    chosen = {}
    for modality in dict.fromkeys(modalities or [*(s.modality for s in sets), *wanted]):
        fits = [s for s in sets if s.modality == modality and wanted.get(modality, s.name) in (s.name, s.folder.name)]
        if len(fits) != 1:
            names = ", ".join(s.folder.name for s in sets if s.modality == modality) or "none"
            raise UserError(f"Say which {modality} features of {folder} are meant; it has {names}.")
        chosen[modality] = fits[0]
    return chosen


def packed_for(corpus: Corpus, wanted: Mapping[str, str]) -> dict[str, PackedSet]:
    """Feature sets, by modality, in the default store of ``affectscope features extract``.

    Empty where it lacks some of them, or the user configured arrays, which take precedence.
    """
    if any(source_of(name) for name in wanted.values()):
        return {}
    try:
        return choose_sets(default_folder(corpus.name, corpus.root), wanted, wanted)
    except UserError:
        return {}


class PackedStreams(Mapping[str, Stream]):
    """The streams of one clip, read from the store on every access, so that a list of clips takes no memory."""

    def __init__(self, sets: Mapping[str, PackedSet], clip: str) -> None:
        self.sets, self.clip = sets, clip

    def __getitem__(self, modality: str) -> Stream:
        return self.sets[modality].stream(self.clip)

    def number(self, modality: str) -> int | None:
        """The clip's index in a modality's feature set; None where the store has no such set."""
        return self.sets[modality].number(self.clip) if modality in self.sets else None

    def __contains__(self, modality: object) -> bool:
        # Mapping's default would read the clip.
        return modality in self.sets

    def __iter__(self) -> Iterator[str]:
        return iter(self.sets)

    def __len__(self) -> int:
        return len(self.sets)
