"""Lock an open file. All links to the file share the lock."""

from __future__ import annotations

import os
import sys
from typing import BinaryIO

if sys.platform == "win32":
    import msvcrt

    BEYOND_ALL_ROWS = 2**62
    """The byte to lock: Windows lets no other process read it."""

    def lock(file: BinaryIO) -> None:
        """Lock a file until it is closed. If it is locked already, raise OSError."""
        os.lseek(file.fileno(), BEYOND_ALL_ROWS, os.SEEK_SET)
        msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def lock(file: BinaryIO) -> None:
        """Lock a file until it is closed. If it is locked already, raise BlockingIOError."""
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
