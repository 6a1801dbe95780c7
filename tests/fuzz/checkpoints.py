"""Checkpoints of ours and of public repositories, changed at random, through the door of Library and `affectscope convert`."""

from __future__ import annotations

import io
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from affectscope.core.checkpoints import saved as checkpoints
from affectscope.core.checkpoints.untrusted import _warm, examine
from affectscope.core.models.base import MODELS
from tests import public_states as public

COUNT = 1000
_BASES: dict[str, bytes] = {}
_STATES: dict[str, dict[str, torch.Tensor]] = {}
_ODD = (0, -1, -7, 2, 3, 10**6, 10**7, 10**9, 10**30, 0.5, -0.5, 1.0, 1e300, True, False, None, "", "8", "wide", [], [8], [8, 8],
        {}, [[8]], "paper", "code", [0, 0], ["a", 1], float("nan"), float("inf"))  # fmt: skip
_DANGEROUS = (
    "os system", "posix system", "builtins eval", "builtins exec", "builtins open", "builtins __import__", "builtins getattr",
    "subprocess Popen", "subprocess check_output", "torch.hub load", "torch load", "torch.jit load", "shutil rmtree",
    "pickle loads", "runpy run_path", "webbrowser open", "socket create_connection", "importlib import_module", "ctypes CDLL",
    "torch.utils.cpp_extension load", "numpy load", "numpy.lib.npyio load", "codecs open", "io open", "pathlib Path.write_text",
    "torch.storage _load_from_bytes", "operator attrgetter", "functools partial", "timeit timeit",
    "torch._utils _rebuild_tensor_v2",
    "numpy.core.multiarray scalar", "numpy.ndarray x", "collections Counter", "builtins bytearray", "_codecs encode",
)  # fmt: skip


def prepare() -> None:
    """Small models of every system as ours, and public ones as each torch writes them."""
    _warm()
    torch.manual_seed(0)
    sizes: dict[str, dict[str, Any]] = {"auxformer": {"width": 8, "heads": 2, "layers": 1, "aux_hidden": (12, 10)}}
    for name in ("auxformer", "mult", "vavl", "uavm", "sfav", "tlstm", "crossmodal", "affect-rnn", "unimodal-attention"):
        model = MODELS[name].preset("demo", **sizes.get(name, {}))
        _BASES[f"{name}.safetensors"] = _saved(
            lambda path, m=model: checkpoints.save(path, m, checkpoints.Normaliser(), {"seed": 1})
        )
    _STATES["auxformer-v2"] = public.filled(public.auxformer(10, 12, 10, 1, 4))
    _STATES["mult"] = public.filled(public.mult({"a": 6, "v": 5}, 10, 1, 1, 1))
    _STATES["mult-8"] = public.filled(public.mult({"l": 4, "a": 6, "v": 5}, 10, 8, 1, 1))
    _STATES["uavm"] = public.filled(public.uavm())
    _STATES.update({f"sfav-{fusion}": public.filled(public.sfav(fusion, 5, 6, 4)) for fusion in ("ia", "it", "lt")})
    for name, state in _STATES.items():
        _BASES[f"{name}.pt"] = _torch(state)
        _BASES[f"{name}-legacy.pth"] = _torch({"state_dict": state, "epoch": 3}, zipped=False)


def make(random: Random, folder: Path) -> tuple[str, Path]:
    """One changed checkpoint: what was done to it, and where it lies."""
    name = random.choice(sorted(_MAKERS))
    base = random.choice(sorted(_BASES))
    made = _MAKERS[name](random, base)
    suffix = random.choice((Path(base).suffix, ".pt", ".pth", ".PTH", ".ckpt", ".bin", ".safetensors", ".pth.tar", ""))
    path = folder / f"{Path(base).stem}{suffix}"
    path.write_bytes(made)
    return name, path


def door(source: Path, out: Path) -> str:
    """What `load_untrusted` does in its process; and what was let in is read again, as every page does."""
    report = examine(source, out)
    if report.error:
        return report.error
    model = checkpoints.load(out).model
    assert all(bool(value.isfinite().all()) for value in model.state_dict().values())
    return ""


def _flipped(random: Random, base: str) -> bytes:
    content = bytearray(_BASES[base])
    # Half of the flips where a file says what it is: at its ends.
    for _ in range(random.choice((1, 1, 2, 8, 64))):
        near = random.choice((len(content), min(4096, len(content))))
        at = random.randrange(near)
        content[at if random.random() < 0.7 else -1 - at] ^= 1 << random.randrange(8)
    return bytes(content)


