"""Names out of files that nobody vouches for, as sentences can bear them."""

from __future__ import annotations

_LONGEST = 80


def shown(text: str, longest: int = _LONGEST) -> str:
    """A name out of a file as a sentence can bear it: printable, and not too long."""
    clean = "".join(c if c.isprintable() else "�" for c in text[: longest + 1])
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"
