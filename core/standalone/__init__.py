"""Exports a case as one standalone HTML file, which needs no server or network: see ``page``."""

from affectscope.core.standalone.gather import clip_grid, compact, light
from affectscope.core.standalone.page import Home, Model, page

__all__ = ["Home", "Model", "clip_grid", "compact", "light", "page"]
