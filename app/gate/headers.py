"""What every answer tells the browser: whose pages may show it, what it may load and run, and that its kind is not guessed."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from streamlit import file_util

FILES = frozenset({"clips", "drops", "grids", "lists", "maps", "media", "own", "saves", "strips", "thumbs", "timelines"})
"""First parts of the paths under which there are files and answers to scripts, no pages: what lies there runs nothing."""
_INLINE = re.compile(r"<script(?: type=\"module\")?>(.*?)</script>", re.DOTALL)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    # Where a link leads to other sites, these hear nothing of the view that it stands in.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
}
# A clip that is opened by itself is played by a page that the browser makes, with a style of its own.
_OF_FILES = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"


def inline(*more: str) -> tuple[str, ...]:
    """The scripts that stand in the pages themselves, as a policy names them: Streamlit's, and those given."""
    index = (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")
    texts = [*_INLINE.findall(index), *more]
    return tuple(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts)


def of_pages(scripts: Iterable[str]) -> str:
    """The policy of a page: nothing comes from elsewhere. Streamlit writes its styles into the page, and loads the scripts of
    components from blobs that it has made."""
    return "; ".join(
        (
            "default-src 'self'",
            f"script-src 'self' blob: 'wasm-unsafe-eval' {' '.join(scripts)}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data: blob:",
            "media-src 'self' data: blob:",
            "font-src 'self' data:",
            "connect-src 'self' data: blob:",
            "worker-src 'self' blob:",
            "frame-src 'none'",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'self'",
        )
    )


def headers(path: str, pages: str) -> list[tuple[bytes, bytes]]:
    """Those of an answer.

    Args:
        path: that was asked for, without what stands before every path.
        pages: the policy of pages.
    """
    policy = _OF_FILES if path.lstrip("/").partition("/")[0] in FILES else pages
    return [(k.lower().encode(), v.encode()) for k, v in {**_ALWAYS, "Content-Security-Policy": policy}.items()]
