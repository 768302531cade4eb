"""Tokens, logins and headers reach the Space they are for, and nobody else."""

from __future__ import annotations

import traceback
from typing import Any

import anyio
import pytest

from qwen_gradio import AuthenticationError, Qwen_Qwen_2_5_Max, QwenGradioError

from ..support.asking import ask
from ..support.fronts import CANCEL, EVENTS, JOIN, Forward, Front, answer, misbehaving
from ..support.programs import program
from ..support.servers import NOBODY, ScriptedSpace, script, scripted_space, tag_of

pytestmark = pytest.mark.anyio


async def test_a_token_goes_to_the_space_alone_and_into_no_error(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_not_given")
    caplog.set_level(0)
    with Front(misbehaving(EVENTS, answer("500 Oops")), scripted.url) as front:
        with pytest.raises(QwenGradioError) as caught:
            await ask(front.url, script(say=["x"]), api_key="hf_secret").text()
        sent = [request.headers.get("x-hf-authorization") for request in front.requests]
        assert set(sent) == {"Bearer hf_secret"}
        assert "hf_not_given" not in str([request.headers for request in front.requests])
    error: BaseException | None = caught.value
    while error is not None:
        assert "hf_secret" not in f"{error!r} {error}"
        error = error.__cause__
    assert "hf_secret" not in caplog.text


async def test_an_app_with_a_login_takes_auth(locked: ScriptedSpace) -> None:
    for auth in (("ada", "swordfish"), ["ada", "swordfish"]):
        assert await ask(locked, script(say=["in"]), auth=auth).text() == "in"
    with pytest.raises(AuthenticationError, match="give an api_key or auth"):
        await ask(locked, script(say=["x"])).text()


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"api_key": "hf_secret\x00"}, QwenGradioError),
        ({"api_key": "hf_sécret"}, QwenGradioError),
        ({"proxy": "user:secret@127.0.0.1"}, ValueError),
        ({"proxy": "http://user:sec/secret@127.0.0.1:1"}, ValueError),
        ({"proxy": "gopher://user:secret@127.0.0.1:1"}, ValueError),
        ({"space": "http://user:secret@127.0.0.1:9"}, QwenGradioError),
        ({"space": "http://127.0.0.1:9/?token=secret"}, QwenGradioError),
        ({"space": "http://user:secret@[::1"}, QwenGradioError),
    ],
)
async def test_no_secret_gets_into_an_error(
    options: dict[str, str], expected: type[Exception]
) -> None:
    given: dict[str, Any] = {"space": NOBODY, "max_retries": 0, **options}
    with pytest.raises(expected) as caught:
        await Qwen_Qwen_2_5_Max.create_async_generator(None, [script(say=["x"])], **given).text()
    reported = "".join(traceback.format_exception(caught.value, chain=True))
    assert "cret" not in reported.replace("test_no_secret_gets", "")


async def test_headers_go_with_every_request_of_a_reply(locked: ScriptedSpace) -> None:
    with Front(lambda request: Forward(), locked.url) as front:
        question = script(say=["x"], finish="hang")
        async with ask(
            front.url, question, auth=("ada", "swordfish"), headers={"X-Gateway": "key"}
        ) as stream:
            assert await stream.__anext__() == "x"
        await anyio.to_thread.run_sync(locked.wait_for, "stopped", tag_of(question))
    asked = [(request.path, request.headers.get("x-gateway")) for request in front.requests]
    paths = ["/login", "/config", "/gradio_api/info", JOIN, EVENTS, CANCEL]
    assert asked == [(path, "key") for path in paths]


async def test_an_oauth_token_goes_to_an_endpoint_that_takes_one(scripted: ScriptedSpace) -> None:
    with scripted_space("--oauth") as space:
        assert await ask(space, script(), oauth_token="hf_secret").text() == "hf_secret"
        assert await ask(space, script()).text() == "none"
    asked = script(show="inputs")
    assert "hf_secret" not in await ask(scripted, asked, oauth_token="hf_secret").text()


async def test_a_token_may_end_in_a_newline(scripted: ScriptedSpace) -> None:
    with Front(lambda request: Forward(), scripted.url) as front:
        assert await ask(front.url, script(say=["x"]), api_key="hf_secret\n").text() == "x"
        assert front.requests[0].headers["x-hf-authorization"] == "Bearer hf_secret"


def test_no_host_but_the_space_is_contacted(scripted: ScriptedSpace) -> None:
    with Front(lambda request: answer("200 OK", "{}")) as hub:
        done = program(
            scripted.url,
            "print(asyncio.run(ask('quiet').text()))",
            environment={"HF_ENDPOINT": hub.url, "HTTP_PROXY": "", "AI_AGENT": "someone"},
        )
        assert (done.stdout, done.stderr) == ("quiet\n", "")
        assert hub.requests == []
