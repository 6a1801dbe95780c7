"""Started by somebody at a terminal, in an empty home folder: nothing is asked, and what is wrong is one sentence."""

from __future__ import annotations

import os
import pty
import select
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from affectscope.app import skeleton
from affectscope.app.common.navigation import FIRST, PAGES
from affectscope.app.serving import starting
from affectscope.app.serving.doorway import url_of

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
APP = ("-m", "affectscope", "app")
BARE = ("-m", "streamlit", "run", str(ROOT / "app" / "server.py"))


class Terminal:
    """A command with a terminal of its own, and all that it has written there."""

    def __init__(self, words: tuple[str, ...], folder: Path, **environment: str) -> None:
        ours, theirs = pty.openpty()
        kept = {
            k: v for k, v in os.environ.items() if not k.startswith(("STREAMLIT_", "XDG_")) and k not in ("DISPLAY", "BROWSER")
        }
        environment = (
            kept | {"HOME": str(folder), "PYTHONPATH": str(ROOT), "AFFECTSCOPE_CACHE": str(folder / "cache")} | environment
        )
        self.process = subprocess.Popen(
            [sys.executable, *words],
            cwd=folder,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self._ours, self.text = ours, ""

    def read(self, seconds: float = 0.1) -> str:
        """All that was written so far."""
        while select.select([self._ours], [], [], seconds)[0]:
            try:
                part = os.read(self._ours, 4096)
            except OSError:  # What Linux says at the end.
                break
            if not part:
                break
            self.text += part.decode(errors="replace")
        return self.text

    def until(self, holds) -> None:
        end = time.monotonic() + PATIENCE
        while not holds():
            assert self.process.poll() is None, self.read()
            assert time.monotonic() < end, self.read()
            self.read()

    def close(self) -> None:
        self.process.terminate()
        self.process.wait(PATIENCE)
        os.close(self._ours)


@contextmanager
def terminal(words: tuple[str, ...], folder: Path, **environment: str) -> Iterator[Terminal]:
    started = Terminal(words, folder, **environment)
    try:
        yield started
    finally:
        started.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


def healthy(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/_stcore/health", timeout=2) as reply:
            return reply.status == 200
    except OSError:
        return False


def opener(folder: Path) -> tuple[Path, Path]:
    """A desktop's ``xdg-open``, which writes down what it is asked to open: the folder of both, and the list."""
    tools, opened = folder / "tools", folder / "opened"
    tools.mkdir()
    (tools / "xdg-open").write_text(f'#!/bin/sh\necho "$1" >> {opened}\n')
    (tools / "xdg-open").chmod(0o755)
    return tools, opened


@pytest.mark.parametrize("words", [APP, BARE], ids=["affectscope app", "streamlit run"])
@pytest.mark.parametrize("display", [":0", ""], ids=["desktop", "no display"])
def test_in_an_empty_home_nothing_is_asked_and_a_desktop_opens_its_browser(tmp_path, words, display):
    port, (tools, opened) = free_port(), opener(tmp_path)
    options = ("--port", str(port)) if words == APP else ("--server.port", str(port))
    environment = {"PATH": f"{tools}:{os.environ['PATH']}"} | ({"DISPLAY": display} if display else {})
    with terminal((*words, *options), tmp_path, **environment) as started:
        started.until(lambda: healthy(port))
        started.until(lambda: f"http://127.0.0.1:{port} " in started.read())
        if display:
            started.until(lambda: opened.exists() and opened.read_text())
        assert "mail" not in started.read()
        assert not opened.exists() or opened.read_text().split() == [f"http://127.0.0.1:{port}"]
        assert opened.exists() == bool(display)


def test_from_another_folder_the_settings_are_the_same(tmp_path):
    (tmp_path / ".streamlit").mkdir()
    settings = '[server]\naddress = "0.0.0.0"\n[theme.light]\nprimaryColor = "#ff0000"\n'
    (tmp_path / ".streamlit" / "config.toml").write_text(settings)
    port = free_port()
    with terminal((*APP, "--port", str(port), "--no-browser"), tmp_path, AFFECTSCOPE_CACHE="cache") as started:
        started.until(lambda: healthy(port))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/masking") as reply:
            page = reply.read().decode()
        assert "#0b6e8f" in page
        assert "#ff0000" not in page
        # In place of the command: whoever stops that stops the server.
        server = psutil.Process(started.process.pid)
        assert {link.laddr.ip for link in server.net_connections() if link.status == psutil.CONN_LISTEN} == {"127.0.0.1"}
        # Named from where the person stood.
        assert server.environ()["AFFECTSCOPE_CACHE"] == str(tmp_path / "cache")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--port", "{taken}"), "Port {taken} is in use: stop what runs there, or choose another, as in --port {next}."),
        (("--host", "192.0.2.1"), "192.0.2.1 is no address of this machine: leave --host out, or give 0.0.0.0."),
        (("--host", "no.invalid"), "There is no address no.invalid on this machine: leave --host out, or give 0.0.0.0."),
    ],
)  # fmt: skip
def test_where_nobody_can_listen_it_is_one_sentence(words, message):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        numbers = {"taken": port, "next": port % 65535 + 1}
        command = [sys.executable, *APP, *(word.format(**numbers) for word in words)]
        ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 1
    assert ended.stderr.strip() == f"Error: {message.format(**numbers)}"
    assert not ended.stdout


