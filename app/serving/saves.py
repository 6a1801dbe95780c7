"""Files made on demand, when they are saved: each button of a page has its own URL, which stays over reruns.

When a page reruns, a button's content changes but not its URL, which always serves the newest version. So no press is lost.
"""

from __future__ import annotations

import logging
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import quote
from weakref import WeakValueDictionary

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from affectscope.app.gate import visitors
from affectscope.app.gate.terms import base
from affectscope.core.cache.refusals import sentence_of

_LOG = logging.getLogger(__name__)
_OURS = "saves"
_FAULT = "Something went wrong inside the app; the server's log has the details."
_BYTES = 24
_MOST_OF_A_SESSION, _MOST = 32, 10_000
_LONGEST = 120
# Characters with a meaning to a shell, to Windows, or in a header.
_UNSAFE = frozenset("/\\:*?\"<>|;%`$'")


@dataclass(frozen=True)
class _File:
    """What a press serves: the function that makes it, run in a thread, and the file's name."""

    make: Callable[[], bytes]
    name: str
    kind: str


@dataclass(eq=False)
class _Save:
    """A button's ticket, and its browser."""

    ticket: str
    owner: str
    file: _File


# Weak: the sessions hold the tickets, which disappear with them.
_SAVES: WeakValueDictionary[str, _Save] = WeakValueDictionary()
_LOCK = threading.Lock()


def offer(key: str, make: Callable[[], bytes], name: str, kind: str) -> tuple[str, str]:
    """Let the current page's browser save a file; replaces what this session offered under the key before.

    Args:
        key: of the button.
        make: called in another thread, as the same visitor, when the file is saved; a ``UserError`` is shown on the page.
        name: of the file.
        kind: its media type.

    Returns:
        The URL, constant per key and session, and the file's name without invalid characters.
    """
    mine: dict[str, _Save] = st.session_state.setdefault(_OURS, {})
    file, owner = _File(visitors.bound(make), safe(name), kind), visitors.current()
    with _LOCK:
        save = mine.pop(key, None)
        if save is None or save.owner != owner:
            save = _Save(secrets.token_urlsafe(_BYTES), owner, file)
        save.file = file
        mine[key] = save
        for old in list(mine)[:-_MOST_OF_A_SESSION]:
            del mine[old]
        _SAVES.pop(save.ticket, None)
        _SAVES[save.ticket] = save
        for ticket in list(_SAVES.keys())[:-_MOST]:
            _SAVES.pop(ticket, None)
    return f"{base()}/saves/{save.ticket}", file.name


async def hand_over(request: Request) -> Response:
    """``GET /saves/{ticket}``: the current file, or one sentence about why there is none."""
    save = _SAVES.get(request.path_params["ticket"])
    if save is None or save.owner != visitors.of(request.scope):
        return _refused("This page is too old to save anything: reload it.", 404)
    file = save.file
    try:
        content = b"" if request.method == "HEAD" else await run_in_threadpool(file.make)
    except Exception as error:
        sentence = sentence_of(error)
        if sentence is None:
            _LOG.exception("%s could not be made", file.name)
        return _refused(sentence, 422) if sentence else _refused(_FAULT, 500)
    told = file.name.encode("ascii", "replace").decode().replace("?", "_")
    disposition = f"attachment; filename=\"{told}\"; filename*=UTF-8''{quote(file.name, safe='')}"
    return Response(content, headers={"Content-Disposition": disposition, "Cache-Control": "no-store"}, media_type=file.kind)


def safe(name: str) -> str:
    """A file name that is valid on every system: no path, no hidden file, nothing special to a header or a shell."""
    clean = "".join("_" if character in _UNSAFE or not character.isprintable() else character for character in name).strip(". ")
    stem, dot, suffix = clean.rpartition(".")
    # Keep the extension.
    return f"{stem[: _LONGEST - len(suffix) - 1]}{dot}{suffix}" if stem and len(suffix) < 10 else clean[:_LONGEST] or "file"


def _refused(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status_code=status, headers={"Cache-Control": "no-store"})
