"""Replies are shown in a real kernel, as in a notebook's cells."""

from __future__ import annotations

import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

import qwen_gradio
from qwen_gradio.notebook import _View, show

from ..support.servers import PATIENCE, ScriptedSpace, Zoo, ZooSpace, script, tag_of

SETUP = """
from qwen_gradio import Chat, Qwen_Qwen_2_5_Max, batch, stream
from qwen_gradio.notebook import show
def ask(question, **options):
    messages = [{"role": "user", "content": question}]
    return Qwen_Qwen_2_5_Max.create_async_generator(None, messages, space=SPACE, **options)
"""


class Kernel:
    """A kernel, and the output of its cells."""

    def __init__(self, folder: Path) -> None:
        self.manager = KernelManager(transport="ipc", ip=str(folder / "kernel"))
        self.manager.start_kernel()
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(2 * PATIENCE)

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel()

    def start(self, cell: str) -> None:
        self.cell = self.client.execute(cell)

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield the output of the cell that was started, until it has ended."""
        while True:
            message = self.client.get_iopub_msg(timeout=PATIENCE)
            if message["parent_header"].get("msg_id") != self.cell:
                continue  # of the cell before, or of the question whether the kernel is ready
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return
            yield message

    def run(self, cell: str) -> list[dict[str, Any]]:
        self.start(cell)
        return list(self.messages())

    def data(self, cell: str) -> list[dict[str, str]]:
        """Run a cell, and return what it displays."""
        output = self.run(cell)
        assert errors(output) == []
        return displayed(output)


def displayed(messages: list[dict[str, Any]]) -> list[dict[str, str]]:
    kinds = ("display_data", "update_display_data", "execute_result")
    return [m["content"]["data"] for m in messages if m["msg_type"] in kinds]


def errors(messages: list[dict[str, Any]]) -> list[str]:
    return [m["content"]["ename"] for m in messages if m["msg_type"] == "error"]


@pytest.fixture(scope="module")
def kernel(
    server: None, scripted: ScriptedSpace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Kernel]:
    kernel = Kernel(tmp_path_factory.mktemp("kernel"))
    assert errors(kernel.run(f"SPACE = {scripted.url!r}{SETUP}")) == []
    yield kernel
    kernel.close()


def query(**what: Any) -> str:
    return repr(script(**what)["content"])


@pytest.mark.parametrize(
    "way",
    [
        pytest.param("await show({})", id="awaited"),
        pytest.param("show({})", id="in a cell without await"),
        pytest.param(
            "def f():\n    return show({})\nf()", id="in a function", marks=pytest.mark.slow
        ),
        pytest.param(
            "async def f():\n    return await show({})\nawait f()",
            id="in an async function",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "await [show(each) for each in [{}]][0]",
            id="from a list in a cell with await",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_reply_is_shown_as_it_is_written_and_only_once(
    kernel: Kernel, scripted: ScriptedSpace, way: str
) -> None:
    reply = "**so far**"
    begun = {"text/plain": "The Space has begun"}
    both = [f"shown {way}", 2]
    kernel.start(way.format(f"ask({query(meet=both, say=list(reply), every=0.1)})"))
    output: list[dict[str, Any]] = []
    for message in kernel.messages():
        if begun in displayed([message]) and begun not in displayed(output):
            other = script(meet=both, say=["of whom the first waits"])
            qwen_gradio.ask(other["content"], space=scripted.url)
        output.append(message)
    assert errors(output) == []
    shown = displayed(output)
    assert shown[0] == {"text/plain": "Connecting"}
    assert begun in shown
    assert shown[-1]["text/markdown"] == reply
    assert shown[-1]["text/html"] == "<p><strong>so far</strong></p>\n"
    texts = [data["text/markdown"] for data in shown if "text/markdown" in data]
    assert all(map(reply.startswith, texts))
    assert len(set(texts)) > 2


def test_the_text_is_returned(kernel: Kernel) -> None:
    question = query(text=["Thinking...", "4"], every=0.2)
    for way in ("await show", "show"):
        assert kernel.data(f"str({way}(ask({question})))")[-1] == {"text/plain": "'4'"}


def test_a_reply_is_a_plain_string_in_later_cells(kernel: Kernel) -> None:
    kernel.data(f"reply = show(ask({query(say=['x'])}))")
    assert kernel.data("reply") == [{"text/plain": "'x'"}]


def test_an_async_callback_is_awaited(kernel: Kernel) -> None:
    kernel.data("seen = []\nasync def note(status): seen.append(status.state)")
    kernel.data(f"await show(ask({query(say=['x'])}, on_status=note))")
    assert kernel.data("'processing' in seen") == [{"text/plain": "True"}]


def test_an_empty_reply_is_an_error(kernel: Kernel) -> None:
    output = kernel.run(f"show(ask({query(say=[''])}))")
    assert errors(output) == ["GenerationError"]


def test_outside_of_ipython_show_says_what_to_use() -> None:
    with pytest.raises(RuntimeError, match=r"loop over qwen_gradio\.stream"):
        show(qwen_gradio.stream("never asked"))


@pytest.mark.parametrize(
    "way",
    [
        "reply = await show(ask({}))",
        pytest.param("reply = show(stream({}, space=SPACE))", marks=pytest.mark.slow),
    ],
)
def test_on_a_terminal_the_text_is_written_once(scripted: ScriptedSpace, way: str) -> None:
    cell = way.format(query(say=["# a", "\x1bb"], every=0.1))
    code = f"SPACE = {scripted.url!r}{SETUP}{cell}\nprint(repr(reply))"
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--quick", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE)
    assert (done.stdout, done.stderr) == ("# ab\n'# a\\x1bb'\n", "")


@pytest.mark.slow
def test_on_a_terminal_reasoning_is_not_written(thinking: ZooSpace) -> None:
    code = f"SPACE = {thinking.url!r}{SETUP}reply = await show(ask('hi'))"
    command = [sys.executable, "-m", "IPython", "--simple-prompt", "--quick", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=2 * PATIENCE)
    assert (done.stdout, done.stderr) == ('{"message": "hi"}\n', "")


def test_reasoning_is_folded_above_the_reply(kernel: Kernel, thinking: ZooSpace) -> None:
    last = kernel.data(f"show(stream('hi', space={thinking.url!r}))")[-1]
    assert last["text/plain"] == last["text/markdown"] == '{"message": "hi"}'
    folded, html = last["text/html"].split("</details>")
    assert folded.startswith("<details><summary>Reasoning</summary>")
    assert "Let me think." in folded
    assert html == "\n<p>{&quot;message&quot;: &quot;hi&quot;}</p>\n"


class Thinking:
    """A stream of which only reasoning has arrived."""

    partial = ""
    reasoning = "First.\n<b>Then & now\n"


def test_reasoning_that_arrives_is_shown_as_one_escaped_line() -> None:
    view: Any = _View.__new__(_View)
    view._stream = Thinking()
    shown = view._bundle()
    assert shown["text/plain"] == "<b>Then & now"
    assert shown["text/html"].startswith("<details><summary>&lt;b&gt;Then &amp; now</summary>")
    assert "First.\n&lt;b&gt;Then &amp; now\n</div>" in shown["text/html"]


def test_a_stream_for_scripts_can_be_shown(kernel: Kernel) -> None:
    shown = kernel.data(f"show(stream({query(say=['x'])}, space=SPACE))")
    assert shown[-1]["text/markdown"] == "x"


def test_several_replies_can_be_shown_at_once(kernel: Kernel) -> None:
    one, two = query(say=["1"], every=0.2), query(say=["2"], every=0.2)
    cell = f"import asyncio\n_ = await asyncio.gather(show(ask({one})), show(ask({two})))"
    shown = [data.get("text/markdown") for data in kernel.data(cell)]
    assert {"1", "2"} <= set(shown)


@pytest.mark.slow
def test_redraws_are_limited_to_twenty_a_second(kernel: Kernel) -> None:
    pieces = [f"{number} " for number in range(2000)]
    began = time.monotonic()
    shown = kernel.data(f"await show(ask({query(say=pieces)}))")
    took = time.monotonic() - began
    assert shown[-1]["text/markdown"] == "".join(pieces)
    assert len(shown) <= took * 20 + 3  # the first, the last, and one more at each 50 ms


@pytest.mark.parametrize("way", ["await show({})", "show({})"])
def test_interrupting_the_cell_stops_the_space(
    kernel: Kernel, scripted: ScriptedSpace, way: str
) -> None:
    question = script(say=["x"], finish="hang")
    kernel.start(way.format(f"ask({question['content']!r})"))
    output: list[dict[str, Any]] = []
    for message in kernel.messages():
        begun = any("text/markdown" in data for data in displayed(output))
        output.append(message)
        if not begun and any("text/markdown" in data for data in displayed([message])):
            kernel.manager.interrupt_kernel()
    assert errors(output)[0] in ("KeyboardInterrupt", "CancelledError")
    scripted.wait_for("stopped", tag_of(question))
    assert displayed(output)[-1]["text/markdown"] == "x"


@pytest.mark.parametrize(
    "cell",
    [
        "async for _ in ask({question}, on_status=print): pass",
        "await Chat(space=SPACE, on_status=print).ask({question})",
        "await batch.run([{question}], {out!r}, space=SPACE, on_status=print, progress=False)",
    ],
)
def test_interrupting_a_cell_that_only_waits_stops_the_space(
    kernel: Kernel, scripted: ScriptedSpace, tmp_path: Path, cell: str
) -> None:
    question = script(say=[], finish="hang")
    kernel.start(cell.format(question=repr(question["content"]), out=str(tmp_path / "out.jsonl")))
    output: list[dict[str, Any]] = []
    for message in kernel.messages():
        output.append(message)
        if "begun" in message["content"].get(
            "text", ""
        ):  # the last message before the interruption
            kernel.manager.interrupt_kernel()
    assert errors(output) == ["CancelledError"]
    scripted.wait_for("stopped", tag_of(question))


def test_interrupting_a_cell_that_reads_prompts_stops_the_reading(
    kernel: Kernel, tmp_path: Path
) -> None:
    kernel.start(f"""
