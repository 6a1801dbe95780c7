"""Open the dashboard."""

from __future__ import annotations

import errno
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer

from core.cli.models import app
from core.errors import UserError

_ROOT = Path(__file__).parents[2]
_SERVER = _ROOT / "app" / "server.py"
# Folders that a person may have named from where they stand, which the server does not.
_FOLDERS = ("AFFECTSCOPE_CACHE", "AFFECTSCOPE_DATA")


@app.command(name="app")
def open_app(
    host: Annotated[
        str, typer.Option(help="Who may open it: this machine only, or 0.0.0.0 for everybody who reaches it.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 8501,
    browser: Annotated[bool, typer.Option(help="Open the browser, where there is a desktop.")] = True,
) -> None:
    """Open the dashboard, on this machine only unless --host says otherwise."""
    _check_free(host, port)
    options = {"server.address": host, "server.port": str(port)} | ({} if browser else {"server.headless": "true"})
    command = [sys.executable, "-m", "streamlit", "run", str(_SERVER), *(f"--{name}={value}" for name, value in options.items())]
    # Streamlit finds its settings, and Python the app, from the project's folder.
    os.environ.update({name: str(Path(os.environ[name]).absolute()) for name in _FOLDERS if os.environ.get(name)})
    os.chdir(_ROOT)
    if os.name == "nt":
        raise typer.Exit(subprocess.call(command))
    # In place of this process: whoever stops that stops the server.
    os.execv(sys.executable, command)


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
            raise UserError(f"Port {port} is not yours to use: choose one above 1023, as in --port 8501.") from error
        except OSError as error:
            raise UserError(_why(host, port, error)) from error


def _why(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRNOTAVAIL:
        return f"{host} is no address of this machine: leave --host out, or give 0.0.0.0."
    return f"Port {port} is in use: stop what runs there, or choose another, as in --port {port % 65535 + 1}."
