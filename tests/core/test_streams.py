"""A question goes to a real Gradio server, and its answer streams back."""

from __future__ import annotations

import json
import socket

import anyio
import pytest

import qwen_gradio._gradio.connection
from qwen_gradio import (
    FragmentStream,
    GenerationError,
    Qwen_Qwen_2_5_Max,
    SpaceInterfaceError,
    SpaceUnavailableError,
    StreamInterruptedError,
    StreamStatus,
    StreamTimeoutError,
)

from ..support.asking import ask, begun
from ..support.servers import (
    NOBODY,
    PATIENCE,
    ScriptedSpace,
    ZooSpace,
    script,
    scripted_space,
    stopped,
)

pytestmark = pytest.mark.anyio


async def test_both_ways_of_calling_work_to_the_letter(scripted: ScriptedSpace) -> None:
    messages = [script(say=["Hello", ", ", "world"])]
    generator = await Qwen_Qwen_2_5_Max.create_async_generator(
        model="qwen-2-5-max", messages=messages, space=scripted.url
    )
    assert [fragment async for fragment in generator] == ["Hello", ", ", "world"]
    fragments = []
    async for fragment in Qwen_Qwen_2_5_Max.create_async_generator(
        "qwen-2-5-max", messages, proxy=None, space=scripted.url
    ):
        fragments.append(fragment)
    assert fragments == ["Hello", ", ", "world"]


@pytest.mark.each_gradio
async def test_every_gradio_streams_every_form_of_reply(any_gradio: ScriptedSpace) -> None:
    pieces = ["no ", "no ", "no ", "[['a', 'b']]", ' {"role": "user"}', " 👩‍👩‍👧", " end"]
    assert [f async for f in ask(any_gradio, script(say=pieces))] == pieces


async def test_every_gradio_takes_the_earlier_turns(any_gradio: ScriptedSpace) -> None:
    turns = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1+1?"},
        {"role": "assistant", "content": "2"},
    ]
    question = script(show="inputs")
    flat = await ask(any_gradio, *turns, {"role": "user", "content": "sure?"}).text()
    assert flat == "User: 1+1?\nAssistant: 2\nUser: sure?\nAssistant:"
    query, history, system = json.loads(
        await ask(any_gradio, *turns, question, history="native").text()
    )
    assert (query, system) == (question["content"], "Be brief.")
    assert "1+1?" in json.dumps(history[0])
    assert "2" in json.dumps(history[-1])


