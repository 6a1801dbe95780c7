"""Security headers: who may frame a page, what it may load and run, and no content sniffing."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable
from pathlib import Path

from streamlit import file_util

FILES = frozenset({"clips", "drops", "grids", "lists", "maps", "media", "own", "saves", "strips", "thumbs", "timelines"})
"""First path segments of files and data rather than pages; these may not run scripts."""
_INLINE = re.compile(r"<script(?: type=\"module\")?>(.*?)</script>", re.DOTALL)
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    # Do not send the URL, and with it the view, to other sites.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Frame-Options": "SAMEORIGIN",
    "Permissions-Policy": "camera=(self), microphone=(self), geolocation=()",
}
# A clip opened directly is played in a page that the browser generates, with inline style.
_OF_FILES = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox"


def inline(*more: str) -> tuple[str, ...]:
    """The pages' inline scripts as policy sources: Streamlit's, and those given."""
    index = (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")
    texts = [*_INLINE.findall(index), *more]
    return tuple(f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in texts)


def of_pages(scripts: Iterable[str]) -> str:
    """The policy of pages: nothing from other hosts. Streamlit inlines styles, and loads component scripts from blobs."""
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
    """The headers of a response.

    Args:
        path: the requested path, without the base path.
        pages: the policy of pages.
    """
    policy = _OF_FILES if path.lstrip("/").partition("/")[0] in FILES else pages
    return [(k.lower().encode(), v.encode()) for k, v in {**_ALWAYS, "Content-Security-Policy": policy}.items()]
