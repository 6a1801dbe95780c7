"""Clips, and where the browser finds what it plays and shows of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd

from affectscope.app.gate import visitors
from affectscope.app.own import store
from affectscope.app.services.browsing import DEMO, corpus, corpus_names, opened
from affectscope.app.services.known import corpus_of, corpus_of_table, imported
from affectscope.app.serving import lending
from affectscope.core import corpora, media
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, content_hash, key_of, of_clip
from affectscope.core.errors import UserError
from affectscope.core.features.extract import count_faces
from affectscope.core.imports import stored as imports
from affectscope.core.imports.clips import ImportedCorpus
from affectscope.core.media.stretch import clock, named

UPLOADS = "uploads"
_MOST_FACES = 99


@dataclass(frozen=True)
class Clip:
    """One clip that can be looked at, from a corpus, a person's own files, or a table of predictions.

    Attributes:
        file: its media; None where there are none, and ``missing`` says why in one sentence.
        track: the sound track that is heard, counted from 1; the first with sound where nobody chose.
        face: whose face is read, counted from 1; the largest and longest seen where nobody chose.
    """

    corpus: str
    id: str
    title: str
    file: Path | None
    label: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    missing: str = ""
    track: int | None = None
    face: int | None = None

    @property
    def called(self) -> str:
        """What arrays of it may be called: its name in the corpus; of a person's own clip, the name that the file had."""
        return Path(self.title).stem if self.corpus == UPLOADS else self.id

    @property
    def media(self) -> Path:
        """Raises:
        UserError: when there are none.
        """
        if self.file is None:
            raise UserError(self.missing)
        return self.file


def clip(corpus_name: str, clip_id: str) -> Clip:
    """Find a clip.

    Raises:
        UserError: when there is none of that name.
    """
    if corpus_name == UPLOADS:
        return _own(clip_id)
    source = _named(corpus_name, clip_id)
    file, missing = None, ""
    try:
        file = source.media(clip_id)
    except UserError as error:
        # What a table says of a clip is worth a look without its media; a corpus of ours has them all.
        if not isinstance(source, ImportedCorpus) or clip_id not in source.table.index:
            raise
        missing = str(error)
    facts = {k: v for k, v in source.table.loc[clip_id].items() if pd.notna(v) and k != "path"}
    return Clip(source.name, clip_id, clip_id, file, facts.get("label"), facts, missing)


def heard(item: Clip, track: str) -> Clip:
    """The clip with another of its sound tracks, as an address says it; what is no number of one says nothing."""
    if item.file is None or not (track.isascii() and track.isdigit()):
        return item
    number = int(track[:6])
    return replace(item, track=number) if 1 <= number <= media.probe(item.file, inf).sound_tracks else item


def seen(item: Clip, face: str) -> Clip:
    """The clip with another of its faces, as an address says it; what is no number of one says nothing.

    How many there are is known once the clip was read; before, the analysis says what is wrong.
    """
    if item.file is None or not (face.isascii() and face.isdigit()):
        return item
    number, known = int(face[:6]), count_faces(item.file)
    return replace(item, face=number) if 1 < number <= (known or _MOST_FACES) else item


def _own(clip_id: str) -> Clip:
    own = store.find(clip_id)
    if own is None:
        raise UserError("That upload is no longer stored here: choose the file again.")
    if own.file == own.original and not store.intact(own.id, own.original, own.owner):
        raise UserError(f"{own.name} was damaged on the disk: choose its file again.")
    missing = "" if own.file else f"{own.name} lasts {clock(own.seconds)}: choose a stretch of it on the Clip page."
    title = named(own.stretch, own.name) if own.stretch and own.file else own.name
    return Clip(UPLOADS, clip_id, title, own.file, own.label, missing=missing)


def _named(name: str, clip_id: str) -> corpora.Corpus:
    """The corpus of that name, or the imported table; without a name the one that the session looks at."""
    if not name:
        return corpus()
    if name in corpus_names() and (name == DEMO or clip_id in opened(name).table.index):
        return opened(name)
    for entry in imports.entries().values():
        if entry.corpus == name:
            source = corpus_of_table(entry)
            if clip_id in source.table.index:
                return source
    return opened(name if name in corpus_names() else DEMO)


