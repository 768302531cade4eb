"""Spaces as they are on the hub: asleep, starting, paused, private."""

from __future__ import annotations

import threading
from collections.abc import Callable

import anyio
import pytest

import qwen_gradio._gradio.hub
import qwen_gradio._gradio.space
from qwen_gradio import (
    QwenGradioError,
    RateLimitError,
    SpaceUnavailableError,
    StreamInterruptedError,
    StreamStatus,
    StreamTimeoutError,
)
from qwen_gradio._gradio.hub import DOWN

from ..support.asking import ask
from ..support.fronts import Endless, Forward, Front, Request, answer
from ..support.hubs import Asking, Hub, by_name, by_subdomain, each_way
from ..support.servers import PATIENCE, ScriptedSpace, script

pytestmark = pytest.mark.anyio

OUTAGES = {
    "500": answer("500 Internal Server Error"),
    "429": answer("429 Too Many Requests", Retry_After="3600"),
    "nonsense": answer("200 OK", "<html>"),
    "a list": answer("200 OK", "[]"),
    "odd types": answer("200 OK", '{"runtime": [], "host": 7, "id": {}}'),
    "endless": Endless(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", b" " * 2**18),
    "dropped": b"",
}


@pytest.mark.parametrize("stage", ["RUNNING", "RUNNING_BUILDING", "RUNNING_APP_STARTING"])
@each_way
async def test_a_running_space_costs_no_lookup_but_of_its_name(
    serve: Callable[[Hub], str], asking: Asking, stage: str
) -> None:
    hub = Hub(stage)
    stream = asking(serve(hub))
    assert await stream.text() == "x"
    looked_up = [] if asking is by_subdomain else [f"/api/spaces/{stream.space}"]
    assert [request.path for request in hub.looked_up] == looked_up


async def test_a_space_on_the_hub_is_known_for_longer_than_a_server_of_ones_own(
    serve: Callable[[Hub], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qwen_gradio._gradio.space, "OWN_TTL", 0)
    hub = Hub("RUNNING")
    first = by_name(serve(hub))
    assert await first.text() == "x"
    assert await ask(first.space, script(say=["y"])).text() == "y"
    assert len(hub.looked_up) == 1  # by its name, to read it


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        ("SLEEPING", "The Space is asleep and is being woken"),
        ("STOPPED", "The Space is stopped and is being started"),
        ("BUILDING", "The Space is being built"),
        ("APP_STARTING", "The Space is starting"),
    ],
)
@each_way
async def test_a_space_that_starts_is_waited_for(
    serve: Callable[[Hub], str], asking: Asking, stage: str, line: str
) -> None:
    reported: list[StreamStatus] = []
    url = serve(hub := Hub(*[stage] * 5, "RUNNING"))
    stream = asking(url, on_status=reported.append)
    assert await stream.text() == "x"
    assert {str(status) for status in reported if status.state == "waking"} >= {line}
    if asking is by_subdomain:
        subdomain = stream.space.removeprefix("http://").partition(".")[0]
        assert {request.path for request in hub.looked_up} == {
            f"/api/spaces/by-subdomain/{subdomain}"
        }


@pytest.mark.parametrize(
    "page",
    [
        answer("502 Bad Gateway"),
        answer("200 OK", "<html>Preparing Space", "text/html"),
        answer("404 Not Found", "<html>Sorry", "text/html; charset=utf-8"),
        answer("500 Internal Server Error", "<html>Oops", "text/html"),
    ],
    ids=["502", "a page", "a page with 404", "a page with 500"],
)
@each_way
async def test_whatever_is_answered_in_place_of_a_space_it_is_looked_up(
    serve: Callable[[Hub], str], asking: Asking, page: bytes
) -> None:
    url = serve(hub := Hub("SLEEPING", "SLEEPING", "SLEEPING", "RUNNING"))
    hub.page = page
    assert await asking(url).text() == "x"


