"""Feature sets and their registry: the papers' sets, families by size, and user-defined sets.

A set declares what it needs: ``sound``, or face crops (``grey-64`` [F, 64, 64], ``close-72`` [F, 72, 72] of the middle,
``rgb-96`` or ``rgb-224`` [F, side, side, 3]). The extracted arrays of a clip are a dict: ``sound`` and ``sound_start`` (missing
without an audio track), ``times`` and ``boxes`` of the faces, and the crops. A user-defined set needs the ``file``, or the file
and the ``faces`` found in it. A set that this product cannot extract needs ``arrays``.
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

# Part of every key in the store: raise it whenever an extractor's output changes.
EXTRACTION_VERSION = 3
# Values of ``FeatureSet.needs`` other than kinds of crops.
NO_CROPS = frozenset({"sound", "file", "faces", "arrays"})


def nothing(given: Arrays, encoder: Any) -> Stream:
    """The ``encode`` of sets that are not computed from extracted arrays."""
    raise TypeError("this set is not made of arrays that a clip gave")


@dataclass(frozen=True)
class FeatureSet:
    """One way to turn a clip into a stream.

    Attributes:
        modality: audio, visual, or any name that a model declares, such as text.
        dim: features per frame, as published; the product of ``shape`` if it has one.
        rate: approximate frames per second, for planning only; 0 if unknown.
        needs: ``sound``, the kind of crop, ``file``, ``faces`` or ``arrays``.
        source: citation; for a set that is not computed here, who publishes it.
        encode: (extracted arrays, encoder or None) -> values [T, D].
        network: the encoder's class, with its options.
        pixels: values are uint8, scaled to ``low``..1 in the stream.
        shape: of one frame: () for a vector, channels first for a picture, (samples,) for a waveform.
        low: the value of byte 0, if ``pixels``.
        read: of a user-defined set: clip file -> stream.
        code: hash of the code of ``read``, part of its cache key.
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
        """The path of the weights, if the set needs any; None where arrays are configured instead.

        Raises:
            UserError: when weights or a required package are missing, or the set cannot be computed here.
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
        """The encoder, loaded once per process; None if the set needs no weights from the user.

        Raises:
            UserError: when the weights do not fit.
        """
        if self.network is None or path is None:
            return None
        kind, options = self.network
        return networks.load(kind, path, device, **options)

    def make(self, clip: ClipFile, given: Arrays, encoder: Any) -> Stream:
        """The stream of a clip: from configured arrays if they contain it, else computed.

        Args:
            given: the extracted arrays that the set needs, by name.

        Raises:
            UserError: when a user-defined function fails, arrays are invalid, or the set exists only as arrays and they lack the
                clip.
        """
        stream = given_arrays.stream_of(self.name, self.dim, clip.ids, lambda: clip.duration)
        if stream is not None:
            return stream
        if self.needs == "arrays" or (self.weights and encoder is None):
            raise UserError(given_arrays.missing(self.name, clip.id))
        return self.read(clip) if self.read else self.encode(given, encoder)

    def settings(self, path: Path | None) -> dict[str, Any]:
        """All that the features depend on besides the clip."""
        weights = {"weights": networks.digest(path)} if path else {}
        code = {"code": self.code} if self.code else {}
        arrays = {"arrays": stamp} if (stamp := given_arrays.stamp_of(self.name)) else {}
        shape = {"shape": list(self.shape)} if self.pixels and self.shape else {}
        return {"set": self.name, "version": EXTRACTION_VERSION, **weights, **code, **arrays, **shape}

    def as_stream(self, arrays: Mapping[str, np.ndarray]) -> Stream:
        """Stored values, times and presence as a model's input."""
        values = arrays["values"]
        if self.pixels:
            raw, values = values, np.empty(values.shape, np.float32)
            from_pixels(raw, values, self.low)
        return Stream(values, arrays["times"], arrays["present"])


def from_pixels(raw: np.ndarray, out: np.ndarray, low: float = -1.0) -> None:
    """Convert bytes to floats, ``low`` (-1 or 0) to 1."""
    np.divide(raw, np.float32(127.5 if low else 255), out)
    if low:
        out -= 1


Family = Callable[[re.Match[str]], FeatureSet]


class FeatureSets(Registry[FeatureSet]):
    """Feature sets by name: fixed ones, families with a size in the name, and user-defined ones."""

    def __init__(self) -> None:
        super().__init__("feature set")
        self._families: dict[re.Pattern[str], tuple[str, Family]] = {}
        self._sized: list[Callable[[int], Sequence[str]]] = []

    def family(self, pattern: str, called: str, sized: Callable[[int], Sequence[str]]) -> Callable[[Family], Family]:
        """Register a family: sets whose names match a pattern.

        Args:
            called: the family's display name, such as ``log-mel-BANDS``.
            sized: features per frame -> names of the members with that many.
        """

        def add(make: Family) -> Family:
            self._families[re.compile(pattern)] = called, make
            self._sized.append(sized)
            return make

        return add

    def sized(self, dim: int) -> list[str]:
        """The members of families that have ``dim`` features per frame."""
        return [name for names in self._sized for name in names(dim)]

    @property
    def families(self) -> tuple[str, ...]:
        """Display names of the families."""
        return tuple(called for called, _ in self._families.values())

    def get(self, name: str) -> FeatureSet | None:
        """The set of a name, or None.

        Raises:
            UserError: when the family does not have the size in the name.
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
        """Features per frame; 0 for an unknown set."""
        feature_set = self.get(name)
        return feature_set.dim if feature_set else 0

    def put(self, feature_set: FeatureSet) -> None:
        """Register a user-defined set; it replaces one of the same name."""
        self._entries[feature_set.name] = feature_set

    def written(self, name: str) -> FeatureSet | None:
        """The set of a name, ignoring the user's settings; or None."""
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
