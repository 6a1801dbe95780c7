"""Errors that the user can act on."""

from __future__ import annotations

import errno

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Disk errors that are not the clip's fault: the next clip would fail too."""


class UserError(Exception):
    """One sentence that says what was wrong and what to do; shown as it is, never with a traceback."""
