"""The notebook: write down what a case shows, wherever it is seen, and take all notes home as a report."""

from affectscope.app.notebook.form import dialog, dialogs, popover, said_of

__all__ = ["dialog", "dialogs", "popover", "said_of"]
