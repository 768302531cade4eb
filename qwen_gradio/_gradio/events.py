"""Gradio's event stream, from bytes to events. Nothing here does I/O."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any

MAX_BYTES = 32 * 2**20
"""Maximum bytes of an event or a response, and of all outputs of a reply in memory."""


def read_events(chunks: Iterable[bytes], max_bytes: int = MAX_BYTES) -> Iterator[dict[str, Any]]:
    """Yield the events in a stream of server-sent events, each a `data:` line of JSON.

    :param chunks: the stream's bytes, split anywhere.
    :raises ValueError: if an event is larger than `max_bytes`, or no JSON object with a `msg`.
    """
    buffer = bytearray()
    for chunk in chunks:
        searched = max(len(buffer) - 1, 0)
        buffer += chunk
        while (end := buffer.find(b"\n\n", searched)) >= 0:
            block = bytes(buffer[:end])
            del buffer[: end + 2]
            searched = 0
            if (event := _event(block)) is not None:
                yield event
        if len(buffer) > max_bytes:
            raise ValueError(f"an event of more than {max_bytes} bytes")


def _event(block: bytes) -> dict[str, Any] | None:
    if not block.startswith(b"data:"):
        return None  # a comment, such as servers and proxies send to keep the connection open
    try:
        event = json.loads(block[len(b"data:") :])
    except (ValueError, RecursionError):
        event = None
    if not isinstance(event, dict) or not isinstance(event.get("msg"), str):
        raise ValueError(f"not an event: {block[:80]!r}")
    return event
