"""What a feature set is, and the registry of them: the papers', families by size, and a person's own.

A set needs the ``sound``, or crops of the face: ``grey-64`` [F, 64, 64], ``close-72`` [F, 72, 72] of its middle, ``rgb-96`` or
``rgb-224`` [F, side, side, 3]. What a clip gave is a dict of arrays: ``sound`` and ``sound_start`` (not there without a track),
``times`` and ``boxes`` of the faces, and the crops. A set of a person's own needs the ``file``, or the file and where its
``faces`` are; one that nothing here can make needs ``arrays``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from affectscope.core.cache.store import Arrays
from affectscope.core.errors import UserError
from affectscope.core.features import settings
from affectscope.core.features.clipfile import ClipFile
from affectscope.core.features.extractors import networks, opensmile
from affectscope.core.features.extractors.networks import Weights
from affectscope.core.features.stored import arrays as given_arrays
from affectscope.core.registry import Registry
from affectscope.core.streams import Stream

# Part of every key in the store: raise it whenever an extractor's numbers change.
EXTRACTION_VERSION = 3
# What ``FeatureSet.needs`` may be beside kinds of crops.
NO_CROPS = frozenset({"sound", "file", "faces", "arrays"})


def nothing(given: Arrays, encoder: Any) -> Stream:
    """The ``encode`` of sets that are not made of what a clip gave."""
    raise TypeError("this set is not made of arrays that a clip gave")


@dataclass(frozen=True)
class FeatureSet:
    """One way to turn a clip into a stream.

    Attributes:
        modality: audio, visual, or any that a model names, such as text.
        dim: features a frame, as published; the product of ``shape`` where there is one.
        rate: about how many frames a second, for planning only; 0 where nobody knows.
        needs: ``sound``, the kind of crop, ``file``, ``faces`` or ``arrays``.
        source: where it is from; of a set that is not made here, who makes it.
        encode: from what a clip gave, and the encoder where there are weights, to values [T, D].
        network: the encoder's class, with its options.
        pixels: values are uint8, and ``low`` to 1 as a stream.
        shape: of one frame: () for a vector, channels first for a picture, (samples,) for a waveform.
        low: what a byte of 0 stands for where ``pixels`` are kept.
        read: of a set of a person's own, from the clip's file to the stream.
        code: a hash of what ``read`` does, part of the key of what it made.
    """

    name: str
    modality: str
    dim: int
    rate: float
    needs: str
    source: str
    encode: Callable[[Arrays, Any], Stream] = nothing
    weights: Weights | None = None
    network: tuple[type, Mapping[str, Any]] | None = None
    pixels: bool = False
    shape: tuple[int, ...] = ()
    low: float = -1.0
    read: Callable[[ClipFile], Stream] | None = None
    code: str = ""

    def check(self, given: Path | None) -> Path | None:
        """The path of the weights, where the set needs any; None where arrays of it were named instead.

        Raises:
            UserError: when they, or a package that the set needs, are not there; when nothing here makes the set.
        """
        arrays = given_arrays.source_of(self.name) is not None
        if self.needs == "arrays" and not arrays:
            raise UserError(
                f"{self.name} is not extracted here ({self.source}): name a folder of arrays with "
                f"`affectscope features arrays {self.name} FOLDER`."
            )
        if self.name.startswith("llds") and not arrays:
            opensmile.check()
        try:
            return self.weights.find(self.name, given) if self.weights else None
        except UserError:
            if arrays:
                return None
            raise

    def load(self, path: Path | None, device: str = "cpu") -> Any:
        """The encoder, once a process; None where the set has no weights of the user's.

        Raises:
            UserError: when the weights do not fit.
        """
        if self.network is None or path is None:
            return None
        kind, options = self.network
        return networks.load(kind, path, device, **options)

    def make(self, clip: ClipFile, given: Arrays, encoder: Any) -> Stream:
        """The stream of a clip: from arrays, where such were named and have it, or made of the clip.

        Args:
            given: what the set needs of the clip, by name.

        Raises:
            UserError: when a person's own function fails, arrays cannot be used, or there is no other way and no array.
        """
        stream = given_arrays.stream_of(self.name, self.dim, clip.ids, lambda: clip.duration)
        if stream is not None:
            return stream
        if self.needs == "arrays" or (self.weights and encoder is None):
            raise UserError(given_arrays.missing(self.name, clip.id))
        return self.read(clip) if self.read else self.encode(given, encoder)

    def settings(self, path: Path | None) -> dict[str, Any]:
        """What the numbers depend on besides the clip."""
        weights = {"weights": networks.digest(path)} if path else {}
        code = {"code": self.code} if self.code else {}
        arrays = {"arrays": stamp} if (stamp := given_arrays.stamp_of(self.name)) else {}
        shape = {"shape": list(self.shape)} if self.pixels and self.shape else {}
        return {"set": self.name, "version": EXTRACTION_VERSION, **weights, **code, **arrays, **shape}

    def as_stream(self, arrays: Mapping[str, np.ndarray]) -> Stream:
        """Stored values, times and presence as a model takes them."""
        values = arrays["values"]
        if self.pixels:
            raw, values = values, np.empty(values.shape, np.float32)
            from_pixels(raw, values, self.low)
        return Stream(values, arrays["times"], arrays["present"])


def from_pixels(raw: np.ndarray, out: np.ndarray, low: float = -1.0) -> None:
    """Bytes as the models take them, ``low`` (-1 or 0) to 1."""
    np.divide(raw, np.float32(127.5 if low else 255), out)
    if low:
        out -= 1


Family = Callable[[re.Match[str]], FeatureSet]


class FeatureSets(Registry[FeatureSet]):
    """Feature sets by name: those that are written down, families with a size in the name, and those of a person's settings."""

    def __init__(self) -> None:
        super().__init__("feature set")
        self._families: dict[re.Pattern[str], tuple[str, Family]] = {}
        self._sized: list[Callable[[int], Sequence[str]]] = []

    def family(self, pattern: str, called: str, sized: Callable[[int], Sequence[str]]) -> Callable[[Family], Family]:
        """Register sets whose names fit a pattern.

        Args:
            called: what they are called in sentences, such as ``log-mel-BANDS``.
            sized: features a frame -> names of those that have so many.
        """

        def add(make: Family) -> Family:
            self._families[re.compile(pattern)] = called, make
            self._sized.append(sized)
            return make

        return add

    def sized(self, dim: int) -> list[str]:
        """The sets of families that have so many features a frame."""
        return [name for names in self._sized for name in names(dim)]

    @property
    def families(self) -> tuple[str, ...]:
        """What families are called."""
        return tuple(called for called, _ in self._families.values())

    def get(self, name: str) -> FeatureSet | None:
        """The set of a name, or None.

        Raises:
            UserError: when a size in the name is none that the family has.
        """
        if name in self._entries:
            return self._entries[name]
        for pattern, (_, make) in self._families.items():
            if matched := pattern.fullmatch(name):
                return make(matched)
        told = settings.arrays().get(name)
        if told is None or not told.dim:
            return None
        return FeatureSet(name, told.modality, told.dim, told.rate, "arrays", "arrays of your own", shape=told.shape)

    def dim(self, name: str) -> int:
        """Features a frame; 0 of a set that there is not."""
        feature_set = self.get(name)
        return feature_set.dim if feature_set else 0

    def put(self, feature_set: FeatureSet) -> None:
        """Register a set of a person's own; one of the same name from before is replaced."""
        self._entries[feature_set.name] = feature_set

    def written(self, name: str) -> FeatureSet | None:
        """The set of a name that no person's settings made, or None."""
        return self._entries.get(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def __getitem__(self, name: str) -> FeatureSet:
        feature_set = self.get(name)
        if feature_set is None:
            raise UserError(f"There is no feature set called {name!r}; choose one of {', '.join((*self, *self.families))}.")
        return feature_set

    def __iter__(self) -> Iterator[str]:
        return iter(sorted({*self._entries, *(name for name, told in settings.arrays().items() if told.dim)}))


FEATURE_SETS = FeatureSets()
