"""The web server: the Streamlit app, and the files that its pages fetch. Run it with ``streamlit run app/server.py``."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from mimetypes import guess_type
from pathlib import Path
from threading import Thread

import streamlit as st
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from affectscope.app import skeleton
from affectscope.app.common import say
from affectscope.app.common.navigation import FIRST, PAGES
from affectscope.app.gate import Gate, headers, visitors
from affectscope.app.gate.terms import base
from affectscope.app.serving import lending, saves, starting
from affectscope.app.serving.doorway import announce
from affectscope.app.serving.leaving import Leaving
from affectscope.core.cache import sealed
from affectscope.core.cache.refusals import sentence_of

# Ids of timelines and thumbnails are content hashes, so responses never change.
_FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
_CHECK = {"Cache-Control": "private, no-cache"}
_PLAYED = ("audio", "video", "image")


def page(request: Request) -> Response:
    """A page of the app, before its script has run."""
    here = request.url.path.removeprefix(base()).strip("/")
    return HTMLResponse(skeleton.document(here or FIRST), headers={"Cache-Control": "no-cache"})


def clip(request: Request) -> Response:
    """A clip's media, streamed from disk by byte ranges."""
    path = _lent(request, "clips")
    if path is None:
        return _nothing()
    # Never serve a user's file as HTML, whatever its name.
    kind = guess_type(path.name)[0] or ""
    kind = kind if kind.split("/")[0] in _PLAYED and "xml" not in kind else "application/octet-stream"
    return FileResponse(path, headers=_CHECK, media_type=kind, content_disposition_type="inline")


def timeline(request: Request) -> Response:
    """A timeline's bytes, see core/timeline/timeline.py."""
    starting.first_shown.set()
    return _made(request, "timelines", "application/octet-stream")


def grid(request: Request) -> Response:
    """A clip's answers at every share of sound and picture, JSON."""
    return _made(request, "grids", "application/json")


def listed(request: Request) -> Response:
    """A corpus's clips in columns, JSON, see app/clips/columns.py."""
    return _made(request, "lists", "application/json")


def points(request: Request) -> Response:
    """A map's points, or its columns, see core/analysis/{atlas,columns}.py."""
    return _made(request, "maps", "application/octet-stream")


def thumb(request: Request) -> Response:
    """A thumbnail of a clip, or a sound icon."""
    from affectscope.app.serving import thumbs

    path = _lent(request, "pictures") or _lent(request, "clips")
    if path is None:
        return _nothing()
    place = thumbs.thumb(path)
    picture = sealed.read(place) if place else None
    if picture is None:
        return FileResponse(Path(__file__).parent / "serving" / "no_picture.svg", headers=_CHECK)
    return Response(picture, headers=_CHECK, media_type="image/jpeg")


def strip(request: Request) -> Response:
    """An overview of a long file: pictures side by side, or the sound's peaks as bytes."""
    kind = "image/jpeg" if request.path_params["name"].endswith(".jpg") else "application/octet-stream"
    return _made(request, "strips", kind, _CHECK)


async def drop(request: Request) -> Response:
    """An upload to the Library."""
    # Imported late: it brings torch, and the server has to start first.
    from affectscope.app.library.drops import receive

    return await receive(request)


async def own(request: Request) -> Response:
    """An upload of the user's own clip."""
    from affectscope.app.own.arrive import receive

    return await receive(request)


def _lent(request: Request, name: lending.Kind) -> Path | None:
    return lending.find(name, request.path_params["name"], visitors.of(request.scope))


def _made(request: Request, which: lending.Kind, kind: str, headers: dict[str, str] = _FOREVER) -> Response:
    """A generated file; damaged ones are not sent."""
    content = lending.content(which, request.path_params["name"], visitors.of(request.scope))
    return _nothing() if content is None else Response(content, headers=headers, media_type=kind)


def _nothing() -> Response:
    return Response("There is nothing under this address.", status_code=404, media_type="text/plain")


ROUTES = (
    # A clip's name may contain slashes; it is a key, never a path.
    Route("/clips/{name:path}", clip),
    Route("/timelines/{name:path}", timeline),
    Route("/grids/{name:path}", grid),
    Route("/maps/{name:path}", points),
    Route("/lists/{name:path}", listed),
    Route("/thumbs/{name:path}", thumb),
    Route("/strips/{name:path}", strip),
    Route("/drops/{ticket}", drop, methods=["PUT"]),
    Route("/own/{ticket}", own, methods=["PUT"]),
    Route("/saves/{ticket:path}", saves.hand_over),
)
# Separate, because the tests' servers have pages of their own.
_DOCUMENTS = tuple(Route("/" if name == FIRST else f"/{name}", page) for name in PAGES)


def moved(routes: Iterable[Route]) -> tuple[Route, ...]:
    """Routes moved below ``server.baseUrlPath``, like Streamlit's own."""
    return tuple(Route(f"{base()}{route.path}", route.endpoint, methods=list(route.methods or ())) for route in routes)


@asynccontextmanager
async def lifespan(_: st.App) -> AsyncIterator[None]:
    """Load the model at startup, so that the first visitor does not wait for imports."""
    announce()
    Thread(target=_warm_up, daemon=True, name="warm-up").start()
    yield


def _warm_up() -> None:
    starting.load()
    from affectscope.app import services

    services.warm_up()


def apologise(error: BaseException) -> bool:
    """Replace tracebacks on the page by an apology; Streamlit has logged them. Disk and memory errors are reported as such."""
    say.error(sentence_of(error) or "Something went wrong inside the app; the server's log has the details.")
    return True


def failed(request: Request, _: Exception) -> Response:
    """The response to an internal error outside the gate."""
    response = PlainTextResponse("Something went wrong inside the app; the server's log has the details.", 500)
    response.raw_headers.extend(headers.headers(request.url.path.removeprefix(base()), headers.of_pages(())))
    return response


app = st.App(
    Path(__file__).resolve().with_name("main.py"),
    routes=moved((*_DOCUMENTS, *ROUTES)),
    middleware=(Middleware(Gate, scripts=headers.inline(skeleton.script())), Middleware(Leaving)),
    lifespan=lifespan,
    on_script_error=apologise,
    exception_handlers={500: failed},
)
