"""Where in user code something went wrong."""

from __future__ import annotations

import os
import sysconfig
import traceback
from pathlib import Path

from affectscope.core.house import ROOT
from affectscope.core.text import shown

# Python's own files, installed packages, and ours: no fault is looked for there.
_OURS = [str(ROOT / part) for part in ("affectscope", "app", "core", "pages")]
_ELSEWHERE = tuple(f"{path}{os.sep}" for path in {*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), *_OURS} if path)


_LONGEST = 300


def is_own(file: str) -> bool:
    """Whether a file is a person's own: neither Python's, nor an installed package's, nor ours."""
    return not file.startswith(("<", *_ELSEWHERE))


def beside(path: str | Path, file: str) -> Path:
    """What a person's file means by a path: from its own folder on, wherever a process was started; else from there."""
    given = Path(path).expanduser()
    if given.is_absolute() or not is_own(file) or not Path(file).is_file():
        return given.absolute()
    own = Path(file).absolute().parent / given
    return own if own.exists() or not given.exists() else given.absolute()


def place_of(error: BaseException) -> str:
    """`` (my_net.py, line 12)``: the innermost line of user code that an error passed; empty where there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_own(frame.filename)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def told(error: BaseException) -> str:
    """An error of user code in a line: its kind, what it says, and where."""
    return f"{type(error).__name__}: {shown(' '.join(str(error).split()), _LONGEST)}{place_of(error)}"
