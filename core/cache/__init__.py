"""Caches on disk: content-addressed keys, atomic writes, checksums on read."""