def test_make_app_takes_a_host_and_a_port_and_no_host_out_of_the_environment():
    def command(*words: str) -> str:
        environment = os.environ | {"HOST": "x86_64-conda-linux-gnu"}
        return subprocess.run(
            ["make", "-n", "app", *words], cwd=ROOT, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert "app --host 127.0.0.1 --port 8501" in command()
    assert "app --host 0.0.0.0 --port 9000" in command("HOST=0.0.0.0", "PORT=9000")


def loaded(code: str, *modules: str) -> list[str]:
    """Which of some modules a fresh process has, once it has run ``code``."""
    code = f"import sys; {code}; print(*(name for name in {modules} if name in sys.modules))"
    return subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()


def test_the_server_stands_before_anything_heavy_is_loaded():
    code = "import affectscope.app.server, affectscope.app.common.session, affectscope.app.skeleton, affectscope.app.common.tour"
    assert loaded(
        code, "affectscope.app.skeleton", "torch", "pandas", "cv2", "av", "sklearn", "scipy", "affectscope.app.services"
    ) == ["affectscope.app.skeleton"]


def test_the_first_clip_needs_none_of_what_takes_seconds_to_import():
    code = "from affectscope.app import export, notebook, services; from affectscope.app.common import choose, watch; "
    code += "services.analyzer('auxformer')"
    others = ("torchvision", "sklearn", "torch._dynamo", "umap", "librosa", "lightning_fabric", "matplotlib")
    assert loaded(code, "torch", *others) == ["torch"]


def test_the_first_bytes_hold_navigation_frame_and_what_is_being_made_ready():
    page = skeleton.document("masking")
    for name, (title, _) in PAGES.items():
        current = ' aria-current="page"' if name == "masking" else ""
        assert f'<a href="./{"" if name == FIRST else name}"{current}>{title}</a>' in page
    assert '<p class="said" role="status">Starting …</p>' in page
    assert 'class="picture"' in page
    # Streamlit's style sheet would hold up the first picture.
    assert 0 < page.index('id="shell"') < page.index('rel="stylesheet"')
    assert page.count('rel="stylesheet"') == 1
    assert 'type="module" crossorigin src="./static/js/index.' in page


def test_a_page_waits_for_the_loading_and_says_what_is_loaded(monkeypatch):
    begun, go = threading.Event(), threading.Event()

    def slow(name: str) -> None:
        begun.set()
        assert go.wait(PATIENCE)

    monkeypatch.setattr(starting, "import_module", slow)
    monkeypatch.setattr(starting, "_PARTS", {"Loading the moon": ("moon",)})
    monkeypatch.setattr(starting, "_ready", threading.Event())
    assert not starting.ready(0)
    assert begun.wait(PATIENCE)
    assert starting.stage() == "Loading the moon"
    go.set()
    assert starting.ready(PATIENCE)


def test_what_cannot_be_loaded_is_left_to_the_page_to_say(monkeypatch):
    monkeypatch.setattr(starting, "_PARTS", {"Loading the moon": ("no_such_module",)})
    monkeypatch.setattr(starting, "_ready", threading.Event())
    starting.load()
    assert starting.ready(0)


def test_addresses():
    assert url_of("127.0.0.1", 8501) == "http://127.0.0.1:8501"
    assert url_of("::1", 80) == "http://[::1]:80"
