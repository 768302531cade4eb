from __future__ import annotations

import importlib.util
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import filterfalse
from pathlib import Path

import pytest

import qwen_gradio._gradio.space
import qwen_gradio._worker
import qwen_gradio.batch._asking
from qwen_gradio._page.fragments import Habit, Habits

from .support.commands import Terminal
from .support.fronts import Front
from .support.hubs import Hub
from .support.servers import GRADIOS, ScriptedSpace, Zoo, ZooSpace, embedded_space, scripted_space

# Ray reads this when it is imported. Else each of its workers would be started by `uv run`, in an
# environment of its own, where the tests are.
os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"

# Where this is set, each of a thousand processes would compile every library that it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# The embedded Space's model computes with OpenMP, whose threads otherwise spin while they wait for
# each other: where other tests are busy as well, a reply takes four times as long.
os.environ["OMP_WAIT_POLICY"] = "passive"

# A shell lets its background jobs ignore SIGINT, and with them the commands that tests interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)

FORMS = [("4.44.1", "pairs"), ("4.44.1", "messages"), ("5.49.1", "pairs"), ("5.49.1", "messages")]

NEEDED = {
    "IPython": ["core/test_notebook.py"],
    "anthropic": ["api/test_anthropic.py"],
    "g4f": ["registries/test_g4f.py"],
    "gevent": ["core/test_gevent.py"],
    "inspect_ai": ["registries/test_inspect_ai.py"],
    "langchain_core": [
        "core/test_messages_of_libraries.py",
        "core/test_options.py",
        "registries/test_langchain.py",
    ],
    "litellm": ["registries/test_litellm.py"],
    "llm": ["registries/test_llm.py"],
    "mypy": ["core/test_types.py"],
    "nbclient": ["core/test_notebooks.py"],
    "openai": ["api/test_*.py", "page/test_rewriting.py"],
    "pandas": ["batch/test_frames.py"],
    "ray": ["batch/test_ray.py"],
    "selenium": ["local/test_page.py"],
    "trustme": ["gradio/test_tls.py", "gradio/test_hub_public.py"],
    "typer": ["cli/*.py"],
    "uvicorn": ["benchmarks/test_endpoint.py"],
    "xllamacpp": ["local/test_space.py"],
}
"""Libraries of the group `test`, and the files that are left out where they are missing."""

HERE = Path(__file__).parent

collect_ignore_glob = [
    str(HERE / name)
    for library, names in NEEDED.items()
    if importlib.util.find_spec(library) is None
    for name in names
]

SLOW_FILES = {
    "batch/test_ray.py",
    "core/test_gevent.py",
    "gradio/test_hub_environment.py",
    "local/test_page.py",
    "page/test_qwen_spaces.py",
}
"""The files that are marked `slow`, as are tests on old Gradios without the mark `each_gradio`."""

ON_BOTH_LOOPS = {
    "batch/test_waiting.py",
    "core/test_chat.py",
    "core/test_processes.py",
    "core/test_reply_state.py",
    "core/test_streams.py",
    "core/test_sync.py",
    "core/test_tasks.py",
    "gradio/test_lost_spaces.py",
}
"""The files about what depends on the event loop; their async tests run on trio as well."""

FIRST = {"core/test_notebooks.py", "local/test_space.py", "registries/test_llm.py"}
"""The files whose few tests take long. They begin first, then those with most servers, so that two
workers finish together.
"""

OLD_GRADIO = re.compile("gradio[45]")
"""What is in the name of a test that runs on one."""


@pytest.fixture(scope="session")
def server() -> None:
    """Is requested by each fixture that starts a server, a kernel, Ray or another process.

    Tests that use it, whether directly or through such a fixture, are marked `server`.
    """


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether a file has only slow tests, and none are wanted: importing it takes long as well."""
    name = collection_path.relative_to(HERE).as_posix()
    is_slow = name in SLOW_FILES or name == "benchmarks"
    return True if is_slow and "not slow" in config.option.markexpr else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if "server" in getattr(item, "fixturenames", ()):
            item.add_marker("server")
        if _is_slow(item):
            item.add_marker("slow")
    config.hook.pytest_deselected(items=list(filter(_is_needless, items)))
    items[:] = filterfalse(_is_needless, items)
    counts = Counter(_file_of(item) for item in items if item.get_closest_marker("server"))

    def place(item: pytest.Item) -> tuple[bool, int, str]:
        file = _file_of(item)
        return file not in FIRST, -counts[file], file

    items.sort(key=place)


def _file_of(item: pytest.Item) -> str:
    return item.path.relative_to(HERE).as_posix()


def _is_slow(item: pytest.Item) -> bool:
    """Whether a test is in a slow file, or on an old Gradio without saying that it is quick."""
    if _file_of(item) in SLOW_FILES or "benchmarks" in item.path.parts:
        return True
    return bool(OLD_GRADIO.search(item.name)) and not item.get_closest_marker("each_gradio")


def _is_needless(item: pytest.Item) -> bool:
    """Trio is for what depends on the event loop, which does not depend on Gradio's version."""
    given = getattr(getattr(item, "callspec", None), "params", {})
    is_of_use = _file_of(item) in ON_BOTH_LOOPS and not OLD_GRADIO.search(item.name)
    return given.get("anyio_backend") == "trio" and not is_of_use


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(autouse=True)
def no_space_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("QWEN_GRADIO_SPACE", raising=False)


