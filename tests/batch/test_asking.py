"""Every prompt of a batch gets exactly one row, with its reply or its error."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest

from qwen_gradio import InvalidItemsError, ModelNotFoundError, SpaceInterfaceError
from qwen_gradio.batch import Outcome, run, run_sync

from ..support.batches import joins, rows
from ..support.fronts import Forward, Front
from ..support.servers import ScriptedSpace, query, script, tag_of

pytestmark = pytest.mark.anyio


def test_invalid_arguments_are_reported_before_any_request(out: Path, tmp_path: Path) -> None:
    with Front(lambda request: Forward()) as front:
        with pytest.raises(InvalidItemsError):
            run_sync(["right", 7], out, space=front.url)  # type: ignore[list-item]
        with pytest.raises(ModelNotFoundError):
            run_sync(["right"], out, space=front.url, model="gpt-5")
        with pytest.raises(ValueError, match="concurrency"):
            run_sync(["right"], out, space=front.url, concurrency=0)
        with pytest.raises(TypeError, match="Unknown option: concurency"):
            run_sync(["right"], out, space=front.url, concurency=3)  # type: ignore[call-overload]
        assert not front.requests
    assert list(tmp_path.iterdir()) == []


async def test_each_item_has_a_row_with_its_reply_or_its_error(
    scripted: ScriptedSpace, out: Path
) -> None:
    items: list[dict[str, Any]] = [
        {"id": "complete", "prompt": query(say=["a", "b"], every=0.1)},
        {"id": 7, "prompt": query(say=["so far"], every=0.1, finish="fail")},
        {"prompt": query(show="inputs"), "system": "Be brief."},
    ]
    outcome = await run(items, out, space=scripted.url, system="Be long.", progress=False)
    assert outcome == Outcome(items=3, answered=2, failed=1)
    found = {row["id"]: row for row in rows(out)}
    complete, failed, third = found["complete"], found[7], found[3]
    assert (complete["reply"], complete["error"], complete["characters"]) == ("ab", None, 2)
    assert (complete["space"], complete["model"]) == (scripted.url, None)
    assert complete["attempts"] == 1
    assert 0 < complete["first_fragment_seconds"] <= complete["seconds"]
    assert (failed["reply"], failed["error"]) == (None, "GenerationError")
    assert (failed["why"], failed["partial"]) == ("the model is out of words", "so far")
    assert json.loads(third["reply"])[2] == "Be brief."


def test_a_second_run_asks_only_what_has_no_row(scripted: ScriptedSpace, out: Path) -> None:
    with Front(lambda request: Forward(), scripted.url) as front:
        run_sync(["a", "b"], out, space=front.url)
        assert run_sync(["a", "b", "c"], out, space=front.url) == Outcome(3, 3, 0)
        assert joins(front) == 3
    assert sorted(row["reply"] for row in rows(out)) == ["a", "b", "c"]


async def test_cancelling_a_batch_stops_the_space_and_keeps_the_replies(
    scripted: ScriptedSpace, out: Path
) -> None:
    hangs = script(say=["x"], finish="hang")
    async with anyio.create_task_group() as tasks:
        prompts = [query(say=["kept"]), hangs["content"]]
        tasks.start_soon(lambda: run(prompts, out, space=scripted.url, concurrency=2))
        await anyio.to_thread.run_sync(scripted.wait_for, "started", tag_of(hangs))
        while not rows(out):  # noqa: ASYNC110  # a file says nothing when it grows
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    await anyio.to_thread.run_sync(scripted.wait_for, "stopped", tag_of(hangs))
    assert [row["reply"] for row in rows(out)] == ["kept"]


async def test_a_batch_runs_inside_an_event_loop_without_awaiting(
    scripted: ScriptedSpace, out: Path
) -> None:
    assert run_sync(["a"], out, space=scripted.url) == Outcome(1, 1, 0)


async def test_api_name_chooses_the_endpoint_for_all_items(
    scripted: ScriptedSpace, out: Path
) -> None:
    options: Any = {"space": scripted.url, "api_name": "model_chat"}
    assert await run(["a", "b"], out, **options) == Outcome(2, 2, 0)
    with pytest.raises(SpaceInterfaceError, match="nowhere"):
        await run(["a", "b"], out.with_name("more.jsonl"), **{**options, "api_name": "nowhere"})
