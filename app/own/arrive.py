"""Uploads of the user's files and recordings, streamed to disk, so that an hour of video is never held in memory."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from affectscope.app.gate import visitors
from affectscope.app.library import drops
from affectscope.app.own import store
from affectscope.core.cache.refusals import sentence_of
from affectscope.core.errors import UserError
from affectscope.core.text import shown

# An hour and a half of phone video; more is a question of disk space.
LIMIT_MB = 4096


async def receive(request: Request) -> Response:
    """``PUT /own/{ticket}?name=…``: the id of the stored clip, or one sentence about why it was refused."""
    name = shown(Path(request.query_params.get("name", "")).name or "clip")
    owner = visitors.of(request.scope)
    try:
        with drops.turn(request.path_params["ticket"], owner) as mine:
            return await _received(request, name, owner, mine)
    except drops.NoTurn as error:
        return _refused(str(error), error.status)


async def _received(request: Request, name: str, owner: str, mine: drops.Turn) -> Response:
    path: Path | None = None
    try:
        path = store.incoming()
        size = await drops.write(request, path, name, mine.limit_mb(LIMIT_MB))
        clip_id = await run_in_threadpool(store.keep, path, name, owner)
        mine.arrived(size)
        return JSONResponse({"id": clip_id})
    except UserError as error:
        return _refused(str(error), 422)
    except ClientDisconnect:
        return _refused(f"{name} did not arrive: send it again.", 400)
    except (OSError, MemoryError) as error:
        return _refused(sentence_of(error) or f"{name} did not arrive: send it again.", 507)
    finally:
        if path:
            with suppress(OSError):
                path.unlink(missing_ok=True)


def _refused(sentence: str, status: int) -> Response:
    return JSONResponse({"error": sentence}, status_code=status)
