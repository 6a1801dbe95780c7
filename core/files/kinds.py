"""Recognises a file by its first bytes, whatever its extension, and explains why it is not a checkpoint."""

from __future__ import annotations

import re
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from affectscope.core.errors import UserError
from affectscope.core.text import shown

Kind = Literal["safetensors", "zip", "legacy", "pickle"]

# Extensions of prediction tables, which are not checkpoints.
TABLES = (".csv", ".tsv", ".parquet", ".json", ".jsonl", ".ndjson")
# Number of bytes needed.
HEAD = 512
_ZIP = b"PK\x03\x04"
# torch.save's magic number as a separate pickle, before torch 1.6.
_LEGACY = b"\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
# First bytes of its tar archives.
_OLD_TAR = tuple(name + b"\0" for name in (b"sys_info", b"pickle", b"storages", b"tensors"))
_BLANK = b"\xef\xbb\xbf \t\r\n\0"
# The version of the format, from 3 on, and a length.
_GRAPH = re.compile(rb"\x08[\x03-\x1f]\x12[\x00-\x7f]", re.DOTALL)
_TABLE = "is a table: drop tables of predictions on the Library page, or name them to `affectscope import-predictions`"
_OTHERS: Mapping[bytes, str] = {
    b"\x1f\x8b": "is packed with gzip: unpack it, and choose the checkpoint inside",
    b"BZh": "is packed with bzip2: unpack it, and choose the checkpoint inside",
    b"\xfd7zXZ\0": "is packed with xz: unpack it, and choose the checkpoint inside",
    b"\x28\xb5\x2f\xfd": "is packed with zstd: unpack it, and choose the checkpoint inside",
    b"7z\xbc\xaf": "is a 7z archive: unpack it, and choose the checkpoint inside",
    b"Rar!": "is a RAR archive: unpack it, and choose the checkpoint inside",
    b"\x89HDF": "is an HDF5 file, as Keras and MATLAB write them: choose one that PyTorch wrote",
    b"GGUF": "is a GGUF file: choose one that PyTorch wrote",
    b"\x93NUMPY": "is a single NumPy array: choose a checkpoint with all weights of a model",
    b"\x89PNG": "is a picture: choose the checkpoint itself",
    b"\xff\xd8\xff": "is a picture: choose the checkpoint itself",
    b"MATLAB 5.0": "is a file of MATLAB: choose one that PyTorch wrote",
    b"ftrt": "is an engine of TensorRT: save the state_dict of the model that it was made from, and load that",
    b"PAR1": _TABLE,
    b"%PDF": "is a PDF: choose the checkpoint itself",
}