async def test_the_pauses_between_two_looks_grow(
    serve: Callable[[Hub], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qwen_gradio._gradio.space, "MIN_WAKING_PAUSE", 0.1)
    monkeypatch.setattr(qwen_gradio._gradio.space, "MAX_WAKING_PAUSE", 0.5)
    url = serve(Hub(*["SLEEPING"] * 6, "RUNNING"))
    started = anyio.current_time()
    assert await by_subdomain(url).text() == "x"
    assert anyio.current_time() - started >= 0.1 + 0.2 + 0.4 + 0.5 + 0.5


@pytest.mark.parametrize("stage", DOWN)
@each_way
async def test_a_space_that_will_not_start_is_reported_at_once(
    serve: Callable[[Hub], str], asking: Asking, stage: str
) -> None:
    reported: list[StreamStatus] = []
    url = serve(hub := Hub(stage))
    page = f"{url}/spaces/ada/chat"
    with pytest.raises(SpaceUnavailableError, match=rf"\({stage}\)\. Its page: {page}") as caught:
        await asking(url, on_status=reported.append, max_retries=2).text()
    assert caught.value.stage == stage
    assert (len(hub.looked_up), reported) == (1, [])


async def test_a_space_that_is_not_built_yet_has_no_address(serve: Callable[[Hub], str]) -> None:
    hub = Hub("BUILDING", "BUILDING", "BUILDING", "RUNNING")
    url = serve(hub)
    hub.host = ""

    def see(status: StreamStatus) -> None:
        hub.host = url

    assert await by_name(url, on_status=see).text() == "x"


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
async def test_without_the_hub_the_space_speaks_for_itself(
    serve: Callable[[Hub], str], outage: bytes | Endless
) -> None:
    url = serve(hub := Hub("SLEEPING"))
    hub.outage = outage
    with pytest.raises(SpaceUnavailableError, match="answered 503 Service Unavailable for /config"):
        await by_subdomain(url).text()
    assert len(hub.looked_up) == 1


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES)
async def test_a_name_cannot_be_found_without_the_hub(
    serve: Callable[[Hub], str], outage: bytes | Endless
) -> None:
    url = serve(hub := Hub("RUNNING"))
    hub.outage = outage
    with pytest.raises(QwenGradioError, match=r"^The hub") as caught:
        await by_name(url).text()
    assert isinstance(caught.value, (SpaceUnavailableError, RateLimitError))


@pytest.mark.parametrize(
    ("asking", "error"), [(by_subdomain, "answered 503"), (by_name, "hub cannot be reached")]
)
async def test_a_hub_that_does_not_answer_is_not_waited_for(
    serve: Callable[[Hub], str], monkeypatch: pytest.MonkeyPatch, asking: Asking, error: str
) -> None:
    monkeypatch.setattr(qwen_gradio._gradio.hub, "HUB_TIMEOUT", 0.2)
    url = serve(hub := Hub("SLEEPING"))
    hub.outage = Forward(wait=10 * PATIENCE)
    with pytest.raises(SpaceUnavailableError, match=error):
        await asking(url).text()


async def test_a_running_space_that_is_no_gradio_app_is_not_waited_for(
    serve: Callable[[Hub], str],
) -> None:
    class Page(Hub):
        def __call__(self, request: Request) -> bytes | Forward | Endless:
            found = super().__call__(request)
            return answer("200 OK", "<html>", "text/html") if request in self.asked else found

    url = serve(hub := Page("SLEEPING", "SLEEPING", "RUNNING"))
    with pytest.raises(SpaceUnavailableError, match="is not a Gradio app") as caught:
        await by_subdomain(url).text()
    assert caught.value.stage == "RUNNING"
    assert len(hub.looked_up) == 4


