"""The rooms of ``core`` and which imports which, read from the sources. ``python -m tests.rooms OUT.svg`` draws them."""

from __future__ import annotations

import ast
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "affectscope."

# From the top down: a room imports from lower rows alone. Rooms of one row do not know each other.
ROWS = (
    ("cli",),
    ("experiments", "imports", "standalone"),
    ("library", "training"),
    ("analyzer", "checking", "evaluation", "export", "notebook"),
    ("trust",),
    ("why",),
    ("timeline",),
    ("analysis", "perturbation"),
    ("explain", "inference"),
    ("checkpoints",),
    ("wrapping",),
    ("features",),
    ("corpora", "devices", "familiarity", "metrics"),
    ("models",),
    ("cache", "files", "masking", "media", "plugins", "registry"),
    ("errors", "paths", "player", "streams", "text", "threads"),
    ("browser",),
)  # fmt: skip
_WIDTH, _ROW, _BOX, _GAP = 1160, 64, 34, 14


def modules(top: str) -> dict[str, Path]:
    """Dotted name -> file, of all modules under a folder of the checkout."""
    found = {}
    for path in sorted((ROOT / top).rglob("*.py")):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        found[name.removesuffix(".__init__")] = path
    return found


def imported(path: Path) -> Iterator[str]:
    """The names of what a file imports, wherever in it, without ``affectscope.``."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name.removeprefix(PACKAGE) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}".removeprefix(PACKAGE) for alias in node.names)


def room(module: str) -> str:
    """The room of ``core`` that a dotted name lies in."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else ""


def arrows() -> dict[str, dict[str, list[str]]]:
    """Room -> room that it imports from -> the imports, "module: name"."""
    found: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    rooms = {room(module) for module in modules("core")}
    for module, path in modules("core").items():
        for name in imported(path):
            if name.startswith("core.") and room(name) in rooms and room(name) != room(module):
                found[room(module)][room(name)].append(f"{module}: {name}")
    return found


def picture() -> str:
    """The rows as an SVG, each room over what it imports from; arrows that follow from others are left out."""
    place = {}
    for y, row in enumerate(ROWS):
        width = (_WIDTH - _GAP * (len(row) + 1)) / max(len(row), 4)
        left = (_WIDTH - len(row) * width - (len(row) - 1) * _GAP) / 2
        place |= {name: (left + x * (width + _GAP), 20 + y * _ROW, width) for x, name in enumerate(row)}
    height = 20 + _ROW * len(ROWS)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        'font-family="system-ui, sans-serif" font-size="15">',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
    ]
    for here, there in _needed():
        (x1, y1, w1), (x2, y2, w2) = place[here], place[there]
        parts.append(f'<line x1="{x1 + w1 / 2:.0f}" y1="{y1 + _BOX}" x2="{x2 + w2 / 2:.0f}" y2="{y2}" stroke="#9aa5b1"/>')
    for name, (x, y, width) in place.items():
        parts.append(
            f'<rect x="{x:.0f}" y="{y}" width="{width:.0f}" height="{_BOX}" rx="8" fill="#eaf3f6" stroke="#0b6e8f"/>'
            f'<text x="{x + width / 2:.0f}" y="{y + 22}" text-anchor="middle" fill="#10161b">{name}</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _needed() -> list[tuple[str, str]]:
    """The arrows that no longer way has."""
    direct = {here: set(there) for here, there in arrows().items()}

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(direct.get(start, ()))
        while waiting:
            other = waiting.pop()
            if other not in seen:
                seen.add(other)
                waiting += direct.get(other, ())
        return seen

    return sorted(
        (here, there)
        for here, ends in direct.items()
        for there in ends
        if not any(there in reached(other) for other in ends if other != there)
    )


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(), encoding="utf-8")
