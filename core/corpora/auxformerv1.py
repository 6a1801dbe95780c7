"""The feature files of AuxFormer's first version, used in goncalves2022robust and goncalves2022auxformer.

Layout: github.com/ilucasgoncalves/AuxFormer, its history up to 05457a5: ``dataset/train_set.dt``, ``develop_set.dt`` and
``test_set.dt``, each a ``torch.save`` of one object of the repository's class ``Audiovisual_dataset``, with the tensors ``audio``
[N, Ta, 130], ``vision`` [N, Tv, 4096], both zero-padded, and ``labels`` [N, 1, C], one-hot. A path may be the repository, its
``dataset`` folder, or one of the files.

Only the object's tensors are read, into an inert class. The files contain no names of clips, speakers or classes: clips are
numbered, and an option names the classes in column order.
"""

from __future__ import annotations

import pickle
from functools import lru_cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from affectscope.core.corpora.base import Corpus, Given
from affectscope.core.corpora.readers import READERS, Options, Reader
from affectscope.core.errors import UserError
from affectscope.core.text import shown

if TYPE_CHECKING:
    from torch import Tensor

    from affectscope.core.streams import Stream

_PARTS = {"train_set.dt": "train", "develop_set.dt": "development", "test_set.dt": "test"}
_TENSORS = {"audio": "audio", "visual": "vision"}
# goncalves2022robust (III-B): 130 low-level descriptors every 16 ms, fc6 of VGG-Face on each frame of 30 fps video.
_SETS = {("audio", 130): "llds-32-16", ("visual", 4096): "vgg-face"}
_RATES = {"audio": 62.5, "visual": 30.0}
_CLASS = "Audiovisual_dataset"
_MODULES = ("src.dataset", "dataset", "__main__")


class _Held:
    """An inert substitute for the repository's class, which stores the file's attributes."""


def recognises(path: Path) -> bool:
    """A repository, a folder or one of its files, recognised by name."""
    return bool(_files(path))


def read(path: Path, options: Options) -> Corpus:
    """The corpus, from the available parts.

    Raises:
        UserError: when a file is damaged or contains anything else, or the number of class names differs from its columns.
    """
    files = _files(path)
    if not files:
        raise UserError(f"{path} has none of {', '.join(_PARTS)}: point at the folder that they lie in.")
    root = files[0].parent
    remarks = [] if path.is_file() else [f"{name} is missing." for name in _PARTS if not (root / name).is_file()]
    parts = {file.name: _tensors(file) for file in files}
    widths = {(t["labels"].shape[-1], *(t[name].shape[-1] for name in _TENSORS.values())) for t in parts.values()}
    if len(widths) > 1:
        raise UserError(f"The files in {root} differ in their classes or features: take all of them from one export.")
    count, *dims = widths.pop()
    labels = _classes(options["classes"], count, remarks)
    table = pd.concat([_rows(file, tensors, labels) for file, tensors in parts.items()])
    given = {
        modality: Given(_SETS.get((modality, dim), f"auxformer-v1-{modality}"), dim, partial(_stream, modality, dim))
        for modality, dim in zip(_TENSORS, dims, strict=True)
    }
    remarks.append("The files name neither clips nor speakers: clips are numbered, and who speaks is not known.")
    return Corpus(
        root.parent.name if root.name == "dataset" else root.name, root, table, labels, missing=tuple(remarks), given=given
    )


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path] if path.name in _PARTS else []
    for folder in (path, path / "dataset"):
        files = [folder / name for name in _PARTS if (folder / name).is_file()]
        if files:
            return files
    return []


def _classes(named: str, count: int, remarks: list[str]) -> tuple[str, ...]:
    if not named:
        remarks.append(
            f"The files do not name their {count} classes: say --option classes=NAME,NAME,… in the order of the columns."
        )
        return tuple(f"class {place}" for place in range(count))
    labels = tuple(name.strip() for name in named.split(","))
    if len(labels) != count or len(set(labels)) != count or not all(labels):
        raise UserError(f"The files have {count} classes: name {count} different ones, in the order of the columns.")
    return labels


def _rows(file: str, tensors: dict[str, Tensor], labels: tuple[str, ...]) -> pd.DataFrame:
    told = tensors["labels"].reshape(-1, len(labels)).float().numpy()
    if not np.isfinite(told).all():
        raise UserError(f"{file} has labels that are not numbers: export it again.")
    clips = pd.Index([f"{file.split('_')[0]}-{place:05d}" for place in range(len(told))], name="clip")
    columns = {"path": "", "label": np.array(labels, object)[told.argmax(1)], "speaker": "", "split": _PARTS[file]}
    return pd.DataFrame({**columns, "file": file, "place": np.arange(len(told))}, clips)


def _tensors(file: Path) -> dict[str, Tensor]:
    stat = file.stat()
    return _loaded(file, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=6)
def _loaded(file: Path, size: int, changed: int) -> dict[str, Tensor]:
    import torch

    from affectscope.core.files.tensors import load

    name = shown(file.name)
    try:
        held: Any = load(file, [(_Held, f"{module}.{_CLASS}") for module in _MODULES])
    except pickle.UnpicklingError as error:
        raise UserError(f"{name} holds more than AuxFormer's dataset, which is never run: export it again.") from error
    except UserError:
        raise
    # A malformed file can make a parser raise anything.
    except Exception as error:
        raise UserError(f"{name} is damaged: copy it again from where it was made.") from error
    if not isinstance(held, _Held):
        raise UserError(f"{name} holds no dataset of AuxFormer's: export it again.")
    parts = {key: vars(held).get(key) for key in ("labels", *_TENSORS.values())}
    tensors: dict[str, Tensor] = {}
    for key, tensor in parts.items():
        if (
            not isinstance(tensor, torch.Tensor)
            or tensor.layout != torch.strided
            or tensor.ndim != 3
            or not tensor.is_floating_point()
        ):
            raise UserError(f"{name} has no tensor {key} [clips, frames, features]: export it again.")
        if tensor.numel() * tensor.element_size() > size:
            raise UserError(f"{name} claims larger tensors than it holds: copy it again from where it was made.")
        tensors[key] = tensor
    if len({len(tensor) for tensor in tensors.values()}) != 1 or tensors["labels"].shape[1] != 1:
        raise UserError(f"{name} does not hold one label, one sound and one picture for each clip: export it again.")
    return tensors


def _stream(modality: str, dim: int, root: Path, row: pd.Series) -> Stream:
    """A clip's frames without padding; a frame of zeros is absent."""
    from affectscope.core.streams import Stream

    values = _tensors(root / row["file"])[_TENSORS[modality]][int(row["place"])].float().numpy()
    finite = np.isfinite(values).all(1)
    values = np.where(finite[:, None], values, 0)
    filled = np.flatnonzero(np.any(values, axis=1))
    if not len(filled):
        return Stream.absent(dim)
    values = values[: filled[-1] + 1]
    return Stream(values, (np.arange(len(values)) + 0.5) / _RATES[modality], np.isin(np.arange(len(values)), filled))


READERS.register("auxformer-v1")(Reader(recognises, read, {"classes": ()}))
