"""User-defined feature sets: a function that takes a clip, or a folder of existing arrays."""

from __future__ import annotations

import hashlib
import inspect
import math
import re
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from affectscope.core.errors import UserError
from affectscope.core.features import settings
from affectscope.core.features.base import FEATURE_SETS, FeatureSet
from affectscope.core.features.clipfile import ClipFile
from affectscope.core.features.frames import checked
from affectscope.core.features.settings import ArraySource
from affectscope.core.features.stored import arrays as stored
from affectscope.core.plugins.places import beside
from affectscope.core.streams import Stream
from affectscope.core.text import shown

Function = TypeVar("Function", bound=Callable[[ClipFile], Any])
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}")
_WIDEST = 1 << 22


def feature_set(
    name: str,
    *,
    modality: str,
    dim: int | None = None,
    shape: Sequence[int] | None = None,
    rate: float = 0.0,
    needs: Literal["", "faces"] = "",
    source: str = "",
    version: object = "",
) -> Callable[[Function], Function]:
    """Register a function as a feature set: ``fn(clip) -> (values, times)`` or ``(values, times, present)``.

    ``clip`` is a ``ClipFile``: sound at 16 kHz or as recorded, faces at a given size and colour, whole frames, times and the
    clip's id, each read lazily. Values are [T, dim] or [T, *shape], times [T] increasing seconds, present [T] bool (default:
    all). No frames mean that the clip lacks this modality.

    Args:
        modality: audio, visual, or any name of a model's input.
        dim: features per frame, for vectors; otherwise ``shape``, such as (3, 96, 96).
        rate: approximate frames per second, for planning only.
        needs: ``faces`` if the function uses them, so that bulk extraction detects them in a separate stage.
        source: a short description.
        version: part of the cache key, as is the function's file. Use it for what lies outside the file, such as the hash of
            weights.

    Raises:
        UserError: when the name is invalid or taken, or the size is missing.
    """
    _check_name(name)
    sizes = tuple(int(side) for side in shape or ())
    width = math.prod(sizes) if sizes else int(dim or 0)
    if (dim is None) == (shape is None) or not 0 < width <= _WIDEST:
        raise UserError(f"Say what size a frame of {name} is: give either dim or shape.")

    def register(fn: Function) -> Function:
        _check_free(name, _origin(fn))
        entry = FeatureSet(
            name=name,
            modality=modality,
            dim=width,
            rate=rate,
            needs=needs or "file",
            source=source or f"{getattr(fn, '__qualname__', 'a function')} of {Path(_file(fn)).name}",
            shape=sizes,
            read=_Reader(name, fn, width),
            code=_code_of(fn, version),
        )
        FEATURE_SETS.put(entry)
        return fn

    return register


def arrays(
    name: str,
    folder: str | Path,
    *,
    modality: str = "",
    dim: int | None = None,
    shape: Sequence[int] | None = None,
    rate: float = 0.0,
    key: str = "",
) -> None:
    """Use existing arrays as a feature set, found by the clip's id.

    For one of our sets (``vgg-face``) or of the papers' sets that are not computed here (``emoca-50``), the name is enough;
    arrays take precedence over extraction. Any other name makes a new set. See ``core.features.stored.arrays`` for the formats.

    Args:
        folder: of ``CLIP.npy``, ``CLIP.npz``, ``CLIP.pt``; or an HDF5 file, or a packed store. Relative to the plugin's folder.
        modality: of a new set.
        dim: features per frame of a new set; default: from the first array.
        shape: of one frame, where it is not a vector.
        rate: frames per second; default: the arrays' own times, or evenly spaced over the clip.
        key: the array's name inside a file that holds several.

    Raises:
        UserError: when there is no such folder, or nothing readable in it.
    """
    folder = beside(folder, sys._getframe(1).f_code.co_filename)
    stored.BOUND[name] = described(name, folder, modality, dim, shape, rate, key)
    told = stored.BOUND[name]
    if told.dim:
        FEATURE_SETS.put(
            FeatureSet(name, told.modality, told.dim, told.rate, "arrays", f"arrays in {told.path}", shape=told.shape)
        )


