"""Access control: every request to the server (pages, websockets, files, uploads) passes here first."""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from urllib.parse import parse_qsl, quote, urlencode

from starlette.datastructures import Headers
from starlette.requests import cookie_parser
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from affectscope.app.gate import headers, hosts, visitors
from affectscope.app.gate.terms import Terms, terms
from affectscope.core.text import shown

FOREIGN = "This was asked for by another site's page, which may not: open the app in a tab of its own."
NO_KEY = "This AffectScope is open only to those who have its link: ask whoever started it for the address that ends in ?token=…"
_SAFE = ("GET", "HEAD", "OPTIONS")
_NO_STORE = {"Cache-Control": "no-store"}
_TOKEN = "token"


class Gate:
    """ASGI middleware around everything else.

    Args:
        scripts: the pages' inline scripts, as named by ``headers.inline``.
        of: returns the terms; default: this process's. Called per request, because the port is not known earlier.
    """

    def __init__(self, app: ASGIApp, scripts: tuple[str, ...] = (), of: Callable[[], Terms] = terms) -> None:
        self._app, self._of, self._policy = app, of, headers.of_pages(scripts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        on = self._of()
        answer = _refusal(scope, on) or (_let_in(scope, on) if on.token else None)
        if scope["type"] == "websocket":
            if answer is None:
                await self._app(scope, receive, send)
            else:
                await _close(receive, send)
            return
        more = headers.headers(scope["path"].removeprefix(on.base), self._policy)

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                names = {name for name, _ in more}
                kept = [(name, value) for name, value in message.get("headers", ()) if name.lower() not in names]
                message = {**message, "headers": [*kept, *more]}
            await send(message)

        await (answer or self._app)(scope, receive, told)


def _refusal(scope: Scope, on: Terms) -> Response | None:
    """The reason to refuse a request, whoever sends it; None to allow it."""
    asked = Headers(scope=scope)
    named = asked.getlist("host")
    here = str((scope.get("server") or ("",))[0]) if on.everywhere else ""
    if len(named) != 1 or not hosts.allowed(named[0], on.names, here.removeprefix("::ffff:")):
        name = shown(named[0]) if named else "nobody"
        return _no(
            scope, f"This AffectScope does not answer to {name}: whoever started it can add a name with --allow-host.", told=False
        )
    origins = asked.getlist("origin")
    socket = scope["type"] == "websocket"
    # Browsers send the origin of every websocket, and of all requests that are not read-only.
    if any(not hosts.same(origin, named[0]) for origin in origins) and (socket or scope["method"] not in _SAFE):
        return _no(scope, FOREIGN)
    if len(origins) != 1 and (socket or len(origins) > 1):
        return _no(scope, FOREIGN)
    elsewhere = asked.get("sec-fetch-site", "none") in ("cross-site", "same-site")
    if not socket and elsewhere and asked.get("sec-fetch-mode") != "navigate":
        return _no(scope, FOREIGN)
    return None


def _let_in(scope: Scope, on: Terms) -> Response | None:
    """The response for a visitor who is not admitted yet, or who brings the token, which is removed from the URL at once."""
    asked = Headers(scope=scope)
    cookie = cookie_parser(asked.get("cookie", "")).get(visitors.named(on), "")
    visitor = visitors.owner(cookie, on)
    known = visitor is not None
    visitors.note(scope, visitor or "")
    if scope["type"] == "websocket" or scope["method"] not in ("GET", "HEAD"):
        return None if known else _no(scope, NO_KEY)
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    brought = [value for name, value in query if name == _TOKEN]
    if not brought:
        return None if known else _no(scope, NO_KEY)
    if not known and not visitors.right(brought[-1], on):
        return _no(scope, NO_KEY)
    rest = urlencode([(name, value) for name, value in query if name != _TOKEN])
    # Exactly one leading slash: browsers would take the text after two as another host.
    path = "/" + quote(scope["path"].lstrip("/\\"), safe="/")
    reply = RedirectResponse(f"{path}?{rest}" if rest else path, status_code=303, headers=_NO_STORE)
    if not known:
        reply.headers.append("Set-Cookie", visitors.admit(cookie, on, scope.get("scheme") == "https"))
    return reply


def _no(scope: Scope, sentence: str, told: bool = True) -> Response:
    if told and "text/html" in Headers(scope=scope).get("accept", ""):
        body = f'<!doctype html><meta charset="utf-8"><title>AffectScope</title><p>{escape(sentence)}</p>'
        return HTMLResponse(body, 403, _NO_STORE)
    return PlainTextResponse(sentence, 403, _NO_STORE)


async def _close(receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.close", "code": 1008, "reason": ""})
