"""Exports a case as one standalone HTML file, which needs no server or network: see ``page``."""

from affectscope.core.takehome.gather import clip_grid, compact, light
from affectscope.core.takehome.page import Home, Model, page

__all__ = ["Home", "Model", "clip_grid", "compact", "light", "page"]
