"""The bytes of an event stream to events."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_gradio._gradio.events import read_events

events = st.lists(st.fixed_dictionaries({"msg": st.text(), "output": st.text()}))


@given(events, st.integers(1, 9), st.booleans())
def test_events_are_read_however_the_bytes_are_split(
    sent: list[dict[str, Any]], size: int, in_ascii: bool
) -> None:
    stream = b"".join(
        f"data: {json.dumps(event, ensure_ascii=in_ascii)}\n\n".encode() for event in sent
    )
    chunks = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert list(read_events(chunks)) == sent


def test_comments_are_passed_over() -> None:
    assert list(read_events([b': ping\n\ndata: {"msg": "log"}\n\n'])) == [{"msg": "log"}]


def test_an_event_cut_off_is_not_an_event() -> None:
    assert list(read_events([b'data: {"msg": "log"}'])) == []


@pytest.mark.parametrize("data", [b"{", b"7", b"[]", b"{}", b'{"msg": 7}', b"\xff"])
def test_what_is_not_an_event_is_rejected(data: bytes) -> None:
    with pytest.raises(ValueError, match="not an event"):
        list(read_events([b"data: " + data + b"\n\n"]))


def test_an_endless_event_is_rejected_before_it_fills_the_memory() -> None:
    read = 0

    def endless() -> Any:
        nonlocal read
        yield b"data: "
        while True:
            read += 1000
            yield b"x" * 1000

    with pytest.raises(ValueError, match="more than 50000 bytes"):
        list(read_events(endless(), max_bytes=50_000))
    assert read <= 51_000
