"""Fills one feature set of a packed store, clip by clip, in any order, with the same result.

Each finished clip is a part: a shard of one clip in ``.parts``, named by its content hash. When all clips of a shard are
finished, their parts are merged into it. Each step is an atomic rename, so finished work survives any interruption.
"""

from __future__ import annotations

import csv
import io
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from affectscope.core.cache import sealed
from affectscope.core.cache.store import Arrays, key_of, write_atomically
from affectscope.core.features.base import FeatureSet
from affectscope.core.features.stored.packed import BROKEN, CLIPS, SETTINGS, shard_path, sum_of
from affectscope.core.features.stored.shards import UNREAD, Row, Shard, write_shard

# Target size of a shard, assuming clips of three seconds.
SHARD_BYTES, CLIP_SECONDS, MOST_CLIPS = 64 << 20, 3.0, 512
# For sets that do not state their frame rate.
USUAL_RATE = 30.0


class Packing:
    """One feature set being packed. The constructor picks up what an earlier attempt left.

    Args:
        order: clip -> SHA-256 of its file (``UNREAD`` where it is unreadable), in the order of the corpus.

    Attributes:
        missing: content hashes still to be extracted.
        kept: clips that were finished before.
    """

    def __init__(self, store: Path, feature_set: FeatureSet, settings: Mapping[str, Any], order: Mapping[str, str]) -> None:
        self.folder = store / f"{feature_set.name}-{key_of(settings)[:8]}"
        self._set, self._settings, self._order = feature_set, dict(settings), order
        self._parts = self.folder / ".parts"
        self._size = shard_clips(feature_set)
        contents = list(order.values())
        self._shards = [contents[i : i + self._size] for i in range(0, len(contents), self._size)]
        self._failed = {UNREAD}
        self._dim: int | None = None
        self._clean()
        self._open = self._unfinished()
        self._uses = Counter(content for number in self._open for content in self._shards[number])
        self._done = {path.stem for path in self._parts.glob("*.safetensors") if _kept_whole(path)}
        self.missing = [c for c in dict.fromkeys(contents) if c in self._uses and c not in self._done and c != UNREAD]
        lacking = {*self.missing, UNREAD}
        self.kept = sum(content not in lacking for content in contents)
        self._pack()

    def put(self, content: str, arrays: Arrays) -> None:
        """Store a clip's extracted features."""
        duration = float(arrays["duration"])
        self._keep(Row(arrays["values"], arrays["times"], arrays["present"], duration, content))
        self._pack()

    def fail(self, content: str) -> None:
        """Record that a clip cannot be read."""
        self._failed.add(content)
        self._pack()

    def finish(self, why: Mapping[str, str]) -> None:
        """Write the remaining shards, and mark the set as finished.

        Args:
            why: clip -> reason, for the clips that are broken.
        """
        self._pack(last=True)
        broken = _csv(("why",), [(clip, why[clip]) for clip in self._order if clip in why])
        clips = _csv(("content", "seconds"), self._with_seconds())
        about = {
            "name": self._set.name, "modality": self._set.modality, "dim": self._width(), "settings": self._settings,
            "dtype": "uint8" if self._set.pixels else "float32", "source": self._set.source, "shard_clips": self._size,
            "sums": {BROKEN: sum_of(broken.encode()), CLIPS: sum_of(clips.encode())},
        }  # fmt: skip
        if self._set.pixels and self._set.low == 0:
            about["low"] = 0.0
        sealed.write_json(self.folder / SETTINGS, dict(sorted(about.items())))
        _write(self.folder / BROKEN, broken)
        shutil.rmtree(self._parts, ignore_errors=True)
        _write(self.folder / CLIPS, clips)

    def _clean(self) -> None:
        self._parts.mkdir(parents=True, exist_ok=True)
        for left in (*self.folder.glob(".partial-*"), *self._parts.glob(".partial-*")):
            left.unlink()

    def _unfinished(self) -> dict[int, None]:
        """The shards still to be made. Reusable rows of outdated shards are turned back into parts."""
        clips = self.folder / CLIPS
        if clips.is_file() and _first_two(clips) != [("clip", "content"), *self._order.items()]:
            clips.unlink()
        whole: dict[Path, Shard] = {}
        spare: dict[Path, Shard] = {}
        for path in sorted(self.folder.glob("*.safetensors")):
            shard = _opened(path)
            if shard is None:
                path.unlink()
                continue
            number = int(path.stem) if path.stem.isdigit() else -1
            expected = self._shards[number] if 0 <= number < len(self._shards) else []
            retry = any(broken and content != UNREAD for broken, content in zip(shard.broken, shard.content, strict=True))
            retry = retry or not all(map(shard.whole_row, range(len(shard))))
            (spare if retry or shard.content != expected else whole)[path] = shard
        unfinished = [i for i in range(len(self._shards)) if shard_path(self.folder, i) not in whole]
        if unfinished:
            clips.unlink(missing_ok=True)
        wanted = {content for number in unfinished for content in self._shards[number]}
        for shard in (*spare.values(), *whole.values()):
            self._dim = shard.values.shape[1]
            for place, content in enumerate(shard.content):
                if content in wanted and shard.whole_row(place) and not shard.broken[place] and not self._part(content).is_file():
                    self._keep(shard.row(place))
        for path in spare:
            path.unlink()
        return dict.fromkeys(unfinished)

    def _pack(self, last: bool = False) -> None:
        for number in list(self._open):
            contents = self._shards[number]
            if not all(c in self._done or c in self._failed for c in contents):
                continue
            # A shard of broken clips only has to wait until the width of a frame is known.
            if not last and not any(c in self._done for c in contents):
                continue
            rows = [self._row(content) for content in contents]
            write_shard(shard_path(self.folder, number), [row or self._nothing(c) for row, c in zip(rows, contents, strict=True)])
            del self._open[number]
            for content in contents:
                self._uses[content] -= 1
                if not self._uses[content]:
                    self._part(content).unlink(missing_ok=True)

    def _keep(self, row: Row) -> None:
        write_shard(self._part(row.content), [row])
        if hasattr(self, "_done"):
            self._done.add(row.content)

    def _part(self, content: str) -> Path:
        return self._parts / f"{content}.safetensors"

    def _row(self, content: str) -> Row | None:
        if content in self._failed:
            return None
        row = Shard(self._part(content)).row(0)
        self._dim = row.values.shape[1]
        return row

    def _nothing(self, content: str) -> Row:
        values = np.zeros((0, self._width()), np.uint8 if self._set.pixels else np.float32)
        return Row(values, np.zeros(0), np.zeros(0, bool), 0.0, content, broken=True)

    def _width(self) -> int:
        return self._set.dim if self._dim is None else self._dim

    def _with_seconds(self) -> list[tuple[str, str, str]]:
        seconds = [s for i in range(len(self._shards)) for s in Shard(shard_path(self.folder, i)).durations.tolist()]
        return [(clip, content, repr(s)) for (clip, content), s in zip(self._order.items(), seconds, strict=True)]


def shard_clips(feature_set: FeatureSet) -> int:
    """Clips per shard of a set; the same for every corpus."""
    size = feature_set.dim * (feature_set.rate or USUAL_RATE) * CLIP_SECONDS * (1 if feature_set.pixels else 4)
    return max(1, min(MOST_CLIPS, int(SHARD_BYTES / size)))


def _opened(path: Path) -> Shard | None:
    try:
        return Shard(path)
    except (OSError, ValueError, KeyError):
        return None


def _kept_whole(path: Path) -> bool:
    """Whether a part is intact. A damaged one is deleted, and its clip is extracted again."""
    part = _opened(path)
    if part is not None and len(part) == 1 and part.content == [path.stem] and part.whole_row(0):
        return True
    path.unlink()
    return False


def _first_two(path: Path) -> list[tuple[str, str]]:
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [(row[0], row[1]) if len(row) > 1 else ("", "") for row in csv.reader(file)]
    except (ValueError, csv.Error):
        return []


def _csv(columns: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([("clip", *columns), *rows])
    return text.getvalue()


def _write(path: Path, text: str) -> None:
    write_atomically(path, lambda part: part.write_text(text, encoding="utf-8", newline=""))
