"""The clips of a table: ids, labels, facts, and their media if available."""

from __future__ import annotations

import os
import unicodedata
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd

from affectscope.core import media
from affectscope.core.corpora import Corpus
from affectscope.core.errors import UserError
from affectscope.core.imports.columns import CLIP, LABEL, PATH
from affectscope.core.imports.layout import Layout
from affectscope.core.imports.read import Problem, Table
from affectscope.core.media.kinds import MEDIA, SOUND
from affectscope.core.text import shown

LONGEST_FACT = 200
_MOST_FILES = 500_000


@dataclass(frozen=True)
class Source:
    """Where to find a table's clips besides the table: a corpus, a folder of media, or the table's own folder."""

    folder: Path
    corpus: Corpus | None = None
    media: Path | None = None


@dataclass
class Clips:
    """The matched clips.

    Attributes:
        usable: [R] bool, the layout's rows whose clip is known.
        table: a row for each usable one, by clip id: ``path`` (absolute, or empty), ``label`` if known, facts.
    """

    usable: np.ndarray
    table: pd.DataFrame
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


class ImportedCorpus(Corpus):
    """Clips listed by a table, with absolute paths; each is opened as media only after it was recognised as such."""

    def located(self, clip: str) -> Path:
        """The clip's file, unread.

        Raises:
            UserError: when the table does not list the clip, or its media are not here.
        """
        path = str(self.table.at[clip, PATH]) if clip in self.table.index else ""
        if not path or not os.path.isfile(path):
            raise UserError("There are no media of this clip here: import its table again with --media FOLDER.")
        return Path(path)

    def media(self, clip: str) -> Path:
        path = self.located(clip)
        stat = path.stat()
        _probe(str(path), stat.st_size, stat.st_mtime_ns)
        return path


@lru_cache(maxsize=20_000)
def _probe(path: str, size: int, changed: int) -> None:
    media.probe(Path(path))


def gather(table: Table, layout: Layout, source: Source) -> Clips:
    """Find the clips.

    Raises:
        UserError: when the folder of media cannot be searched, or rows are frames rather than clips.
    """
    layout.clips = [shown(clip, LONGEST_FACT) for clip in layout.clips]
    notes = _corpus_ids(layout, source.corpus) if source.corpus is not None else []
    usable, problems = _known(layout, table.file)
    made = Clips(usable, pd.DataFrame(), problems, notes)
    paths = _paths(table, layout, source, made)
    keep = usable.nonzero()[0]
    rows = [layout.at[i] for i in keep]
    ids = [layout.clips[i] for i in keep]
    columns: dict[str, object] = {PATH: [paths[i] for i in keep]}
    if LABEL in table.columns:
        labels = table.texts(LABEL)
        columns[LABEL] = [shown(labels[row], LONGEST_FACT) or None for row in rows]
    for name in layout.facts:
        if not table.has_lists(name):
            columns[name] = _fact(table, name, rows)
    facts = pd.DataFrame(columns, index=pd.Index(ids, name=CLIP, dtype=object))
    if source.corpus is not None:
        own = source.corpus.table.reindex(ids)
        more = [str(name) for name in own if name != PATH and name not in facts]
        facts = pd.concat([facts, own[more].set_axis(facts.index)], axis=1)
    made.table = facts.drop(columns=LABEL) if LABEL in facts and facts[LABEL].isna().all() else facts
    return made


def _corpus_ids(layout: Layout, corpus: Corpus) -> list[str]:
    """Rename clips to the corpus's ids where they differ in folder, extension, case or Unicode form; returns remarks."""
    own = set(map(str, corpus.table.index))
    by_name: dict[str, set[str]] = {}
    for clip in own:
        for key in {_folded(clip), _folded(_stem(clip))}:
            by_name.setdefault(key, set()).add(clip)
    changed = {}
    for clip in {*layout.clips} - own - {""}:
        found = by_name.get(_folded(clip)) or by_name.get(_folded(_stem(clip)), set())
        if len(found) == 1:
            changed[clip] = next(iter(found))
    layout.clips = [changed.get(clip, clip) for clip in layout.clips]
    if not changed:
        return []
    old, new = min(changed.items())
    count = f"{len(changed)} clips are" if len(changed) > 1 else "1 clip is"
    return [f"{count} found under another spelling, {shown(old)} as {shown(new)} for one."]


def _stem(clip: str) -> str:
    """A clip's name without folders (of any system) and media extension."""
    name = clip.replace("\\", "/").rpartition("/")[2]
    return Path(name).stem if Path(name).suffix.lower() in MEDIA else name


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", name.replace("\\", "/").removeprefix("./")).casefold()


def _known(layout: Layout, file: str) -> tuple[np.ndarray, list[Problem]]:
    """Which rows have a clip id, each once."""
    usable, problems, seen = np.ones(len(layout.clips), bool), [], dict[str, int]()
    for i, clip in enumerate(layout.clips):
        if not clip:
            usable[i] = False
            problems.append(Problem(layout.rows[i], "no clip is named"))
        elif clip in seen:
            usable[i] = False
            problems.append(Problem(layout.rows[i], f"clip {shown(clip)} comes again, after row {seen[clip]}"))
        else:
            seen[clip] = layout.rows[i]
    again = len(layout.clips) - len(seen) - layout.clips.count("")
    if again > 1 and again >= len(seen):
        raise UserError(
            f"{shown(file)} has {len(seen) + again} rows for {len(seen)} {'clips' if len(seen) > 1 else 'clip'}, "
            'as a row a frame has: average them by clip first, with pandas\' groupby("clip").'
        )
    return usable, problems


