"""Wraps a plugin's network as an ``AVModel``, without changing a line of it."""
