"""Spaces that are busy, die, stall or lose a connection: a typed error, then a call that works."""

from __future__ import annotations

import gc
import signal
import threading
import weakref

import anyio
import pytest

from qwen_gradio import (
    QueueFullError,
    Qwen_Qwen_3,
    QwenGradioError,
    SpaceUnavailableError,
    StreamInterruptedError,
    StreamStatus,
    StreamTimeoutError,
)
from qwen_gradio.sync import Fragments

from ..support.asking import ask, begun, on_asyncio
from ..support.fronts import EVENTS, JOIN, STREAM, Endless, Forward, Front, Request, misbehaving
from ..support.servers import NOBODY, PATIENCE, ScriptedSpace, free_port, script, scripted_space

pytestmark = pytest.mark.anyio


@pytest.mark.usefixtures("server")
async def test_a_full_queue_is_reported() -> None:
    with scripted_space("--at-once", "1", "--queue", "1") as space:
        async with anyio.create_task_group() as tasks:
            first, second = script(say=["x"], finish="hang"), script(say=["y"], finish="hang")
            running = await ask(space.url, first)
            assert await running.__anext__() == "x"
            queued = anyio.Event()

            def see(status: StreamStatus) -> None:
                if status.state == "queued":
                    queued.set()

            tasks.start_soon(ask(space.url, second, on_status=see).text)
            await queued.wait()
            with pytest.raises(QueueFullError):
                await ask(space.url, script(say=["z"])).text()
            await running.aclose()
            tasks.cancel_scope.cancel()


@on_asyncio
async def test_a_lost_connection_is_raised_with_the_partial_text(scripted: ScriptedSpace) -> None:
    behave = misbehaving(EVENTS, Forward(limit=5000), times=1)
    pieces = [f"{number}," for number in range(100)]
    with Front(behave, scripted.url) as front:
        with pytest.raises(StreamInterruptedError) as caught:
            await ask(front.url, script(say=pieces, every=0.01), max_retries=2).text()
        assert caught.value.partial
        assert "".join(pieces).startswith(caught.value.partial)
        assert await ask(front.url, script(say=["again"])).text() == "again"


@on_asyncio
async def test_a_slow_link_loses_nothing(scripted: ScriptedSpace) -> None:
    pieces = [f"{number} " for number in range(50)]
    with Front(misbehaving(EVENTS, Forward(pause=0.02)), scripted.url) as front:
        assert await ask(front.url, script(say=pieces)).text() == "".join(pieces)


async def test_a_name_that_no_host_has_is_named() -> None:
    with pytest.raises(SpaceUnavailableError, match=r"http://nobody\.invalid cannot be reached"):
        await ask("http://nobody.invalid", script(say=["x"]), max_retries=2).text()


@pytest.mark.usefixtures("server")
@on_asyncio
@pytest.mark.parametrize("moment", ["queued", "before", "amid"])
async def test_a_space_that_dies_is_noticed_and_the_next_on_its_address_is_asked(
    moment: str,
) -> None:
    port = free_port()
    pieces = {"queued": ["x"], "before": ["x"], "amid": ["so ", "far"]}[moment]
    question = script(say=pieces, every=0 if moment == "amid" else PATIENCE, finish="hang")
    with scripted_space("--port", str(port), "--at-once", "1") as space:
        if moment == "queued":
            ahead = script(say=["x"], finish="hang")
            blocking = await ask(space.url, ahead)
            assert await blocking.__anext__() == "x"
        begun = anyio.Event()

        def see(status: StreamStatus) -> None:
            if status.state == ("queued" if moment == "queued" else "processing"):
                begun.set()

        stream = ask(space.url, question, on_status=see)
        if moment == "amid":
            assert await stream.__anext__() == "so "
            assert await stream.__anext__() == "far"
            space.process.kill()
            with pytest.raises(StreamInterruptedError) as caught:
                await stream.text()
            assert caught.value.partial == "so far"
        else:

            async def kill() -> None:
                await begun.wait()
                space.process.kill()

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(kill)
                with pytest.raises(StreamInterruptedError):
                    await stream.text()
        if moment == "queued":
            with pytest.raises(StreamInterruptedError):
                await blocking.text()
    with scripted_space("--port", str(port), "--swapped") as space:
        assert await ask(space.url, script(say=["again"])).text() == "again"