import itertools
read = 0
def prompts():
    global read
    for read in itertools.count():
        if read == 1000:
            print("reading", flush=True)
        yield "x"
endless = prompts()
await batch.run(endless, {str(tmp_path / "out.jsonl")!r}, space=SPACE, progress=False)
""")
    output: list[dict[str, Any]] = []
    for message in kernel.messages():
        output.append(message)
        if "reading" in message["content"].get("text", ""):
            kernel.manager.interrupt_kernel()
    assert errors(output) == ["CancelledError"]
    wait = "before = -1\nwhile read != before:\n    before = read\n    time.sleep(0.2)"
    assert kernel.data(f"import time\n{wait}\nnext(endless)") == [{"text/plain": "'x'"}]


@pytest.mark.parametrize("way", ["await show({})", "show({})"])
def test_when_a_reply_fails_the_text_so_far_stays(kernel: Kernel, way: str) -> None:
    question = query(say=["so far"], every=0.1, finish="fail")
    output = kernel.run(way.format(f"ask({question})"))
    assert errors(output) == ["GenerationError"]
    assert displayed(output)[-1]["text/markdown"] == "so far"


def test_a_reply_can_neither_run_scripts_nor_load_images(kernel: Kernel) -> None:
    reply = "<script>x</script> <img src=y onerror=z> ![i](http://t/i.png) [l](javascript:x) `<b>`"
    html = kernel.data(f"show(ask({query(say=[reply])}))")[-1]["text/html"]
    assert "<img" not in html
    assert "<script" not in html
    assert 'href="javascript' not in html
    assert "<code>&lt;b&gt;</code>" in html


def test_formulas_have_the_form_that_notebooks_typeset(kernel: Kernel) -> None:
    reply = "\\(a_1 b_2\\), $x_1$, from $5 to $6\n\n\\[\n\\frac{1}{2}\n\\]"
    html = kernel.data(f"show(ask({query(say=[reply])}))")[-1]["text/html"]
    assert "\\(a_1 b_2\\), \\(x_1\\), from $5 to $6" in html
    assert "\\[\n\\frac{1}{2}\n\\]" in html


def test_a_stream_is_shown_with_its_state(kernel: Kernel, scripted: ScriptedSpace) -> None:
    (shown,) = kernel.data("ask('never asked')")
    assert f"&lt;FragmentStream from {scripted.url}: new, 0 characters&gt;" in shown["text/html"]
    assert "show(stream)" in shown["text/html"]


@pytest.mark.parametrize("way", ["await show({})", "show({})"])
def test_pictures_are_drawn_below_the_reply(kernel: Kernel, drawing: Zoo, way: str) -> None:
    space = drawing.url_of("pictures-mixed")
    *_, reply, picture = kernel.data(way.format(f"stream('?', space={space!r})"))
    assert reply["text/markdown"] == "Here it is.\n\nDone."
    assert b64decode(picture["image/png"]).startswith(b"\x89PNG")
    *_, one, two = kernel.data(f"show(stream('?', space={drawing.url_of('pictures-gallery')!r}))")
    assert (one["text/plain"], two["text/plain"]) == ("one", "two")


def test_a_picture_at_another_host_and_what_is_none_are_links(
    kernel: Kernel, scripted: ScriptedSpace
) -> None:
    """The Space's own file is no picture, though it is said to be one."""
    urls = ["http://127.0.0.1:9/a&b.png", f"{scripted.url}/config"]
    kernel.run(f"""
from qwen_gradio import ReplyFile
from qwen_gradio._access import Access
from qwen_gradio.notebook import _draw_file
files = [ReplyFile(url, "image/png", "", Access(SPACE), 9) for url in {urls!r}]
""")
    alien, config = kernel.data("for file in files: await _draw_file(file)")
    assert 'href="http://127.0.0.1:9/a&amp;b.png"' in alien["text/html"]
    assert alien.keys() == config.keys() == {"text/plain", "text/html"}
