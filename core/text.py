"""Texts as people read them: names out of files that nobody vouches for, and shares."""

from __future__ import annotations

import re
from collections.abc import Collection

_LONGEST = 80
# What spreadsheets take for the beginning of a formula, blanks and invisible characters before it or not; a number is none.
_FORMULA = re.compile(r"[\s\x00-\x20\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def shown(text: str, longest: int = _LONGEST) -> str:
    """A name out of a file as a sentence can bear it: printable, and not too long."""
    clean = "".join(c if c.isprintable() else "�" for c in text[: longest + 1])
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def spreadsheet_cell(text: str) -> str:
    """A text as a cell of a CSV: behind an apostrophe where a spreadsheet would take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


# Markdown as the pages' own renderer reads it. What it makes of a text after parsing (addresses, :signs:, arrows) no backslash
# keeps it from: there an invisible joiner parts what belongs together.
_PARTED = re.compile(
    r"(?i)\bhttps?(?=://)|\bwww(?=\.)|(?<=[\w.+-])@(?=\w)"
    r"|:(?=(?:100|1234|[\w+/-]*[a-z_+/-][\w+/-]*):)|(?:^|(?<=\s))[-<>~](?=(?:-|=|>|->)(?:\s|$))"
)
_MARKUP = re.compile(
    r"[\\`*\[<$~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|:(?=[A-Za-z])"
    r"|^(?:[-+>]|#+|=+|-+)(?=\s|$)|^>|(?<=^\d)[.)](?=\s)|(?<=^\d\d)[.)](?=\s)"
)


def markdown(text: str) -> str:
    """A text as Markdown that shows just this text, on one line: names, labels, addresses and errors are no markup."""
    parted = _PARTED.sub(lambda match: f"{match[0]}\N{WORD JOINER}", " ".join(text.split()))
    return _MARKUP.sub(lambda match: f"\\{match[0]}", parted)


def percent(share: float, decimals: int = 0) -> str:
    """A share, 0 to 1, as all displays write it: "79 %", with a space that ends no line. Its twin: core/browser/text.js."""
    return f"{100 * share:.{decimals}f}\N{NO-BREAK SPACE}%"


def signed(value: float, decimals: int = 2) -> str:
    """A contribution or an attribute as all displays write it: "+0.42", "−0.10"."""
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def unlike(name: str, taken: Collection[str]) -> str:
    """The name, or the name with the first number that makes it unlike all others."""
    number = 1
    while (tried := name if number == 1 else f"{name} ({number})") in taken:
        number += 1
    return tried