def _truncated(random: Random, base: str) -> bytes:
    content = _BASES[base]
    return content[: random.choice((0, 1, 4, 8, 9, random.randrange(64), random.randrange(len(content)), len(content) - 1))]


def _appended(random: Random, base: str) -> bytes:
    other = _BASES[random.choice(sorted(_BASES))]
    return _BASES[base] + random.choice((b"\0", random.randbytes(100), other, b"PK\x05\x06" + bytes(18)))


def _swapped(random: Random, base: str) -> bytes:
    """The beginning of one file on the rest of another."""
    other, content = _BASES[random.choice(sorted(_BASES))], _BASES[base]
    at = random.choice((2, 4, 8, 64, 512, random.randrange(len(content))))
    return other[:at] + content[at:]


def _header(random: Random, base: str) -> bytes:
    """A safetensors header that says something else of what follows."""
    base = random.choice([name for name in sorted(_BASES) if name.endswith(".safetensors")])
    header, body = _split(_BASES[base])
    keys = [key for key in header if key != "__metadata__"]
    entry = header[random.choice(keys)]
    change = random.randrange(8)
    if change == 0:
        entry["shape"] = random.choice(([10**6, 10**6], [2**40], [-1], [], [2**63], ["4"], None, [1] * 5000))
    elif change == 1:
        entry["data_offsets"] = random.choice(([0, 2**62], [5, 1], [-4, 0], [0], [0, len(body) + 4], "all", [0.0, 4.0]))
    elif change == 2:
        entry["dtype"] = random.choice(("F64", "F16", "I64", "BOOL", "F8_E4M3", "C64", "X", 7, ""))
    elif change == 3:
        header[random.choice(("model.", "", "x" * 10**5, "model.\0", "__metadata__"))] = dict(entry)
    elif change == 4:
        header["__metadata__"] = random.choice(({}, {"format": 7}, {"format": checkpoints.FORMAT}, None, [], "x"))
    elif change == 5:
        length = random.choice((0, 1, 2**63, 2**40, len(body), 10**8))
        return struct.pack("<Q", length) + json.dumps(header).encode() + body
    elif change == 6:
        header |= {f"extra{i}": entry for i in range(5000)}
    else:
        header["__metadata__"]["affectscope"] = random.choice(("[" * 10**5, "{", "null", "x" * (5 << 20), '{"system": 7}', ""))
    return _joined(header, body)


def _configured(random: Random, base: str) -> bytes:
    """Our own checkpoint with one to three odd values in its config."""
    base = random.choice([name for name in sorted(_BASES) if name.endswith(".safetensors")])
    header, body = _split(_BASES[base])
    told = json.loads(header["__metadata__"]["affectscope"])
    for _ in range(random.randrange(1, 4)):
        field = random.choice(sorted(told["config"]))
        told["config"][field] = random.choice(_ODD)
    if random.random() < 0.2:
        told[random.choice(("system", "config", "card"))] = random.choice((*_ODD, *sorted(MODELS)))
    header["__metadata__"]["affectscope"] = json.dumps(told)
    return _joined(header, body)


def _renamed(random: Random, base: str) -> bytes:
    state = dict(random.choice(list(_STATES.values())))
    keys = sorted(state)
    for _ in range(random.randrange(1, 6)):
        key = random.choice(keys)
        value = state.pop(key, torch.zeros(1))
        odd = (
            "x",
            key.upper(),
            "." + key,
            key + ".",
            key.replace(".", ".."),
            "layers.999999." + key,
            "a:" + key,
            "\0",
            "é" * 3000,
        )
        state[random.choice((*odd, "proj_a.weight", "conv_1d_a.weight", "trans_a_with_v.layers.9999999.x"))] = value
    return _torch(state)


