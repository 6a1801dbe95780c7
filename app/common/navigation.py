"""The app's pages: URL paths and titles."""

from __future__ import annotations

PAGES = {
    "clip": ("Clip", "smart_display"),
    "embeddings": ("Embeddings", "scatter_plot"),
    "shared_space": ("Shared space", "join_inner"),
    "masking": ("Masking", "tune"),
    "failures": ("Failures", "rule"),
    "compare": ("Compare", "compare"),
    "train": ("Train", "model_training"),
    "library": ("Library", "inventory_2"),
}
"""File in pages/ -> title, and Material icon. The first page opens at the path ``/``."""
FIRST = next(iter(PAGES))
