"""Checks a request's Host and Origin.

By DNS rebinding, a foreign page can make its own name resolve to this machine, and then call the server as if it were one of its
pages. The Host header, which the browser sets, reveals that.
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
    """The name in a Host header, in lower case, without port and brackets; None if it is invalid."""
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
    """Whether a name means this machine itself."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == LOCAL


def allowed(host: str, names: Collection[str], arrived_at: str = "") -> bool:
    """Whether a request for this Host is meant for us.

    Args:
        names: accepted names besides this machine's own.
        arrived_at: the local address of the connection, if the server listens on all. It is not a name, so DNS rebinding cannot
            forge it.
    """
    name = name_of(host)
    return name is not None and (is_loopback(name) or name in names or (bool(arrived_at) and name == arrived_at))


def same(origin: str, host: str) -> bool:
    """Whether an origin is the host's own; behind a proxy either may omit the scheme's default port."""
    try:
        parts = urlsplit(origin)
        usual = {"http": 80, "https": 443}[parts.scheme]
        there, here = (parts.hostname, parts.port or usual), urlsplit(f"//{host}")
        return origin == f"{parts.scheme}://{parts.netloc}" and there == (here.hostname, here.port or usual)
    except (ValueError, KeyError):
        return False
