"""The public hub, over TLS: a Space has a host of its own, and none leads elsewhere."""

from __future__ import annotations

import ssl
import uuid
from collections.abc import Iterator

import pytest
import trustme

from qwen_gradio import SpaceUnavailableError

from ..support.asking import ask
from ..support.fronts import Forward, Front
from ..support.hubs import Hub, by_name
from ..support.servers import ScriptedSpace, script

pytestmark = pytest.mark.anyio

AUTHORITY = trustme.CA()


@pytest.fixture
def public_hub(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Hub, Front]]:
    """A stand-in for huggingface.co and all of hf.space, and the proxy that leads to it."""
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "https://huggingface.co")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert("huggingface.co", "*.hf.space").configure_cert(context)
    with (
        Front(hub := Hub("RUNNING", token="hf_secret"), scripted.url, context) as front,
        Front(lambda request: Forward(), front.url) as proxy,
    ):
        yield hub, proxy


def trusting() -> ssl.SSLContext:
    context = ssl.create_default_context()
    AUTHORITY.configure_trust(context)
    return context


async def test_the_public_hub_leads_to_a_host_of_its_own(public_hub: tuple[Hub, Front]) -> None:
    hub, proxy = public_hub
    hub.host = f"https://{uuid.uuid4().hex}.hf.space"
    options = {"proxy": proxy.url, "api_key": "hf_secret", "ssl_verify": trusting()}
    assert await by_name("", **options).text() == "x"
    assert await ask(hub.host, script(say=["x"]), **options).text() == "x"
    assert {request.headers["host"] for request in hub.looked_up} == {"huggingface.co"}
    assert {f"https://{request.headers['host']}" for request in hub.asked} == {hub.host}


@pytest.mark.parametrize(
    "host",
    [
        "http://ada-chat.hf.space",
        "https://ada-chat.hf.space.test",
        "https://ada-chat.hf.space@elsewhere.test",
        "https://127.0.0.1",
        "ada-chat.hf.space",
        "",
    ],
)
async def test_the_public_hub_cannot_lead_elsewhere(
    public_hub: tuple[Hub, Front], host: str
) -> None:
    hub, proxy = public_hub
    hub.host = host
    with pytest.raises(SpaceUnavailableError, match="The hub gives"):
        await by_name("", proxy=proxy.url, api_key="hf_secret", ssl_verify=trusting()).text()
    assert hub.asked == []
    assert {request.path for request in proxy.requests} == {"huggingface.co:443"}
