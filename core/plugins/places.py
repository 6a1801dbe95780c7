"""Where in user code an error happened."""

from __future__ import annotations

import os
import sysconfig
import traceback
from pathlib import Path

from affectscope.core.paths import ROOT
from affectscope.core.text import shown

# Files of Python, of installed packages and of this product are not user code.
_OURS = [str(ROOT / part) for part in ("affectscope", "app", "core", "pages")]
_ELSEWHERE = tuple(f"{path}{os.sep}" for path in {*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), *_OURS} if path)


_LONGEST = 300


def is_own(file: str) -> bool:
    """Whether a file is user code: not Python's, not an installed package's and not this product's."""
    return not file.startswith(("<", *_ELSEWHERE))


def beside(path: str | Path, file: str) -> Path:
    """Resolve a path in a user's file: against the file's folder, or the current folder if it exists only there."""
    given = Path(path).expanduser()
    if given.is_absolute() or not is_own(file) or not Path(file).is_file():
        return given.absolute()
    own = Path(file).absolute().parent / given
    return own if own.exists() or not given.exists() else given.absolute()


def place_of(error: BaseException) -> str:
    """`` (my_net.py, line 12)``: the innermost line of user code in an error's traceback; empty if there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f" ({Path(error.filename).name}, line {error.lineno})"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if is_own(frame.filename)]
    return f" ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""


def told(error: BaseException) -> str:
    """An error of user code in one line: its type, message and place."""
    return f"{type(error).__name__}: {shown(' '.join(str(error).split()), _LONGEST)}{place_of(error)}"
