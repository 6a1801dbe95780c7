"""Texts as people read them: names out of files that nobody vouches for, and shares."""

from __future__ import annotations

from collections.abc import Collection

_LONGEST = 80


def shown(text: str, longest: int = _LONGEST) -> str:
    """A name out of a file as a sentence can bear it: printable, and not too long."""
    clean = "".join(c if c.isprintable() else "�" for c in text[: longest + 1])
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def percent(share: float, decimals: int = 0) -> str:
    """A share, 0 to 1, as all displays write it: "79 %", with a space that ends no line. Its twin: core/player/text.js."""
    return f"{100 * share:.{decimals}f}\N{NO-BREAK SPACE}%"


def unlike(name: str, taken: Collection[str]) -> str:
    """The name, or the name with the first number that makes it unlike all others."""
    number = 1
    while (tried := name if number == 1 else f"{name} ({number})") in taken:
        number += 1
    return tried
