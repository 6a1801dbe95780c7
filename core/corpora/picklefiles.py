"""Reads arrays and plain containers from untrusted pickles. Nothing in a pickle is ever called or imported.

A pickle refers by name to the functions that rebuild its objects. Here each name is replaced by a function of this module that
can only build arrays of numbers or text, or is refused: file contents do not even reach numpy's own functions.
"""

from __future__ import annotations

import math
import pickle
import struct
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, ClassVar, Literal

import numpy as np

from affectscope.core.errors import UserError

_KINDS = "biufcSU"
_LARGEST = 1 << 40


class _Type:
    """An array's dtype as spelled in a pickle."""

    def __init__(self, spelled: object = "", align: object = False, copy: object = True) -> None:
        self.spelled = _text(spelled)
        self.order = "="

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) < 2:
            raise pickle.UnpicklingError("a strange type")
        self.order = _text(state[1])

    def real(self) -> np.dtype:
        kind, size = self.spelled[:1], self.spelled[1:]
        if self.spelled == "O" or self.spelled == "O8":
            return np.dtype(object)
        if kind not in _KINDS or not size.isdigit() or not 0 < int(size) <= 1 << 16 or self.order not in "<>=|":
            raise pickle.UnpicklingError("an array of neither numbers nor text")
        return np.dtype(f"{self.order}{kind}{size}")


class _Array:
    """An array under construction."""

    def __init__(self, *told: object) -> None:
        self.value: np.ndarray | None = None

    def __setstate__(self, state: Any) -> None:
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], _Type):
            raise pickle.UnpicklingError("a strange array")
        _, shape, kind, fortran, content = state
        self.value = _filled(kind.real(), shape, content, bool(fortran))


def _filled(kind: np.dtype, shape: Any, content: Any, fortran: bool) -> np.ndarray:
    if not isinstance(shape, tuple) or not all(type(n) is int and n >= 0 for n in shape):
        raise pickle.UnpicklingError("a strange shape")
    count = math.prod(shape)
    order: Literal["F", "C"] = "F" if fortran else "C"
    if kind == np.dtype(object):
        if not isinstance(content, list) or len(content) != count:
            raise pickle.UnpicklingError("an array that is not as long as it says")
        return _objects(content).reshape(shape, order=order)
    raw = (
        content.encode("latin-1")
        if isinstance(content, str)
        else bytes(content)
        if isinstance(content, bytes | bytearray)
        else b""
    )
    if len(raw) != count * kind.itemsize or len(raw) > _LARGEST:
        raise pickle.UnpicklingError("an array that is not as long as it says")
    return np.frombuffer(raw, kind).reshape(shape, order=order)


def _objects(content: list[Any]) -> np.ndarray:
    # One by one: numpy would convert a list of lists to rows.
    array = np.empty(len(content), object)
    for place, item in enumerate(content):
        array[place] = item
    return array


def _scalar(kind: object, content: object = b"") -> object:
    if not isinstance(kind, _Type):
        raise pickle.UnpicklingError("a strange number")
    return _filled(kind.real(), (), content if kind.spelled[:1] != "O" else [content], False).item()


def _from_buffer(content: object, kind: object, shape: object, order: object = "C") -> object:
    if not isinstance(kind, _Type):
        raise pickle.UnpicklingError("a strange array")
    array = _Array()
    array.value = _filled(kind.real(), shape, content, order == "F")
    return array


def _encoded(text: object, encoding: object = "latin1") -> bytes:
    if not isinstance(text, str):
        raise pickle.UnpicklingError("a strange text")
    return text.encode("latin-1")


def _buffer(content: object = b"", *encoding: object) -> bytes:
    # A bytearray's content; never an integer, which would allocate that many bytes.
    if isinstance(content, str):
        return content.encode("latin-1")
    if not isinstance(content, bytes):
        raise pickle.UnpicklingError("a strange text")
    return content


def shown(text: str) -> str:
    """A name from a file made safe for a message."""
    return "".join(c if c.isprintable() else "�" for c in text[:80])


def _text(value: object) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value) if isinstance(value, str) else ""


