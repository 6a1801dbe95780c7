"""The notebook: write down what a case shows, wherever it is seen, and take all notes home as a report."""

from affectscope.app.notebook.form import answers_of, dialog, dialogs, popover

__all__ = ["answers_of", "dialog", "dialogs", "popover"]
