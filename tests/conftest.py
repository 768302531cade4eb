from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .commands import Terminal
from .servers import GRADIOS, ScriptedSpace, ZooSpace

# Ray reads this when it is imported. Else each of its workers would be started by `uv run`, in an
# environment of its own, where the tests are.
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"

# A shell lets its background jobs ignore SIGINT, and with them the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

FORMS = [("4.44.1", "pairs"), ("4.44.1", "messages"), ("5.49.1", "pairs"), ("5.49.1", "messages")]


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def no_space_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QWEN_GRADIO_SPACE", raising=False)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The output file of a batch."""
    return tmp_path / "replies.jsonl"


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    with Terminal() as opened:
        yield opened


@pytest.fixture(scope="session")
def scripted() -> Iterator[ScriptedSpace]:
    """A scripted Space on the newest Gradio."""
    space = ScriptedSpace()
    yield space
    space.close()


@pytest.fixture(scope="session")
def thinking() -> Iterator[ZooSpace]:
    """A Space whose model thinks "Let me", then " think.", and then answers."""
    space = ZooSpace("6", "messages", "thoughts")
    yield space
    space.close()


@pytest.fixture(
    scope="session",
    params=[*FORMS, ("6", "messages")],
    ids=lambda param: f"gradio{param[0]}-{param[1]}",
)
def any_gradio(request: pytest.FixtureRequest) -> Iterator[ScriptedSpace]:
    """A scripted Space on each version of Gradio, with each form of history that it has."""
    gradio, form = request.param
    assert gradio in GRADIOS
    space = ScriptedSpace(gradio, form)
    yield space
    space.close()
