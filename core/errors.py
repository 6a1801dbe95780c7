"""Errors that a person can act on."""


class UserError(Exception):
    """One sentence that says what was wrong and what to do; shown as it is, never with a traceback."""