async def test_a_space_is_not_waited_for_without_end(
    serve: Callable[[Hub], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(qwen_gradio._gradio.space, "MAX_WAKING_TIME", 0.3)
    with pytest.raises(SpaceUnavailableError, match=r"After 0\.3 seconds: .* is asleep") as caught:
        await by_subdomain(serve(Hub("SLEEPING")), max_retries=2).text()
    assert caught.value.stage == "SLEEPING"


async def test_each_look_at_the_space_restarts_the_stream_timeout(
    serve: Callable[[Hub], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("MIN", "MAX"):
        monkeypatch.setattr(qwen_gradio._gradio.space, f"{limit}_WAKING_PAUSE", 0.3)
    url = serve(Hub(*["SLEEPING"] * 7, "RUNNING"))
    started = anyio.current_time()
    assert await by_subdomain(url, stream_timeout=1.8).text() == "x"
    assert anyio.current_time() - started > 1.8


async def test_timeout_includes_the_wait(serve: Callable[[Hub], str]) -> None:
    with pytest.raises(StreamTimeoutError, match=r"timeout=0\.5"):
        await by_subdomain(serve(Hub("SLEEPING")), timeout=0.5).text()


async def test_closing_the_stream_ends_the_wait(
    serve: Callable[[Hub], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit in ("MIN", "MAX"):
        monkeypatch.setattr(qwen_gradio._gradio.space, f"{limit}_WAKING_PAUSE", 10 * PATIENCE)
    waiting = anyio.Event()
    url = serve(hub := Hub("SLEEPING"))
    stream = by_subdomain(url, on_status=lambda status: waiting.set())
    async with anyio.create_task_group() as tasks:

        async def read() -> None:
            with pytest.raises(StreamInterruptedError):
                await stream.text()

        tasks.start_soon(read)
        await waiting.wait()
        stream.close()
    for thread in threading.enumerate():
        if thread.name == "qwen_gradio":
            await anyio.to_thread.run_sync(thread.join, PATIENCE)
            assert not thread.is_alive()
    assert len(hub.asked) == 1


@pytest.mark.parametrize("stage", ["RUNNING", "PAUSED"])
@each_way
async def test_a_space_that_fell_asleep_since_it_was_read_is_woken_and_asked_again(
    serve: Callable[[Hub], str], asking: Asking, stage: str
) -> None:
    url = serve(hub := Hub("RUNNING"))
    stream = asking(url)
    assert await stream.text() == "x"
    hub.stages = ["SLEEPING", "SLEEPING", "SLEEPING", stage]
    proxy = None if asking is by_name else url
    again = ask(stream.space, script(say=["again"]), proxy=proxy)
    if stage == "RUNNING":
        assert await again.text() == "again"
    else:
        with pytest.raises(SpaceUnavailableError, match="is paused"):
            await again.text()


async def test_the_hubs_cookies_do_not_go_to_the_space(serve: Callable[[Hub], str]) -> None:
    class Tracking(Hub):
        def __call__(self, request: Request) -> bytes | Forward | Endless:
            found = super().__call__(request)
            if request not in self.looked_up:
                return found
            assert isinstance(found, bytes)
            return found.replace(b"\r\n", b"\r\nSet-Cookie: tracked=1; Path=/\r\n", 1)

    hub = Tracking("RUNNING")
    hub.host = (url := serve(hub)).replace("127.0.0.1", "localhost")  # cookies know no ports
    assert await by_name(url).text() == "x"
    assert [request.headers.get("cookie") for request in hub.asked] == [None] * 4


@pytest.mark.parametrize("is_relative", [True, False])
async def test_a_renamed_space_is_asked_by_its_new_name(
    serve: Callable[[Hub], str], caplog: pytest.LogCaptureFixture, is_relative: bool
) -> None:
    caplog.set_level("INFO", "qwen_gradio")
    url = serve(hub := Hub("RUNNING", token="hf_secret"))
    hub.moved = f"{'' if is_relative else url}/api/spaces/ada/chat"
    stream = by_name(url, api_key="hf_secret")
    old = stream.space
    assert await stream.text() == "x"
    assert stream.space == "ada/chat"
    assert f"{old} was renamed ada/chat" in caplog.text
    again = ask(old, script(say=["y"]), api_key="hf_secret")  # whose description is cached
    assert await again.text() == "y"
    assert again.space == "ada/chat"
    assert [request.path for request in hub.looked_up] == [
        f"/api/spaces/{old}",
        "/api/spaces/ada/chat",
    ]


async def test_an_error_of_a_renamed_space_has_its_new_name(serve: Callable[[Hub], str]) -> None:
    url = serve(hub := Hub("RUNNING"))
    hub.moved = "/api/spaces/ada/chat"
    with pytest.raises(QwenGradioError, match="ada/chat offers no") as caught:
        await by_name(url, api_name="/nowhere").text()
    assert caught.value.space == "ada/chat"


@pytest.mark.parametrize(
    ("moved", "error"),
    [
        ("/api/spaces/ada/circle", "in a circle"),
        ("http://elsewhere.test/api/spaces/ada/chat", "to http://elsewhere.test, another server"),
        ("http://127.0.0.1:9/api/spaces/ada/chat", "to http://127.0.0.1:9, another server"),
        ("https://[::1", "Invalid URL"),
        ("", "in a circle"),
    ],
)
async def test_a_hub_that_redirects_in_a_circle_or_elsewhere_is_an_error(
    serve: Callable[[Hub], str], moved: str, error: str
) -> None:
    url = serve(hub := Hub("RUNNING"))
    hub.moved = moved
    with pytest.raises(SpaceUnavailableError, match=f"hub .*{error}"):
        await by_name(url, api_key="hf_secret").text()
    assert hub.asked == []


async def test_a_name_that_the_hub_does_not_show_is_named(serve: Callable[[Hub], str]) -> None:
    stream = by_name(serve(Hub("RUNNING", token="hf_secret")))
    with pytest.raises(
        SpaceUnavailableError, match=f"no public Space named {stream.space} .* api_key"
    ):
        await stream.text()


@each_way
async def test_a_private_space_takes_a_token(
    serve: Callable[[Hub], str], asking: Asking, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")  # not used, as it was not given
    url = serve(hub := Hub("SLEEPING", "SLEEPING", "SLEEPING", "RUNNING", token="hf_secret"))
    with pytest.raises(QwenGradioError, match=r"is private, pass a token .* as api_key"):
        await asking(url).text()
    assert "hf_secret" not in str([request.headers for request in (*hub.looked_up, *hub.asked)])
    assert await asking(url, api_key="hf_secret").text() == "x"


async def test_a_private_space_with_a_login_takes_both(
    locked: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub = Hub("RUNNING", token="hf_secret")
    with Front(hub, locked.url) as front:
        hub.host = front.url
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", front.url)
        asked = by_name(front.url, api_key="hf_secret", auth=("ada", "swordfish"))
        assert await asked.text() == "x"


async def test_a_token_goes_to_the_hub_and_the_space(serve: Callable[[Hub], str]) -> None:
    hub = Hub("RUNNING", token="hf_secret")
    await by_name(serve(hub), api_key="hf_secret").text()
    assert [request.headers.get("authorization") for request in hub.looked_up] == [
        "Bearer hf_secret"
    ]
    assert {request.headers.get("x-hf-authorization") for request in hub.asked} == {
        "Bearer hf_secret"
    }
    assert {request.headers.get("authorization") for request in hub.asked} == {None}


async def test_a_space_elsewhere_is_not_looked_up(serve: Callable[[Hub], str]) -> None:
    url = serve(hub := Hub("SLEEPING"))
    with pytest.raises(SpaceUnavailableError, match="answered 503"):
        await ask(url, script(say=["x"]), api_key="hf_secret").text()
    assert hub.looked_up == []
