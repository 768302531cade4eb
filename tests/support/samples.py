"""Small files: pictures with a known size, and a sound."""

from __future__ import annotations

import base64
import struct
import zlib


def png(width: int = 3, height: int = 2, padding: int = 0) -> bytes:
    """Return a picture of this size, padded with a chunk that no reader uses."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data)
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\xff\0\0" * width) * height)
    extra = chunk(b"quGr", bytes(padding)) if padding else b""
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        [chunk(b"IHDR", header), extra, chunk(b"IDAT", rows), chunk(b"IEND", b"")]
    )


PNG = png()
DATA_URL = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"
WAV = (
    b"RIFF"
    + struct.pack("<I", 36)
    + b"WAVEfmt "
    + struct.pack("<IHHIIHH4sI", 16, 1, 1, 8000, 8000, 1, 8, b"data", 0)
)
