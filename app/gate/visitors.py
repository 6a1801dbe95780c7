"""Identifies admitted browsers by a cookie, where other machines can connect.

The cookie is ``<visitor>.<signature>``: a random visitor id, and a signature that requires the link's token. The token itself is
not in the cookie, so whoever reads one cannot pass the link on.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import streamlit as st
from starlette.types import Scope
from streamlit.runtime.scriptrunner import get_script_run_ctx

from affectscope.app.gate.terms import Terms, terms

_VISITOR = re.compile(r"[A-Za-z0-9_-]{22}")
_BYTES = 16
_YEAR = 365 * 24 * 3600
_ORDERED: ContextVar[str | None] = ContextVar("for whom", default=None)
T = TypeVar("T")
# A visitor that owns nothing.
_NOBODY = "-"
_SCOPE = "affectscope.visitor"


def named(terms: Terms) -> str:
    """The cookie's name."""
    return f"affectscope-{terms.port}"


def right(token: str, terms: Terms) -> bool:
    """Whether it is the link's token, compared in constant time."""
    return hmac.compare_digest(token.encode("utf-8", "surrogateescape"), terms.token.encode())


def owner(cookie: str, terms: Terms) -> str | None:
    """The id under which a browser's own clips are stored; None if it was not admitted. The id alone does not admit anybody."""
    visitor, _, signature = cookie.partition(".")
    if not _VISITOR.fullmatch(visitor) or not hmac.compare_digest(signature.encode("utf-8", "replace"), _sign(visitor, terms)):
        return None
    return hashlib.sha256(visitor.encode()).hexdigest()[:24]


def admit(before: str, terms: Terms, secure: bool) -> str:
    """The Set-Cookie header for a browser that brought the token; a returning one keeps its id."""
    known = before.partition(".")[0]
    visitor = known if _VISITOR.fullmatch(known) else secrets.token_urlsafe(_BYTES)
    value = f"{visitor}.{_sign(visitor, terms).decode()}"
    # Lax: a link in a mail or chat must open the page, and only pages can be opened by links.
    rest = f"Path={terms.base or '/'}; Max-Age={_YEAR}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    return f"{named(terms)}={value}; {rest}"


def note(scope: Scope, name: str) -> None:
    """Store the visitor in the request, for the routes."""
    scope[_SCOPE] = name


def of(scope: Scope) -> str:
    """The visitor of a request; "" where only this machine can connect, which counts as one person."""
    return str(scope.get(_SCOPE, ""))


def current() -> str:
    """The visitor of the current page, or of the job that a page started: as ``of``."""
    on, ordered = terms(), _ORDERED.get()
    if not on.token or ordered is not None:
        return ordered or ""
    if get_script_run_ctx(suppress_warning=True) is None:
        return _NOBODY
    return owner(st.context.cookies.to_dict().get(named(on), ""), on) or _NOBODY


def bound(work: Callable[..., T]) -> Callable[..., T]:
    """Bind a function to the current visitor, to be run later in another thread."""
    who = current()

    def run(*given: Any, **named: Any) -> T:
        before = _ORDERED.set(who)
        try:
            return work(*given, **named)
        finally:
            _ORDERED.reset(before)

    return run


def _sign(visitor: str, terms: Terms) -> bytes:
    return hmac.new(terms.token.encode(), f"affectscope {visitor}".encode(), hashlib.sha256).hexdigest().encode()
