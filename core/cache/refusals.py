"""Messages for failures of the machine: disk or memory."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

from affectscope.core.cache.roots import cache_root, data_root
from affectscope.core.errors import UserError

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_FORBIDDEN = {errno.EROFS, errno.EACCES, errno.EPERM}
_IN_THE_WAY = {errno.ENOTDIR, errno.EEXIST}
# Messages of torch, OpenCV and NumPy for lack of memory, in errors of any type.
_MEMORY = re.compile(r"can'?t allocate memory|cannot allocate memory|not enough memory|out of memory|insufficient memory|"
                     r"unable to allocate|can't start new thread", re.IGNORECASE)  # fmt: skip
# Messages of Rust and C++ libraries for a full disk, without an errno.
_NO_SPACE = re.compile(r"no space left|disk quota|file too large|failed writing file|write failed", re.IGNORECASE)


def sentence_of(error: BaseException) -> str | None:
    """One sentence for the user: a ``UserError``'s own, or about disk or memory; None for a bug of ours."""
    if isinstance(error, UserError):
        return str(error)
    code = getattr(error, "errno", None)
    if isinstance(error, MemoryError) or code == errno.ENOMEM or _MEMORY.search(str(error)):
        return (
            "There is not enough memory for this: close other programs, or take a shorter clip or a smaller model, and try "
            "again; what was finished is kept."
        )
    if code in (errno.EMFILE, errno.ENFILE):
        return "Too many files are open on this machine: close other programs, or raise the limit (`ulimit -n`), and try again."
    where, elsewhere = _where(error)
    if code in _FULL or (code is None and _NO_SPACE.search(str(error))):
        full = f"There is no room on the disk of {where} ({_why(error)})"
        return f"{full}: make room there, or {elsewhere}; what was finished is kept."
    if code in _FORBIDDEN:
        return f"{where} may not be read or written ({_why(error)}): change its permissions, or {elsewhere}."
    if code in _IN_THE_WAY:
        return f"{where} should be a folder, and there is a file in its way: move that file, or {elsewhere}."
    if code == errno.EIO:
        return f"The disk of {where} does not answer ({_why(error)}): check it, or {elsewhere}."
    return None


def _why(error: BaseException) -> str:
    return str(getattr(error, "strerror", None) or error)


def _where(error: BaseException) -> tuple[str, str]:
    """The place that an error is about, as shown to the user, and an alternative to suggest."""
    named = getattr(error, "filename", None)
    path = Path(os.fsdecode(named)).absolute() if isinstance(named, str | bytes | os.PathLike) and named else cache_root()
    roots = {data_root().absolute(): "AFFECTSCOPE_DATA", cache_root().absolute(): "AFFECTSCOPE_CACHE"}
    # Roots may be nested: take the innermost.
    around = [root for root in roots if path == root or root in path.parents]
    near = max(around, key=lambda root: len(root.parts)) if around else next((r for r in roots if path in r.parents), None)
    if near is not None:
        return str(near), f"name another folder in ${roots[near]}"
    # Name the obstacle itself if there is one; otherwise the folder, which refused the file.
    folder = path if getattr(error, "errno", None) in _IN_THE_WAY else path.parent
    return str(folder), "choose another folder"
