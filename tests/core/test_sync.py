"""A stream is read without awaiting it."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable

import anyio
import pytest
from anyio import BusyResourceError

import qwen_gradio
from qwen_gradio import (
    Chat,
    GenerationError,
    InvalidMessagesError,
    StreamInterruptedError,
    StreamStatus,
)
from qwen_gradio.sync import Fragments, read

from ..support.asking import ask
from ..support.commands import interrupt
from ..support.servers import PATIENCE, ScriptedSpace, query, script, tag_of


def program(code: str, question: str, space: ScriptedSpace) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, question, space.url]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)


def test_fragments_come_while_the_space_still_works(scripted: ScriptedSpace) -> None:
    question = script(say=["a", "b"], every=0.2, finish="hang")
    fragments = Fragments(ask(scripted, question))
    before = set(threading.enumerate())
    assert [next(fragments), next(fragments)] == ["a", "b"]
    assert len(set(threading.enumerate()) - before) == 1  # the worker, and no event loop
    fragments.close()
    scripted.wait_for("stopped", tag_of(question))


def test_leaving_the_loop_stops_the_space(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    for _ in Fragments(ask(scripted, question)):
        break
    scripted.wait_for("stopped", tag_of(question))


def test_an_iterator_in_a_cycle_stops_the_space_when_it_is_collected(
    scripted: ScriptedSpace,
) -> None:
    question = script(say=["x"], finish="hang")
    fragments = Fragments(ask(scripted, question))
    assert next(fragments) == "x"
    cycle: list[object] = [fragments]
    cycle.append(cycle)
    del fragments, cycle
    with warnings.catch_warnings():  # the collector may finalize the stream first, which warns
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    scripted.wait_for("stopped", tag_of(question))


def test_the_complete_text_leaves_out_what_was_taken_back(scripted: ScriptedSpace) -> None:
    question = script(text=["Thinking...", "The answer"], every=0.1)
    assert read(ask(scripted, question)) == "The answer"


@pytest.mark.anyio
async def test_an_event_loop_may_run_around_it(scripted: ScriptedSpace) -> None:
    await anyio.lowlevel.checkpoint()
    assert "".join(Fragments(ask(scripted, script(say=["a", "b"], every=0.1)))) == "ab"
    assert read(ask(scripted, script(say=["c"]))) == "c"


def test_errors_come_with_what_had_arrived(scripted: ScriptedSpace) -> None:
    fragments = Fragments(ask(scripted, script(say=["so far"], every=0.1, finish="fail")))
    assert next(fragments) == "so far"
    with pytest.raises(GenerationError, match="out of words") as caught:
        next(fragments)
    assert caught.value.partial == "so far"


def test_an_iterator_that_is_still_held_lets_the_interpreter_exit(scripted: ScriptedSpace) -> None:
    question = script(say=["x", "y"], finish="hang")
    code = """
import builtins, sys
from qwen_gradio import Qwen_Qwen_2_5_Max
from qwen_gradio.sync import Fragments
messages = [{"role": "user", "content": sys.argv[1]}]
stream = Qwen_Qwen_2_5_Max.create_async_generator(None, messages, space=sys.argv[2])
builtins.held = Fragments(stream)
print(next(builtins.held))
"""
    done = program(code, question["content"], scripted)
    assert (done.returncode, done.stdout, done.stderr) == (0, "xy\n", "")
    scripted.wait_for("stopped", tag_of(question))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
@pytest.mark.parametrize("way", ["sys.exit()", "del fragments", "fragments.close()"])
def test_a_forked_child_leaves_an_open_stream_to_its_parent(
    scripted: ScriptedSpace, way: str
) -> None:
    code = f"""
import os, sys
from qwen_gradio import stream
fragments = stream(sys.argv[1], space=sys.argv[2])
print(next(fragments), flush=True)
if os.fork() == 0:
    {way}
else:
    _, status = os.wait()
    print(status, *fragments)
"""
    done = program(code, query(say=["x", "y", "z"], every=0.3), scripted)
    assert (done.stdout, done.stderr) == ("xy\n0 z\n", "")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork on Windows")
def test_a_forked_child_cannot_read_its_parents_stream(scripted: ScriptedSpace) -> None:
    code = """
import os, sys
from qwen_gradio import stream
fragments = stream(sys.argv[1], space=sys.argv[2])
next(fragments)
if os.fork() == 0:
    next(fragments)
