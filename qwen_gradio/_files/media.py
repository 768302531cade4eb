"""Media types, such as image/png, of files. Nothing here does I/O."""

from __future__ import annotations

from typing import Literal, TypeAlias
from urllib.parse import unquote, urlsplit

Kind: TypeAlias = Literal["image", "audio", "video", "file"]

UNKNOWN = "application/octet-stream"
STARTS = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"%PDF-", "application/pdf"),
    (b"ID3", "audio/mpeg"),
    (b"\xff\xfb", "audio/mpeg"),
    (b"\xff\xf3", "audio/mpeg"),
    (b"\xff\xf2", "audio/mpeg"),
    (b"OggS", "audio/ogg"),
    (b"fLaC", "audio/flac"),
    (b"\x1aE\xdf\xa3", "video/webm"),
)
"""The first bytes of files, and their type."""
RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav", b"AVI ": "video/x-msvideo"}
"""Types of RIFF files, by the four bytes from the eighth on."""
BRANDS = {
    b"M4A ": "audio/mp4",
    b"M4B ": "audio/mp4",
    b"qt  ": "video/quicktime",
    b"avif": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"mif1": "image/heic",
}
"""Types of ISO media files (`ftyp`), by their brand; all others are video/mp4."""
ENDINGS = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "gif": "image/gif",
    "webp": "image/webp",
    "bmp": "image/bmp",
    "svg": "image/svg+xml",
    "tiff": "image/tiff",
    "avif": "image/avif",
    "heic": "image/heic",
    "mp3": "audio/mpeg",
    "wav": "audio/wav",
    "ogg": "audio/ogg",
    "flac": "audio/flac",
    "m4a": "audio/mp4",
    "mp4": "video/mp4",
    "webm": "video/webm",
    "mov": "video/quicktime",
    "avi": "video/x-msvideo",
    "pdf": "application/pdf",
    "txt": "text/plain",
    "md": "text/markdown",
    "csv": "text/csv",
    "html": "text/html",
    "json": "application/json",
    "zip": "application/zip",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
}
"""Types by the ending of a file's name. New names get the first ending of a type."""
CERTAIN = ("image/png", "image/jpeg", "image/gif", "image/webp", "application/pdf")
"""Types whose files always have their beginning in `STARTS` or `RIFF`."""


def type_of_bytes(data: bytes) -> str | None:
    """Return the type that a file's first bytes show, if any."""
    if data.startswith(b"RIFF"):
        return RIFF.get(data[8:12])
    if data[4:8] == b"ftyp":
        return BRANDS.get(data[8:12], "video/mp4")
    return next((kind for start, kind in STARTS if data.startswith(start)), None)


def type_of_name(name: str) -> str | None:
    """Return the type for the ending of a name, path or URL, if it is known."""
    path = urlsplit(name).path if name.startswith(("http://", "https://")) else name
    return ENDINGS.get(unquote(path).rpartition(".")[2].lower())


def ending_of(media_type: str) -> str:
    """Return the ending for a type, with its dot; "" if it is unknown."""
    return next((f".{end}" for end, each in ENDINGS.items() if each == media_type), "")


def kind_of(media_type: str) -> Kind:
    """Return which kind of component shows such files."""
    match media_type.partition("/")[0]:
        case "image" | "audio" | "video" as kind:
            return kind
    return "file"
