"""Start what the browser tests need: a server of the app on a free port, and Debian's Chromium."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[2]
APP = "app/server.py"
HARNESS = "tests/e2e/harness/server.py"
FLAGS = ["--no-sandbox", "--disable-gpu", "--autoplay-policy=no-user-gesture-required"]


def chromium() -> str | None:
    """The browser named by ``$CHROMIUM``, else the first on the path."""
    named = [os.environ.get("CHROMIUM", ""), "chromium", "chromium-browser", "google-chrome"]
    return next((found for name in named if name and (found := shutil.which(name))), None)


@contextmanager
def serving(script: str, cache: Path | None = None, *options: str, **set: str) -> Iterator[str]:
    """The URL of a server that runs ``script`` until the block ends.

    Args:
        options: of the server, beside the usual ones.
        set: in its environment.
    """
    port = _free()
    command = [sys.executable, "-m", "streamlit", "run", script, "--server.port", str(port), "--server.headless", "true"]
    # Tests are run while people edit: the server must not reload half-way through.
    command += ["--server.fileWatcherType", "none", *options]
    with _running(command, port, cache, set) as url:
        yield url


@contextmanager
def dashboard(cache: Path, *options: str, **set: str) -> Iterator[str]:
    """As ``serving``, by the command that people type: ``affectscope app`` with these options."""
    port = _free()
    command = [sys.executable, "-m", "affectscope", "app", "--no-browser", "--port", str(port), *options]
    with _running(command, port, cache, {"STREAMLIT_SERVER_FILE_WATCHER_TYPE": "none"} | set) as url:
        yield url


def _free() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _running(command: list[str], port: int, cache: Path | None, set: dict[str, str]) -> Iterator[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | set
    environment |= {"AFFECTSCOPE_CACHE": str(cache), "AFFECTSCOPE_DATA": str(cache / "data")} if cache else {}
    # A pipe that nobody reads fills up, and whoever writes to it waits for ever.
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=log, text=True)
        try:
            _wait(f"http://127.0.0.1:{port}", process, log)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(url: str, process: subprocess.Popen[str], log: IO[str], seconds: float = 300) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if process.poll() is not None:
            log.seek(0)
            raise RuntimeError(f"the server ended: {log.read()}")
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except urllib.error.HTTPError:
            # It answers, if only that it lets nobody in.
            return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the server did not answer within {seconds:.0f} s")
