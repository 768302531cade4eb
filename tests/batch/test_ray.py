"""Ray asks a dataset on several actors, and gets the same rows as a batch on one machine."""

from __future__ import annotations

import json
import logging
import os
import pickle
import signal
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 15):
    pytest.skip("Ray has no wheels for Python 3.15", allow_module_level=True)

import numpy as np
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import ray
from ray.data import ActorPoolStrategy, DataContext, Dataset
from ray.data.block import BlockAccessor
from ray.exceptions import RayError
from tenacity import RetryCallState, Retrying, retry_if_exception_message, stop_after_attempt

from qwen_gradio import (
    InvalidMessagesError,
    ModelNotFoundError,
    SpaceInterfaceError,
    SpaceUnavailableError,
    StreamInterruptedError,
    StreamStatus,
)
from qwen_gradio.batch import run_sync
from qwen_gradio.batch.ray import SCHEMA, QwenBatch

from ..support.batches import joins, rows
from ..support.fronts import Forward, Front, Request, answer
from ..support.programs import program
from ..support.servers import NOBODY, ScriptedSpace, query

# Ray warns about its own defaults.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.data.context")

VARYING = ("attempts", "seconds", "first_fragment_seconds")


@pytest.fixture(scope="module")
def cluster(server: None) -> Iterator[None]:
    """A Ray cluster with two CPUs on this machine."""
    with pytest.MonkeyPatch.context() as environment, tempfile.TemporaryDirectory() as folder:
        environment.setenv("RAY_USAGE_STATS_ENABLED", "0")
        environment.setenv("RAY_AUTH_MODE", "disabled")  # otherwise it leaves a token in ~/.ray
        start(
            num_cpus=2,
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.ERROR,
            object_store_memory=100_000_000,
            _temp_dir=folder,
        )
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        DataContext.get_current().enable_progress_bars = False
        yield
        ray.shutdown()


def start(**options: Any) -> None:
    """Start Ray, again if its agents needed more than the 15 seconds that it gives them."""
    before = psutil.Process().children(recursive=True)

    def end_the_rest(_: RetryCallState) -> None:
        for process in psutil.Process().children(recursive=True):
            if process not in before:  # Ray leaves the rest of its processes running
                process.kill()

    Retrying(
        retry=retry_if_exception_message(match=".*timed out during startup"),
        stop=stop_after_attempt(3),
        before_sleep=end_the_rest,
        reraise=True,
    )(ray.init, **options)


def asked(items: list[dict[str, Any]], actors: int = 2, **arguments: Any) -> Dataset:
    """Return the rows of items that actors ask in batches of five, each of them a block."""
    return ray.data.from_items(items, override_num_blocks=len(items) // 5).map_batches(
        QwenBatch,
        fn_constructor_kwargs=arguments,
        compute=ActorPoolStrategy(size=actors),
        batch_size=5,
    )


def say(*texts: str) -> list[dict[str, Any]]:
    return [{"id": f"q{number}", "prompt": text} for number, text in enumerate(texts)]


MESSAGES = [
    {"role": "user", "content": "1+1?"},
    {"role": "assistant", "content": "2"},
    {"role": "user", "content": "Sure?"},
]
ITEMS: list[dict[str, Any]] = [
    *({"id": f"works {n}", "prompt": query(say=["a", f"{n}"])} for n in range(10)),
    *({"id": f"fails {n}", "prompt": query(say=["so far"], finish="fail")} for n in range(8)),
    {"id": "system", "prompt": query(show="inputs"), "system": "Be brief."},
    {"id": "messages", "messages": MESSAGES},
]
WRONG: dict[str, Any] = {"id": "wrong", "prompt": " "}


@pytest.fixture(scope="module")
def replies(cluster: None, scripted: ScriptedSpace) -> Dataset:
    everything = [{"messages": None, "system": None, **item} for item in [*ITEMS, WRONG]]
    dataset: Dataset = asked(everything, space=scripted.url, system="Be long.").materialize()
    return dataset