@pytest.mark.slow
@pytest.mark.usefixtures("server")
async def test_a_space_that_stalls_is_noticed_and_asked_again_when_it_goes_on() -> None:
    with scripted_space() as space:
        stream = await begun(space, script(say=["x"], finish="hang"), "stream_timeout")
        space.process.send_signal(signal.SIGSTOP)
        with pytest.raises(StreamTimeoutError) as caught:
            await stream.text()
        assert caught.value.partial == "x"
        with pytest.raises(StreamTimeoutError):
            await ask(space, script(say=["x"]), stream_timeout=1).text()
        space.process.send_signal(signal.SIGCONT)
        assert await ask(space.url, script(say=["again"])).text() == "again"


@pytest.mark.usefixtures("server")
async def test_cancelling_does_not_wait_for_a_space_that_no_longer_answers() -> None:
    with scripted_space() as space:
        stream = await ask(space.url, script(say=["x"], finish="hang"))
        assert await stream.__anext__() == "x"
        space.process.send_signal(signal.SIGSTOP)
        with anyio.fail_after(PATIENCE):  # far less than stream_timeout
            with anyio.move_on_after(0.1):
                await stream.__anext__()
            await stream.aclose()
        space.process.send_signal(signal.SIGCONT)


async def test_a_broken_stream_does_not_affect_another(scripted: ScriptedSpace) -> None:
    cut = iter([Forward(limit=1200)])

    def behave(request: Request) -> Forward:
        return next(cut, Forward()) if request.path == EVENTS else Forward()

    pieces = [f"{number} " for number in range(30)]
    ended: list[str] = []

    async def read() -> None:
        try:
            ended.append(await ask(front.url, script(say=pieces, every=0.02)).text())
        except StreamInterruptedError:
            ended.append("broken")

    with Front(behave, scripted.url) as front:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(read)
    assert sorted(ended) == sorted(["".join(pieces)] * 4 + ["broken"])


@pytest.mark.slow
@on_asyncio
async def test_a_slow_start_is_not_an_error(scripted: ScriptedSpace) -> None:
    # 6 seconds, as httpx and gradio_client give up after 5 by default.
    with Front(misbehaving(JOIN, Forward(wait=6)), scripted.url) as front:
        assert await ask(front.url, script(say=["x"])).text() == "x"


@pytest.mark.parametrize("phase", ["/config", "/gradio_api/info", JOIN, EVENTS])
async def test_a_request_that_hangs_is_aborted(scripted: ScriptedSpace, phase: str) -> None:
    reached = threading.Event()

    def behave(request: Request) -> bytes | Forward | Endless:
        if request.path == phase:
            reached.set()
            return Forward(pause=PATIENCE)
        return Forward()

    with Front(behave, scripted.url) as front:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask(front.url, script(say=["x" * 2000])).text)
            assert await anyio.to_thread.run_sync(reached.wait, PATIENCE)
            tasks.cancel_scope.cancel()
        for thread in threading.enumerate():
            if thread.name == "qwen_gradio":
                thread.join(PATIENCE / 2)
                assert not thread.is_alive()


async def test_an_unavailable_space_of_a_provider_is_an_error_that_names_other_models() -> None:
    own = Qwen_Qwen_3.create_async_generator(None, [script()], proxy=NOBODY, max_retries=0)
    with pytest.raises(SpaceUnavailableError, match=r"Models on other Spaces are .*qwen-2-5"):
        await own.text()
    other = Qwen_Qwen_3.create_async_generator(None, [script()], space=NOBODY, max_retries=0)
    with pytest.raises(SpaceUnavailableError) as caught:
        await other.text()
    assert "Models on other" not in str(caught.value)


@pytest.mark.parametrize("failure", ["nobody listens", "the app fails", "no event"])
def test_an_error_is_freed_as_soon_as_its_caller_drops_it(
    scripted: ScriptedSpace, failure: str
) -> None:
    behave = misbehaving(EVENTS, STREAM + b"data: nonsense\n\n")
    with Front(behave, scripted.url) as front:
        spaces = {"nobody listens": NOBODY, "no event": front.url}
        gc.disable()
        try:
            with pytest.raises(QwenGradioError) as caught:
                list(Fragments(ask(spaces.get(failure, scripted.url), script(finish="fail"))))
            error = weakref.ref(caught.value)
            del caught
            for thread in threading.enumerate():
                if thread.name == "qwen_gradio":
                    thread.join(PATIENCE)
            assert error() is None
        finally:
            gc.enable()
