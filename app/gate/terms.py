"""The server's terms of access: accepted names, and a secret if it is reachable from other machines."""

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
    """The terms of access.

    Attributes:
        names: accepted names besides localhost, in lower case.
        everywhere: whether it listens on all addresses of this machine.
        token: the secret in the link; empty if only this machine can connect.
        base: prefix of every path, "/affect", or empty.
        port: the listening port; part of the cookie's name, since browsers share cookies between a host's ports.
    """

    names: frozenset[str] = frozenset()
    everywhere: bool = False
    token: str = ""
    base: str = ""
    port: int = 0


@cache
def terms() -> Terms:
    """This process's terms; without a configured token, a random one per process.

    Raises:
        UserError: when the configured token is too short.
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
    """Prefix of every path of this server, "/affect", or empty."""
    path = str(st.get_option("server.baseUrlPath") or "").strip("/")
    return f"/{path}" if path else ""


def check(token: str) -> None:
    """Validate a token.

    Raises:
        UserError: when it could be guessed.
    """
    if token and (len(token) < SHORTEST or not token.isprintable()):
        raise UserError(f"The token in {TOKEN} could be guessed: take {SHORTEST} characters or more, or leave it out.")
