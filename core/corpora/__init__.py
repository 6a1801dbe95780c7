"""Where clips and labels come from."""

from core.corpora.base import Corpus, Truth

__all__ = ["Corpus", "Truth", "bundled", "open_corpus"]


def bundled() -> Corpus:
    """The demo corpus's held-out identities, which live in the repository: the app's default."""
    from core.corpora.demo.read import BUNDLED, read_demo

    return read_demo(BUNDLED, "demo")


def open_corpus(name: str) -> Corpus:
    """The corpus called ``demo`` (the bundled clips), or the one in the folder ``name``.

    Raises:
        UserError: when there is none.
    """
    from core.corpora.demo.read import read_demo

    return bundled() if name == "demo" else read_demo(name)