def _wrapped(random: Random, base: str) -> bytes:
    """As people's scripts save: prefixes, nests, foreign keys. Most of these are to load."""
    state = random.choice(list(_STATES.values()))
    parts = ("module.", "model.", "net.", "_orig_mod.", "_fsdp_wrapped_module.", "_forward_module.", "student.", "")
    prefix = "".join(random.choice(parts) for _ in range(random.randrange(4)))
    content: dict[str, Any] = {f"{prefix}{key}": value for key, value in state.items()}
    beside = {"criterion.weight": torch.ones(4), "_extra_state": None, "epoch": 3,
              "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}},
              "best": np.float64(0.7), "history": np.arange(6.0), "lr": [1e-3], "ema_decay": torch.tensor(0.9)}  # fmt: skip
    content |= {key: beside[key] for key in random.sample(sorted(beside), random.randrange(5))}
    for _ in range(random.randrange(3)):
        content = {
            random.choice(("state_dict", "net", "network", "weights", "model_state", "model.state_dict")): content,
            "epoch": 1,
        }
    return _torch(content, zipped=random.random() < 0.7)


def _shaped(random: Random, base: str) -> bytes:
    """Tensors of other shapes, kinds and values than they should have."""
    state = dict(random.choice(list(_STATES.values())))
    for _ in range(random.randrange(1, 4)):
        key = random.choice(sorted(state))
        old = state[key]
        odd: list[Callable[[], torch.Tensor]] = [
            lambda: torch.zeros(1).expand(10**6, 10**6), lambda: torch.zeros(0), lambda: torch.zeros(0, 5, 0),
            lambda: torch.tensor(1.0),
            lambda old=old: old.to(torch.int64), lambda old=old: old.to(torch.complex64), lambda old=old: old * torch.nan,
            lambda old=old: old * 1e30, lambda old=old: old.double() * 1e300, lambda old=old: old.half(),
            lambda old=old: old.bfloat16(),
            lambda old=old: old.to_sparse(), lambda: torch.zeros(2, device="meta"), lambda old=old: old[..., None],
            lambda old=old: old.T,
            lambda old=old: old.repeat(2, *[1] * max(0, old.ndim - 1)) if old.ndim else old,
            lambda: torch.zeros([1] * 60),
        ]  # fmt: skip
        state[key] = random.choice(odd)()
    return _torch(state, zipped=random.random() < 0.7)


def _pickled(random: Random, base: str) -> bytes:
    """A pickle that names what may never be called."""
    calls = b"".join(_call(random) for _ in range(random.randrange(1, 4)))
    shape = random.randrange(4)
    inner = (
        b"\x80\x02}(" + b"X\x01\x00\x00\x00a" + calls + b"u.",
        b"\x80\x02" + calls + b".",
        b"\x80\x04(" + calls + b"l.",
        calls + b".",
    )[shape]
    kind = random.randrange(3)
    if kind == 0:
        return _with_pickle(_BASES[_zipped(random)], inner)
    if kind == 1:
        magic = b"".join(pickle.dumps(value, 2) for value in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
        return magic + inner + pickle.dumps([], 2)
    return inner


def _call(random: Random) -> bytes:
    module, name = random.choice(_DANGEROUS).split(" ")
    argument = random.choice(
        (b"X\x02\x00\x00\x00id", b"K\x05", b"N", b"(X\x01\x00\x00\x00/lt", b"\x8a\x06" + (4 * 10**9).to_bytes(6, "little"), b"}")
    )
    how = random.choice((b"\x85R", b"\x85\x81", b"\x85R}b", b"\x85RNb", b")R", b"\x85R\x94"))
    return f"c{module}\n{name}\n".encode() + argument + how


def _array(random: Random, base: str) -> bytes:
    """NumPy's own pickles with a state that does not go with its bytes."""
    arrays: dict[str, Any] = {key: value.numpy() for key, value in random.choice(list(_STATES.values())).items()}
    arrays = random.choice((arrays, {"a": np.arange(12.0), "b": np.float32(1), "c": np.array([{"x": 1}], dtype=object)}))
    content = bytearray(pickle.dumps(arrays, 2))
    for _ in range(random.randrange(8)):
        content[random.randrange(2, len(content) - 1)] = random.randrange(256)
    return _with_pickle(_BASES[_zipped(random)], bytes(content))


def _opcodes(random: Random, base: str) -> bytes:
    """A checkpoint's own pickle with some of its opcodes changed: persistent ids, sizes, memo."""
    base = _zipped(random)
    with zipfile.ZipFile(io.BytesIO(_BASES[base])) as archive:
        name = next(n for n in archive.namelist() if n.endswith("data.pkl"))
        content = bytearray(archive.read(name))
    for _ in range(random.choice((1, 2, 4, 16))):
        content[random.randrange(2, len(content))] = random.choice(
            b"0123().,}]cRQbuaseqrhjKMJX\x80\x81\x85\x86\x87\x88\x89\xff\x00"
        )
    return _with_pickle(_BASES[base], bytes(content))


def _archived(random: Random, base: str) -> bytes:
    """Zip archives that are packed, lie about sizes, or name files elsewhere."""
    base = _zipped(random)
    with zipfile.ZipFile(io.BytesIO(_BASES[base])) as archive:
        entries = [(entry.filename, archive.read(entry)) for entry in archive.infolist()]
    change, out = random.randrange(5), io.BytesIO()
    method = random.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)) if change < 2 else zipfile.ZIP_STORED
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, bytes(30 << 20) if change == 1 and "/data/0" in name else content)
        if change == 2:
            archive.writestr(random.choice(("../../escaped", "/tmp/escaped", "archive/../../x", "archive/data.pkl/x")), b"gotcha")
        if change == 3:
            archive.writestr(random.choice(("archive/constants.pkl", "other/data.pkl", "data.pkl")), b"\x80\x02}.")
    content = bytearray(out.getvalue())
    if change == 4:
        at = content.find(b"PK\x01\x02")
        content[at + 20 : at + 28] = struct.pack("<II", random.choice((0, 0xFFFFFFF0, 7)), random.choice((0, 0xFFFFFFF0, 7)))
    return bytes(content)


