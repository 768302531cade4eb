"""Read the files that a caller passes with a question."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, TypeAlias

from ..errors import InvalidMessagesError
from .attachments import MAX_FILE_BYTES, Attachment, from_bytes, from_url, require_size

File: TypeAlias = str | os.PathLike[str] | bytes | IO[bytes]
"""A path, a `data:` or https URL, the content itself, or an open file."""
Files: TypeAlias = File | Sequence[File]


def is_files(value: Any) -> bool:
    """Return whether a value is a file, or a list of files."""
    return _is_file(value) or (isinstance(value, (list, tuple)) and all(map(_is_file, value)))


def _is_file(value: Any) -> bool:
    return isinstance(value, (str, bytes, bytearray, os.PathLike)) or callable(
        getattr(value, "read", None)
    )


def read_files(files: Files) -> tuple[Attachment, ...]:
    """Read files now; they may change or vanish afterwards. URLs are not read.

    :raises TypeError: if this is neither a file nor a list of files.
    :raises InvalidMessagesError: with the first file that cannot be sent.
    """
    if not is_files(files):
        raise TypeError("files must be a path, a URL, bytes, an open file, or a list of these")
    listed: Sequence[Any] = files if isinstance(files, (list, tuple)) else [files]
    return tuple(_read(f"files[{number}]", file) for number, file in enumerate(listed))


def read_media(where: str, media: Sequence[Any]) -> tuple[Attachment, ...]:
    """Read files in g4f's format: a list of files, or of pairs of a file and its name.

    Text is a `data:` or https URL and never a path: it may come from a client of a server.
    """
    if not isinstance(media, (list, tuple)):
        raise InvalidMessagesError(f"{where} must be a list of files, each with its name")
    return tuple(_read_medium(f"{where}[{number}]", each) for number, each in enumerate(media))


def _read_medium(where: str, medium: Any) -> Attachment:
    file, name = medium if isinstance(medium, (list, tuple)) and len(medium) == 2 else (medium, "")
    if isinstance(file, str):
        return from_url(where, file, "image", name=name or "")
    if not _is_file(file):
        raise InvalidMessagesError(f"{where} must be a file, not {type(file).__name__}")
    attachment = _read(where, file)
    return attachment if not name else from_bytes(where, attachment.data or b"", str(name))


def _read(where: str, file: Any) -> Attachment:
    if isinstance(file, (bytes, bytearray)):
        return from_bytes(where, bytes(file))
    if isinstance(file, str) and (file.startswith("data:") or "://" in file):
        return from_url(where, file)
    if isinstance(file, (str, os.PathLike)):
        return _read_path(where, os.fspath(file))
    data = file.read(MAX_FILE_BYTES + 1)
    if not isinstance(data, bytes):
        raise InvalidMessagesError(f'{where} must be opened in binary mode, as in open(path, "rb")')
    name = getattr(file, "name", "")
    return from_bytes(where, data, name if isinstance(name, str) else "")


def _read_path(where: str, path: str) -> Attachment:
    shown = f"{where}, {path!r:.200},"
    try:
        found = Path(path).stat()
        if not stat.S_ISREG(found.st_mode):  # reading from a pipe or a device may never end
            raise InvalidMessagesError(f"{shown} is not a file")
        require_size(shown, found.st_size)
        with Path(path).open("rb") as opened:
            data = opened.read(MAX_FILE_BYTES + 1)
    except InvalidMessagesError:
        raise
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InvalidMessagesError(f"{shown} cannot be read: {reason}") from error
    return from_bytes(shown, data, path)