def test_two_actors_give_the_rows_of_one_machine(
    replies: Dataset, scripted: ScriptedSpace, tmp_path: Path
) -> None:
    def compared(all_rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
        return {
            row["id"]: {name: value for name, value in row.items() if name not in VARYING}
            for row in all_rows
        }

    found = replies.take_all()
    assert len(found) == len(ITEMS) + 1
    by_ray = compared(found)
    wrong = by_ray.pop("wrong")
    out = tmp_path / "replies.jsonl"
    run_sync(ITEMS, out, space=scripted.url, system="Be long.")
    assert by_ray == compared(rows(out))
    assert wrong["error"] == "InvalidItemsError"
    assert wrong["why"] == "prompt must be text and must not be empty"


def test_rows_can_be_written_as_json_and_parquet(replies: Dataset, tmp_path: Path) -> None:
    replies.write_parquet(str(tmp_path / "parquet"))
    replies.write_json(str(tmp_path / "json"))
    expected = sorted(replies.take_all(), key=lambda row: str(row["id"]))
    files = [pq.read_table(file) for file in (tmp_path / "parquet").iterdir()]
    assert {file.schema.remove_metadata() for file in files} == {SCHEMA}
    written = pa.concat_tables(files)
    assert sorted(written.to_pylist(), key=lambda row: str(row["id"])) == expected
    lines = [row for file in (tmp_path / "json").iterdir() for row in rows(file)]
    assert sorted(lines, key=lambda row: str(row["id"])) == expected


def killing(mark: Path) -> Callable[[StreamStatus], None]:
    """Return a callback that kills its process, once, when the Space logs a line."""

    def kill(status: StreamStatus) -> None:
        if status.state == "log" and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return kill


def test_when_an_actor_is_killed_every_item_gets_exactly_one_row(
    cluster: None, scripted: ScriptedSpace, tmp_path: Path
) -> None:
    texts = [f"number {number}" for number in range(20)]
    texts[7] = query(log=["now"], say=["number 7"], every=0.5)
    mark = tmp_path / "killed"
    with Front(lambda request: Forward(), scripted.url) as front:
        dataset = asked(say(*texts), space=front.url, concurrency=1, on_status=killing(mark))
        found = dataset.take_all()
        assert mark.exists()
        assert joins(front) >= 20 + 3  # two were complete, and one running when it was killed
    assert sorted((row["id"], row["reply"]) for row in found) == sorted(
        (f"q{number}", f"number {number}") for number in range(20)
    )


def test_a_restarted_actor_whose_space_is_gone_does_not_fail_the_job(
    cluster: None, scripted: ScriptedSpace, tmp_path: Path
) -> None:
    texts = ["a", "b", query(log=["now"], say=["c"], every=0.5), "d", "e"]
    mark = tmp_path / "killed"

    def behave(request: Request) -> bytes | Forward:
        return answer("404 Not Found") if mark.exists() else Forward()

    with Front(behave, scripted.url) as front:
        options = {"concurrency": 1, "max_retries": 0, "on_status": killing(mark)}
        found = asked(say(*texts), 1, space=front.url, **options).take_all()
    assert [row["id"] for row in found] == ["q0", "q1", "q2", "q3", "q4"]
    assert {row["error"] for row in found} == {"SpaceUnavailableError"}


def test_an_invalid_argument_fails_the_job(cluster: None) -> None:
    with pytest.raises(RayError, match=r"http://nobody\.invalid cannot be reached"):
        asked(say(*"abcde"), 1, space="http://nobody.invalid").take_all()


def test_invalid_arguments_are_rejected_at_once() -> None:
    with pytest.raises(ModelNotFoundError, match="There is no model 'gpt-5'"):
        QwenBatch(model="gpt-5")
    with pytest.raises(InvalidMessagesError, match="history"):
        QwenBatch(history="mine")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="concurrency"):
        QwenBatch(concurrency=0)


@pytest.mark.usefixtures("server")
def test_a_batch_that_is_called_directly_starts_no_cluster() -> None:
    done = program(
        NOBODY,
        """
import ray
from qwen_gradio.batch.ray import QwenBatch
print(QwenBatch(space=sys.argv[1])({"promt": ["a", "b"]}).num_rows, ray.is_initialized())
""",
    )
    assert done.stdout == "2 False\n", done.stderr


@pytest.mark.parametrize("batch_format", ["numpy", "pandas", "pyarrow"])
def test_a_batch_may_come_in_each_of_rays_formats(
    scripted: ScriptedSpace, batch_format: str
) -> None:
    parts = [{"type": "text", "text": "1+"}, {"type": "text", "text": "2?"}]
    table = pa.table(
        {
            "note": [b"\xff", None, b"", None],
            "id": [3, None, 1, 3],
            "prompt": ["1+1?", None, None, query(show="inputs")],
            "messages": [None, [{"role": "user", "content": parts}], None, None],
            "system": [None, None, None, "Be brief."],
        }
    )
    batch = BlockAccessor.for_block(table).to_batch_format(batch_format)
    replies = QwenBatch(space=scripted.url)(batch)
    assert replies.schema == SCHEMA
    assert replies["id"].to_pylist() == ["3", None, "1", "3"]
    assert replies["error"].to_pylist() == [None, None, "InvalidItemsError", None]
    first, second, _, last = replies["reply"].to_pylist()
    assert (first, second) == ("1+1?", "1+2?")
    assert json.loads(last)[2] == "Be brief."


