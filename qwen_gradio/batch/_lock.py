"""Lock an open file. The lock applies to all links to the file."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    BEYOND_ALL_ROWS = 2**62
    """The byte to lock. On Windows, other processes cannot read a locked byte."""

    def lock(file: BinaryIO) -> None:
        """Lock a file until it is closed. Raise OSError if it is locked already."""
        os.lseek(file.fileno(), BEYOND_ALL_ROWS, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(file: BinaryIO) -> None:
        """Lock a file until it is closed. Raise BlockingIOError if it is locked already."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
