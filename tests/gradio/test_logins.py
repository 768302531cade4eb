"""What a login reports when it fails, on every version of Gradio."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from qwen_gradio import AuthenticationError, SpaceUnavailableError

from ..support.asking import ask
from ..support.fronts import Forward, Front, answer
from ..support.servers import GRADIOS, NOBODY, ScriptedSpace, script

pytestmark = pytest.mark.anyio

QUESTION = script(say=["x"])


@pytest.fixture(scope="module", params=GRADIOS, ids="gradio{}".format)
def locked(server: None, request: pytest.FixtureRequest) -> Iterator[ScriptedSpace]:
    """A Space with a login."""
    space = ScriptedSpace(request.param, "messages", "--auth", "ada", "swordfish")
    yield space
    space.close()


@pytest.fixture(scope="module", params=GRADIOS, ids="gradio{}".format)
def unlocked(server: None, request: pytest.FixtureRequest) -> Iterator[ScriptedSpace]:
    """A Space without a login."""
    space = ScriptedSpace(request.param)
    yield space
    space.close()


@pytest.mark.parametrize("auth", [("ada", "wrong-one"), ("bob", "swordfish")])
async def test_a_wrong_user_name_or_password_is_reported(
    locked: ScriptedSpace, auth: tuple[str, str]
) -> None:
    with pytest.raises(AuthenticationError, match="the user name or the password is wrong") as it:
        await ask(locked, QUESTION, auth=auth).text()
    assert auth[1] not in repr(it.value)


async def test_a_space_without_a_login_is_reported(unlocked: ScriptedSpace) -> None:
    with pytest.raises(
        AuthenticationError, match=r"does not use a login \(302 Found.*'\)\. Remove"
    ):
        await ask(unlocked, QUESTION, auth=("ada", "swordfish")).text()


@pytest.mark.parametrize("status", ["404 Not Found", "405 Method Not Allowed"])
async def test_a_server_without_a_login_is_reported(status: str) -> None:
    with Front(lambda request: answer(status)) as front:
        with pytest.raises(AuthenticationError, match=f"does not use a login .{status}.. Remove"):
            await ask(front.url, QUESTION, auth=("ada", "swordfish")).text()


async def test_a_login_that_is_elsewhere_is_reported_with_its_address() -> None:
    moved = answer("302 Found", Location="https://elsewhere.test/login")
    with Front(lambda request: moved if request.path == "/login" else Forward(), NOBODY) as front:
        with pytest.raises(SpaceUnavailableError, match=r"points to 'https://elsewhere\.test"):
            await ask(front.url, QUESTION, auth=("ada", "swordfish")).text()
