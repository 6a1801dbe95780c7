"""Files that are made when somebody saves them: each button of a page has an address of its own, which stays over reruns.

A page that runs again gives its buttons other contents; their addresses stay, and always lead to the newest one. So a press is
not lost, whenever it comes.
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
# What a file's name means to a shell, to Windows, or to a header.
_UNSAFE = frozenset("/\\:*?\"<>|;%`$'")


@dataclass(frozen=True)
class _File:
    """What a press gets: what makes it, in a thread of its own, and what it is called."""

    make: Callable[[], bytes]
    name: str
    kind: str


@dataclass(eq=False)
class _Save:
    """A button's address, and for which browser it is."""

    ticket: str
    owner: str
    file: _File


# Ticket -> what it is for. The sessions hold it: with a session go its tickets.
_SAVES: WeakValueDictionary[str, _Save] = WeakValueDictionary()
_LOCK = threading.Lock()


def offer(key: str, make: Callable[[], bytes], name: str, kind: str) -> tuple[str, str]:
    """Let the browser whose page is being made save a file; whatever was offered under this key in this session is replaced.

    Args:
        key: of the button.
        make: called in another thread, for the same person, when somebody saves it; a ``UserError`` is told on the page.
        name: of the file, as a person calls it.
        kind: its media type.

    Returns:
        The URL, the same for a key as long as the session lasts, and the file's name without what names may not hold.
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
    """``GET /saves/{ticket}``: the file as it is now, or one sentence that says why there is none."""
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
    """A file's name that is one on every system: no path, no hidden file, nothing that a header or a shell would read."""
    clean = "".join("_" if character in _UNSAFE or not character.isprintable() else character for character in name).strip(". ")
    stem, dot, suffix = clean.rpartition(".")
    # What makes it a file of its kind is at its end.
    return f"{stem[: _LONGEST - len(suffix) - 1]}{dot}{suffix}" if stem and len(suffix) < 10 else clean[:_LONGEST] or "file"


def _refused(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status_code=status, headers={"Cache-Control": "no-store"})
