"""A task group raises what went wrong in it, as it is."""

from __future__ import annotations

from traceback import format_exception

import anyio
import pytest

from qwen_gradio._tasks import task_group

pytestmark = pytest.mark.anyio


async def fail() -> None:
    raise LookupError("lost")


async def in_a_task() -> None:
    async with task_group() as tasks:
        tasks.start_soon(fail)
        await anyio.sleep_forever()


async def in_the_body() -> None:
    async with task_group() as tasks:
        tasks.start_soon(anyio.sleep_forever)
        await fail()


async def while_cancelled() -> None:
    async def fail_at_last() -> None:
        with anyio.CancelScope(shield=True):
            await anyio.wait_all_tasks_blocked()
            await fail()

    with anyio.CancelScope() as scope:
        async with task_group() as tasks:
            tasks.start_soon(fail_at_last)
            scope.cancel()
            await anyio.sleep_forever()


@pytest.mark.parametrize("where", [in_a_task, in_the_body, while_cancelled])
async def test_an_error_is_raised_by_itself(where: object) -> None:
    with pytest.raises(LookupError, match="lost") as caught:
        await where()  # type: ignore[operator]
    # Within the context of its group, which has it in it, it would be a circle to those who print.
    assert "ExceptionGroup" not in "".join(format_exception(caught.value))


async def test_a_cancellation_is_nothing_but_that() -> None:
    with anyio.CancelScope() as scope:
        async with task_group() as tasks:
            tasks.start_soon(anyio.sleep_forever)
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
