"""Text for display: untrusted names from files, and numbers."""

from __future__ import annotations

import re
from collections.abc import Collection

_LONGEST = 80
# What spreadsheets treat as the start of a formula, optionally after blanks and invisible characters. Numbers are excluded below.
_FORMULA = re.compile(r"[\s\x00-\x20\u200b\ufeff]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")


def shown(text: str, longest: int = _LONGEST) -> str:
    """An untrusted name made safe for a sentence: printable, and not too long."""
    clean = "".join(c if c.isprintable() else "�" for c in text[: longest + 1])
    return clean if len(clean) <= longest else clean[: longest - 1] + "…"


def spreadsheet_cell(text: str) -> str:
    """A text as a CSV cell, prefixed by an apostrophe where a spreadsheet would read a formula."""
    return f"'{text}" if _FORMULA.match(text) and not _NUMBER.fullmatch(text) else text


# Markdown as rendered by Streamlit. It converts some patterns after parsing (addresses, :signs:, arrows), where backslashes have
# no effect; an invisible joiner separates their characters.
_PARTED = re.compile(
    r"(?i)\bhttps?(?=://)|\bwww(?=\.)|(?<=[\w.+-])@(?=\w)"
    r"|:(?=(?:100|1234|[\w+/-]*[a-z_+/-][\w+/-]*):)|(?:^|(?<=\s))[-<>~](?=(?:-|=|>|->)(?:\s|$))"
)
_MARKUP = re.compile(
    r"[\\`*\[<$~]|(?<![^\W_])_|_(?![^\W_])|&(?=#?\w+;)|:(?=[A-Za-z])"
    r"|^(?:[-+>]|#+|=+|-+)(?=\s|$)|^>|(?<=^\d)[.)](?=\s)|(?<=^\d\d)[.)](?=\s)"
)


def markdown(text: str) -> str:
    """Markdown that displays exactly this text, on one line: names, labels, addresses and errors are not markup."""
    parted = _PARTED.sub(lambda match: f"{match[0]}\N{WORD JOINER}", " ".join(text.split()))
    return _MARKUP.sub(lambda match: f"\\{match[0]}", parted)


def percent(share: float, decimals: int = 0) -> str:
    """A share, 0 to 1, in the format of all displays: "79 %", with a no-break space. Keep in sync with core/browser/text.js."""
    return f"{100 * share:.{decimals}f}\N{NO-BREAK SPACE}%"


def signed(value: float, decimals: int = 2) -> str:
    """A contribution or an attribute as all displays write it: "+0.42", "−0.10"."""
    return f"{value:+.{decimals}f}".replace("-", "\N{MINUS SIGN}")


def unlike(name: str, taken: Collection[str]) -> str:
    """The name, or if it is taken, the name with the first free number."""
    number = 1
    while (tried := name if number == 1 else f"{name} ({number})") in taken:
        number += 1
    return tried
