"""A hundred streams at once through the endpoint."""

from __future__ import annotations

import psutil
import pytest

from ..support.endpoints import endpoint_command
from .loads import Load, run, stamping_space

LOAD = Load("test", streams=100, fragments=6, every=0.3)


@pytest.mark.usefixtures("server")
def test_a_hundred_streams_lose_nothing_and_leave_no_memory_behind() -> None:
    with (
        stamping_space("6") as space,
        endpoint_command(QWEN_GRADIO_SPACE=space) as (process, url),
    ):
        memory: list[float] = []
        for _ in range(3):
            assert run("endpoint", url, LOAD)["complete"] == 100
            memory.append(psutil.Process(process.pid).memory_info().rss / 2**20)
    assert memory[-1] < memory[0] + 10
