"""One HTML file of a case that opens from disk, without a server and without a network: see ``page``."""

from affectscope.core.takehome.gather import clip_grid, compact, light
from affectscope.core.takehome.page import Home, Model, page

__all__ = ["Home", "Model", "clip_grid", "compact", "light", "page"]
