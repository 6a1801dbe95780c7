"""The notebook: notes on cases, wherever they are seen, and their export as a report."""

from affectscope.app.notebook.form import answers_of, dialog, dialogs, popover

__all__ = ["answers_of", "dialog", "dialogs", "popover"]
