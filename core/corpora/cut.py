"""Cuts whole recordings into labelled segments: CMU-MOSEI is distributed as videos of several minutes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import imageio_ffmpeg
import numpy as np

from affectscope.core.corpora.base import Corpus
from affectscope.core.corpora.mosei import media as moseimedia
from affectscope.core.corpora.tables import is_sound, media_paths
from affectscope.core.errors import UserError

# One thread per FFmpeg process, since there are as many processes as cores.
_ALWAYS = ("-nostdin", "-hide_banner", "-loglevel", "error", "-y", "-threads", "1")
_VIDEO = ("-c:v", "libx264", "-preset", "veryfast", "-crf", "18", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart")


class Segment(NamedTuple):
    """A clip inside a longer recording, from ``start`` to ``end`` seconds."""

    clip: str
    recording: Path
    start: float
    end: float


def segments(corpus: Corpus) -> list[Segment]:
    """The clips without their own file whose recording exists: a file in the corpus with the video's name.

    Raises:
        UserError: when the corpus does not state which part of which recording its clips are.
    """
    table = corpus.table
    if not {"path", "speaker", "start", "end"} <= set(table) or corpus.kind != "cmu-mosei":
        raise UserError(f"{corpus.name} does not say where in which recording its clips lie: only CMU-MOSEI comes uncut.")
    recordings = moseimedia.whole(media_paths(corpus.root, []), table)
    inside = table[(table["path"] == "") & table["speaker"].isin(list(recordings)) & (table["end"] > table["start"])]
    return [
        Segment(str(clip), corpus.root / recordings[row.speaker], float(row.start), float(row.end))
        for clip, row in zip(inside.index, inside.itertuples(), strict=True)
        if np.isfinite(row.end) and Path(str(clip)).name == clip
    ]


def cut(
    wanted: list[Segment], folder: Path, workers: int | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[list[Path], list[str]]:
    """Write each segment to its own file, ``<clip>.mp4``, or ``.wav`` for a sound; existing files are kept.

    Returns:
        The existing files, and one sentence for each segment that could not be cut.

    Raises:
        UserError: when the folder cannot be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{folder} cannot be made ({error.strerror}): choose another folder by --out.") from error
    files, broken = [], []
    with ThreadPoolExecutor(workers or os.cpu_count() or 1) as pool:
        waiting = {pool.submit(_cut, segment, folder): segment for segment in wanted}
        try:
            for done, job in enumerate(as_completed(waiting), 1):
                try:
                    files.append(job.result())
                except (OSError, subprocess.SubprocessError) as error:
                    broken.append(f"{waiting[job].clip}: {_why(error)}")
                if progress:
                    progress(done, len(wanted))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return sorted(files), sorted(broken)


def _cut(segment: Segment, folder: Path) -> Path:
    sound = is_sound(segment.recording.name)
    out = folder / f"{segment.clip}{'.wav' if sound else '.mp4'}"
    if out.is_file():
        return out
    part = out.with_name(f".{out.name}.part{out.suffix}")
    # Placed before the input, -ss seeks to the previous key frame and decodes up to the exact frame.
    place = (
        "-ss",
        f"{segment.start:.3f}",
        "-t",
        f"{segment.end - segment.start:.3f}",
        "-i",
        f"file:{segment.recording.resolve()}",
    )
    kind = ("-vn", "-c:a", "pcm_s16le") if sound else _VIDEO
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *_ALWAYS, *place, *kind, "-sn", "-dn", f"file:{part.resolve()}"]
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, errors="replace")
        if not part.stat().st_size:
            raise OSError("nothing lies there")
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return out


def _why(error: Exception) -> str:
    told = error.stderr if isinstance(error, subprocess.CalledProcessError) else str(error)
    last = (told or "").strip().splitlines()[-1:] or ["it could not be cut"]
    return f"{last[0][:200]}; see to its recording."