def _nested(random: Random, base: str) -> bytes:
    """Containers in containers: deep, wide, or of a hash that never ends."""
    depth = random.choice((10, 1000, 10**5))
    inner = random.choice((
        b"\x80\x02" + b"]" * depth + b"a" * (depth - 1) + b".",
        b"\x80\x02" + b"}X\x01\x00\x00\x00a" * depth + b"N" + b"s" * depth + b".",
        b"\x80\x02}" + b")" + b"q\x01h\x01\x86" * 40 + b"K\x01s.",
        b"\x80\x02}q\x00X\x01\x00\x00\x00ah\x00s.",
        b"\x80\x02\x8b" + struct.pack("<i", 2**31 - 1) + b"\x01.",
        b"\x80\x02T" + struct.pack("<i", 2**31 - 1) + b"x.",
        b"\x80\x04\x8d" + struct.pack("<Q", 2**62) + b"x.",
        b"\x80\x02r" + struct.pack("<I", 2**32 - 1) + b".",
    ))  # fmt: skip
    return _with_pickle(_BASES[_zipped(random)], inner)


def _noise(random: Random, base: str) -> bytes:
    begin = random.choice((
        b"", b"PK\x03\x04", b"\x80\x02", b"\x80\x04", b"<!doctype html>", b"version https://git-lfs", b"\x93NUMPY", b"\x89HDF",
        struct.pack("<Q", 50) + b"{", b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", b'{"error"',
    ))  # fmt: skip
    return begin + random.randbytes(random.choice((0, 1, 16, 5000)))


def _zipped(random: Random) -> str:
    return random.choice([name for name in sorted(_BASES) if name.endswith(".pt")])


def _with_pickle(content: bytes, pickled: bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, pickled if name.endswith("data.pkl") else old.read(name))
    return out.getvalue()


def _split(content: bytes) -> tuple[dict[str, Any], bytes]:
    length = struct.unpack("<Q", content[:8])[0]
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def _joined(header: dict[str, Any], body: bytes) -> bytes:
    told = json.dumps(header).encode()
    return struct.pack("<Q", len(told)) + told + body


def _torch(content: Any, zipped: bool = True) -> bytes:
    out = io.BytesIO()
    torch.save(content, out, _use_new_zipfile_serialization=zipped)
    return out.getvalue()


def _saved(save: Callable[[Path], None]) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        save(Path(folder) / "x.safetensors")
        return (Path(folder) / "x.safetensors").read_bytes()


_MAKERS: dict[str, Callable[[Random, str], bytes]] = {
    "bits flipped": _flipped, "cut off": _truncated, "something appended": _appended, "another's beginning": _swapped,
    "odd safetensors header": _header, "odd config": _configured, "odd config again": _configured, "keys renamed": _renamed,
    "wrapped as people do": _wrapped, "odd tensors": _shaped, "dangerous pickle": _pickled, "odd NumPy pickle": _array,
    "opcodes changed": _opcodes, "odd archive": _archived, "odd nesting": _nested, "noise": _noise,
}  # fmt: skip