def described(
    name: str,
    folder: str | Path,
    modality: str = "",
    dim: int | None = None,
    shape: Sequence[int] | None = None,
    rate: float = 0.0,
    key: str = "",
) -> ArraySource:
    """The validated settings of ``arrays``.

    Raises:
        UserError: as ``arrays``.
    """
    _check_name(name)
    path = Path(folder).expanduser().absolute()
    if not path.exists():
        raise UserError(f"There is no folder {shown(str(path), 200)}: name the one that holds the arrays of {name}.")
    if rate < 0 or not math.isfinite(rate):
        raise UserError(f"The rate of {name} is frames a second, and {rate:g} is none: leave it out if you do not know it.")
    known = FEATURE_SETS.written(name)
    ours = known is not None and name not in stored.BOUND
    sizes = tuple(int(side) for side in shape or ())
    measured = stored.width_of(ArraySource(str(path), rate=rate, key=key), name)
    width = math.prod(sizes) if sizes else int(dim or 0)
    wanted = known.dim if known is not None and ours else width or measured
    if measured != wanted:
        raise UserError(f"The first array in {shown(str(path), 200)} has {measured} features a frame, and {name} has {wanted}.")
    if ours:
        return ArraySource(str(path), rate=rate, key=key)
    if not modality:
        raise UserError(f"{name} is none of our feature sets: say whether it is of audio, visual or another modality.")
    return ArraySource(str(path), modality, wanted, rate, key, sizes)


class _Reader:
    """A user's function, with its result validated."""

    def __init__(self, name: str, fn: Callable[[ClipFile], Any], dim: int) -> None:
        self.name, self.fn, self.dim = name, fn, dim

    def __call__(self, clip: ClipFile) -> Stream:
        who = f"The feature set {self.name}"
        try:
            given = self.fn(clip)
        except UserError:
            raise
        # User code may raise anything; the message names its line.
        except Exception as error:
            raise UserError(f"{who} failed at clip {shown(clip.id)}: {_told(error, self.fn)}.") from error
        if not isinstance(given, tuple) or len(given) not in (2, 3):
            raise UserError(f"{who} gave {type(given).__name__}: return (values, times) or (values, times, present).")
        return checked(f"{who} at clip {shown(clip.id)}", self.dim, *given)


def _check_name(name: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(f"{shown(str(name))} cannot be a feature set's name: use at most 60 letters, digits, stops and dashes.")


def _check_free(name: str, origin: str) -> None:
    there = FEATURE_SETS.get(name) if name not in settings.arrays() else FEATURE_SETS.written(name)
    mine = there is not None and isinstance(there.read, _Reader) and _origin(there.read.fn) == origin
    if there is not None and not mine:
        raise UserError(f"There is already a feature set called {name}: choose another name.")


def _origin(fn: Callable[..., Any]) -> str:
    """Where a function is defined, as text."""
    return f"{getattr(fn, '__qualname__', 'function')} of {_file(fn)}"


def _file(fn: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(fn), "__code__", None)
    return code.co_filename if code is not None else type(fn).__module__


def _code_of(fn: Callable[..., Any], version: object) -> str:
    """Hash of the function's file, or of its bytecode if it has none."""
    path = Path(_file(fn))
    try:
        content = path.read_bytes()
    except OSError:
        code = getattr(inspect.unwrap(fn), "__code__", None)
        content = code.co_code + repr(code.co_consts).encode() if code is not None else repr(type(fn)).encode()
    return hashlib.sha256(content + repr(version).encode()).hexdigest()[:16]


def _told(error: Exception, fn: Callable[..., Any]) -> str:
    """An error, with the line of the user's file that raised it."""
    mine = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == _file(fn)]
    where = f" ({Path(mine[-1].filename).name}, line {mine[-1].lineno})" if mine else ""
    return f"{type(error).__name__}: {shown(str(error), 160)}{where}"
