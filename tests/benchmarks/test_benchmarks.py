"""The benchmark in short, for what it counts: seconds are no business of a test's."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator

import pytest

from ..support.servers import PATIENCE
from .measures import WARM_UP, in_order, requests
from .processes import ClientProcess
from .space import question, replaying_space, stamping_space

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="threads and memory are read from /proc"),
    pytest.mark.usefixtures("server"),
]


@pytest.fixture(scope="module")
def url(server: None) -> Iterator[str]:
    with stamping_space() as url:
        yield url


@pytest.fixture(params=["ours", "reader"])
def client(request: pytest.FixtureRequest, url: str) -> Iterator[ClientProcess]:
    """A warm client in a process of its own."""
    with ClientProcess(request.param, url) as client:
        client.ask([WARM_UP])
        yield client


def test_every_fragment_arrives_in_order(client: ClientProcess) -> None:
    outcome = client.ask([question(30, 0.01)] * 10)
    assert [in_order(reply) for reply in outcome.replies] == [30] * 10
    assert [len(reply.numbers) for reply in outcome.replies] == [30] * 10


def test_no_thread_is_left(client: ClientProcess) -> None:
    client.ask([question(5, 0.01)] * 20)
    end = time.monotonic() + PATIENCE
    while client.threads() > 1 and time.monotonic() < end:
        time.sleep(0.05)
    assert client.threads() == 1


def test_memory_is_linear_in_the_text() -> None:
    with replaying_space() as url, ClientProcess("ours", url) as client:
        client.ask([WARM_UP])
        some, twice_as_many = (client.ask([question(n)]) for n in (4_000, 8_000))
    # To keep every output, as gradio_client does, takes about 170 and 680 MB.
    assert twice_as_many.memory < 2 * some.memory + 8


def test_only_the_first_call_asks_a_space_about_itself(url: str) -> None:
    first, second = requests("ours", url)
    join, events = "/gradio_api/queue/join", "/gradio_api/queue/data"
    assert first == ["/config", "/gradio_api/info", join, events]
    assert second == [join, events]
