"""A stream is read without awaiting it."""

from __future__ import annotations

import subprocess
import sys
import threading

import anyio
import pytest

from qwen_gradio import GenerationError, Qwen_Qwen_2_5_Max
from qwen_gradio.streams import FragmentStream
from qwen_gradio.sync import iterate, read

from .servers import PATIENCE, ScriptedSpace, script, tag_of


def ask(space: ScriptedSpace, question: dict[str, str]) -> FragmentStream:
    return Qwen_Qwen_2_5_Max.create_async_generator(None, [question], space=space.url)


def loops() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "qwen_gradio loop"]


def test_fragments_come_while_the_space_still_works(scripted: ScriptedSpace) -> None:
    question = script(say=["a", "b"], every=0.2, finish="hang")
    fragments = iterate(ask(scripted, question))
    assert [next(fragments), next(fragments)] == ["a", "b"]
    assert len(loops()) == 1
    fragments.close()
    assert loops() == []
    scripted.wait_for("stopped", tag_of(question))


def test_leaving_the_loop_stops_the_space(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    for _ in iterate(ask(scripted, question)):
        break
    scripted.wait_for("stopped", tag_of(question))
    assert loops() == []


def test_the_whole_text_leaves_out_what_was_taken_back(scripted: ScriptedSpace) -> None:
    question = script(text=["Thinking...", "The answer"], every=0.1)
    assert read(ask(scripted, question)) == "The answer"
    assert loops() == []


@pytest.mark.anyio
async def test_an_event_loop_may_run_around_it(scripted: ScriptedSpace) -> None:
    await anyio.lowlevel.checkpoint()
    assert "".join(iterate(ask(scripted, script(say=["a", "b"], every=0.1)))) == "ab"
    assert read(ask(scripted, script(say=["c"]))) == "c"
    assert loops() == []


def test_errors_come_with_what_had_arrived(scripted: ScriptedSpace) -> None:
    fragments = iterate(ask(scripted, script(say=["so far"], every=0.1, finish="fail")))
    assert next(fragments) == "so far"
    with pytest.raises(GenerationError, match="out of words") as caught:
        next(fragments)
    assert caught.value.partial == "so far"
    assert loops() == []


def test_an_iterator_that_is_still_held_lets_the_interpreter_exit(scripted: ScriptedSpace) -> None:
    question = script(say=["x"], finish="hang")
    code = """
import builtins, sys
from qwen_gradio import Qwen_Qwen_2_5_Max
from qwen_gradio.sync import iterate
messages = [{"role": "user", "content": sys.argv[1]}]
stream = Qwen_Qwen_2_5_Max.create_async_generator(None, messages, space=sys.argv[2])
builtins.held = iterate(stream)
print(next(builtins.held))
"""
    command = [sys.executable, "-c", code, question["content"], scripted.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.returncode, done.stdout, done.stderr) == (0, "x\n", "")
    scripted.wait_for("stopped", tag_of(question))
