"""Check files that go with a question. Nothing here does I/O."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from ..errors import InvalidMessagesError
from .media import CERTAIN, UNKNOWN, Kind, ending_of, kind_of, type_of_bytes, type_of_name

MAX_FILE_BYTES = 20 * 2**20
MAX_FILES = 20
"""Maximum files in one question."""
MAX_NAME = 100
BASE64_PIECE = 2**18
"""Characters to decode at a time; must be a multiple of four."""
DATA_URL = re.compile(r"data:([\w.+/-]*)(?:;[^;,]*)*?;base64,")
FILE_PARTS = (
    *("image_url", "input_audio", "file", "document", "input_image", "input_file"),
    *("image", "audio", "video"),
)
"""The types of parts with files, in the formats of OpenAI, LangChain and Anthropic."""


@dataclass(frozen=True)
class Attachment:
    """A file for a question: its content, or an https URL that the Space reads itself.

    :ivar kind: the kind of component that takes it.
    :ivar media_type: its media type, such as image/png.
    """

    name: str
    kind: Kind
    media_type: str
    data: bytes | None = field(default=None, repr=False)
    url: str | None = None

    def value(self, path: str) -> dict[str, Any]:
        """Return the value of a component for this file, once it is at `path` on the Space."""
        return {
            "path": path,
            "orig_name": self.name,
            "mime_type": None if self.media_type == UNKNOWN else self.media_type,
            "meta": {"_type": "gradio.FileData"},
        }


def from_bytes(where: str, data: bytes, name: str = "", declared: str = "") -> Attachment:
    """Return a file with this content. Its type follows from the bytes, or else from the name.

    :param where: the name of the file in errors.
    :param declared: the media type declared by the caller, used if there is no other.
    :raises InvalidMessagesError: if it is empty, too large, or of another type than declared.
    """
    if not data:
        raise InvalidMessagesError(f"{where} is empty")
    require_size(where, len(data))
    expected = type_of_name(name) or declared
    found = type_of_bytes(data)
    if (expected in CERTAIN and found is None) or (
        found and expected and declared and kind_of(found) != kind_of(declared)
    ):
        raise InvalidMessagesError(
            f"{where} is not of the type {expected}: its first bytes do not match"
        )
    media_type = found or expected or UNKNOWN
    name = clean_name(name) or "file"
    if type_of_name(name) != media_type:
        name += ending_of(media_type)
    return Attachment(name, kind_of(media_type), media_type, data)


def from_url(where: str, url: str, kind: Kind = "file", name: str = "") -> Attachment:
    """Return the file in a `data:` URL, or the file that the Space will read from an https URL.

    :param kind: the kind of the file if the URL does not show it.
    :raises InvalidMessagesError: if it is any other URL, or not valid.
    """
    if url.startswith("data:"):
        return _from_data_url(where, url, name)
    try:
        parsed = urlsplit(url)
        is_public = parsed.scheme == "https" and bool(parsed.hostname) and parsed.port != 0
        is_public = is_public and url.isprintable() and " " not in url
    except ValueError:
        is_public = False
    if not is_public:
        raise InvalidMessagesError(f"{where} must be a data: or an https: URL")
    if parsed.username is not None or parsed.password is not None:
        raise InvalidMessagesError(f"{where}: a URL with a user name or a password cannot be sent")
    name = clean_name(name or unquote(parsed.path.rpartition("/")[2])) or "file"
    media_type = type_of_name(name)
    return Attachment(
        name, kind_of(media_type) if media_type else kind, media_type or UNKNOWN, url=url
    )


def from_part(where: str, part: Mapping[str, Any]) -> Attachment:
    """Return the file in a part of a message, in the format of OpenAI, LangChain or Anthropic.

    :raises InvalidMessagesError: if the part has no file, or one that cannot be sent.
    """
    match part:
        case {"type": "file", "file": Attachment() as file}:  # from a `Chat`
            return file
        case {"type": "image_url" | "input_image", "image_url": str(url) | {"url": str(url)}}:
            return from_url(where, url, "image")
        case {"type": "input_audio", "input_audio": {"data": str(data)} as audio}:
            name = f"audio.{audio.get('format', '')}"
            return from_bytes(where, _decode(where, data), name if type_of_name(name) else "audio")
        case (
            {"type": "file", "file": {"file_data": str(url)} as held}
            | ({"type": "input_file", "file_data": str(url)} as held)
            | ({"type": "input_file", "file_url": str(url)} as held)
        ):
            return from_url(where, url, name=str(held.get("filename") or ""))
        case {"type": "image" | "audio" | "video" | "file" as kind, "url": str(url)}:
            return from_url(where, url, kind)
        case {"type": str(), "base64": str(data)} | {"source_type": "base64", "data": str(data)}:
            name, declared = (str(part.get(key) or "") for key in ("filename", "mime_type"))
            return from_bytes(where, _decode(where, data), name, declared)
        case {"source": {"type": "base64", "data": str(data)} as source}:
            name, declared = str(part.get("title") or ""), str(source.get("media_type") or "")
            return from_bytes(where, _decode(where, data), name, declared)
        case {"type": kind, "source": {"type": "url", "url": str(url)}}:
            return from_url(where, url, "image" if kind == "image" else "file")
    raise InvalidMessagesError(
        f"{where}: a part of the type {part.get('type')!r} needs its file as a data: or https: URL"
    )


def require_size(where: str, size: int) -> None:
    """Reject a file that is too large."""
    if size > MAX_FILE_BYTES:
        raise InvalidMessagesError(
            f"{where} is larger than the limit of {MAX_FILE_BYTES // 2**20} MB"
        )


def require_count(count: int) -> None:
    """Reject too many files."""
    if count > MAX_FILES:
        raise InvalidMessagesError(f"{count} files are too many: the limit is {MAX_FILES}")


def _from_data_url(where: str, url: str, name: str) -> Attachment:
    start = DATA_URL.match(url[:300])
    if start is None:
        raise InvalidMessagesError(f"{where}: a data: URL must be data:TYPE;base64,...")
    return from_bytes(where, _decode(where, url, start.end()), name, start[1].lower())


def _decode(where: str, text: str, start: int = 0) -> bytes:
    require_size(where, (len(text) - start) * 3 // 4 - 2)
    # Decoding it in one piece would copy the text twice.
    pieces = (text[at : at + BASE64_PIECE] for at in range(start, len(text), BASE64_PIECE))
    try:
        return b"".join(base64.b64decode(piece, validate=True) for piece in pieces)
    except ValueError as error:
        raise InvalidMessagesError(f"{where} is not base64: {error}") from None


def clean_name(name: str) -> str:
    """Return the last part of a path, without special characters."""
    last = re.split(r"[/\\]", name)[-1]
    cleaned = re.sub(r"[^\w. ()-]", "_", last).lstrip(". ")
    stem, dot, ending = cleaned.rpartition(".")
    return f"{stem[:MAX_NAME]}{dot}{ending[:MAX_NAME]}"
