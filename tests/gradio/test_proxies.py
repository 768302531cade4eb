"""The proxy that is between a reply and its Space, when it does not work, and its password."""

from __future__ import annotations

import asyncio
import logging
import os
import re

import anyio
import httpx
import pytest

import qwen_gradio._gradio.connection
from qwen_gradio import (
    AuthenticationError,
    SpaceUnavailableError,
    StreamInterruptedError,
    StreamStatus,
)
from qwen_gradio._gradio.proxies import proxy_in_environment

from ..support.asking import ask
from ..support.fronts import CANCEL, EVENTS, JOIN, Forward, Front, SocksFront, answer
from ..support.hubs import Hub, by_name
from ..support.servers import NOBODY, ScriptedSpace, free_port, script, tag_of

pytestmark = pytest.mark.anyio

HTTP = "http://only-the-proxy-knows.test"
HTTPS = "https://only-the-proxy-knows.test"


class StubbornProxy(Front):
    """One that answers every connection with the same bytes."""

    def __init__(self, reply: bytes) -> None:
        super().__init__(lambda request: reply)
        self._reply = reply

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(2**16)
        writer.write(self._reply)
        await writer.drain()
        await reader.read(2**16)


class SocksFrontWithPassword(SocksFront):
    """One that accepts any user name and password (RFC 1929)."""

    async def _log_in(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x05\x02")
        _, length = await reader.readexactly(2)
        await reader.readexactly(length)
        (length,) = await reader.readexactly(1)
        await reader.readexactly(length)
        writer.write(b"\x01\x00")


async def error_of(space: str, proxy: str | None) -> str:
    """The error for a Space behind a proxy with a user and a password, which it must not show."""
    if proxy is not None:
        proxy = proxy.replace("://", "://ada:swordfish@")
    with pytest.raises(SpaceUnavailableError) as caught:
        await ask(space, script(say=["x"]), proxy=proxy).text()
    assert "swordfish" not in repr(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("space", [HTTP, HTTPS, "owner/name"])
@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_dead_proxy_is_named(space: str, scheme: str) -> None:
    error = await error_of(space, NOBODY.replace("http", scheme))
    assert "The proxy 127.0.0.1:9 cannot be reached: " in error
    assert error.endswith("Check the address, user name and password given as proxy")


async def test_a_proxy_in_the_environment_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", NOBODY.replace("://", "://ada:swordfish@"))
    monkeypatch.setenv("http_proxy", NOBODY.replace("://", "://ada:swordfish@"))
    error = await error_of(HTTP, None)
    assert "The proxy 127.0.0.1:9 cannot be reached: " in error
    assert error.endswith("in http_proxy")  # which counts before HTTP_PROXY


def set_proxies(monkeypatch: pytest.MonkeyPatch, **variables: str) -> None:
    """Set these variables of the environment, and no others that are about proxies."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize(
    "value", ["gopher://ada:swordfish@127.0.0.1:9", "socks4://ada:swordfish@127.0.0.1:9"]
)
async def test_a_variable_that_cannot_be_used_is_named_without_its_password(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    set_proxies(monkeypatch, **{name: value})
    assert f"The proxy in {name} must be a URL" in await error_of(HTTP, None)


async def test_a_proxy_without_a_scheme_speaks_http(monkeypatch: pytest.MonkeyPatch) -> None:
    set_proxies(monkeypatch, HTTP_PROXY="127.0.0.1:9")
    error = await error_of(HTTP, None)
    assert "The proxy 127.0.0.1:9 cannot be reached: " in error
    assert error.endswith("in HTTP_PROXY")


@pytest.mark.parametrize(
    "variables",
    [
        {"ALL_PROXY": "socks://127.0.0.1:9/", "NO_PROXY": "localhost,127.0.0.1"},
        {"HTTP_PROXY": NOBODY, "NO_PROXY": "127.0.0.1,[::1]"},
        {"http_proxy": NOBODY, "no_proxy": "localhost, 127.0.0.1, fd07:b51a:cc66:f0::/64"},
        {"HTTP_PROXY": NOBODY, "NO_PROXY": "127.0.0.0/8"},
        {"HTTPS_PROXY": "gopher://127.0.0.1:9", "ALL_PROXY": "nonsense", "NO_PROXY": "*"},
        {"HTTPS_PROXY": "gopher://127.0.0.1:9", "NO_PROXY": "[::1"},
    ],
    ids=lambda variables: " ".join(f"{name}={value}" for name, value in variables.items()),
)
async def test_a_proxy_that_is_not_needed_does_no_harm(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str]
) -> None:
    set_proxies(monkeypatch, **variables)
    assert await ask(scripted, script(say=["x"])).text() == "x"


@pytest.mark.parametrize(
    ("exempt", "url", "is_exempt"),
    [
        ("", "https://a.test", False),
        ("a.test", "https://a.test", True),
        ("A.TEST", "http://a.test:7860", True),
        ("a.test", "https://b.a.test", True),
        ("a.test", "https://ba.test", False),
        (".a.test", "https://b.a.test", True),
        ("b.test a.test", "https://a.test", True),
        ("a.test:443", "https://a.test", True),
        ("a.test:80", "https://a.test", False),
        ("a.test:7860", "http://a.test:7860", True),
        ("10.0.0.0/8", "http://10.1.2.3:7860", True),
        ("10.0.0.0/8", "http://11.1.2.3", False),
        ("10.1.2.3", "http://10.1.2.3:7860", True),
        ("::1", "http://[::1]:7860", True),
        ("[::1]", "http://[::1]", True),
        ("fd00::/8", "http://[fd00::1]", True),
        ("fd00::/8", "http://10.1.2.3", False),
        ("*", "https://a.test", True),
    ],
)
def test_no_proxy_lists_names_addresses_and_networks(
    monkeypatch: pytest.MonkeyPatch, exempt: str, url: str, is_exempt: bool
) -> None:
    set_proxies(monkeypatch, ALL_PROXY=NOBODY, NO_PROXY=exempt)
    assert (proxy_in_environment(httpx.URL(url)) is None) == is_exempt


async def test_the_hub_and_a_space_have_proxies_of_their_own(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub("RUNNING")
    hub.host = scripted.url
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://hub.test")
    with Front(hub) as proxy:
        set_proxies(monkeypatch, ALL_PROXY=proxy.url, NO_PROXY="127.0.0.1")
        assert await by_name(proxy.url).text() == "x"
        assert [request.headers["host"] for request in proxy.requests] == ["hub.test"]


async def test_a_dead_proxy_is_asked_again() -> None:
    reported: list[StreamStatus] = []
    asked = ask(HTTP, script(say=["x"]), proxy=NOBODY, max_retries=1, on_status=reported.append)
    with pytest.raises(SpaceUnavailableError):
        await asked.text()
    assert [status.state for status in reported] == ["retrying"]


@pytest.mark.parametrize(
    "status", ["407 Proxy Authentication Required", "502 Bad Gateway", "403 Forbidden"]
)
async def test_a_proxy_that_makes_no_connection_is_named(status: str) -> None:
    with StubbornProxy(answer(status)) as proxy:
        error = await error_of(HTTPS, proxy.url)
        where = proxy.url.removeprefix("http://")
        assert f"The proxy {where} did not connect to {HTTPS[8:]}: {status}" in error


async def test_a_proxy_that_wants_a_password_is_named() -> None:
    with Front(lambda request: answer("407 Proxy Authentication Required")) as proxy:
        error = await error_of(HTTP, proxy.url)
        where = proxy.url.removeprefix("http://")
        assert f"The proxy {where} wants a user name and password, or rejected" in error


async def test_a_failure_over_http_may_be_the_proxys() -> None:
    with Front(lambda request: answer("502 Bad Gateway")) as proxy:
        error = await error_of(HTTP, proxy.url)
        where = proxy.url.removeprefix("http://")
        assert f"{HTTP} answered 502 Bad Gateway for /config through the proxy {where}" in error
    with Front(lambda request: answer("403 Forbidden")) as proxy:
        with pytest.raises(AuthenticationError, match=r"403 Forbidden through the proxy 127\."):
            await ask(HTTP, script(say=["x"]), proxy=proxy.url).text()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"\x05\xff", "did not connect to .*Requested USERNAME/PASSWORD .*got NO ACCEPTABLE"),
        (b"\x05\x02\x01\x01", "did not connect to|does not answer as a SOCKS proxy"),
        (answer("400 Bad Request"), "does not answer as a SOCKS proxy"),
        (b"", "does not answer as a SOCKS proxy"),
    ],
    ids=["no password", "too much at once", "an HTTP proxy", "silence"],
)
async def test_what_is_no_socks_proxy_is_named(
    reply: bytes, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qwen_gradio._gradio.connection, "CONNECT_TIMEOUT", 2.0 if reply else 0.5)
    with StubbornProxy(reply) as proxy:
        error = await error_of(HTTP, proxy.url.replace("http", "socks5"))
    assert re.search(rf"The proxy 127\.0\.0\.1:\d+ ({reason})", error)


async def test_what_breaks_behind_a_proxy_names_it() -> None:
    with Front(lambda request: b"") as proxy:
        assert "(through the proxy 127.0.0.1:" in await error_of(HTTP, proxy.url)


async def test_a_proxy_that_dies_after_the_question_interrupts_the_reply(
    scripted: ScriptedSpace,
) -> None:
    def behave(request: object) -> bytes | Forward:
        return b"" if getattr(request, "path", "") == EVENTS else Forward()

    with Front(behave, scripted.url) as proxy:
        with pytest.raises(StreamInterruptedError, match=r"through the proxy 127\."):
            await ask(HTTP, script(say=["x"]), proxy=proxy.url, max_retries=3).text()
        assert sum(request.path == EVENTS for request in proxy.requests) == 1


async def test_a_space_that_fails_without_a_proxy_names_none() -> None:
    with pytest.raises(SpaceUnavailableError) as caught:
        await ask(f"http://127.0.0.1:{free_port()}", script(say=["x"])).text()
    assert "proxy" not in str(caught.value)


async def test_no_password_or_cookie_is_in_the_log(
    locked: ScriptedSpace, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    with SocksFrontWithPassword(locked.url) as proxy:
        through = proxy.url.replace("http://", "socks5://user:opensesame@")
        asked = ask(HTTP, script(say=["x"]), proxy=through, auth=("ada", "swordfish"))
        assert await asked.text() == "x"
    # httpcore's own log, which users must turn on, is theirs.
    lines = [record.getMessage() for record in caplog.records if "httpcore" not in record.name]
    for secret in ("swordfish", "opensesame", "access-token"):
        assert secret not in "".join(lines)


async def test_every_request_goes_through_the_proxy(scripted: ScriptedSpace) -> None:
    with Front(lambda request: Forward(), scripted.url) as proxy:
        question = script(say=["x", "y"], finish="hang")
        async for _ in ask("http://only-the-proxy-knows.test", question, proxy=proxy.url):
            break
        await anyio.to_thread.run_sync(scripted.wait_for, "stopped", tag_of(question))
        asked = [request.path for request in proxy.requests]
        assert asked == ["/config", "/gradio_api/info", JOIN, EVENTS, CANCEL]


@pytest.mark.parametrize("scheme", ["socks", "socks5", "socks5h"])
async def test_every_request_goes_through_a_socks_proxy(
    scripted: ScriptedSpace, scheme: str
) -> None:
    with SocksFront(scripted.url) as proxy:
        question = script(say=["x", "y"], finish="hang")
        through = proxy.url.replace("http", scheme)
        async for _ in ask("http://only-the-proxy-knows.test", question, proxy=through):
            break
        await anyio.to_thread.run_sync(scripted.wait_for, "stopped", tag_of(question))
        assert set(proxy.names) == {"only-the-proxy-knows.test"}
