"""Stores results of checks by model and machine, so that pages can show them without checking again."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import asdict
from pathlib import Path

from affectscope.core import devices
from affectscope.core.cache import sealed
from affectscope.core.cache.store import cache_root, key_of
from affectscope.core.checking import CHECKING_VERSION, PROMISES, Promise


def place(digest: str) -> Path:
    """Path of the result for a model's digest, which may not exist. It depends on the set of devices."""
    return cache_root() / "checks" / f"{key_of(CHECKING_VERSION, digest, list(devices.devices()))}.json"


def keep(digest: str, promises: Sequence[Promise]) -> None:
    """Store a result, except for a model without a digest, such as one in memory."""
    if digest:
        sealed.write_cached_json(place(digest), {"promises": [asdict(promise) for promise in promises]})


def find(digest: str) -> list[Promise] | None:
    """The result of a check on this machine; None where there is none, or it is damaged."""
    content = sealed.read_json(place(digest)) if digest else None
    listed = content.get("promises") if content else None
    if not isinstance(listed, list):
        return None
    try:
        promises = [Promise(**entry) for entry in listed]
    except TypeError:
        return None
    return promises if [promise.name for promise in promises] == list(PROMISES) else None


def mark(digest: str) -> Hashable:
    """A token that changes whenever ``find`` may return something else."""
    return sealed.mark(place(digest)) if digest else None
