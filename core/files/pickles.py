"""Inspects the names in a pickle without running it.

NumPy's harmless values get substitutes; everything else gets one sentence.
"""

from __future__ import annotations

import io
import math
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from affectscope.core.files.kinds import Kind
from affectscope.core.text import shown

_LONGEST_PICKLE = 64 << 20
# Pickles before the weights in a file of torch before 1.6: magic number, protocol, system, content.
_LEGACY_PICKLES = 4
# Packages that no checkpoint needs: a pickle that names one tries to run something.
_NEVER = frozenset({
    "os", "posix", "nt", "sys", "subprocess", "builtins", "__builtin__", "shutil", "runpy", "socket", "pty", "importlib",
    "pickle", "_pickle", "ctypes", "webbrowser", "code", "codeop", "operator", "functools", "io", "_io", "urllib", "http",
    "tempfile", "multiprocessing", "threading", "asyncio", "signal", "pdb", "bdb", "timeit", "cProfile", "profile", "trace",
    "marshal", "ftplib", "smtplib", "platform", "site", "pip", "inspect", "pydoc", "doctest", "zipimport", "pkgutil", "imp",
    "commands", "gc", "linecache", "tokenize", "ast", "logging", "requests", "httpx", "setuptools", "pkg_resources",
    "cloudpickle", "dill", "joblib", "nturl2path", "distutils", "ensurepip", "venv", "idlelib", "lib2to3", "mmap",
    "fileinput", "glob",
})  # fmt: skip
# Types named by containers, such as defaultdict(list).
_TYPES = frozenset(
    f"{module}.{name}" for module in ("builtins", "__builtin__")
    for name in ("list", "dict", "set", "frozenset", "tuple", "int", "float", "bool", "str", "bytes", "complex", "object",
                 "slice", "range", "xrange", "bytearray", "unicode", "long", "NoneType")
)  # fmt: skip
# Harmless parts of torch that scripts store beside weights; the rest of torch can load, compile and call.
_KEPT = tuple(
    f"torch.{package}."
    for package in ("nn", "storage", "optim", "amp", "cuda.amp", "utils.data", "distributed.tensor", "distributed._tensor",
                    "distributed._shard", "distributions", "masked", "ao")
)  # fmt: skip
# First opcodes of a pickled dict or list.
_CONTAINERS = ("EMPTY_DICT", "EMPTY_LIST", "MARK", "collections OrderedDict")
_DTYPES = {f"{kind}{size}" for kind in "fiu" for size in (1, 2, 4, 8)} - {"f1"} | {"b1"}


@dataclass
class Dtype:
    """Substitute for numpy.dtype."""

    name: str = ""
    order: str = "|"

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) > 1 and isinstance(state[1], str):
            self.order = state[1]


@dataclass
class Array:
    """Substitute for numpy.ndarray: its bytes are not interpreted before dtype and size are known."""

    shape: Any = ()
    dtype: Any = None
    columns_first: Any = False
    content: Any = b""

    def __setstate__(self, state: Any) -> None:
        if isinstance(state, tuple) and len(state) == 5:
            _, self.shape, self.dtype, self.columns_first, self.content = state

    def tensor(self) -> Tensor | None:
        """A tensor, if it holds plain numbers that match its shape."""
        if not isinstance(self.dtype, Dtype) or self.dtype.name not in _DTYPES or not isinstance(self.content, bytes):
            return None
        if not isinstance(self.shape, tuple) or not all(type(n) is int and n >= 0 for n in self.shape):
            return None
        kind = np.dtype(self.dtype.name).newbyteorder(">" if self.dtype.order == ">" else "<")
        if math.prod(self.shape) * kind.itemsize != len(self.content):
            return None
        flat = np.frombuffer(self.content, kind)
        values = flat.reshape(self.shape, order="F") if self.columns_first is True else flat.reshape(self.shape)
        native = np.ascontiguousarray(values).astype(kind.newbyteorder("="))
        if native.dtype.kind == "u" and native.dtype.itemsize > 1:
            native = native.astype(np.int64)
        return torch.from_numpy(native).reshape(self.shape)


def _dtype(name: Any = "", *_: Any) -> Dtype:
    return Dtype(name if isinstance(name, str) else "")


def _reconstruct(*_: Any) -> Array:
    return Array()


def _scalar(*_: Any) -> Array:
    return Array()


def _encode(text: Any = "", *_: Any) -> bytes:
    return text.encode("latin1") if isinstance(text, str) else b""


