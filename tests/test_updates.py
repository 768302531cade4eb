"""The way from a job's thread to an event loop."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from threading import Thread

import anyio
import pytest

import qwen_gradio
from qwen_gradio._queue import MAX_UNREAD, UpdateQueue
from qwen_gradio._updates import Progress, StreamStatus, Update

pytestmark = pytest.mark.anyio


async def test_updates_arrive_in_order_from_another_thread() -> None:
    updates = UpdateQueue()
    sent = [str(number) for number in range(10_000)]
    thread = Thread(target=lambda: deque(map(updates.put, sent)))
    thread.start()
    assert [await updates.get() for _ in sent] == sent
    thread.join()
    assert updates.get_nowait() is None


async def test_statuses_that_nobody_reads_are_limited_and_lose_no_text() -> None:
    updates = UpdateQueue()
    for number in range(10 * MAX_UNREAD):
        updates.put(StreamStatus("log", log=str(number)))
        updates.put(StreamStatus("queued", position=number))
        if number % MAX_UNREAD == 0:
            updates.put(str(number))
    read = [await updates.get() for _ in range(MAX_UNREAD)]
    while (update := updates.get_nowait()) is not None:
        read.append(update)
    assert len(read) < MAX_UNREAD + 25
    assert [update for update in read if isinstance(update, str)] == [
        str(number) for number in range(0, 10 * MAX_UNREAD, MAX_UNREAD)
    ]
    assert read[-1] == StreamStatus("queued", position=10 * MAX_UNREAD - 1)


async def test_a_task_that_waits_is_woken() -> None:
    updates = UpdateQueue()
    got: list[Update] = []

    async def get() -> None:
        got.append(await updates.get())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(get)
        await anyio.wait_all_tasks_blocked()
        thread = Thread(target=updates.put, args=["here"])
        thread.start()
    thread.join()
    assert got == ["here"]


async def test_many_updates_wake_a_waiting_task_once(monkeypatch: pytest.MonkeyPatch) -> None:
    woken = 0

    def counting(event: anyio.Event) -> Callable[[], object]:
        def wake() -> None:
            nonlocal woken
            woken += 1
            event.set()

        return wake

    monkeypatch.setattr("qwen_gradio._queue._waker", counting)
    updates = UpdateQueue()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(updates.get)
        await anyio.wait_all_tasks_blocked()
        for number in range(100):
            updates.put(str(number))
    assert woken == 1


def test_a_closed_loop_is_not_woken(anyio_backend: str) -> None:
    updates = UpdateQueue()

    async def wait_a_moment() -> None:
        with anyio.move_on_after(0):
            await updates.get()

    anyio.run(wait_a_moment, backend=anyio_backend)
    updates.put("too late")
    assert updates.get_nowait() == "too late"


def test_updates_go_to_whichever_loop_waits(anyio_backend: str) -> None:
    updates = UpdateQueue()
    for number in ("1", "2"):
        thread = Thread(target=updates.put, args=[number])
        thread.start()
        assert anyio.run(updates.get, backend=anyio_backend) == number
        thread.join()


@pytest.mark.parametrize(
    ("status", "line"),
    [
        (StreamStatus("queued"), "In the queue"),
        (StreamStatus("queued", 2), "In the queue: 2"),
        (StreamStatus("queued", 2, 5), "In the queue: 2 of 5"),
        (StreamStatus("queued", 2, 5, 7.6), "In the queue: 2 of 5, about 8 s to go"),
        (StreamStatus("processing"), "The Space has begun"),
        (
            StreamStatus("progress", progress=(Progress(None, None, None, 0.5, None),)),
            "Working 50%",
        ),
        (StreamStatus("log", log="warming up"), "warming up"),
        (StreamStatus("waking", log="The Space is starting"), "The Space is starting"),
        (StreamStatus("retrying", eta=2.0, log="full"), "full; asking again in 2 s"),
    ],
)
def test_a_status_update_reads_as_a_line(status: StreamStatus, line: str) -> None:
    assert str(status) == line


def test_the_former_name_of_a_status_warns_and_works() -> None:
    with pytest.warns(DeprecationWarning, match="now StreamStatus"):
        assert qwen_gradio.StatusUpdate is StreamStatus
