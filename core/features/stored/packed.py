"""A packed store: the features of a whole corpus in a few files that are mapped into memory.

    STORE/<feature set>-<settings>/set.json               what the features are and how they were made
                                   clips.csv              clip, SHA-256 of its file, seconds, in the order of the corpus's table
                                   broken.csv             clips that could not be read, and why; set.json has the sums of both
                                   00000.safetensors ...  shards, ``shard_clips`` clips each, see ``core.features.stored.shards``

Features are addressed by the bytes of a clip and the settings of their extractor. ``clips.csv`` is written last: a set without
it is not finished. The single clip's road is the cache of ``core.cache.store``.
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

# Each open shard keeps two handles, of which a process has some thousand.
MOST_OPEN = 100
CLIPS, BROKEN, SETTINGS = "clips.csv", "broken.csv", "set.json"


def default_folder(corpus: str, root: Path) -> Path:
    """Where a corpus's features are packed unless its user says otherwise."""
    return cache_root() / "packed" / f"{Path(corpus).name}-{key_of(str(root.resolve()))[:8]}"


def shard_path(folder: Path, number: int) -> Path:
    return folder / f"{number:05d}.safetensors"


class PackedSet:
    """One feature set of a store. Opening it reads two small files; shards are mapped when a clip of theirs is asked for.

    Attributes:
        name, modality, dim: which features, and how many a frame.
        pixels, low: True where values are stored as bytes, and read as ``low`` to 1.
        content, durations: clip -> SHA-256 of its file; seconds.
    """

    def __init__(self, folder: Path) -> None:
        """
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
        """What tells its features from others: how they were made, and of which clips."""
        return key_of(self.name, self.settings, self._sums[CLIPS])

    def row(self, clip: str) -> Row:
        """What is stored of a clip; its arrays are views on the mapped file.

        Raises:
            UserError: when the set has no such clip, or its shard is damaged.
        """
        _, shard, row = self.place(self.number(clip))
        return shard.row(row)

    def stream(self, clip: str) -> Stream:
        """A clip's features as the models take them, in memory of their own; of a clip that is broken, no frame.

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
        """A clip's number in the store, for ``place``.

        Raises:
            UserError: when the set has no such clip.
        """
        try:
            return self._number[clip]
        except KeyError:
            raise UserError(
                f"The features in {self.folder} have no clip {clip}: run `affectscope features extract` again."
            ) from None

    def place(self, number: int) -> Place:
        """Where the clip with this number lies.

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
        """A file of the set, as it was written.

        Raises:
            ValueError: when it is not.
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
    """Where the features of one clip lie."""

    set: PackedSet
    shard: Shard
    row: int

    @property
    def frames(self) -> int:
        """T."""
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
        """What ``read`` has to do to copy what is stored to the first rows of ``out`` [.., D], contiguous.

        It is good as long as somebody holds this place, and with it the open file.
        """
        return self.shard.reading(self.row, out[: self.frames])

    def expect(self) -> None:
        """Let the system begin to read what will be asked for soon."""
        self.shard.expect(self.row)


def read(readings: Iterable[Reading]) -> None:
    """Copy from files; Python is left to other threads meanwhile.

    Raises:
        UserError: when a file is damaged.
    """
    for file, into, begin, size, shard, place in readings:
        if os.preadv(file, into, begin) != size:
            raise UserError("A file of the store was damaged meanwhile: run `affectscope features extract` again.")
        shard.check(place, into[0] if into else b"")


def sum_of(content: bytes) -> str:
    """A checksum for ``set.json``."""
    return hashlib.blake2b(content, digest_size=16).hexdigest()


def open_sets(folder: Path) -> list[PackedSet]:
    """The finished feature sets of a store, in the order of their names.

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
        wanted: modality -> feature set, or its folder's name where the store has it with several settings; where nothing is
            said, the only one that the store has.
        modalities: which there have to be; all that the store has, and those of ``wanted``, if left out.

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
    """Feature sets, by modality, of the store that ``affectscope features extract`` fills unless told otherwise; empty where it
    lacks some, and where arrays of a person's own go before it."""
    if any(source_of(name) for name in wanted.values()):
        return {}
    try:
        return choose_sets(default_folder(corpus.name, corpus.root), wanted, wanted)
    except UserError:
        return {}


class PackedStreams(Mapping[str, Stream]):
    """The streams of one clip, read from the store each time that they are asked for, so that a list of clips costs nothing."""

    def __init__(self, sets: Mapping[str, PackedSet], clip: str) -> None:
        self.sets, self.clip = sets, clip

    def __getitem__(self, modality: str) -> Stream:
        return self.sets[modality].stream(self.clip)

    def number(self, modality: str) -> int | None:
        """The clip's number in the feature set of a modality, None where the store has no such set."""
        return self.sets[modality].number(self.clip) if modality in self.sets else None

    def __contains__(self, modality: object) -> bool:
        # The default of a mapping would read the clip to see.
        return modality in self.sets

    def __iter__(self) -> Iterator[str]:
        return iter(self.sets)

    def __len__(self) -> int:
        return len(self.sets)
