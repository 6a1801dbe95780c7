"""Whom a request claims to speak to (Host), and from which page it comes (Origin).

A page that somebody else wrote can have its own name point at this machine (DNS rebinding) and then speak to the server as if it
were one of its pages. The browser gives it away by the Host that it names.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

LOCAL = "localhost"
EVERYWHERE = ("0.0.0.0", "::", "")
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?)(?::([0-9]{1,5}))?")


def name_of(host: str) -> str | None:
    """The name in a Host header, in small letters, without port and brackets; None where it is not one."""
    match = _HOST.fullmatch(host)
    if match is None or int(match[2] or 1) not in range(1, 65536):
        return None
    name = match[1].strip("[]").lower()
    if not match[1].startswith("["):
        return name
    try:
        return str(ip_address(name))
    except ValueError:
        return None


def is_loopback(name: str) -> bool:
    """Whether a name means the very machine that it is asked on."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == LOCAL


def allowed(host: str, names: Collection[str], arrived_at: str = "") -> bool:
    """Whether a request for this Host is meant for us.

    Args:
        names: the names that we answer to beside this machine's own.
        arrived_at: the address of ours that the connection was made to, where everybody may come: it is no name, so that nobody
            can have pointed it at us.
    """
    name = name_of(host)
    return name is not None and (is_loopback(name) or name in names or (bool(arrived_at) and name == arrived_at))


def same(origin: str, host: str) -> bool:
    """Whether the page that asks is one of the host's own; through a proxy either may leave out the scheme's usual port."""
    try:
        parts = urlsplit(origin)
        usual = {"http": 80, "https": 443}[parts.scheme]
        there, here = (parts.hostname, parts.port or usual), urlsplit(f"//{host}")
        return origin == f"{parts.scheme}://{parts.netloc}" and there == (here.hostname, here.port or usual)
    except (ValueError, KeyError):
        return False