class _Answer:
    """The substitute for a name in a pickle. A pickle can call it, but not change it."""

    __slots__ = ("_make",)

    def __init__(self, make: Callable[..., Any]) -> None:
        self._make = make

    def __call__(self, *told: Any) -> Any:
        return self._make(*told)

    def __setstate__(self, state: object) -> None:
        raise pickle.UnpicklingError("it tries to change what reads it")


_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_NUMERIC = ("numpy.core.numeric", "numpy._core.numeric")
_BUILTINS = ("builtins", "__builtin__")
_NAMES: tuple[tuple[tuple[str, ...], str, Callable[..., Any]], ...] = (
    (("numpy",), "ndarray", _Array),
    (("numpy",), "dtype", _Type),
    (_MULTIARRAY, "_reconstruct", _Array),
    (_MULTIARRAY, "scalar", _scalar),
    (_NUMERIC, "_frombuffer", _from_buffer),
    (("_codecs",), "encode", _encoded),
    (("collections",), "OrderedDict", OrderedDict),
    (_BUILTINS, "set", set),
    (_BUILTINS, "frozenset", frozenset),
    (_BUILTINS, "bytearray", _buffer),
    (_BUILTINS, "bytes", _buffer),
)
_ANSWERS = {(module, name): _Answer(make) for modules, name, make in _NAMES for module in modules}


class _Bounded:
    """A file that never reads beyond its end, whatever size a pickle claims."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size = file, size

    def read(self, count: int = -1) -> bytes:
        return self.file.read(min(count, self.size) if count >= 0 else self.size)

    def readline(self) -> bytes:
        return self.file.readline()

    def readinto(self, buffer: bytearray) -> int:
        raise pickle.UnpicklingError("a buffer out of its place")


# The Python implementation: the C one allocates as many memo entries as a file claims.
class _Reader(pickle._Unpickler):
    """An unpickler that only knows the names above."""

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def load_bytearray8(self: Any) -> None:
        # The original allocates the claimed size before reading.
        (size,) = struct.unpack("<Q", self.read(8))
        content = self.read(size)
        if len(content) != size:
            raise pickle.UnpicklingError("bytes that are not there")
        self.append(content)

    dispatch[pickle.BYTEARRAY8[0]] = load_bytearray8

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        if (module, name) not in _ANSWERS:
            raise pickle.UnpicklingError(f"it asks for {shown(f'{module}.{name}')}")
        return _ANSWERS[module, name]

    def get_extension(self, code: int) -> object:
        raise pickle.UnpicklingError("it asks for an extension")

    def persistent_load(self, pid: object) -> object:
        raise pickle.UnpicklingError("it asks for something outside")


def read_pickle(path: Path) -> Any:
    """The content of a pickle, made of dict, list, tuple, set, text, numbers and numpy arrays.

    Raises:
        UserError: when it refers to anything else, or is damaged.
    """
    try:
        with path.open("rb") as file:
            return _plain(_Reader(_Bounded(file, path.stat().st_size), encoding="latin-1").load())
    except pickle.UnpicklingError as error:
        raise UserError(
            f"{path.name} holds more than arrays and lists ({error}); nothing of it was run: save its arrays alone."
        ) from error
    except OSError as error:
        raise UserError(f"{path} cannot be read ({error.strerror or error}): check the path and its permissions.") from error
    # A malformed file can make a parser raise anything.
    except Exception as error:
        raise UserError(f"{path.name} is damaged or no pickle: copy it again from where it was made.") from error


def _plain(content: Any) -> Any:
    """The content with arrays in place of their builders."""
    if isinstance(content, _Array):
        if content.value is None:
            raise pickle.UnpicklingError("an array without content")
        if content.value.dtype == object:
            return _objects([_plain(item) for item in content.value.ravel()]).reshape(content.value.shape)
        return content.value
    if isinstance(content, dict):
        return {_plain(key): _plain(value) for key, value in dict.items(content)}
    if isinstance(content, list | tuple | set | frozenset):
        return type(content)(_plain(item) for item in content)
    if content is None or isinstance(content, str | bytes | int | float | complex | bool):
        return content
    raise pickle.UnpicklingError("something that is neither an array nor a list")
