"""Uploads, streamed to disk, so that a checkpoint is never held in memory.

A page gives its browser a ticket, and the browser sends files to the ticket's URL. Without a ticket nothing is accepted, and each
has a limit of files and bytes: a leaked URL cannot be used to fill the disk.
"""

from __future__ import annotations

import secrets
import shutil
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from affectscope.app.gate import visitors
from affectscope.core.cache.refusals import sentence_of
from affectscope.core.errors import UserError
from affectscope.core.files.kinds import HEAD, TABLES, fault_of
from affectscope.core.files.tensors import SUFFIXES
from affectscope.core.imports.read import LIMIT_MB as TABLE_MB
from affectscope.core.library import dropped as library
from affectscope.core.text import shown

LIMIT_MB = 2048
# Disk space to leave free.
_SPARE = 1 << 30
_CHUNK = 4 << 20
# Limits per ticket: files, attempts, and bytes.
FILES, _TRIES = 32, 64
_ALL_MB = 8192
_MOST_TICKETS = 1000
_FORGOTTEN = 3600.0
# A page that is open for longer gets a new URL on its next run.
_LAPSES = 24 * 3600.0


@dataclass(frozen=True)
class Arrival:
    """A received file: its path, original name, and time."""

    path: Path
    name: str
    at: float


@dataclass
class _Ticket:
    """A ticket's owner and age, remaining limits, and received files by id."""

    owner: str
    at: float
    files: int
    tries: int = _TRIES
    size: int = _ALL_MB << 20
    arrived: dict[str, Arrival] = field(default_factory=dict)


_TICKETS: dict[str, _Ticket] = {}
_LOCK = threading.Lock()


def ticket(files: int = FILES) -> str:
    """A new upload URL for ``files`` files, for the browser of the current page; the oldest ones expire."""
    made = secrets.token_urlsafe(24)
    with _LOCK:
        _TICKETS[made] = _Ticket(visitors.current(), time.monotonic(), files)
        for old in list(_TICKETS)[:-_MOST_TICKETS]:
            for arrival in _TICKETS.pop(old).arrived.values():
                shutil.rmtree(arrival.path.parent, ignore_errors=True)
    return made


def known(made: str, by: str | None = None) -> bool:
    """Whether a ticket is a browser's, used up or not.

    Args:
        by: the sending browser; default: that of the current page.
    """
    ticket = _TICKETS.get(made)
    by = visitors.current() if by is None else by
    return ticket is not None and time.monotonic() - ticket.at < _LAPSES and ticket.owner == by


def usable(made: str) -> bool:
    """Whether the current page may still use it; otherwise it needs a new one."""
    return known(made) and _TICKETS[made].files > 0 and _TICKETS[made].tries > 0 and _TICKETS[made].size > 0


def take(made: Iterable[str], told: Any) -> list[Arrival]:
    """The files that a browser reports to have sent to any of these tickets, each once. Unknown ones are ignored."""
    ids = [entry.get("id") for entry in told if isinstance(entry, Mapping)] if isinstance(told, Sequence) else []
    with _LOCK:
        arrivals = [_TICKETS[ticket_id].arrived for ticket_id in made if known(ticket_id)]
        return [arrived.pop(file) for file in ids if isinstance(file, str) for arrived in arrivals if file in arrived]


@contextmanager
def turn(made: str, by: str) -> Iterator[Turn]:
    """Reserve one file on a ticket, from the first byte, so that parallel uploads count like sequential ones.

    Unless ``Turn.arrived`` is called, only the attempt counts.

    Raises:
        NoTurn: when the ticket is another browser's, unknown, or used up.
    """
    with _LOCK:
        if not known(made, by):
            raise NoTurn("This page is too old to take files: reload it.", 403)
        ticket = _TICKETS[made]
        if min(ticket.files, ticket.tries, ticket.size) <= 0:
            raise NoTurn(f"This page takes {FILES} files at a time: reload it to send more.", 429)
        ticket.files, ticket.tries = ticket.files - 1, ticket.tries - 1
    mine = Turn(ticket)
    try:
        yield mine
    finally:
        if not mine.used:
            with _LOCK:
                ticket.files += 1


class NoTurn(UserError):
    """A ticket that accepts nothing, and the matching HTTP status."""

    def __init__(self, sentence: str, status: int) -> None:
        super().__init__(sentence)
        self.status = status