def test_without_ids_rows_are_in_the_order_of_the_items(scripted: ScriptedSpace) -> None:
    texts = [query(say=["slow"], every=0.5), *"abc"]
    replies = QwenBatch(space=scripted.url)(pa.table({"prompt": texts})).to_pylist()
    assert [(row["id"], row["reply"]) for row in replies] == [
        (None, "slow"),
        *((None, text) for text in "abc"),
    ]


def test_invalid_items_are_reported_in_their_rows_and_not_sent() -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"prompt": 7}, "prompt must be text"),
        ({"prompt": "\ud800"}, "invalid character"),
        ({"id": True, "prompt": "x"}, "id must be"),
        ({"id": 1.5, "prompt": "x"}, "id must be"),
        ({"id": "\ud800"}, "must have either prompt or messages"),
        ({"system": [], "prompt": "x"}, "system must be text"),
        ({"messages": "x"}, "messages must be a list"),
        ({"messages": [{"role": "user"}]}, r"messages[0] has no content"),
    ]
    columns = {}
    for name in ("id", "prompt", "messages", "system"):
        columns[name] = np.empty(len(wrong), dtype=object)
        columns[name][:] = [item.get(name) for item, _ in wrong]
    replies = QwenBatch(space=NOBODY)(columns)
    assert replies.schema == SCHEMA
    assert set(replies["error"].to_pylist()) == {"InvalidItemsError"}
    assert set(replies["attempts"].to_pylist()) == {0}
    for why, (_, complaint) in zip(replies["why"].to_pylist(), wrong, strict=True):
        assert complaint in why


def test_a_dataset_without_prompts_has_a_row_for_each_item() -> None:
    replies = QwenBatch(space=NOBODY)({"promt": np.array(["a", "b"])})
    why = "must have either prompt or messages"
    assert set(replies["why"].to_pylist()) == {why}
    assert replies.num_rows == 2


def test_a_space_that_has_gone_is_reported_in_the_rows(scripted: ScriptedSpace) -> None:
    with Front(lambda request: answer("404 Not Found"), scripted.url) as front:
        ask = QwenBatch(space=front.url, max_retries=0)
        with pytest.raises(SpaceUnavailableError):
            ask(pa.table({"prompt": ["a", "b"]}))
        front.behave = lambda request: Forward()
        assert ask(pa.table({"prompt": ["a"]}))["reply"].to_pylist() == ["a"]
        front.behave = lambda request: answer("404 Not Found")
        gone = ask(pa.table({"prompt": ["a", "b"]}))
    assert gone.schema == SCHEMA
    assert gone["error"].to_pylist() == ["SpaceUnavailableError"] * 2


def test_api_name_chooses_the_endpoint(scripted: ScriptedSpace) -> None:
    ask = QwenBatch(space=scripted.url, api_name="model_chat")
    assert ask(pa.table({"prompt": ["a"]}))["reply"].to_pylist() == ["a"]
    with pytest.raises(SpaceInterfaceError, match="nowhere"):
        QwenBatch(space=scripted.url, api_name="nowhere")(pa.table({"prompt": ["a"]}))


def test_once_a_space_no_longer_answers_the_rest_gets_rows_with_the_error(
    scripted: ScriptedSpace,
) -> None:
    with Front(lambda request: Forward(), scripted.url) as front:
        ask = QwenBatch(space=front.url, concurrency=2, give_up_after=0.1)
        assert ask(pa.table({"prompt": ["a"]}))["reply"].to_pylist() == ["a"]
        front.behave = lambda request: answer("503 Full")
        for _ in range(2):
            gone = ask(pa.table({"prompt": [*"abcdefgh"]}))
            assert gone["error"].to_pylist() == ["SpaceUnavailableError"] * 8
        assert joins(front) < 10


@pytest.mark.anyio
async def test_it_can_be_called_inside_an_event_loop(scripted: ScriptedSpace) -> None:
    replies = QwenBatch(space=scripted.url)(pa.table({"prompt": ["a"]}))
    assert replies["reply"].to_pylist() == ["a"]


def test_errors_keep_their_attributes_between_processes() -> None:
    error = StreamInterruptedError("it broke off")
    error.partial, error.space = "so far", NOBODY
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy)) == (StreamInterruptedError, "it broke off")
    assert (copy.partial, copy.space) == ("so far", NOBODY)
