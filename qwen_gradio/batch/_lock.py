"""A lock on an open file, which all links to the file share."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    BEYOND_ALL_ROWS = 2**62
    """The byte that is locked: Windows lets no other process read what is."""

    def lock(file: BinaryIO) -> None:
        """Lock a file until it is closed.

        :raises OSError: if it is locked already.
        """
        os.lseek(file.fileno(), BEYOND_ALL_ROWS, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(file: BinaryIO) -> None:
        """Lock a file until it is closed.

        :raises BlockingIOError: if it is locked already.
        """
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
