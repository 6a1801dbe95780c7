"""The last rows of a table that sum up the others, as people and spreadsheets write them below: they are no clips."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from affectscope.core.text import shown

_NAMED = 3
# What nobody calls a clip.
_SURE = re.compile(
    r"(grand )?(mean|average|avg|totals?|sum|subtotal|summary|overall)|[σ∑øμ]"
    r"|(macro|micro|weighted|samples) (avg|average|mean|f1)"
    r"|n ?[=:] ?[\d.,]+|std|stdev|st\.? ?dev\.?|standard deviation|variance|median|accuracy"
    r"|mittelwert|durchschnitt|summe|gesamt|moyenne|somme|promedio|totale|średnia|suma|gemiddelde|totaal"
    r"|平均|合計|合计|总计|평균|합계"
)
# What may be a clip (of Max), unless one of the others stands above it.
_PERHAPS = re.compile(r"min|max|minimum|maximum|sd|se|sem|var|count|n|ci|media|média|all|\d+ ?%")
# What stands behind: mean (n = 48), mean ± std, mean:
_ABOUT = re.compile(r"\s*(\(.*\)|[±:=].*)$")
_NUMBER_OF = re.compile(r"n ?[=:] ?[\d.,]+")


def footer(ids: Sequence[str], labels: Sequence[str] = ()) -> int:
    """How many of a table's last rows sum up the rows above them.

    Args:
        ids: what each row calls its clip.
        labels: of each row, where there are any: a row with a label that another has too is a clip's, whatever it is called.
    """
    count = 0
    for below, name in enumerate(reversed(ids), 1):
        plain = _plain(name)
        own = labels[-below] if labels else ""
        sure = bool(_SURE.fullmatch(plain)) or not (plain or own)
        if not (sure or _PERHAPS.fullmatch(plain)) or (own and list(labels).count(own) > 1):
            break
        count = below if sure else count
    # pandas' describe() begins with it.
    return count + (0 < count < len(ids) and _plain(ids[-count - 1]) == "count")


def left_out(names: Sequence[str]) -> str:
    """One sentence on such rows, by what they are called."""
    listed = ", ".join(shown(name) or "without a name" for name in names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    if len(names) == 1:
        return f"The last row ({listed}) sums up the others: it is no clip, and was left out."
    return f"The last {len(names):,} rows ({listed}) sum up the others: they are no clips, and were left out."


def _plain(name: str) -> str:
    plain = " ".join(unicodedata.normalize("NFC", name).casefold().replace("_", " ").split())
    return plain if _NUMBER_OF.fullmatch(plain) else _ABOUT.sub("", plain)
