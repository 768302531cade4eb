"""What `_gradio` relies on in gradio_client. What changes there fails here first."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from threading import Lock
from typing import Any
from unittest import mock

import gradio_client.client
import pytest
from gradio_client import Client, exceptions, utils
from gradio_client.client import Endpoint, Job

from qwen_gradio import GenerationError, QwenGradioError, SpaceInterfaceError
from qwen_gradio._access import Access
from qwen_gradio._gradio import seam
from qwen_gradio._gradio.connection import Connection
from qwen_gradio._gradio.events import MAX_BYTES
from qwen_gradio._gradio.reply import ReplyClient
from qwen_gradio._gradio.space import Space, SpaceClient
from qwen_gradio._gradio.standins import Events
from qwen_gradio._messages import prompt_from
from qwen_gradio._reply import ReplyState, Update
from qwen_gradio._worker import generate_session_hash

from ..support.fronts import EVENTS, JOIN, Forward, Front
from ..support.servers import PATIENCE, ScriptedSpace, script

DOCUMENTED = {
    # parameters of `Client` and `Client.submit`, which its documentation has
    *("token", "headers", "oauth_token", "verbose", "download_files", "analytics_enabled"),
    *("submit", "fn_index", "cancel", "code", "rank", "queue_size", "success", "eta"),
    *("progress_data", "index", "length", "unit", "progress", "desc"),
}
UNDOCUMENTED: dict[object, dict[str, list[str] | None]] = {
    Client: {
        # overridden
        "_get_config": ["self"],
        "_telemetry_thread": ["self"],
        "_stream_heartbeat": None,  # a method until 2.7.1, static since
        "add_zero_gpu_headers": ["self", "headers"],
    },
    Endpoint: {
        # replaced on a reply's copy
        "_sse_fn_v1plus": ["self", "helper", "event_id", "protocol"],
        "process_input_files": ["self", "data"],
        "process_predictions": ["self", "predictions"],
        "client": None,
    },
    gradio_client.client: {
        # patched in the module
        "httpx": None,
        "build_hf_headers": None,
    },
    utils: {
        "stream_sse_v1plus": [
            *("helper", "pending_messages_per_event", "pending_lock", "event_id", "protocol")
        ],
        "StatusUpdate": None,
        "Status": None,
    },
    utils.Status: {"IN_QUEUE": None, "PROCESSING": None, "PROGRESS": None, "LOG": None},
    exceptions: {"AppError": None},
}
"""Every undocumented class member and module name of gradio_client's that is used, with its
parameters where they matter."""

ATTRIBUTES = {
    *("src", "config", "_info", "headers", "session_hash", "sse_url", "app_version", "endpoints"),
    *("executor", "stream_open", "space_id", "_skip_components", "protocol", "upload_url"),
}
"""Undocumented ones that a `Client` has once it has read its Space."""
FIELDS = {
    utils.Communicator: {"job", "updates"},
    utils.JobStatus: {"outputs"},
    utils.OutputUpdate: {"outputs", "final", "success"},
    utils.StatusUpdate: {"log"},
}
"""Undocumented ones of gradio_client's dataclasses."""
OTHERS = {"is_valid", "title"}
"""Undocumented attributes of an endpoint and of an `AppError`."""
OURS = {
    *("_client", "api_name", "close", "cookies", "copy", "json", "ssl_verify", "utils", "Client")
}
"""Names that mean something of ours, or of httpx's, wherever `_gradio` has them."""
MAX_UNDOCUMENTED = 44
"""A limit of our own: each is something that a new version may change."""


def undocumented() -> set[str]:
    members = {name for names in UNDOCUMENTED.values() for name in names}
    return members | ATTRIBUTES | OTHERS | {name for names in FIELDS.values() for name in names}


def names_of_gradio_client() -> set[str]:
    """All names that its classes and modules give to anything."""
    names = {*vars(utils), *vars(gradio_client.client), *utils.Status.__members__}
    for cls in (Client, Endpoint, Job, exceptions.AppError):
        names |= {*vars(cls)}
        for node in ast.walk(ast.parse(inspect.getsource(cls))):
            match node:
                case ast.Attribute(value=ast.Name(id="self"), attr=name):
                    names.add(name)
    for data in (utils.Communicator, utils.JobStatus, utils.StatusUpdate, utils.OutputUpdate):
        names |= {*inspect.signature(data).parameters}
    return {name for name in names if not name.startswith("__")}