os.wait()
"""
    done = program(code, query(say=["x", "y"], finish="hang"), scripted)
    assert done.stderr.splitlines()[-1].startswith("RuntimeError: This stream belongs to the pare")


def test_a_script_asks_in_one_line(scripted: ScriptedSpace) -> None:
    assert qwen_gradio.ask("plain words", space=scripted.url) == "plain words"
    question = script(show="inputs")
    said = qwen_gradio.ask(question["content"], system="Be brief.", space=scripted.url)
    assert json.loads(said)[2] == "Be brief."
    turns = [{"role": "user", "content": "1"}, {"role": "assistant", "content": "2"}]
    again = [*turns, {"role": "user", "content": "3"}]
    assert qwen_gradio.ask(again, space=scripted.url).startswith("User: 1")
    pieces = ["a", "b"]
    question = script(say=pieces, every=0.1)
    assert list(qwen_gradio.stream(question["content"], space=scripted.url)) == pieces


@pytest.mark.parametrize("question", [None, 7, {}, [], [7], b"bytes"])
def test_a_question_that_cannot_be_sent_is_rejected_at_once(question: object) -> None:
    with pytest.raises(InvalidMessagesError):
        qwen_gradio.stream(question)  # type: ignore[arg-type]


def test_an_unknown_option_is_rejected() -> None:
    takes: list[Callable[..., object]] = [
        qwen_gradio.ask,
        qwen_gradio.stream,
        lambda _, **options: Chat(**options),
    ]
    for take in takes:
        with pytest.raises(TypeError, match="Unknown option: tmeout"):
            take("?", tmeout=3)


def test_the_end_of_a_with_block_stops_the_space(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    with qwen_gradio.stream([question], space=scripted.url) as fragments:
        assert next(fragments) == "x"
        assert "open, 1 characters" in repr(fragments)
    scripted.wait_for("stopped", tag_of(question))
    with pytest.raises(StreamInterruptedError, match="was closed"):
        list(fragments)


def test_another_thread_may_close_what_one_waits_for(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    begun, told = threading.Event(), threading.Event()
    fragments = Fragments(ask(scripted, question))

    def read() -> None:
        assert next(fragments) == "x"
        begun.set()
        with pytest.raises(StreamInterruptedError, match="was closed"):
            next(fragments)
        told.set()

    reader = threading.Thread(target=read)
    reader.start()
    assert begun.wait(PATIENCE)
    fragments.close()
    assert told.wait(PATIENCE)
    reader.join()
    scripted.wait_for("stopped", tag_of(question))


def test_fragments_are_read_by_one_thread_at_a_time(scripted: ScriptedSpace) -> None:
    entered, rejected = threading.Event(), threading.Event()

    def wait(status: object) -> None:
        entered.set()
        assert rejected.wait(PATIENCE)

    fragments = qwen_gradio.stream(query(say=["x", "y"]), space=scripted.url, on_status=wait)
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.extend(fragments))
    reader.start()
    assert entered.wait(PATIENCE)
    with pytest.raises(BusyResourceError, match="already iterating over"):
        next(fragments)
    rejected.set()
    reader.join(PATIENCE)
    assert "".join(read) == "xy"


@pytest.mark.parametrize(
    "way", [qwen_gradio.ask, lambda q, **o: "".join(qwen_gradio.stream(q, **o))]
)
def test_async_callbacks_are_awaited_in_a_loop_of_their_own(
    scripted: ScriptedSpace, way: Callable[..., str]
) -> None:
    noted: list[str] = []

    async def note(status: object) -> None:
        await anyio.lowlevel.checkpoint()
        noted.append(str(status))

    question = query(log=["begun"], say=["done"])
    assert way(question, space=scripted.url, on_status=note) == "done"
    assert "begun" in noted


def test_callbacks_are_called_in_the_callers_thread(scripted: ScriptedSpace) -> None:
    threads: list[threading.Thread] = []
    question = query(log=["begun"], say=["done"])
    qwen_gradio.ask(
        question,
        space=scripted.url,
        on_status=lambda status: threads.append(threading.current_thread()),
    )
    assert set(threads) == {threading.current_thread()}


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration, GenerationError])
def test_an_error_in_a_callback_stops_the_space_and_is_raised_as_it_is(
    scripted: ScriptedSpace, error: type[Exception]
) -> None:
    raised = error("of the caller's")

    def fail(status: StreamStatus) -> None:
        if status.state == "log":
            raise raised

    question = script(log=["begun"], say=["x"], finish="hang")
    with pytest.raises((RuntimeError, error)) as caught:
        list(qwen_gradio.stream([question], space=scripted.url, on_status=fail))
    assert raised in (caught.value, caught.value.__cause__)
    assert getattr(raised, "space", None) is None
    scripted.wait_for("stopped", tag_of(question))


@pytest.mark.parametrize(
    "way", ["ask(question, space=space)", "list(stream(question, space=space))"]
)
def test_ctrl_c_ends_a_script_and_stops_the_space(scripted: ScriptedSpace, way: str) -> None:
    question = script(say=["x", "y"], finish="hang")
    code = f"import sys; from qwen_gradio import ask, stream; _, question, space = sys.argv; {way}"
    command = [sys.executable, "-c", code, question["content"], scripted.url]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        scripted.wait_for("started", tag_of(question))
        interrupt(process)
        assert process.wait(PATIENCE) != 0
        assert process.stderr is not None
        assert process.stderr.read().endswith("KeyboardInterrupt\n")
    scripted.wait_for("stopped", tag_of(question))