def _fact(table: Table, name: str, rows: list[int]) -> list[object]:
    if table.is_numeric(name):
        return [float(value) if np.isfinite(value) else None for value in table.numbers(name)[rows]]
    texts = table.texts(name)
    return [shown(texts[row], LONGEST_FACT) or None for row in rows]


def _paths(table: Table, layout: Layout, source: Source, made: Clips) -> list[str]:
    """Absolute path by row, empty without media. A row whose clip is not in the user's folder becomes unusable."""
    named = table.texts(PATH) if PATH in table.columns else []
    files = _index(source.media) if source.media is not None else Files({}, {}, {})
    paths = [""] * len(layout.clips)
    for i in map(int, made.usable.nonzero()[0]):
        clip = layout.clips[i]
        text = named[layout.at[i]] if named else clip
        if source.corpus is not None:
            try:
                paths[i] = str(source.corpus.media(clip).absolute())
            except UserError as error:
                # Labels are usable without media. A clip missing in the corpus's list is not part of it.
                if clip not in source.corpus.table.index:
                    _refuse(made, layout, i, str(error).rstrip("."))
        elif source.media is not None:
            paths[i] = _whole(source.media, text) or files.find(clip)
            if twins := [] if paths[i] else files.twins(clip):
                named_twins = " and ".join(shown(str(twin.relative_to(source.media.absolute()))) for twin in twins[:2])
                _refuse(made, layout, i, f"clip {shown(clip)} may be {named_twins}: write its folder too")
            elif not paths[i]:
                _refuse(made, layout, i, f"clip {shown(clip)} is not in {shown(str(source.media), 200)}")
        else:
            paths[i] = _whole(source.folder, text)
    there = sum(bool(paths[i]) for i in made.usable.nonzero()[0])
    count = int(made.usable.sum())
    if there < count:
        made.notes.append(f"{count - there} of {count} clips have no media here: they cannot be played.")
    return paths


def _refuse(made: Clips, layout: Layout, i: int, why: str) -> None:
    made.usable[i] = False
    made.problems.append(Problem(layout.rows[i], why))


def _whole(folder: Path, text: str) -> str:
    """The absolute path of a media file; empty where there is none."""
    if not text or "\0" in text or Path(text).suffix.lower() not in MEDIA:
        return ""
    path = os.path.abspath(os.path.join(folder, text))
    try:
        return path if os.path.isfile(path) else ""
    except (OSError, ValueError):
        return ""


@dataclass(frozen=True)
class Files:
    """Index of media files by all possible names of a clip.

    Attributes:
        exact: the path in the folder, with or without extension -> file.
        names: a file's name, with or without extension -> files, videos before sounds.
        folded: the same names, case-folded and Unicode-normalised -> files.
    """

    exact: dict[str, Path]
    names: dict[str, list[Path]]
    folded: dict[str, list[Path]]

    def find(self, clip: str) -> str:
        """The clip's file, absolute; empty where there is none, or several."""
        if clip in self.exact:
            return str(self.exact[clip])
        found = self._candidates(clip)
        return str(found[0]) if found and not _apart(found) else ""

    def twins(self, clip: str) -> list[Path]:
        """Files of different clips that the name may refer to."""
        return _apart(self._candidates(clip))

    def _candidates(self, clip: str) -> list[Path]:
        stem = Path(clip).stem
        for files, name in (
            (self.names, clip), (self.names, stem), (self.folded, _folded(clip)), (self.folded, _folded(_stem(clip))),
        ):  # fmt: skip
            if name in files:
                return files[name]
        return []


def _apart(files: list[Path]) -> list[Path]:
    """Files that are not copies of one clip: the same kind and extension in several folders."""
    sounds = [path.suffix.lower() in SOUND for path in files]
    alike = [path for path, sound in zip(files, sounds, strict=True) if sound == sounds[0]]
    several = len({path.parent for path in alike}) > 1 and len({path.suffix.lower() for path in alike}) < len(alike)
    return alike if several else []


def _index(folder: Path) -> Files:
    """Build the index."""
    if not folder.is_dir():
        raise UserError(f"There is no folder {shown(str(folder), 200)}: check --media.")
    files: list[Path] = []
    for root, _, names in os.walk(folder):
        files += [Path(root, name) for name in names if Path(name).suffix.lower() in MEDIA and not name.startswith("._")]
        if len(files) > _MOST_FILES:
            raise UserError(f"{shown(str(folder), 200)} holds more than {_MOST_FILES:,} files: name a folder inside it.")
    made = Files({}, {}, {})
    # If a clip exists as video and as audio only, use the video.
    for path in sorted(files, key=lambda path: (path.suffix.lower() in SOUND, path)):
        inside, whole = path.relative_to(folder), path.absolute()
        for alias in (str(inside), str(inside.with_suffix(""))):
            made.exact.setdefault(alias, whole)
        for alias in (path.name, path.stem):
            made.names.setdefault(alias, []).append(whole)
        for alias in {_folded(name) for name in (path.name, path.stem, str(inside), str(inside.with_suffix("")))}:
            made.folded.setdefault(alias, []).append(whole)
    return made


def corpus(name: str, table: pd.DataFrame, labels: tuple[str, ...]) -> ImportedCorpus:
    """A corpus of the clips in a table."""
    return ImportedCorpus(name, Path("/"), table, labels)


__all__ = ["Clips", "ImportedCorpus", "Source", "corpus", "gather"]
