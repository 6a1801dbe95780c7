"""Exports: a standalone page, an annotated video or picture, the lanes as a table, a link."""

from affectscope.app.export.link import copy_link
from affectscope.app.export.menu import popover

__all__ = ["copy_link", "popover"]
