"""Untrusted files: recognising and reading them without running anything."""