class Turn:
    """What may be sent now."""

    def __init__(self, ticket: _Ticket) -> None:
        self.ticket, self.used = ticket, False

    def limit_mb(self, most: int) -> int:
        """Maximum size of the file in MB."""
        return min(most, max(1, self.ticket.size >> 20))

    def arrived(self, size: int) -> None:
        """Record that a file of ``size`` bytes was stored."""
        with _LOCK:
            self.used, self.ticket.size = True, self.ticket.size - size


async def receive(request: Request) -> Response:
    """``PUT /drops/{ticket}?name=…``: write the body to disk; stop as soon as it is too large."""
    name = shown(Path(request.query_params.get("name", "")).name or "file")
    try:
        with turn(request.path_params["ticket"], visitors.of(request.scope)) as mine:
            return await _received(request, name, mine)
    except NoTurn as error:
        return _refused(str(error), error.status)


async def _received(request: Request, name: str, mine: Turn) -> Response:
    _forget(mine.ticket.arrived)
    try:
        folder = library.incoming()
    except OSError as error:
        return _refused(sentence_of(error) or f"{name} did not arrive: send it again.", 507)
    suffix = Path(name).suffix.lower()
    path = folder / f"dropped{suffix if suffix in (*SUFFIXES, *TABLES) else ''}"
    try:
        limit = mine.limit_mb(TABLE_MB if path.suffix in TABLES else LIMIT_MB)
        size = await write(request, path, name, limit, _of_some_kind if not path.suffix else None)
    except _OfNoKind as error:
        shutil.rmtree(folder, ignore_errors=True)
        return _refused(f"{name} {error}.", 415)
    except UserError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return _refused(str(error), 413)
    except ClientDisconnect:
        shutil.rmtree(folder, ignore_errors=True)
        return _refused(f"{name} did not arrive: send it again.", 400)
    except (OSError, MemoryError) as error:
        shutil.rmtree(folder, ignore_errors=True)
        return _refused(sentence_of(error) or f"{name} did not arrive: send it again.", 507)
    mark = secrets.token_hex(12)
    mine.ticket.arrived[mark] = Arrival(path, name, time.monotonic())
    mine.arrived(size)
    return JSONResponse({"id": mark})


class _OfNoKind(UserError):
    """A file with a neutral extension whose first bytes are not a checkpoint's."""


def _of_some_kind(head: bytes) -> None:
    if fault := fault_of(head):
        raise _OfNoKind(fault)


async def write(request: Request, path: Path, name: str, limit_mb: int, check: Callable[[bytes], None] | None = None) -> int:
    """Stream a request's body to disk, and stop as soon as it is too large.

    Returns:
        The number of bytes.

    Args:
        check: called with the first bytes, up to ``HEAD``; an exception from it cancels the upload.

    Raises:
        UserError: when it is too large, or the disk is full.
        ClientDisconnect: when it was interrupted.
    """
    limit = limit_mb << 20
    room = shutil.disk_usage(path.parent).free - _SPARE
    claimed = request.headers.get("content-length", "")
    _fits(name, int(claimed) if claimed.isdecimal() and len(claimed) < 20 else 0, limit, room)
    size, waiting, head = 0, bytearray(), b""
    with path.open("wb") as out:
        async for chunk in request.stream():
            size += len(chunk)
            _fits(name, size, limit, room)
            waiting += chunk
            if check is not None and chunk and len(head) < HEAD:
                # Checked early, so that the rest of a film need not arrive.
                head = (head + chunk)[:HEAD]
                check(head)
            # In a thread, because the event loop serves all other pages.
            if len(waiting) >= _CHUNK:
                await run_in_threadpool(out.write, bytes(waiting))
                waiting.clear()
        await run_in_threadpool(out.write, bytes(waiting))
    return size


def _fits(name: str, size: int, limit: int, room: int) -> None:
    if size > limit:
        raise UserError(f"{name} is larger than {limit >> 20} MB: give its path on the machine that runs the app instead.")
    if size > room:
        raise UserError(f"There is no room on the server's disk for {name}: remove something there first.")


def _forget(arrived: dict[str, Arrival]) -> None:
    """Delete files that no page asked for."""
    for mark, arrival in list(arrived.items()):
        if time.monotonic() - arrival.at > _FORGOTTEN:
            with suppress(KeyError):
                del arrived[mark]
            shutil.rmtree(arrival.path.parent, ignore_errors=True)


def _refused(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status_code=status)