async def test_without_a_system_message_an_app_gets_what_its_page_shows(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def system() -> str:
        return str(json.loads(await ask(scripted, script(show="inputs")).text())[2])

    assert await system() == ""
    monkeypatch.setattr(Qwen_Qwen_2_5_Max, "url", scripted.url)  # the provider's own Space
    assert await system() == "You are a helpful assistant."


async def test_text_that_comes_only_with_completion_arrives(any_gradio: ScriptedSpace) -> None:
    assert [f async for f in ask(any_gradio, script(say=["all at once"]))] == ["all at once"]


async def test_an_empty_reply_is_an_error(scripted: ScriptedSpace) -> None:
    with pytest.raises(GenerationError, match="The reply is empty"):
        await ask(scripted, script(say=[""])).text()


@pytest.mark.slow
async def test_fragments_at_full_speed_all_arrive_in_order(any_gradio: ScriptedSpace) -> None:
    # Gradio 4.44 takes 20 ms for each output in the form of messages.
    slow = any_gradio.form == "messages" and any_gradio.gradio == "4.44.1"
    pieces = [f"{number} " for number in range(200 if slow else 2000)]
    assert "".join([f async for f in ask(any_gradio, script(say=pieces))]) == "".join(pieces)


async def test_fragments_arrive_while_the_space_still_works(any_gradio: ScriptedSpace) -> None:
    pieces = [f"{number}," for number in range(20)]
    fragments = [f async for f in ask(any_gradio, script(say=pieces, every=0.07))]
    assert len(fragments) >= 18
    stream = ask(any_gradio, script(say=["first"], finish="hang"))
    async with stream:
        assert await stream.__anext__() == "first"


async def test_a_placeholder_is_in_neither_the_stream_nor_the_final_text(
    scripted: ScriptedSpace,
) -> None:
    stream = ask(scripted, script(text=["Thinking...", "The answer", "The answer is 4"], every=0.1))
    fragments = [fragment async for fragment in stream]
    assert fragments == ["The answer", " is 4"]
    assert await stream.text() == "The answer is 4"


async def test_text_is_the_complete_reply_also_after_some_was_read(scripted: ScriptedSpace) -> None:
    stream = ask(scripted, script(say=["a", "b", "c"]))
    assert await stream.__anext__() == "a"
    assert await stream.text() == "abc"
    assert await stream.text() == "abc"


async def test_each_request_has_a_session_hash_of_its_own(scripted: ScriptedSpace) -> None:
    seen: list[str] = []

    async def look() -> None:
        seen.append(await ask(scripted, script(show="session_hash")).text())

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(look)
    assert len(set(seen)) == 4
    assert all(len(session_hash) == 12 and int(session_hash, 16) >= 0 for session_hash in seen)


async def test_the_space_says_how_it_goes(any_gradio: ScriptedSpace) -> None:
    said: list[StreamStatus] = []
    question = script(say=["done"], steps=[0.25, 0.5], log=["warming up"])
    assert await ask(any_gradio, question, on_status=said.append).text() == "done"
    states = [status.state for status in said]
    assert states[0] == "queued"
    assert (said[0].position, said[0].queue_size) == (1, 1)
    assert "processing" in states
    assert [status.log for status in said if status.state == "log"] == ["warming up"]
    progress = [status.progress[0] for status in said if status.state == "progress"]
    assert progress[-1].fraction == 0.5
    assert progress[-1].description == "thinking"


@pytest.mark.parametrize("is_async", [False, True])
async def test_what_on_status_raises_reaches_the_caller_and_stops_the_space(
    scripted: ScriptedSpace, is_async: bool
) -> None:
    def refuse(status: StreamStatus) -> None:
        if status.state == "log":
            raise LookupError("enough")

    async def refuse_later(status: StreamStatus) -> None:
        await anyio.lowlevel.checkpoint()
        refuse(status)

    question = script(log=["begun"], say=["x"], finish="hang")
    with pytest.raises(LookupError, match="enough"):
        await ask(scripted, question, on_status=refuse_later if is_async else refuse).text()
    await stopped(scripted, question)


async def test_callbacks_may_be_async(scripted: ScriptedSpace, thinking: ZooSpace) -> None:
    said: list[str] = []

    async def hear(what: object) -> None:
        await anyio.lowlevel.checkpoint()
        said.append(str(what))

    stream = ask(scripted, script(log=["begun"], say=["done"]), on_status=hear)
    stream.on_complete = hear
    assert await stream.text() == "done"
    assert "begun" in said
    assert said[-1] == "done"
    said.clear()
    question = {"role": "user", "content": "hi"}
    await ask(thinking, question, api_name="reply", on_reasoning=hear).text()
    assert said == ["Let me", " think."]


async def test_a_callback_cannot_make_a_reply_look_complete(scripted: ScriptedSpace) -> None:
    def run_out(status: StreamStatus) -> None:
        raise StopAsyncIteration

    async def run_out_later(status: StreamStatus) -> None:
        run_out(status)

    question = script(say=["x"], finish="hang")
    for callback in (run_out, run_out_later):
        with pytest.raises(RuntimeError, match="callback"):
            await ask(scripted, question, on_status=callback).text()


async def test_breaking_out_stops_the_space(any_gradio: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    stream = ask(any_gradio, question)
    async for _ in stream:
        break
    await stopped(any_gradio, question)


async def test_an_error_of_the_callers_stops_the_space(any_gradio: ScriptedSpace) -> None:
    async def loop(stream: FragmentStream) -> None:
        async for _ in stream:
            raise LookupError

    async def enter(stream: FragmentStream) -> None:
        async with stream:
            await stream.__anext__()
            raise LookupError

    for read in (loop, enter):
        question = script(say=["x"], finish="hang")
        stream = ask(any_gradio, question)
        with pytest.raises(LookupError):
            await read(stream)
        await stopped(any_gradio, question)


async def test_a_stream_whose_loop_was_left_raises(scripted: ScriptedSpace) -> None:
    stream = ask(scripted, script(say=["x"], finish="hang"))
    async for _ in stream:
        break
    with pytest.raises(StreamInterruptedError, match="Ask again") as caught:
        await stream.text()
    assert caught.value.partial == "x"


async def test_closing_stops_the_space(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    stream = await ask(scripted, question)
    assert await stream.__anext__() == "x"
    await stream.aclose()
    with pytest.raises(StreamInterruptedError, match="was closed"):
        await stream.__anext__()
    await stopped(scripted, question)


async def test_a_loop_does_not_end_quietly_when_its_stream_is_closed(
    scripted: ScriptedSpace,
) -> None:
    stream = ask(scripted, script(say=["x", "y"], finish="hang"))

    async def read() -> None:
        async for _ in stream:
            await stream.aclose()

    with pytest.raises(StreamInterruptedError, match="was closed"):
        await read()


async def test_closing_raises_in_another_task_that_waits(scripted: ScriptedSpace) -> None:
    stream = ask(scripted, script(say=["x"], finish="hang"))
    assert await anext(stream) == "x"

    async def wait() -> None:
        with pytest.raises(StreamInterruptedError, match="was closed") as caught:
            await anext(stream)
        assert caught.value.partial == "x"

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(wait)
        await anyio.wait_all_tasks_blocked()
        await stream.aclose()


async def test_closing_raises_in_a_task_that_waits_for_a_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(qwen_gradio._gradio.connection, "CONNECT_TIMEOUT", 10 * PATIENCE)
    with socket.create_server(("127.0.0.1", 0)) as silent, anyio.fail_after(PATIENCE):
        stream = ask(f"https://127.0.0.1:{silent.getsockname()[1]}", script(say=["x"]))

        async def wait() -> None:
            with pytest.raises(StreamInterruptedError, match="was closed"):
                await anext(stream)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(wait)
            connection, _ = await anyio.to_thread.run_sync(silent.accept)
            with connection:
                await anyio.to_thread.run_sync(connection.recv, 1)  # of the TLS handshake
                stream.close()


async def test_cancelling_stops_the_space(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    async with anyio.create_task_group() as tasks:
        stream = await ask(scripted, question)
        assert await stream.__anext__() == "x"
        tasks.start_soon(stream.text)
        tasks.cancel_scope.cancel()
    await stopped(scripted, question)


async def test_an_abandoned_stream_warns_and_stops_the_space(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    stream = await ask(scripted, question)
    assert await stream.__anext__() == "x"
    with pytest.warns(ResourceWarning, match="not read to its end"):
        del stream
    await stopped(scripted, question)


async def test_what_the_app_raises_comes_with_the_partial_text(any_gradio: ScriptedSpace) -> None:
    stream = ask(any_gradio, script(say=["so ", "far"], every=0.1, finish="fail"))
    with pytest.raises(GenerationError, match="the model is out of words") as caught:
        await stream.text()
    assert caught.value.partial == "so far"
    assert caught.value.space == any_gradio.url
    assert caught.value.__cause__ is not None


async def test_a_reply_that_takes_too_long_ends_with_what_had_arrived(
    scripted: ScriptedSpace,
) -> None:
    question = script(say=["x"], finish="hang")
    stream = await begun(scripted, question, "timeout")
    with pytest.raises(StreamTimeoutError, match=r"timeout=\d") as caught:
        await stream.text()
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.partial == "x"
    await stopped(scripted, question)


async def test_a_space_that_falls_silent_ends_the_stream(scripted: ScriptedSpace) -> None:
    stream = await begun(scripted, script(say=["x"], finish="hang"), "stream_timeout")
    with pytest.raises(StreamTimeoutError, match=r"sent nothing for stream_timeout=\d"):
        await stream.text()


@pytest.mark.parametrize("seconds", [1e10, float("inf")])
async def test_a_time_out_may_be_endless(scripted: ScriptedSpace, seconds: float) -> None:
    stream = ask(scripted, script(say=["x"]), timeout=seconds, stream_timeout=seconds)
    assert await stream.text() == "x"


async def test_a_space_that_cannot_be_reached_is_named() -> None:
    stream = Qwen_Qwen_2_5_Max.create_async_generator(None, [script(say=["x"])], space=NOBODY)
    with pytest.raises(SpaceUnavailableError, match=rf"{NOBODY} cannot be reached") as caught:
        await stream.text()
    assert isinstance(caught.value, ConnectionError)
    assert caught.value.__cause__ is not None


async def test_a_refused_connection_is_retried_and_each_retry_reported() -> None:
    reported: list[StreamStatus] = []
    stream = Qwen_Qwen_2_5_Max.create_async_generator(
        None, [script(say=["x"])], space=NOBODY, max_retries=2, on_status=reported.append
    )
    with pytest.raises(SpaceUnavailableError):
        await stream.text()
    assert [status.state for status in reported] == ["retrying", "retrying"]
    assert all("cannot be reached" in (status.log or "") for status in reported)


@pytest.mark.usefixtures("server")
async def test_a_space_without_a_chat_is_named_with_what_it_has() -> None:
    space = await anyio.to_thread.run_sync(lambda: ScriptedSpace("6", "messages", "--no-chat"))
    try:
        with pytest.raises(SpaceInterfaceError, match=r"/shout\(volume\) takes no text") as caught:
            await ask(space, script(say=["x"])).text()
        assert space.url in str(caught.value)
    finally:
        await anyio.to_thread.run_sync(space.close)


def test_event_loops_may_come_and_go(scripted: ScriptedSpace) -> None:
    async def look() -> str:
        return await ask(scripted, script(say=["here"])).text()

    for backend in ("asyncio", "trio", "asyncio", "trio"):
        assert anyio.run(look, backend=backend) == "here"


async def test_nothing_is_printed(
    scripted: ScriptedSpace, capfd: pytest.CaptureFixture[str]
) -> None:
    await ask(scripted, script(say=["x"])).text()
    async for _ in ask(scripted, script(say=["x"], finish="hang")):
        break
    with pytest.raises(GenerationError):
        await ask(scripted, script(finish="fail")).text()
    assert capfd.readouterr() == ("", "")


async def test_a_second_reader_is_rejected_and_does_not_stop_the_first(
    scripted: ScriptedSpace,
) -> None:
    stream = ask(scripted, script(say=["a", "b"], every=0.3))
    read: list[str] = []

    async def first() -> None:
        read.append(await stream.text())

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(first)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError):
            await stream.text()
    assert read == ["ab"]


async def test_fragments_are_read_by_one_task_at_a_time(scripted: ScriptedSpace) -> None:
    stream = await ask(scripted, script(say=["x"], finish="hang"))
    assert await stream.__anext__() == "x"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(stream.__anext__)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(anyio.BusyResourceError):
            await stream.__anext__()
        tasks.cancel_scope.cancel()


@pytest.mark.slow
async def test_waiting_in_a_queue_is_no_silence(server: None) -> None:
    """Gradio sends a heartbeat after 15 seconds, and no new position until a job ends."""
    with scripted_space("--at-once", "1") as space:
        first = script(say=["x"], finish="hang")
        second = script(say=["y"])
        positions: list[int | None] = []
        repeated = anyio.Event()

        def note(status: StreamStatus) -> None:
            if status.state == "queued":
                positions.append(status.position)
                if len(positions) > 2:
                    repeated.set()

        async with ask(space, first) as running, anyio.create_task_group() as tasks:
            assert await running.__anext__() == "x"
            queued = ask(space, second, stream_timeout=10, on_status=note)
            tasks.start_soon(queued.text)
            await repeated.wait()
            running.close()
        assert queued.partial == "y"
        assert positions[-1] == 1
