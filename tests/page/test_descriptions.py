"""A Space's description is read once, checked, and read again after a while."""

from __future__ import annotations

import json
import threading

import anyio
import pytest

import qwen_gradio._gradio.space
from qwen_gradio import GenerationError, QwenGradioError, SpaceInterfaceError, SpaceUnavailableError

from ..support.asking import ask
from ..support.fronts import JOIN, Forward, Front, Request, answer, misbehaving
from ..support.servers import PATIENCE, ScriptedSpace, script

pytestmark = pytest.mark.anyio


async def test_a_session_that_hangs_while_it_reads_the_space_holds_up_no_other(
    scripted: ScriptedSpace,
) -> None:
    reached = threading.Event()

    def behave(request: Request) -> Forward:
        if request.path != "/config" or request.seen > 0:
            return Forward()
        reached.set()
        return Forward(wait=10 * PATIENCE)

    with Front(behave, scripted.url) as front:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask(front.url, script(say=["x"])).text)
            assert await anyio.to_thread.run_sync(reached.wait, PATIENCE)
            with anyio.fail_after(PATIENCE):
                assert await ask(front.url, script(say=["y"])).text() == "y"
            tasks.cancel_scope.cancel()


async def test_a_space_is_read_again_after_a_while(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qwen_gradio._gradio.space, "OWN_TTL", 0)
    with Front(lambda request: Forward(), scripted.url) as front:
        for _ in range(2):
            assert await ask(front.url, script(say=["x"])).text() == "x"
        assert sum(request.path == "/config" for request in front.requests) == 2


@pytest.mark.parametrize(
    "body", ['{"detail": "starting"}', "[]", '{"dependencies": [], "components": []}']
)
async def test_a_space_that_was_not_ready_is_read_again(scripted: ScriptedSpace, body: str) -> None:
    behave = misbehaving("/config", answer("200 OK", body), times=1)
    with Front(behave, scripted.url) as front:
        with pytest.raises(QwenGradioError):
            await ask(front.url, script(say=["x"])).text()
        assert await ask(front.url, script(say=["ready"])).text() == "ready"


async def test_a_space_cannot_send_requests_to_another_host(scripted: ScriptedSpace) -> None:
    with Front(lambda request: Forward(), scripted.url) as other:
        prefix = f"{other.url}/gradio_api"
        config = json.dumps({"version": "6", "protocol": "sse_v3", "api_prefix": prefix})
        with Front(misbehaving("/config", answer("200 OK", config)), scripted.url) as front:
            with pytest.raises(SpaceUnavailableError, match="leads elsewhere"):
                await ask(front.url, script(say=["x"]), api_key="hf_secret").text()
        assert other.requests == []


async def test_an_old_protocol_is_named(scripted: ScriptedSpace) -> None:
    config = json.dumps(
        {"api_prefix": "/gradio_api", "protocol": "ws", "dependencies": [], "components": []}
    )
    with Front(misbehaving("/config", answer("200 OK", config)), scripted.url) as front:
        with pytest.raises(SpaceInterfaceError, match="'ws'"):
            await ask(front.url, script(say=["x"])).text()


async def test_an_apps_own_error_does_not_make_the_space_be_read_again(
    scripted: ScriptedSpace,
) -> None:
    with Front(lambda request: Forward(), scripted.url) as front:
        assert await ask(front.url, script(say=["x"])).text() == "x"
        for _ in range(2):
            with pytest.raises(GenerationError):
                await ask(front.url, script(finish="fail")).text()
        assert await ask(front.url, script(say=["y"])).text() == "y"
        assert [request.path for request in front.requests].count("/config") == 1


@pytest.mark.parametrize("status", ["404 Not Found", "405 No", "422 No", "500 No"])
async def test_what_an_outdated_description_may_cause_makes_the_space_be_read_again(
    scripted: ScriptedSpace, status: str
) -> None:
    def behave(request: Request) -> bytes | Forward:
        is_first = request.path == JOIN and request.seen == 1
        return answer(status, '{"detail": "?"}') if is_first else Forward()

    with Front(behave, scripted.url) as front:
        assert await ask(front.url, script(say=["x"])).text() == "x"
        with pytest.raises(QwenGradioError):  # it is the same app, so that it is not asked again
            await ask(front.url, script(say=["y"])).text()
        assert [request.path for request in front.requests].count("/config") == 2


async def test_an_expired_description_is_refreshed_by_one_reply_while_others_use_it(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = threading.Event()
    together = 8

    def behave(request: Request) -> Forward:
        if request.path != "/config" or request.seen == 0:
            return Forward()
        reached.set()
        return Forward(wait=10 * PATIENCE)  # the refresh hangs

    with Front(behave, scripted.url) as front:
        assert await ask(front.url, script(say=["x"])).text() == "x"
        monkeypatch.setattr(qwen_gradio._gradio.space, "OWN_TTL", 0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask(front.url, script(say=["refreshes"])).text)
            assert await anyio.to_thread.run_sync(reached.wait, PATIENCE)
            with anyio.fail_after(PATIENCE):
                async with anyio.create_task_group() as others:
                    for number in range(together):
                        others.start_soon(ask(front.url, script(say=[str(number)])).text)
            tasks.cancel_scope.cancel()
        assert [request.path for request in front.requests].count("/config") == 2
