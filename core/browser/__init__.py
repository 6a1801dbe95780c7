"""The browser's code for pages: joins ES modules into one script, in Python, without a build step.

Streamlit and exported files need a single script. The sources stay separate modules, so that editors, Node and the type checker
can read them. They are restricted to a few forms; anything else raises an error here::

    import { make, refsIn } from "../browser/elements.js"
    import DEFAULT_VIEW from "./view.json" with { type: "json" }
    export function … / export async function … / export const … / export let … / export class …
    export default function …            // in the entry file only

The joined script has one scope: no two files may declare the same top-level name.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

_IMPORT = re.compile(r'import \{ (\w+(?:, \w+)*) \} from "(\.{1,2}/[^"]+\.js)"')
_IMPORT_JSON = re.compile(r'import (\w+) from "(\.{1,2}/[^"]+\.json)" with \{ type: "json" \}')
_DECLARATION = re.compile(r"(export )?((?:async )?(?:function\*?|const|let|class) (\w+).*)", re.DOTALL)
_DEFAULT = "export default "
_CHECKED = "// @ts-check"


def script(entry: Path) -> str:
    """The file and all its imports, each once and after its own imports, as one script.

    Imported files lose their ``export``; the ``export default`` of ``entry`` stays.

    Raises:
        ValueError: for an unsupported import or export, a name that is imported but not exported, or declared twice.
    """
    joined = _Joined()
    joined.add(entry.resolve(), first=True)
    return "\n".join(joined.texts)


class _Joined:
    """The state of joining."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        # Top-level name -> the file that declares it.
        self.declared: dict[str, Path] = {}
        # File -> its exports; set before it is read, because imports may be cyclic.
        self.exported: dict[Path, set[str]] = {}

    def add(self, file: Path, first: bool = False) -> None:
        if file in self.exported:
            return
        lines = file.read_text(encoding="utf-8").splitlines()
        self.exported[file] = {match[3] for line in lines if (match := _DECLARATION.fullmatch(line)) and match[1]}
        kept = (self._joined(file, number, line, first) for number, line in enumerate(lines, 1))
        self.texts.append("\n".join(line for line in kept if line is not None))

    def _joined(self, file: Path, number: int, line: str, first: bool) -> str | None:
        """The line as it appears in the script; None if it disappears."""
        if match := _DECLARATION.fullmatch(line):
            return self._declare(file, match[3], match[2])
        if match := _IMPORT.fullmatch(line):
            self._import(file, match[1].split(", "), (file.parent / match[2]).resolve())
            return None
        if match := _IMPORT_JSON.fullmatch(line):
            value = json.loads((file.parent / match[2]).read_text(encoding="utf-8"))
            return self._declare(file, match[1], f"const {match[1]} = {json.dumps(value)}")
        if re.match(r"(import|export)\b", line) and not (first and line.startswith(_DEFAULT)):
            raise ValueError(f"{file}:{number}: this form of import or export cannot be joined: {line}")
        return None if line == _CHECKED else line

    def _declare(self, file: Path, name: str, line: str) -> str:
        if name in self.declared:
            raise ValueError(f"{file} and {self.declared[name]} both declare {name}: rename one, they share a scope.")
        self.declared[name] = file
        return line

    def _import(self, file: Path, names: list[str], source: Path) -> None:
        self.add(source)
        missing = set(names) - self.exported[source]
        if missing:
            raise ValueError(f"{file}: {source} does not export {', '.join(sorted(missing))}.")
