"""The insides of gradio_client that sessions.py relies on. What changes there fails here first."""

from __future__ import annotations

import inspect
import socket
import threading
from collections import deque
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

import gradio_client.client
import pytest
from gradio_client import Client, utils
from gradio_client.client import Endpoint
from gradio_client.exceptions import AppError

from qwen_gradio import GenerationError, SpaceInterfaceError, StreamInterruptedError
from qwen_gradio._access import Access
from qwen_gradio._gradio.connection import Connection
from qwen_gradio._gradio.events import MAX_BYTES
from qwen_gradio._gradio.session import Session, Space, _Endpoint, _Events, _Updates
from qwen_gradio._messages import prompt_from
from qwen_gradio._updates import Update
from qwen_gradio._worker import generate_session_hash

from .fronts import Forward, Front
from .servers import ScriptedSpace, script


@pytest.fixture
def space(scripted: ScriptedSpace) -> Space:
    return Space(Access(scripted.url))


def session(space: Space, report: Callable[[Update], None] = lambda update: None) -> Session:
    connection = Connection(space.access, 60.0)
    return Session(space, connection, generate_session_hash(), report)


def test_a_client_takes_what_a_session_gives_it() -> None:
    taken = inspect.signature(Client.__init__).parameters
    given = {"src", "token", "auth", "verbose", "download_files", "analytics_enabled"}
    assert given <= set(taken)


@pytest.mark.parametrize(
    ("overridden", "override"),
    [
        (getattr(Client, name), getattr(Session, name))
        for name in (
            "_login",
            "_get_config",
            "_get_api_info",
            "_telemetry_thread",
            "new_helper",
            "send_data",
        )
    ]
    + [
        (getattr(Endpoint, name), getattr(_Endpoint, name))
        for name in ("process_input_files", "process_predictions", "_sse_fn_v1plus")
    ],
    ids=lambda function: function.__qualname__,
)
def test_overridden_methods_are_called_as_before(overridden: Any, override: Any) -> None:
    kinds = [p.kind for p in inspect.signature(overridden).parameters.values()]
    assert [p.kind for p in inspect.signature(override).parameters.values()] == kinds


def test_events_are_turned_into_updates_in_their_order() -> None:
    output = {"msg": "process_generating", "output": {"data": ["", "Hel", "s"]}}
    more = {
        "msg": "process_generating",
        "output": {"data": [[], [["append", [], "lo"]], []]},
    }
    completed = {
        "msg": "process_completed",
        "output": {"data": ["", "Hello", "s"]},
        "success": True,
    }

    class Sink(list[Any]):
        put_nowait = list.append

    def as_they_are(*outputs: Any) -> tuple[Any, ...]:
        return outputs

    helper = utils.Communicator(Lock(), utils.JobStatus(), as_they_are, "", updates=Sink())
    helper.job.outputs = deque(maxlen=0)

    def received() -> Iterator[dict[str, Any]]:
        for event in ({"msg": "estimation", "rank": 2, "queue_size": 3}, output, more, completed):
            yield dict(event)

    pending = {"e": _Events(received())}
    utils.stream_sse_v1plus(helper, pending, Lock(), "e", "sse_v3")
    assert pending == {}
    codes = [u.code for u in helper.updates if isinstance(u, utils.StatusUpdate)]
    assert codes == [
        utils.Status.IN_QUEUE,
        utils.Status.ITERATING,
        utils.Status.ITERATING,
        utils.Status.FINISHED,
    ]
    outputs = [u for u in helper.updates if isinstance(u, utils.OutputUpdate)]
    assert [u.outputs for u in outputs[:2]] == [("", "Hel", "s"), ("", "Hello", "s")]
    assert outputs[-1].final
    assert outputs[-1].outputs["data"] == ["", "Hello", "s"]


def test_a_reply_takes_one_thread_and_no_pool(space: Space) -> None:
    threads: set[int] = set()
    reports: list[Update] = []

    def report(update: Update) -> None:
        threads.add(threading.active_count())
        reports.append(update)

    before = threading.active_count()
    asked = session(space, report)
    asked.ask(prompt_from([script(say=["a", "b"])]))
    asked.close()
    assert [update for update in reports if isinstance(update, str)] == ["a", "b"]
    assert max(threads) <= before
    assert not asked.helper_executor._threads
    assert not asked.stream_executor._threads
    assert not asked.heartbeat.is_alive()


def test_outputs_count_once_however_often_they_are_repeated() -> None:
    updates = _Updates(lambda update: None, 0, "a Space")
    for _ in range(100):
        updates.put_nowait(utils.OutputUpdate(("x" * (MAX_BYTES // 50),), success=True))


def test_outputs_that_diffs_leave_out_count_too() -> None:
    updates = _Updates(lambda update: None, 0, "a Space")
    text = "x" * (MAX_BYTES * 2 // 3)
    updates.put_nowait(utils.OutputUpdate(("", text), success=True))
    with pytest.raises(SpaceInterfaceError, match=f"more than {MAX_BYTES} bytes"):
        updates.put_nowait(utils.OutputUpdate((text,), success=True))


def test_a_failure_is_raised_from_the_error_of_what_the_stream_returned(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: dict[str, Any] = {"error": "the words"}
    monkeypatch.setattr(_Endpoint, "_sse_fn_v1plus", lambda *args: told)
    asked = session(space)
    with pytest.raises(GenerationError, match=r"^the words$") as caught:
        asked.ask(prompt_from([script(say=["x"])]))
    assert isinstance(caught.value.__cause__, AppError)
    told["surprise"] = 1
    with pytest.raises(StreamInterruptedError, match="surprise"):  # else it need not be left out
        asked.ask(prompt_from([script(say=["x"])]))
    asked.close()


def test_a_space_is_asked_about_itself_once(scripted: ScriptedSpace) -> None:
    with Front(lambda request: Forward(), scripted.url) as front:
        space = Space(Access(front.url))
        for _ in range(2):
            asked = session(space)
            asked.ask(prompt_from([script(say=["x"])]))
            asked.close()
    joined = ["/gradio_api/queue/join", "/gradio_api/queue/data"]
    paths = [request.path for request in front.requests]
    assert paths == ["/config", "/gradio_api/info", *joined, *joined]


def test_a_reply_takes_one_connection(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    connect = socket.create_connection
    monkeypatch.setattr(
        socket, "create_connection", lambda *a, **k: made.append(a) or connect(*a, **k)
    )
    asked = session(space)
    asked.ask(prompt_from([script(say=["x"])]))
    asked.close()
    assert len(made) == 1


def test_the_token_on_disk_is_not_sent_and_the_given_one_is(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for access, sent in [
        (space.access, {}),
        (Access(space.access.space, "hf_given"), {"x-hf-authorization": "Bearer hf_given"}),
    ]:
        asked = session(Space(access))
        user_agent = {"user-agent": f"gradio_client/{utils.__version__}"}
        assert asked.headers == {**user_agent, **sent}
        asked.close()
        assert "hf_given" not in repr(access)


def test_other_clients_have_the_headers_they_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    headers = gradio_client.client.build_hf_headers(token="hf_theirs", library_name="theirs")
    assert headers["authorization"] == "Bearer hf_theirs"
    assert headers["user-agent"].startswith("theirs/None; hf_hub/")
