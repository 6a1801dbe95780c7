"""On what terms the server lets people in: its names, and the secret where others than this machine's own can come."""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from functools import cache

import streamlit as st

from affectscope.app.gate import hosts
from affectscope.core.errors import UserError

TOKEN, HOSTS = "AFFECTSCOPE_TOKEN", "AFFECTSCOPE_ALLOWED_HOSTS"
SHORTEST = 16
_BYTES = 32


@dataclass(frozen=True)
class Terms:
    """Attributes:
    names: what the server answers to beside localhost, in small letters.
    everywhere: whether it listens at every address of this machine.
    token: the secret in the link; empty where only this machine can come, which needs none.
    base: what stands before every path, "/affect", or nothing.
    port: where it listens; part of the cookie's name, since a browser keeps one set of cookies for all ports of a host.
    """

    names: frozenset[str] = frozenset()
    everywhere: bool = False
    token: str = ""
    base: str = ""
    port: int = 0


@cache
def terms() -> Terms:
    """Those of this process; without a token of its owner's choice, another one in each.

    Raises:
        UserError: when the token that was chosen is too short.
    """
    address = str(st.get_option("server.address") or "").strip("[]").lower()
    given = [hosts.name_of(host.strip()) for host in os.environ.get(HOSTS, "").split(",") if host.strip()]
    names = {name for name in given if name}
    everywhere = address in hosts.EVERYWHERE
    others = everywhere or not hosts.is_loopback(address) or any(not hosts.is_loopback(name) for name in names)
    names |= {socket.gethostname().lower()} if everywhere else {address}
    token = os.environ.get(TOKEN, "") or (secrets.token_urlsafe(_BYTES) if others else "")
    check(token)
    return Terms(frozenset(names), everywhere, token, base(), int(st.get_option("server.port")))


def base() -> str:
    """What stands before every path of this server, "/affect", or nothing."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def check(token: str) -> None:
    """Raises:
    UserError: when somebody could guess it.
    """
    if token and (len(token) < SHORTEST or not token.isprintable()):
        raise UserError(f"The token in {TOKEN} could be guessed: take {SHORTEST} characters or more, or leave it out.")
