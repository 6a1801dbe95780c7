"""Computes maps in a separate process.

The libraries compile and compute for seconds while holding the GIL, which would block all pages. The process is reused, ends when
idle, and is killed to cancel.

Requests are lines of JSON, as are the responses: {"share": 0..1}, {"done": true}, {"error": sentence}. Results are written beside
the input arrays.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from affectscope.core import paths
from affectscope.core.analysis import atlas
from affectscope.core.analysis.atlas import Drawing
from affectscope.core.analysis.projection import project
from affectscope.core.cache.refusals import sentence_of
from affectscope.core.errors import UserError

Progress = Callable[[float], None]

_IDLE = 600  # Seconds after which the process ends by itself.
_LISTEN = 0.25
_MADE = "made.npy"
_BROKEN = "The map could not be drawn; the server's log has the details."


class MapProcess:
    """The other process, which handles one job at a time."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        atexit.register(self.stop)

    def draw(self, vectors: np.ndarray, drawing: Drawing, path: Path, progress: Progress, workers: int = 1) -> None:
        """As ``atlas.draw``. ``progress`` is called continually; an exception from it cancels the job at once."""
        request = {"do": "draw", "workers": workers, "drawing": asdict(drawing)}
        atlas.keep(self._ask(request, {"vectors": vectors}, progress), path)

    def place(
        self, vectors: np.ndarray, drawing: Drawing, points: np.ndarray, others: np.ndarray, progress: Progress
    ) -> np.ndarray:
        """The positions of other vectors on an existing map: [M, D] -> [M, 2]."""
        arrays = {"vectors": vectors, "points": points, "others": others}
        return self._ask({"do": "place", "drawing": asdict(drawing)}, arrays, progress)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _ask(self, request: dict[str, Any], arrays: dict[str, np.ndarray], progress: Progress) -> np.ndarray:
        with self._lock, tempfile.TemporaryDirectory(prefix="affectscope-map-") as folder:
            for name, array in arrays.items():
                np.save(Path(folder) / f"{name}.npy", np.ascontiguousarray(array, np.float32))
            try:
                self._converse(json.dumps(request | {"arrays": folder}), progress)
                return np.load(Path(folder) / _MADE)
            except BaseException:
                self.stop()
                raise

    def _converse(self, request: str, progress: Progress) -> None:
        if self._process is None or self._process.poll() is not None:
            command = paths.python("affectscope.core.analysis.map_process")
            self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=paths.environment())
        says, hears = self._process.stdout, self._process.stdin
        assert says
        assert hears
        hears.write(request.encode() + b"\n")
        hears.flush()
        share, rest = 0.0, b""
        while True:
            progress(share)
            if not select.select([says], [], [], _LISTEN)[0]:
                continue
            heard = os.read(says.fileno(), 1 << 16)
            if not heard:
                raise UserError(_BROKEN)
            *lines, rest = (rest + heard).split(b"\n")
            for answer in map(json.loads, lines):
                if "error" in answer:
                    raise UserError(answer["error"])
                if "done" in answer:
                    return
                share = answer["share"]
                # The process may end immediately after this response.
                progress(share)


def serve() -> None:
    """The other process's main loop: answer requests until there are no more."""
    # Prints of libraries must not mix with responses.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    def say(**answer: Any) -> None:
        answers.write(json.dumps(answer) + "\n")

    while select.select([sys.stdin], [], [], _IDLE)[0]:
        line = sys.stdin.readline()
        if not line:
            return
        try:
            _work(json.loads(line), lambda share: say(share=share))
            say(done=True)
        except Exception as error:
            if (sentence := sentence_of(error)) is None:
                raise
            say(error=sentence)


def _work(request: dict[str, Any], progress: Progress) -> None:
    folder, drawing = Path(request["arrays"]), Drawing(**request["drawing"])
    vectors = np.load(folder / "vectors.npy")
    if request["do"] == "draw":
        made = project(vectors, drawing.method, **drawing.options(), workers=request["workers"], progress=progress).points
    else:
        made = atlas.reopen(vectors, drawing, np.load(folder / "points.npy")).place(np.load(folder / "others.npy"))
    np.save(folder / _MADE, np.asarray(made, np.float32))


if __name__ == "__main__":
    serve()
