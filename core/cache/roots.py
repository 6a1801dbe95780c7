"""The folders on disk: cache, user data, settings."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs


def cache_root() -> Path:
    """Where generated data goes: ``$AFFECTSCOPE_CACHE``, else the platform's cache folder."""
    given = os.environ.get("AFFECTSCOPE_CACHE")
    return Path(given) if given else Path(platformdirs.user_cache_dir("affectscope"))


def data_root() -> Path:
    """The user's own work, which is never cleaned up: ``$AFFECTSCOPE_DATA``, else the platform's data folder."""
    given = os.environ.get("AFFECTSCOPE_DATA")
    return Path(given) if given else Path(platformdirs.user_data_dir("affectscope"))


def config_root() -> Path:
    """The user's settings: ``$AFFECTSCOPE_CONFIG``, else ``config`` in ``$AFFECTSCOPE_DATA``, else the platform's."""
    given, data = os.environ.get("AFFECTSCOPE_CONFIG"), os.environ.get("AFFECTSCOPE_DATA")
    if given:
        return Path(given)
    return Path(data) / "config" if data else Path(platformdirs.user_config_dir("affectscope"))