@pytest.fixture(autouse=True)
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test waits until time has passed before a retry; programs of their own do."""
    monkeypatch.setattr(qwen_gradio._worker, "MIN_RETRY_PAUSE", 0.01)
    monkeypatch.setattr(qwen_gradio.batch._asking, "MIN_PAUSE", 0.1)


@pytest.fixture(autouse=True)
def spaces_that_only_grow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spaces are read as if earlier replies had shown that they only add text: without delay.

    Not in programs of their own, where a Space's first reply begins one fragment later.
    """

    def habits() -> Habits:
        return Habits(Habit(only_grows=True), Habit(only_grows=True))

    monkeypatch.setattr(qwen_gradio._gradio.space, "Habits", habits)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """The output file of a batch."""
    return tmp_path / "replies.jsonl"


@pytest.fixture
def terminal(server: None) -> Iterator[Terminal]:
    with Terminal() as opened:
        yield opened


@pytest.fixture(scope="session")
def scripted(server: None) -> Iterator[ScriptedSpace]:
    """A scripted Space on the newest Gradio."""
    with scripted_space() as space:
        yield space


@pytest.fixture(scope="session")
def locked(server: None) -> Iterator[ScriptedSpace]:
    """A scripted Space with a login: "ada", "swordfish"."""
    with scripted_space("--auth", "ada", "swordfish") as space:
        yield space


@pytest.fixture(scope="session")
def picky(server: None) -> Iterator[ScriptedSpace]:
    """A scripted Space that takes no question that is "no"."""
    with scripted_space("--picky") as space:
        yield space


@pytest.fixture(scope="session")
def embedded(server: None) -> Iterator[str]:
    """The URL of the embedded Space, which has a small model of its own."""
    with embedded_space() as url:
        yield url


@pytest.fixture(scope="session")
def thinking(server: None) -> Iterator[ZooSpace]:
    """A Space whose model thinks "Let me", then " think.", and then answers."""
    with closing(ZooSpace("6", "messages", "thoughts")) as space:
        yield space


@pytest.fixture(scope="session")
def seeing_apps(server: None) -> Iterator[Zoo]:
    """Apps that answer with the question, and with what is in its files."""
    with closing(Zoo(program="seeing.py")) as apps:
        yield apps


@pytest.fixture(scope="session")
def seeing(seeing_apps: Zoo) -> str:
    """The URL of one of them."""
    return seeing_apps.url_of("see-interface")


@pytest.fixture(scope="session")
def drawing(server: None) -> Iterator[Zoo]:
    """Apps that change what they have shown, or reply with pictures, such as "pictures-mixed"."""
    with closing(Zoo(program="rewriting.py")) as apps:
        yield apps


@pytest.fixture(
    scope="session",
    params=[*FORMS, ("6", "messages")],
    ids=lambda param: f"gradio{param[0]}-{param[1]}",
)
def any_gradio(server: None, request: pytest.FixtureRequest) -> Iterator[ScriptedSpace]:
    """A scripted Space on each version of Gradio, with each form of history that it has."""
    gradio, form = request.param
    assert gradio in GRADIOS
    with closing(ScriptedSpace(gradio, form)) as space:
        yield space


@pytest.fixture
def serve(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Hub], str]]:
    """Serve a hub, configured as huggingface_hub's, and a Space; return the URL of both."""
    monkeypatch.setattr(qwen_gradio._gradio.space, "MIN_WAKING_PAUSE", 0.01)
    monkeypatch.setattr(qwen_gradio._gradio.space, "MAX_WAKING_PAUSE", 0.05)
    with ExitStack() as opened:

        def served(hub: Hub) -> str:
            url = opened.enter_context(Front(hub, scripted.url)).url
            hub.host = hub.host or url
            monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", url)
            return url

        yield served
