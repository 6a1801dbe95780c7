"""Stub."""


def section(model: str) -> None:
    pass