def _kinds() -> list[tuple[Callable[..., Any], str]]:
    names = ("Float16", "Float32", "Float64", "Int8", "Int16", "Int32", "Int64", "UInt8", "UInt16", "UInt32", "UInt64", "Bool")
    # Each name needs a distinct object.
    return [(type(f"{name}DType", (Dtype,), {}), f"numpy.dtypes.{name}DType") for name in names]


# NumPy trusts an array's pickled state, so none of NumPy's own code gets it.
STAND_INS: list[tuple[Callable[..., Any], str]] = [
    (Array, "numpy.ndarray"), (Dtype, "affectscope.dtype"), (_dtype, "numpy.dtype"), (_encode, "_codecs.encode"),
    *((made, f"numpy.{core}.multiarray.{name}") for core in ("core", "_core")
      for made, name in ((_reconstruct, "_reconstruct"), (_scalar, "scalar"))),
    *_kinds(),
]  # fmt: skip


def refusal(path: Path, kind: Kind, pickled: str) -> str:
    """Why a pickle that needs more than tensors is refused, to follow the file's name; empty if it does not.

    Args:
        pickled: the pickle's name in a zip archive.
    """
    try:
        names, whole = _asked_for(path, kind, pickled)
    # A malformed pickle can make a parser raise anything.
    except Exception:
        return ""
    foreign = [shown(name) for name in names if not _plain(name)]
    # Unlisted types are only named if there is nothing more suspicious.
    strange = [name for name in foreign if name not in _TYPES] or foreign
    if worst := next((name for name in strange if _is_dangerous(name)), ""):
        return f"holds pickled code ({worst}), which is never run: take its weights from somebody whom you trust"
    file = shown(path.name)
    if kind == "pickle":
        return (
            f"is a plain pickle, and pickled code is never run: where you trust it, run "
            f"`content = pickle.load(open({file!r}, 'rb'))` and `torch.save(content, 'weights.pt')`, and load that"
        )
    if not strange:
        return ""
    read = f"torch.load({file!r}, weights_only=False)"
    modules = any(name.startswith("torch.nn.modules.") for name in strange)
    if whole and modules:
        return (
            f"holds a whole module ({strange[0]}), pickled with its code, which is never run: where you trust it, run, where its "
            f"own code can be imported, `model = {read}` and `torch.save(model.state_dict(), 'weights.pt')`, and load that"
        )
    module = " (`.state_dict()` after it where they are a module)" if modules else ""
    return (
        f"holds something of the class {strange[0]} beside its weights, and pickled code is never run: where you trust it, run "
        f"`content = {read}` and `torch.save(content['state_dict'], 'weights.pt')`, with the "
        f"key under which the weights are{module}, and load that"
    )


def _is_dangerous(name: str) -> bool:
    if name in _TYPES:
        return False
    return name.split(".")[0] in _NEVER or (name.startswith("torch.") and not name.startswith(_KEPT))


def _plain(name: str) -> bool:
    """Whether torch or this module allows a name."""
    from torch._weights_only_unpickler import _get_allowed_globals

    return name in _get_allowed_globals() or name in {own for _, own in STAND_INS}


def _asked_for(path: Path, kind: Kind, pickled: str) -> tuple[list[str], bool]:
    """The names in a checkpoint's pickles, ``module.name``, each once; and whether the outermost object is not a dict."""
    names: list[str] = []
    outermost: list[str] = []
    if kind == "zip":
        with zipfile.ZipFile(path) as archive, archive.open(pickled) as file:
            names += _named(io.BytesIO(file.read(_LONGEST_PICKLE)), outermost)
    else:
        with path.open("rb") as raw:
            for _ in range(_LEGACY_PICKLES if kind == "legacy" else 1):
                outermost.clear()
                names += _named(raw, outermost)
    return list(dict.fromkeys(names)), bool(outermost) and outermost[0] not in _CONTAINERS


def _named(file: Any, outermost: list[str]) -> Iterator[str]:
    """Names in a pickle; ``outermost`` receives what it builds: an opcode, or a class's name."""
    texts: list[str] = []
    memo: dict[int, str] = {}
    for opcode, argument, _ in pickletools.genops(file):
        if not outermost and opcode.name in ("GLOBAL", "EMPTY_DICT", "EMPTY_LIST", "MARK"):
            outermost.append(str(argument) if opcode.name == "GLOBAL" else opcode.name)
        if opcode.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".", 1)
        elif opcode.name == "STACK_GLOBAL":
            yield ".".join(texts[-2:])
        elif opcode.name == "MEMOIZE":
            memo[len(memo)] = texts[-1] if texts else ""
        elif opcode.name in ("BINGET", "LONG_BINGET", "GET") and argument in memo:
            texts.append(memo[argument])
        elif isinstance(argument, str):
            texts.append(argument)
        del texts[:-8]
