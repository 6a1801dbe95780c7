"""Corpora: clips, labels and annotations."""

from pathlib import Path

from affectscope.core.corpora.base import Corpus, Truth

__all__ = ["Corpus", "Truth", "bundled", "is_named", "open_corpus"]


def bundled() -> Corpus:
    """The demo corpus's held-out identities, which ship with the project: the app's default."""
    from affectscope.core.corpora.demo.read import BUNDLED, read_demo

    return read_demo(BUNDLED, "demo")


def is_named(name: str) -> bool:
    """Whether ``open_corpus`` knows a name that is not a path: ``demo``, and added corpora."""
    from affectscope.core.corpora.known import known

    return name == "demo" or name in known()


def open_corpus(name: str) -> Corpus:
    """The corpus called ``demo`` (the bundled clips), the one added under that name, or the one at the path ``name``.

    Raises:
        UserError: when there is none.
    """
    from affectscope.core.corpora.known import known
    from affectscope.core.corpora.readers import read

    if name == "demo":
        return bundled()
    if entry := known().get(name):
        return read(Path(entry.path), entry.kind, entry.options, name)
    return read(Path(name).expanduser())
