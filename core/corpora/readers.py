"""The kinds of corpus, each recognised by the content of its folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from affectscope.core.corpora.base import Corpus
from affectscope.core.errors import UserError
from affectscope.core.registry import Registry

Options = Mapping[str, str]


@dataclass(frozen=True)
class Reader:
    """One kind of corpus.

    Attributes:
        recognises: whether a folder or file looks like it, from names and headers only.
        read: reads the corpus, given all options.
        options: name -> allowed values, the default first; an empty tuple allows any text, and defaults to none.
        describe: describes a path with several corpora, which needs an option to be read; returns None otherwise.
    """

    recognises: Callable[[Path], bool]
    read: Callable[[Path, Options], Corpus]
    options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    describe: Callable[[Path, Options], dict[str, Any] | None] = lambda path, options: None


READERS: Registry[Reader] = Registry("kind of corpus")

# In order of recognition: the last one accepts any folder with media or a table.
KINDS = (
    "demo",
    "crema-d",
    "ravdess",
    "emo-db",
    "savee",
    "tess",
    "msp-improv",
    "vavl",
    "auxformer-v1",
    "cmu-mosei",
    "aff-wild2",
    "folder",
)

# Kinds whose reader is in a subpackage.
_ROOMS = {"cmumosei": "mosei.labels"}
_ARCHIVES = (".zip", ".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".7z", ".rar")


@cache
def _imported() -> Registry[Reader]:
    for kind in KINDS:
        name = "demo.read" if kind == "demo" else kind.replace("-", "")
        import_module(f"affectscope.core.corpora.{_ROOMS.get(name, name)}")
    return READERS


def kinds() -> tuple[str, ...]:
    """The kinds in order of recognition; plugins' kinds come before the fallback."""
    return (*KINDS[:-1], *(kind for kind in READERS if kind not in KINDS), KINDS[-1])


def add(kind: str, entry: Reader) -> None:
    """Register a plugin's kind, replacing an earlier one.

    Raises:
        UserError: when the kind is built in.
    """
    if kind in KINDS:
        raise UserError(f"There is already a kind of corpus called {kind}: choose another name.")
    READERS.replace(kind, entry)


def of_table(path: Path, table: pd.DataFrame) -> Corpus:
    """A corpus from a plugin's table: a row per clip, indexed by clip id, with the column ``path``.

    Raises:
        UserError: when the table is invalid.
    """
    if not isinstance(table, pd.DataFrame) or "path" not in table or table.empty:
        raise UserError(f"The plugin's reader gives no table for {path}: return a DataFrame with a row a clip and a column path.")
    if table.index.has_duplicates:
        raise UserError(f"The plugin's reader names {table.index[table.index.duplicated()][0]} twice: name each clip once.")
    whole = table.assign(**{name: "" for name in ("label", "speaker") if name not in table}, path=table["path"].map(str))
    whole.index = whole.index.map(str).rename("clip")
    labels = tuple(sorted({str(label) for label in whole["label"].dropna()} - {""}))
    return Corpus(path.stem if path.is_file() else path.name, path.parent if path.is_file() else path, whole, labels)


def reader(kind: str) -> Reader:
    """The reader of a kind.

    Raises:
        UserError: if there is no such kind.
    """
    return _imported()[kind]


def recognise(path: Path) -> str:
    """The kind of the corpus at a path.

    Raises:
        UserError: when nothing is there, or nothing recognisable.
    """
    if not path.exists():
        raise UserError(f"There is no corpus in {path}: check the path, or build one with `affectscope corpus build demo`.")
    refuse_archive(path)
    for kind in kinds():
        if reader(kind).recognises(path):
            return kind
    packed = next((file for near in ("*", "*/*") for file in sorted(path.glob(near)) if _is_archive(file)), None)
    if packed is not None:
        raise UserError(f"There is no corpus in {path}, but the archive {packed.name}: unpack it there, and add the folder.")
    raise UserError(
        f"There is no corpus in {path} of a kind that is known ({', '.join(kinds())}): docs/corpora.md says what each needs."
    )


def refuse_archive(path: Path) -> None:
    """Refuse archives, which have to be unpacked first.

    Raises:
        UserError: when the path is an archive.
    """
    if _is_archive(path):
        raise UserError(f"{path.name} is an archive: unpack it, and add the folder that it makes.")


def _is_archive(path: Path) -> bool:
    return path.is_file() and path.name.lower().endswith(_ARCHIVES)


def chosen(kind: str, options: Options) -> dict[str, str]:
    """All options of a kind, with defaults.

    Raises:
        UserError: when an option is unknown, or its value is invalid.
    """
    known = reader(kind).options
    for name, value in options.items():
        if name not in known:
            offered = f"choose from {', '.join(known)}" if known else "it has none"
            raise UserError(f"A corpus of kind {kind} has no option {name!r}: {offered}.")
        if known[name] and value not in known[name]:
            raise UserError(f"{name} of a corpus of kind {kind} is {', '.join(known[name])}, not {value!r}: choose one of these.")
    return {name: options.get(name, values[0] if values else "") for name, values in known.items()}


def read(path: Path, kind: str = "", options: Options | None = None, name: str = "") -> Corpus:
    """The corpus at a path.

    Args:
        kind: a name in ``KINDS``; default: recognised.
        name: the corpus's name; default: the folder's.

    Raises:
        UserError: when it cannot be read, or options are invalid.
    """
    if kind and not path.exists():
        raise UserError(f"There is no corpus in {path}: check the path.")
    refuse_archive(path)
    kind = kind or recognise(path)
    every = chosen(kind, options or {})
    corpus = reader(kind).read(path, every)
    # `affectscope corpus features` puts them there, to be distributed with the clips.
    shipped = corpus.root / "features"
    features = corpus.features or (shipped if shipped.is_dir() else None)
    return replace(corpus, name=name or corpus.name, kind=kind, options=every, features=features)