def names_in(folder: Path) -> set[str]:
    """The attributes, functions and keyword arguments in our code at the boundary."""
    names: set[str] = set()
    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute):
                names.add(node.attr)
            elif isinstance(node, ast.FunctionDef):
                names.add(node.name)
            elif isinstance(node, ast.keyword) and node.arg is not None:
                names.add(node.arg)
    return names


@pytest.fixture
def space(scripted: ScriptedSpace) -> Space:
    return Space(Access(scripted.url))


def reply_client(
    space: Space, message: dict[str, Any] | None = None, reply: ReplyState | None = None
) -> ReplyClient:
    connection = Connection(space._access, 60.0)
    prompt = prompt_from([message or script(say=["x"])])
    description = space.describe(connection)
    reply = reply or ReplyState(space._access.space, None, None)
    return ReplyClient(description, connection, generate_session_hash(), prompt, reply)


def close(client: ReplyClient) -> None:
    client.close()
    client._connection.close()


@pytest.mark.parametrize(
    ("owner", "name", "parameters"),
    [(owner, *item) for owner, names in UNDOCUMENTED.items() for item in names.items()],
    ids=[name for names in UNDOCUMENTED.values() for name in names],
)
def test_gradio_client_has_what_is_relied_on(
    owner: object, name: str, parameters: list[str] | None
) -> None:
    found = getattr(owner, name)
    if parameters is not None:
        assert list(inspect.signature(found).parameters) == parameters


def test_gradio_clients_data_has_what_is_relied_on() -> None:
    for cls, names in FIELDS.items():
        assert names <= set(inspect.signature(cls).parameters)
    assert exceptions.AppError("no", title="Oops").title == "Oops"


def test_these_are_all_names_that_the_boundary_uses() -> None:
    used = names_in(Path(seam.__file__).parent)
    assert used & names_of_gradio_client() - OURS - DOCUMENTED <= undocumented()
    assert undocumented() - used <= {"AppError"}  # imported
    assert len(undocumented()) <= MAX_UNDOCUMENTED


def test_a_client_takes_what_a_space_gives_it() -> None:
    taken = set(inspect.signature(Client.__init__).parameters)
    assert {
        "src",
        "token",
        "auth",
        "headers",
        "oauth_token",
        "verbose",
        "download_files",
        "analytics_enabled",
        "_skip_components",
    } <= taken


def test_a_client_has_the_attributes_that_a_reply_copies(space: Space) -> None:
    client = reply_client(space)
    assert set(vars(client)) >= ATTRIBUTES
    assert set(vars(next(iter(client.endpoints.values())))) >= {"is_valid"}
    close(client)


@pytest.mark.parametrize("name", ["_get_config", "_telemetry_thread", "add_zero_gpu_headers"])
def test_overrides_take_the_same_parameters(name: str) -> None:
    ours = SpaceClient if name in vars(SpaceClient) else ReplyClient
    kinds = [p.kind for p in inspect.signature(getattr(Client, name)).parameters.values()]
    assert [p.kind for p in inspect.signature(getattr(ours, name)).parameters.values()] == kinds


def test_events_are_turned_into_updates_in_their_order() -> None:
    output = {"msg": "process_generating", "output": {"data": ["", "Hel", "s"]}}
    more = {"msg": "process_generating", "output": {"data": [[], [["append", [], "lo"]], []]}}
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

    def received() -> Generator[dict[str, Any], None, None]:
        for event in ({"msg": "estimation", "rank": 2, "queue_size": 3}, output, more, completed):
            yield dict(event)

    pending = {"e": Events(received())}
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


