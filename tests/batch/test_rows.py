"""A batch's rows can be had without a file, and say what was asked of which model."""

from __future__ import annotations

import json
from contextlib import aclosing
from pathlib import Path
from typing import Any

import anyio
import pytest

from qwen_gradio import InvalidItemsError, OutputError, SpaceUnavailableError
from qwen_gradio.batch import Outcome, Row, run, run_sync
from qwen_gradio.batch import rows as batch_rows

from ..support.batches import items_of, joins, rows
from ..support.fronts import Forward, Front
from ..support.servers import NOBODY, ScriptedSpace, ZooSpace, query, script, tag_of

pytestmark = pytest.mark.anyio


def test_without_a_file_the_rows_are_returned_in_the_order_of_the_prompts(
    scripted: ScriptedSpace,
) -> None:
    prompts = [query(say=["slow"], every=0.5), query(finish="fail"), "c"]
    found = run_sync(prompts, space=scripted.url)
    assert [(row["id"], row["reply"]) for row in found] == [(1, "slow"), (2, None), (3, "c")]
    assert found[1]["error"] == "GenerationError"
    assert found[0].keys() == Row.__annotations__.keys()


async def test_rows_come_as_soon_as_they_are_complete(scripted: ScriptedSpace) -> None:
    hangs = script(say=["x"], finish="hang")
    prompts = ["a", hangs["content"], "c"]
    found = []
    async with aclosing(batch_rows(prompts, space=scripted.url)) as arriving:
        async for row in arriving:
            found.append(row["reply"])
            if len(found) == 2:
                break
    assert sorted(map(str, found)) == ["a", "c"]
    await anyio.to_thread.run_sync(scripted.wait_for, "stopped", tag_of(hangs))


@pytest.mark.filterwarnings("ignore:Async generator:ResourceWarning")  # trio wants it closed
async def test_leaving_the_loop_over_rows_stops_the_space(scripted: ScriptedSpace) -> None:
    hangs = script(say=["x"], finish="hang")
    async for row in batch_rows(["a", hangs["content"]], space=scripted.url):
        assert row["reply"] == "a"
        break
    await anyio.to_thread.run_sync(scripted.wait_for, "stopped", tag_of(hangs))


async def test_cancelling_the_loop_over_rows_stops_the_space(scripted: ScriptedSpace) -> None:
    hangs = script(say=["x"], finish="hang")

    async def read() -> None:
        async for _ in batch_rows([hangs["content"]], space=scripted.url):
            pass

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(read)
        await anyio.to_thread.run_sync(scripted.wait_for, "started", tag_of(hangs))
        tasks.cancel_scope.cancel()
    await anyio.to_thread.run_sync(scripted.wait_for, "stopped", tag_of(hangs))


async def test_no_more_is_asked_than_rows_are_read(scripted: ScriptedSpace) -> None:
    with Front(lambda request: Forward(), scripted.url) as front:
        prompts = [f"number {number}" for number in range(50)]
        async with aclosing(batch_rows(prompts, space=front.url, concurrency=2)) as arriving:
            await anext(arriving)
            await anyio.sleep(1)
            assert joins(front) < 10
            assert len([row async for row in arriving]) == 49


async def test_errors_end_the_loop_over_rows() -> None:
    for prompts, error in ((["a"], SpaceUnavailableError), ([{}], InvalidItemsError)):
        with pytest.raises(error):
            async for _ in batch_rows(prompts, space=NOBODY):
                pass
    with pytest.raises(SpaceUnavailableError):
        await run(["a"], space=NOBODY)


def test_rows_have_the_reasoning(thinking: ZooSpace, out: Path) -> None:
    run_sync(["?"], out, space=thinking.url)
    (row,) = rows(out)
    assert row["reasoning"] == "Let me think."
    assert "think" not in row["reply"]


def test_an_item_may_have_its_own_model_and_inputs(scripted: ScriptedSpace, out: Path) -> None:
    shown = query(show="inputs")
    prompts: list[dict[str, Any]] = [
        {"prompt": shown, "inputs": {"system": "Mine."}},
        {"prompt": shown, "model": "qwen-3-8b"},
        {"prompt": shown},
    ]
    options: Any = {"space": scripted.url, "inputs": {"system": "Ours."}}
    assert run_sync(prompts, out, **options) == Outcome(3, 3, 0)
    found = {row["id"]: row for row in rows(out)}
    assert [json.loads(found[number]["reply"])[2] for number in (1, 2, 3)] == [
        "Mine.",
        "Ours.",
        "Ours.",
    ]
    assert [found[number]["model"] for number in (1, 2, 3)] == [None, "qwen3-8b", None]
    assert run_sync(prompts, out, **options) == Outcome(3, 3, 0)
    for number, own in ((1, "model"), (0, "inputs")):
        other = [dict(item) for item in prompts]
        other[number][own] = "qwen-3-14b" if own == "model" else {"system": "Other."}
        with pytest.raises(OutputError, match=f"the row of item {number + 1} is a reply"):
            run_sync(other, out, **options)


def line(custom_id: Any = "q1", **body: Any) -> dict[str, Any]:
    body = {"messages": [{"role": "user", "content": "?"}], **body}
    url = "/v1/chat/completions"
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


def test_lines_in_openais_format_are_items(scripted: ScriptedSpace, tmp_path: Path) -> None:
    path = tmp_path / "requests.jsonl"
    messages = [{"role": "user", "content": query(show="inputs")}]
    harmless = {"stream": False, "user": "ada", "n": 1, "tools": [], "logprobs": None}
    lines = [line("q1", messages=messages, model="qwen-2.5-max", **harmless), line("q2")]
    path.write_text("\n".join(map(json.dumps, lines)))
    first, second = run_sync(path, space=scripted.url, provider="Qwen_Qwen_2_5_Max")
    assert (first["id"], first["model"]) == ("q1", "qwen-qwen2-5-max")
    assert (second["id"], second["reply"]) == ("q2", "?")
    (item,) = items_of([line(max_completion_tokens=5, temperature=0)])
    assert dict(item.options) == {"max_tokens": 5, "temperature": 0, "model": None}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        (line(custom_id=7), "custom_id must be text"),
        ({"custom_id": "q", "body": "?"}, "body must be an object"),
        ({**line(), "method": "GET"}, "method must be POST"),
        ({**line(), "url": "/v1/embeddings"}, "url must be /v1/chat/completions"),
        ({**line(), "files": ["a.png"]}, "files must be left out"),
        (line(model="gpt-5"), "has no model 'gpt-5'"),
        (line(stop=["x"]), r"body\.stop cannot be honoured"),
        (line(n=2), r"body\.n cannot be honoured"),
        (line(tools=[{"type": "function"}]), r"body\.tools cannot be honoured"),
        (line(response_format={"type": "json_object"}), r"body\.response_format cannot"),
        (line(temperature="hot"), "temperature must be a number"),
        (line(messages=[]), "the list is empty"),
        ({"prompt": "?", "model": 7}, "model must be text"),
        ({"prompt": "?", "inputs": "x"}, "inputs must be a mapping"),
        ({"prompt": "?", "inputs": {"x": {1}}}, "inputs: "),
    ],
    ids=lambda given: given if isinstance(given, str) else "",
)
def test_what_cannot_be_honoured_is_named(given: Any, complaint: str) -> None:
    with pytest.raises(InvalidItemsError, match=rf"\n2: .*{complaint}"):
        items_of(["x", given])
