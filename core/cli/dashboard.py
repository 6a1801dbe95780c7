"""Open the dashboard."""

from __future__ import annotations

import errno
import os
import re
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from affectscope.core import paths
from affectscope.core.cli.models import app
from affectscope.core.errors import UserError
from affectscope.core.plugins import weights as named_weights
from affectscope.core.text import shown

_SERVER = paths.ROOT / "app" / "server.py"
# Folders that a person may have named from where they stand, which the server does not.
_FOLDERS = ("AFFECTSCOPE_CACHE", "AFFECTSCOPE_DATA")
# What the server (app/gate) takes its terms from.
_TOKEN, _HOSTS = "AFFECTSCOPE_TOKEN", "AFFECTSCOPE_ALLOWED_HOSTS"
_SHORTEST_TOKEN = 16
_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.-]*|\[?[0-9A-Fa-f:]+\]?")
_BASE_PATH = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)*")


@app.command(name="app")
def open_app(
    host: Annotated[
        str, typer.Option(help="Address to listen on: by default only this machine, 0.0.0.0 for the network.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 8501,
    browser: Annotated[bool, typer.Option(help="Open the browser, if there is a desktop.")] = True,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="Another host name of the server, such as that of a reverse proxy; may be repeated."),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help=f"A file with the token of the link; ${_TOKEN} does the same. By default, a token is generated."),
    ] = None,
    base_path: Annotated[str, typer.Option(help="Prefix of every path, such as /affect behind a reverse proxy.")] = "",
    weights: Annotated[
        list[str] | None,
        typer.Option(help="MODEL=PATH, other weights for a plugin's model; may be repeated."),
    ] = None,
) -> None:
    """Open the dashboard, by default for this machine only.

    With --host or --allow-host, others need the printed link, which contains a token.
    """
    _take(weights or [])
    _check_free(host, port)
    options = {"server.address": host, "server.port": str(port)} | ({} if browser else {"server.headless": "true"})
    options |= {"server.baseUrlPath": _path(base_path)} if base_path else {}
    # Through the environment: a command line can be read by everybody on this machine.
    os.environ.update({_HOSTS: ",".join(map(_name, allow_host))} if allow_host else {})
    os.environ.update({_TOKEN: _read(token_file)} if token_file else {})
    _check_token(os.environ.get(_TOKEN, ""))
    command = [*paths.python("streamlit", "run", str(_SERVER)), *(f"--{name}={value}" for name, value in options.items())]
    # Streamlit finds its settings, and Python the app, from the project's folder.
    os.environ.update({name: str(Path(os.environ[name]).absolute()) for name in _FOLDERS if os.environ.get(name)})
    os.environ.update(paths.environment())
    os.chdir(paths.ROOT)
    if os.name == "nt":
        raise typer.Exit(subprocess.call(command))
    # In place of this process: whoever stops that stops the server.
    os.execv(sys.executable, command)


def _take(weights: list[str]) -> None:
    """Raises:
    UserError: when a plugin's model has no such name, or takes none.
    """
    models = list(map(named_weights.name, weights))
    if not models:
        return
    # Seconds, which nobody else is to wait for.
    from affectscope.core.checkpoints import plugged

    for model in models:
        plugged.check_takes_weights(model)


def _name(host: str) -> str:
    """Raises:
    UserError: when it is no host name, as an address with http:// or a port.
    """
    if not _HOST_NAME.fullmatch(host):
        raise UserError(f"{shown(host)} is no host name: give the name alone, as in --allow-host emotion.example.org.")
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _path(base: str) -> str:
    if not _BASE_PATH.fullmatch(base.strip("/")):
        raise UserError(f"{shown(base)} is no path of a web address: use letters, digits and slashes, as in --base-path /affect.")
    return base.strip("/")


def _read(token_file: Path) -> str:
    try:
        token = token_file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{token_file} cannot be read: give a text file with the token alone.") from error
    if not token:
        raise UserError(f"{token_file} is empty: write a token of {_SHORTEST_TOKEN} characters or more into it.")
    return token


def _check_token(token: str) -> None:
    """What ``app.gate.terms`` would refuse, before anything is started."""
    if token and (len(token) < _SHORTEST_TOKEN or not token.isprintable()):
        raise UserError(f"The link's token is too short, or cannot be typed: use {_SHORTEST_TOKEN} letters and digits or more.")


def _check_free(host: str, port: int) -> None:
    """Raises:
    UserError: when nobody can listen there.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise UserError(f"There is no address {host} on this machine: leave --host out, or give 0.0.0.0.") from error
    with socket.socket(family, kind) as probe:
        # As the server does: a port that was only just given up is free.
        if os.name != "nt":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except PermissionError as error:
            raise UserError(f"Port {port} needs administrator rights: choose one above 1023, as in --port 8501.") from error
        except OSError as error:
            raise UserError(_why(host, port, error)) from error


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: leave --host out, or give 0.0.0.0."
    return f"Port {port} is in use: stop what runs there, or choose another, as in --port {port % 65535 + 1}."