def test_a_reply_takes_one_thread_and_no_pool(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads: set[int] = set()
    reply = ReplyState("space", None, None)
    put = reply.put

    def count_and_put(update: Update) -> None:
        threads.add(threading.active_count())
        put(update)

    monkeypatch.setattr(reply, "put", count_and_put)
    before = threading.active_count()
    client = reply_client(space, script(say=["a", "b"]), reply)
    client.run()
    close(client)
    assert reply.text == "ab"
    assert max(threads) <= before
    assert not client.heartbeat.is_alive()


@pytest.mark.parametrize("name", ["_sse_fn_v1plus", "make_predict", "client"])
def test_an_endpoint_that_works_otherwise_is_an_error_at_once(
    space: Space, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """As if a new gradio_client did the same by functions of other names."""
    client = reply_client(space)
    endpoint = client.endpoints[client._waiting[0].fn_index]
    if name == "_sse_fn_v1plus":
        del endpoint._sse_fn_v1plus  # gradio_client's own waits for threads that it starts
    elif name == "client":
        endpoint._client = lambda: None
    else:
        monkeypatch.setattr(endpoint, name, None)
    with pytest.raises(QwenGradioError, match=r"gradio_client|cannot be|is not a Gradio app"):
        client.run()
    close(client)


@pytest.mark.parametrize("name", ["check_for_cancel", "get_pred_from_sse_v1plus"])
def test_what_gradio_client_wraps_changes_nothing(
    space: Space, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    original = getattr(utils, name)
    monkeypatch.setattr(utils, name, lambda *args, **kwargs: original(*args, **kwargs))
    reply = ReplyState("space", None, None)
    client = reply_client(space, script(say=["a"]), reply)
    client.run()
    close(client)
    assert reply.text == "a"


@pytest.mark.parametrize(
    "error",
    [
        AttributeError("gone", obj=utils, name="gone"),
        TypeError("submit() got an unexpected keyword argument 'fn_index'"),
        NameError("name 'x' is not defined"),
    ],
)
def test_a_bug_is_not_reported_as_the_spaces_fault(space: Space, error: Exception) -> None:
    client = reply_client(space)
    with mock.patch.object(Client, "submit", side_effect=error):
        with pytest.raises(QwenGradioError, match="or this is a bug") as caught:
            client.run()
    assert type(caught.value) is QwenGradioError
    close(client)


def test_outputs_count_once_however_often_they_are_repeated(space: Space) -> None:
    client = reply_client(space)
    for _ in range(100):
        client._outputs.put_nowait(
            utils.OutputUpdate(("", [], "x" * (MAX_BYTES // 50)), success=True)
        )
    close(client)


def test_outputs_that_diffs_leave_out_count_too(space: Space) -> None:
    client = reply_client(space)
    client._connection.received = MAX_BYTES  # as it would have come in events
    text = "x" * (MAX_BYTES * 2 // 3)
    client._outputs.put_nowait(utils.OutputUpdate(("", [], text), success=True))
    with pytest.raises(SpaceInterfaceError, match=f"more than {MAX_BYTES} bytes"):
        client._outputs.put_nowait(utils.OutputUpdate((text, []), success=True))
    close(client)


def test_a_space_is_read_once(scripted: ScriptedSpace) -> None:
    with Front(lambda request: Forward(), scripted.url) as front:
        space = Space(Access(front.url))
        for _ in range(2):
            client = reply_client(space)
            client.run()
            close(client)
    joined = [JOIN, EVENTS]
    paths = [request.path for request in front.requests]
    assert paths == ["/config", "/gradio_api/info", *joined, *joined]


def test_a_reply_takes_one_connection(space: Space, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Any] = []
    connect = socket.create_connection

    def create_connection(*arguments: Any, **options: Any) -> socket.socket:
        made.append(arguments)
        return connect(*arguments, **options)

    monkeypatch.setattr(socket, "create_connection", create_connection)
    client = reply_client(space)
    client.run()
    close(client)
    assert len(made) == 1


def test_replies_share_nothing_that_a_space_could_mix_up(space: Space) -> None:
    first, second = reply_client(space), reply_client(space)
    for name in ("pending_messages_per_event", "pending_event_ids", "headers", "endpoints"):
        assert getattr(first, name) is not getattr(second, name)
    close(first)
    close(second)


def test_the_token_on_disk_is_not_sent_and_the_given_one_is(
    scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for api_key, sent in [(None, {}), ("hf_given", {"x-hf-authorization": "Bearer hf_given"})]:
        access = Access(scripted.url, api_key)
        client = reply_client(Space(access))
        user_agent = {"user-agent": f"gradio_client/{utils.__version__}"}
        assert client.headers == {**user_agent, **sent}
        close(client)
        assert "hf_given" not in repr(access)


def test_other_clients_have_the_headers_they_had(
    space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    close(reply_client(space))  # which patches gradio_client, if nothing did before
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_TELEMETRY", True)
    headers = gradio_client.client.build_hf_headers(token="hf_theirs", library_name="theirs")
    assert headers["authorization"] == "Bearer hf_theirs"
    assert headers["user-agent"].startswith("theirs/None; hf_hub/")


def test_what_others_patch_on_httpx_holds_in_every_thread(space: Space) -> None:
    close(reply_client(space))
    with mock.patch("gradio_client.client.httpx.get") as get:
        asker = threading.Thread(target=lambda: gradio_client.client.httpx.get("http://a"))
        asker.start()
        asker.join()
        get.assert_called_once_with("http://a")
    assert gradio_client.client.httpx.get != get


def test_a_plain_client_streams_next_to_a_reply(
    scripted: ScriptedSpace, space: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRADIO_ANALYTICS_ENABLED", "False")
    begun = threading.Event()
    question = script(say="abc", every=0.2)
    reply = ReplyState("space", None, None)
    reply.wait_with(begun.set, 0)
    mine = reply_client(space, question, reply)
    asking = threading.Thread(target=mine.run)
    asking.start()
    assert begun.wait(PATIENCE)
    theirs = Client(scripted.url, verbose=False)
    job = theirs.submit(script(say=["x", "y"])["content"], None, "s", api_name="/model_chat")
    assert job.result(PATIENCE)[1][-1]["content"][0]["text"] == "xy"
    assert len(job.outputs()) > 1
    asking.join()
    assert reply.text == "abc"
    assert theirs.session_hash != mine.session_hash
    assert isinstance(theirs.pending_messages_per_event, dict)
    theirs.close()
    close(mine)


@pytest.mark.parametrize("module", [gradio_client.client, seam], ids=lambda m: m.__name__)
def test_a_reload_disturbs_neither_side(module: Any, scripted: ScriptedSpace) -> None:
    code = """
import importlib, sys
from qwen_gradio import ask
from gradio_client import client
url, name = sys.argv[1:]
print(ask("before", space=url))
for _ in range(3):
    importlib.reload(importlib.import_module(name))
    print(ask("after", space=url))
job = client.Client(url, verbose=False).submit("theirs", None, "s", api_name="/model_chat")
print(job.result()[1][-1]["content"][0]["text"])
"""
    done = subprocess.run(
        [sys.executable, "-c", code, scripted.url, module.__name__],
        env=os.environ | {"GRADIO_ANALYTICS_ENABLED": "False", "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        timeout=4 * PATIENCE,
    )
    assert (done.stdout, done.stderr) == ("before\nafter\nafter\nafter\ntheirs\n", "")


def test_gradio_client_may_use_httpx2(scripted: ScriptedSpace) -> None:
    importlib.import_module("httpx2")  # what the registries' libraries bring
    code = """
import sys, httpx2, gradio_client.client, gradio_client.utils
gradio_client.client.httpx = gradio_client.utils.httpx = httpx2
from qwen_gradio import ask, QwenGradioError
print(ask("here", space=sys.argv[1]))
try:
    ask("nobody", space="http://127.0.0.1:9", max_retries=0)
except QwenGradioError as error:
    print(type(error).__name__)
"""
    command = [sys.executable, "-c", code, scripted.url]
    done = subprocess.run(command, capture_output=True, text=True, timeout=4 * PATIENCE)
    assert (done.stdout, done.stderr) == ("here\nSpaceUnavailableError\n", "")


def test_a_failure_is_raised_whatever_comes_with_its_message(space: Space) -> None:
    client = reply_client(space)

    def events(*args: Any, **kwargs: Any) -> Iterator[dict[str, Any]]:
        output = {"error": "the words", "surprise": 1}
        yield {"msg": "process_completed", "success": False, "output": output}

    with mock.patch.object(client._connection, "events", events):
        with pytest.raises(GenerationError, match=r"^the words$"):
            client.run()
    close(client)
