"""A hundred streams at once through the endpoint."""

from __future__ import annotations

import sys

import pytest

from ..support.endpoints import endpoint_command
from .endpoint import megabytes
from .measures import in_order
from .processes import ClientProcess
from .space import question, stamping_space

pytestmark = pytest.mark.usefixtures("server")

STREAMS, FRAGMENTS = 100, 6


@pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc")
def test_a_hundred_streams_lose_nothing_and_leave_no_memory_behind() -> None:
    with (
        stamping_space() as space,
        endpoint_command(QWEN_GRADIO_SPACE=space) as (process, url),
        ClientProcess("endpoint", url) as client,
    ):
        memory: list[float] = []
        for _ in range(3):
            replies = client.ask([question(FRAGMENTS, 0.3)] * STREAMS).replies
            assert [in_order(reply) for reply in replies] == [FRAGMENTS] * STREAMS
            assert [len(reply.numbers) for reply in replies] == [FRAGMENTS] * STREAMS
            memory.append(megabytes(process))
    assert memory[-1] < memory[0] + 10
