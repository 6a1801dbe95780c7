"""The player's colours, for pictures drawn in Python; keep in sync with core/browser/colours.js."""

from __future__ import annotations

# Okabe and Ito's palette, keyed by the first letters of the class, so that "ANG", "anger" and "angry" agree.
_CLASSES = {
    "ang": "d55e00", "dis": "009e73", "fea": "cc79a7", "hap": "e69f00", "joy": "e69f00", "neu": "8c8c8c", "sad": "0072b2",
    "sur": "56b4e9", "cal": "8fbc5a", "con": "7a5195",
}  # fmt: skip
_OTHERS = ("0072b2", "e69f00", "009e73", "cc79a7", "d55e00", "56b4e9", "7a5195", "8fbc5a", "8c8c8c")
MODALITIES = {"audio": (217, 130, 0), "visual": (42, 143, 208)}
# The middle of the heatmap's colour ramp.
EVIDENCE = (33, 145, 140)


def class_hex(name: str, index: int) -> str:
    """The colour of a class, RRGGBB; unknown names get a colour by ``index``."""
    return _CLASSES.get(name.lower()[:3], _OTHERS[index % len(_OTHERS)])


def class_colour(name: str, index: int) -> tuple[int, int, int]:
    """The same as red, green, blue of 0..255."""
    red, green, blue = bytes.fromhex(class_hex(name, index))
    return red, green, blue