def corpus_here(name: str) -> bool:
    """Whether there is a corpus of that name, an imported table, or uploads."""
    return name == UPLOADS or name in corpus_names() or any(entry.corpus == name for entry in imports.entries().values())


def clip_here(corpus_name: str, clip_id: str) -> bool:
    """Whether there is a clip of that name; of uploads, and of a corpus that cannot be read, ``clip`` says what is wrong."""
    try:
        return corpus_name == UPLOADS or clip_id in _named(corpus_name, clip_id).table.index
    except UserError:
        return True


def clips_of(model: str | None) -> pd.DataFrame:
    """The table of the clips that a model's answers are about; empty where it is not there."""
    try:
        return (corpus_of(model) if model else corpus()).table
    except UserError:
        return pd.DataFrame()


def covers(model: str, item: Clip) -> bool:
    """Whether the model can say something of the clip: an imported one only of its table's own."""
    known = imported(model)
    if known is None:
        return item.file is not None
    if item.id not in known.prediction_table.table.index:
        return False
    own = corpus_of_table(known.entry)
    return item.corpus == own.name or (item.file is not None and str(own.table.at[item.id, "path"]) == str(item.file))


def truth_known(item: Clip) -> bool:
    """Whether the clip's corpus knows when and where its emotion shows."""
    return item.corpus in corpus_names() and opened(item.corpus).kind == "demo"


def media_url(item: Clip) -> str:
    """Where the browser finds the clip, in the form that browsers play."""
    name = _own_name(item.media) if item.corpus == UPLOADS else item.id
    # Another track is another file.
    name = f"{name}.sound{item.track}" if item.track else name
    return lending.lend("clips", f"{item.corpus}.{name}", media_file(item), owner_of(item.corpus))


def owner_of(corpus_name: str) -> str:
    """Whose browser alone may have what belongs to a clip: whoever sees somebody's own clip is its owner. "" for everybody."""
    return visitors.current() if corpus_name == UPLOADS else ""


def media_file(item: Clip) -> Path:
    """The clip in the form that browsers play, where there is one."""
    return playable(item) or item.media


def _own_name(path: Path) -> str:
    """Another stretch of a long file has another address, so that no browser shows the one before."""
    return path.stem


def playable(item: Clip) -> Path | None:
    """What browsers can play of the clip; None where that has yet to be made."""
    if item.corpus == UPLOADS:
        return store.playable(item.id, item.track)
    if item.corpus == DEMO or media.probe(item.media, track=item.track).browser_playable:
        return item.media
    copy = browser_copy(item)
    return copy if sealed.good(copy) else None


def prepare(item: Clip, progress: Callable[[str, float], None]) -> None:
    """Make what browsers can play of the clip, where there is nothing yet."""
    if playable(item) is None:
        make_playable(item, lambda share: progress("Preparing the clip for the browser", share))


def make_playable(item: Clip, progress: Callable[[float], None]) -> None:
    if item.corpus == UPLOADS:
        store.make_playable(item.id, item.media, progress, item.track)
    else:
        sealed.fill(browser_copy(item), lambda part: media.browser_copy(item.media, part, progress, track=item.track), video=True)


def browser_copy(item: Clip) -> Path:
    content, read = content_hash(item.media), (*media.reading(item.media), *media.hearing(item.media, item.track))
    return cache_root() / "browser" / f"{of_clip(content, key_of(*read)) if read else content}.mp4"


def thumb_url(corpus_name: str, clip_id: str, path: Path) -> str:
    """Where the browser finds a picture of the clip; the file itself is not lent with it."""
    name = _own_name(path) if corpus_name == UPLOADS else clip_id
    return lending.lend("pictures", f"{corpus_name}.{name}", path, owner_of(corpus_name))


def pictures(model: str, clips: Iterable[str], of: corpora.Corpus | None = None) -> list[str | None]:
    """Pictures of some of the clips that a model's answers are about. One missing file must not hide the others.

    Args:
        of: their corpus; the session's, or the model's own, if left out.
    """
    source = of or corpus_of(model)

    def picture(clip_id: str) -> str | None:
        try:
            path = source.located(clip_id) if isinstance(source, ImportedCorpus) else source.media(clip_id)
            return thumb_url(source.name, clip_id, path)
        except UserError:
            return None

    return [picture(clip_id) for clip_id in clips]


def picture_url(model: str, clip_id: str) -> str | None:
    return pictures(model, [clip_id])[0]