def kind_of(path: Path) -> Kind:
    """The kind of a checkpoint file, which determines its reader.

    Raises:
        UserError: one sentence that says what the file is instead, and what to do.
        OSError: when it cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(HEAD)
    name, size = shown(path.name), path.stat().st_size
    if fault := fault_of(head):
        raise UserError(f"{name} {fault}.")
    if head.startswith(_ZIP):
        return "zip"
    if head[8:9] == b"{":
        if 8 + struct.unpack("<Q", head[:8])[0] > size:
            raise UserError(f"{name} is damaged or cut off: download it again, or copy it again from where it was made.")
        return "safetensors"
    return "legacy" if head[2:].startswith(_LEGACY) else "pickle"


def fault_of(head: bytes) -> str:
    """Why a file with these first bytes is not a checkpoint, to follow its name; empty if it may be one."""
    begin = head.lstrip(_BLANK)
    if not head:
        return "is empty: download it again"
    if begin.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer and not the weights themselves: run `git lfs pull` where it came from, or download it again"
    if begin.lower().startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<script", b"<body")):
        return "is a web page and no checkpoint: download it again, by the address of the file itself"
    for magic, fault in _OTHERS.items():
        if head.startswith(magic):
            return fault
    if head.startswith(_OLD_TAR):
        return "is in the format of PyTorch before 0.2: load it there, save the model's state_dict in a newer one, and load that"
    if head[257:262] == b"ustar":
        return "is a tar archive: unpack it, and choose the checkpoint inside"
    if head[4:8] == b"ftyp" or head.startswith((b"\x1aE\xdf\xa3", b"RIFF", b"OggS", b"ID3")):
        return "is a recording: choose it on the Clip page"
    if head.startswith(_ZIP) or (head[8:9] == b"{" and len(head) > 8) or (head[:1] == b"\x80" and len(head) > 1):
        return ""
    # A safetensors file begins with a length, which may be any of these.
    if head.startswith(b"x\x9c"):
        return "is packed with zlib, as joblib writes pickles, which are never run: save the model's state_dict with torch.save"
    if head[4:8] == b"TFL3" or head.startswith(b"\x08\x01\x12"):
        return "is a model of TensorFlow: choose one that PyTorch wrote"
    if b"\xa6params" in head[:16]:
        return "is a checkpoint of Flax: choose one that PyTorch wrote"
    if _GRAPH.match(head):
        return "is a graph of ONNX or Core ML: save the state_dict of the model that it was made from, and load that"
    if begin.startswith(b"{") and b'"weight_map"' in head:
        return "is the index of a model in several files: name the folder that they lie in"
    if _is_text(head):
        if begin.startswith(b"{") and any(key in head for key in (b'"architectures"', b'"model_type"', b'"hidden_size"')):
            return "is a model's config and holds no weights: choose the file that does, or the folder of both"
        if _is_table(head):
            return _TABLE
        return "is damaged or no checkpoint, for it holds text: download it again"
    return "is damaged or no checkpoint: download it again, or copy it again from where it was made"


def is_something_else(head: bytes) -> str:
    """Why a file that begins so is no table in text, to follow its name; empty where it may be one."""
    begin = head.lstrip(_BLANK)
    if begin.startswith(b"version https://git-lfs"):
        return "is a Git LFS pointer and not the table itself: run `git lfs pull` where it came from, or download it again"
    if begin.lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return "is a web page and no table: download it again, by the address of the file itself"
    if head.startswith(b"PAR1"):
        return "is a Parquet file: let its name end in .parquet"
    if head.startswith(_ZIP):
        return "is a spreadsheet or an archive: save it as CSV, or unpack it, and choose the CSV"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        return "is a spreadsheet: save it as CSV"
    packed = next((fault for magic, fault in _OTHERS.items() if head.startswith(magic) and "unpack" in fault), "")
    return packed.replace("the checkpoint inside", "the table inside")


def _is_table(head: bytes) -> bool:
    """Whether its first two lines have the same number of cells, with a common delimiter."""
    first, *rest = head.decode(errors="ignore").splitlines() or [""]
    return bool(rest) and any(first.count(sign) == rest[0].count(sign) > 0 for sign in ",;\t|") and "{" not in first


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode()
    except UnicodeDecodeError as error:
        # The last character may be incomplete.
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode()
    return all(c.isprintable() or c.isspace() for c in text)


def check_archive(path: Path) -> str:
    """The name of the pickle in a zip archive written by torch.save, which is uncompressed, so that its size is reliable.

    Raises:
        UserError: when it is damaged, truncated, compressed, a program, or contains something else.
    """
    name = shown(path.name)
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as error:
        raise UserError(f"{name} is damaged or cut off: download it again, or copy it again from where it was made.") from error
    names = [entry.filename for entry in entries]
    if any(entry.endswith(("constants.pkl", "serialized_exported_program.json", "models/model.json")) for entry in names):
        raise UserError(
            f"{name} is a program (TorchScript or torch.export), which is never run: save the model's state_dict and load that."
        )
    if names and all(entry.endswith(".npy") for entry in names):
        raise UserError(
            f"{name} is an archive of NumPy arrays: run `torch.save(dict(numpy.load({name!r})), 'weights.pt')`, and load that."
        )
    if "model.weights.h5" in names:
        raise UserError(f"{name} is a model of Keras: choose one that PyTorch wrote.")
    pickles = [entry.filename for entry in entries if entry.filename.split("/")[1:] == ["data.pkl"]]
    if not pickles:
        raise UserError(f"{name} is a zip archive without a checkpoint's data: unpack it, and choose the checkpoint inside.")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or (
        sum(entry.file_size for entry in entries) > path.stat().st_size
    ):
        raise UserError(f"{name} is packed in a way that no checkpoint is: save it again with torch.save.")
    return pickles[0]
