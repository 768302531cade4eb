"""TLS: certificates are verified, and a reply over it arrives complete or is aborted."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import pytest
import trustme

from qwen_gradio import SpaceUnavailableError, StreamStatus

from ..support.asking import ask
from ..support.fronts import CANCEL, EVENTS, JOIN, Forward, Front
from ..support.programs import program
from ..support.servers import NOBODY, ScriptedSpace, script, tag_of

pytestmark = pytest.mark.anyio

AUTHORITY = trustme.CA()
"""Signs certificates; nobody trusts it unless configured to."""


def certified(name: str) -> ssl.SSLContext:
    """What a server of that name needs for TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    AUTHORITY.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def trusting(tmp_path: Path) -> dict[str, str]:
    """The environment of a program that trusts the authority."""
    AUTHORITY.cert_pem.write_to_path(str(tmp_path / "authority.pem"))
    return {"SSL_CERT_FILE": str(tmp_path / "authority.pem")}


async def test_an_unknown_authority_is_rejected_before_asking(scripted: ScriptedSpace) -> None:
    reported: list[StreamStatus] = []
    with Front(lambda request: Forward(), scripted.url, certified("127.0.0.1")) as front:
        named = r"CERTIFICATE_VERIFY_FAILED.*\. If .* SSL_CERT_FILE"
        with pytest.raises(SpaceUnavailableError, match=named):
            await ask(front.url, script(say=["x"]), max_retries=2, on_status=reported.append).text()
        assert front.requests == []
    assert reported == []


async def test_a_self_signed_certificate_can_be_accepted(scripted: ScriptedSpace) -> None:
    trusting = ssl.create_default_context()
    AUTHORITY.configure_trust(trusting)
    with Front(lambda request: Forward(), scripted.url, certified("127.0.0.1")) as front:
        for verify in (trusting, False):
            assert await ask(front.url, script(say=["x"]), ssl_verify=verify).text() == "x"


@pytest.mark.parametrize("verify", [None, 0, 1, "no", "/etc/ssl/cert.pem"])
def test_ssl_verify_is_a_bool_or_a_context(verify: Any) -> None:
    with pytest.raises(TypeError, match="ssl_verify must be"):
        ask(NOBODY, script(say=["x"]), ssl_verify=verify)


ASK_AND_FAIL = """
try:
    asyncio.run(ask("x").text())
except Exception as error:
    print(type(error).__name__, error)
"""


def test_a_certificate_for_another_name_is_rejected(
    scripted: ScriptedSpace, trusting: dict[str, str]
) -> None:
    with Front(lambda request: Forward(), scripted.url, certified("another.test")) as front:
        done = program(front.url, ASK_AND_FAIL, environment=trusting)
        assert front.requests == []
    assert done.stdout.startswith("SpaceUnavailableError")
    assert "certificate is not valid for '127.0.0.1'" in done.stdout


@pytest.mark.usefixtures("server")
def test_certificates_that_cannot_be_loaded_are_reported(tmp_path: Path) -> None:
    (tmp_path / "nonsense.pem").write_text("nonsense")
    for name in ("none.pem", "nonsense.pem"):
        environment = {"SSL_CERT_FILE": str(tmp_path / name)}
        done = program(NOBODY, ASK_AND_FAIL, environment=environment)
        assert done.stdout.startswith("SpaceUnavailableError The certificates in SSL_CERT")


READ_AND_LEAVE = """
import threading
async def main():
    print(await ask("x" * 100_000).text() == "x" * 100_000)
    async for _ in ask(sys.argv[2]):
        break
asyncio.run(main())
for thread in threading.enumerate():
    if thread.name == "qwen_gradio":  # it exits once the Space has been asked to stop
        thread.join()
"""


def test_a_reply_over_tls_arrives_complete_or_is_aborted(
    scripted: ScriptedSpace, trusting: dict[str, str]
) -> None:
    question = script(say=["x", "y"], finish="hang")
    with Front(lambda request: Forward(), scripted.url, certified("127.0.0.1")) as front:
        done = program(front.url, READ_AND_LEAVE, question["content"], environment=trusting)
        asked = [request.path for request in front.requests]
    assert (done.stdout, done.stderr) == ("True\n", "")
    assert asked == ["/config", "/gradio_api/info", JOIN, EVENTS, JOIN, EVENTS, CANCEL]
    scripted.wait_for("stopped", tag_of(question))


def test_a_reply_over_tls_comes_through_a_proxy(
    scripted: ScriptedSpace, trusting: dict[str, str]
) -> None:
    name = "only-the-proxy-knows.test"
    question = script(say=["x", "y"], finish="hang")
    with (
        Front(lambda request: Forward(), scripted.url, certified(name)) as front,
        Front(lambda request: Forward(), front.url) as proxy,
    ):
        done = program(
            f"https://{name}",
            READ_AND_LEAVE,
            question["content"],
            environment={**trusting, "HTTPS_PROXY": proxy.url},
        )
        assert {(request.method, request.path) for request in proxy.requests} == {
            ("CONNECT", f"{name}:443")
        }
        assert front.requests[-1].path == CANCEL
    assert (done.stdout, done.stderr) == ("True\n", "")
    scripted.wait_for("stopped", tag_of(question))
