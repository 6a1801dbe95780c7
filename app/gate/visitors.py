"""Who is asking, where others than this machine's own can come: a browser that was let in, told by its cookie.

The cookie is ``<visitor>.<signature>``: the visitor is drawn at random, and the signature can only be made with the link's token.
It is not the token: who reads a cookie cannot pass the link on.
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
# Owns nothing.
_NOBODY = "-"
_SCOPE = "affectscope.visitor"


def named(terms: Terms) -> str:
    """The cookie's name."""
    return f"affectscope-{terms.port}"


def right(token: str, terms: Terms) -> bool:
    """Whether it is the link's token; told in the same time whatever is wrong with it."""
    return hmac.compare_digest(token.encode("utf-8", "surrogateescape"), terms.token.encode())


def owner(cookie: str, terms: Terms) -> str | None:
    """Under which name a browser's own clips are kept; None for one that was not let in. What lies on disk lets nobody in."""
    visitor, _, signature = cookie.partition(".")
    if not _VISITOR.fullmatch(visitor) or not hmac.compare_digest(signature.encode("utf-8", "replace"), _sign(visitor, terms)):
        return None
    return hashlib.sha256(visitor.encode()).hexdigest()[:24]


def admit(before: str, terms: Terms, secure: bool) -> str:
    """The Set-Cookie header for a browser that brought the token; one that has been here before stays who it was."""
    known = before.partition(".")[0]
    visitor = known if _VISITOR.fullmatch(known) else secrets.token_urlsafe(_BYTES)
    value = f"{visitor}.{_sign(visitor, terms).decode()}"
    # Lax: a link in a mail or a chat must open the page, and nothing but a page is opened by one.
    rest = f"Path={terms.base or '/'}; Max-Age={_YEAR}; HttpOnly; SameSite=Lax{'; Secure' if secure else ''}"
    return f"{named(terms)}={value}; {rest}"


def note(scope: Scope, name: str) -> None:
    """Have the routes know who asks."""
    scope[_SCOPE] = name


def of(scope: Scope) -> str:
    """Who asks for a route; "" where only this machine's own come, and are one person."""
    return str(scope.get(_SCOPE, ""))


def current() -> str:
    """For whom a page, or work that a page has ordered, is being made: as ``of``."""
    on, ordered = terms(), _ORDERED.get()
    if not on.token or ordered is not None:
        return ordered or ""
    if get_script_run_ctx(suppress_warning=True) is None:
        return _NOBODY
    return owner(st.context.cookies.to_dict().get(named(on), ""), on) or _NOBODY


def bound(work: Callable[..., T]) -> Callable[..., T]:
    """Work that is done later, in another thread, for whom it is ordered now."""
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
