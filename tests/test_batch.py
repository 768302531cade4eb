"""Every prompt of a batch gets exactly one row, also after failures and aborts."""

from __future__ import annotations

import csv
import json
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pandas as pd
import pytest

from qwen_gradio import (
    InvalidItemsError,
    ModelNotFoundError,
    OutputError,
    Qwen_Qwen_2_5_Max,
    SpaceInterfaceError,
    SpaceUnavailableError,
)
from qwen_gradio.batch import Outcome, run, run_sync
from qwen_gradio.batch._asking import Asker
from qwen_gradio.batch._items import Items

from .fronts import Forward, Front, Request, answer
from .servers import NOBODY, PATIENCE, ScriptedSpace, query, script, tag_of

JOIN = "/gradio_api/queue/join"


def rows(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.read_text().splitlines()]


def joins(front: Front) -> int:
    return sum(request.path == JOIN for request in front.requests)


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "replies.jsonl"


FILES = {
    "a.jsonl": '{"prompt": "1+1?"}\n\n{"id": "two", "prompt": "1+2?", "system": "Be brief."}\r\n'
    '{"messages": [{"role": "user", "content": "1+3?"}]}',
    "a.csv": "\ufeffid,prompt,system,messages,note\n1,1+1?,,,x\ntwo,1+2?,Be brief.,,\n"
    '4,,,"[{""role"": ""user"", ""content"": ""1+3?""}]",\n',
    "a.tsv": "id\tprompt\tsystem\n1\t1+1?\t\ntwo\t1+2?\tBe brief.\n4\t1+3?",
}


@pytest.mark.parametrize("name", FILES)
def test_items_are_read_from_each_kind_of_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text(FILES[name], encoding="utf-8")
    items = {str(item.id): item.messages for item in Items(path, None, "flat")}
    assert items == {
        "1": [{"role": "user", "content": "1+1?"}],
        "two": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "1+2?"},
        ],
        "4": [{"role": "user", "content": "1+3?"}],
    }


def test_a_text_file_has_a_prompt_on_each_line(tmp_path: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text("first\n\nthird, é\u2028here\n", encoding="utf-8")
    items = [(item.id, item.messages[-1]["content"]) for item in Items(path, "Be brief.", "flat")]
    assert items == [(1, "first"), (3, "third, é\u2028here")]


def test_prompts_may_come_from_a_generator() -> None:
    prompts = ({"id": f"q{number}", "prompt": "?"} for number in range(3))
    assert [item.id for item in Items(prompts, None, "flat")] == ["q0", "q1", "q2"]


WRONG = [
    ('{"prompt": "x"', "is not JSON"),
    ("[" * 100_000, "is not JSON"),
    ("7", "must be a prompt or an object"),
    ("{}", "must have either prompt or messages, and has neither"),
    ('{"prompt": "x", "messages": []}', "either prompt or messages, and has both"),
    ('{"prompt": " "}', "prompt must be text"),
    ('{"prompt": 7}', "prompt must be text"),
    ('{"prompt": "x", "system": 7}', "system must be text"),
    ('{"prompt": "x", "id": [1]}', "id must be"),
    ('{"prompt": "x", "id": true}', "id must be"),
    ('{"prompt": "x", "id": 1}', "another item has the id 1"),
    ('{"messages": "x"}', "messages: not a list"),
    ('{"messages": []}', "the list is empty"),
    ('{"messages": [{"role": "user"}]}', r"messages\[0\] has no content"),
    ('{"prompt": "\\ud800"}', "not Unicode"),
    (b'{"prompt": "\xff"}', "not Unicode"),
    (b'{"prompt": "x", "id": "\xff"}', "not Unicode"),
]


@pytest.mark.parametrize(("line", "complaint"), WRONG, ids=[why for _, why in WRONG])
def test_an_invalid_line_is_reported_with_its_number(
    tmp_path: Path, line: str | bytes, complaint: str
) -> None:
    path = tmp_path / "a.jsonl"
    written = line if isinstance(line, bytes) else line.encode()
    path.write_bytes(b'{"prompt": "x"}\n\n' + written + b'\n{"prompt": "y"}\n')
    with pytest.raises(InvalidItemsError, match=rf"1 item cannot.*\n3: .*{complaint}"):
        Items(path, None, "flat")


def test_the_programs_own_limit_for_csv_cells_is_restored(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"prompt\n{'x' * 10**6}\n")
    before = csv.field_size_limit()
    assert len(Items(path, None, "flat")) == 1
    assert csv.field_size_limit() == before < 10**6


@pytest.mark.parametrize("head", ["id,text", "Prompt", "id;prompt", "prompt,prompt", ""])
def test_a_table_without_a_header_is_rejected(tmp_path: Path, head: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(f"{head}\n1,2\n")
    with pytest.raises(InvalidItemsError, match="first line must name the columns"):
        Items(path, None, "flat")


async def later() -> AsyncIterator[str]:
    yield "x"


@pytest.mark.parametrize("prompts", [{"prompt": "x"}, pd.DataFrame({"prompt": ["x"]}), later()])
def test_other_types_are_not_taken_for_prompts(prompts: Any) -> None:
    with pytest.raises(TypeError, match="a file or a list"):
        Items(prompts, None, "flat")


def test_gaps_in_a_data_frame_are_missing_values() -> None:
    frame = pd.DataFrame(
        {
            "id": [7, None],
            "prompt": ["a", None],
            "messages": [None, [{"role": "user", "content": "b"}]],
            "system": ["Be brief.", None],
        }
    )
    first, second = Items(frame.to_dict("records"), None, "flat")
    assert (first.id, second.id) == (7, 2)
    assert [turn["content"] for turn in (*first.messages, *second.messages)] == [
        "Be brief.",
        "a",
        "b",
    ]
    typed = frame.convert_dtypes().to_dict("records")
    assert [item.id for item in Items(typed, None, "flat")] == [7, 2]


def test_the_system_prompt_of_a_run_is_for_items_without_one() -> None:
    own = [{"role": "system", "content": "Mine."}, {"role": "user", "content": "?"}]
    items = Items([{"messages": own}, {"prompt": "?", "system": "Mine."}, "?"], "Yours.", "flat")
    assert [item.messages[0]["content"] for item in items] == ["Mine.", "Mine.", "Yours."]


def test_invalid_cells_of_a_table_are_reported_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('prompt,messages\n"two\nlines",\n,oops\n"x"y,\nHello, world,\n')
    expected = r"3 items.*\n4: is not JSON.*\n5: .*expected.*\n6: has more cells"
    with pytest.raises(InvalidItemsError, match=expected):
        Items(path, None, "flat")


def test_only_the_first_of_many_invalid_lines_are_listed() -> None:
    with pytest.raises(InvalidItemsError) as caught:
        Items(iter([7] * 1000), None, "flat")
    assert str(caught.value).startswith("1000 items")
    assert len(str(caught.value).splitlines()) == 22


def test_invalid_arguments_are_reported_before_any_request(out: Path, tmp_path: Path) -> None:
    with Front(lambda request: Forward()) as front:
        with pytest.raises(InvalidItemsError):
            run_sync(["right", 7], out, space=front.url)  # type: ignore[list-item]
        with pytest.raises(ModelNotFoundError):
            run_sync(["right"], out, space=front.url, model="gpt-5")
        with pytest.raises(ValueError, match="concurrency"):
            run_sync(["right"], out, space=front.url, concurrency=0)
        with pytest.raises(TypeError, match="no option concurency"):
            run_sync(["right"], out, space=front.url, concurency=3)
        assert not front.requests
    assert list(tmp_path.iterdir()) == []


@pytest.mark.anyio
async def test_each_item_has_a_row_with_its_reply_or_its_error(
    scripted: ScriptedSpace, out: Path
) -> None:
    items = [
        {"id": "complete", "prompt": query(say=["a", "b"], every=0.1)},
        {"id": 7, "prompt": query(say=["so far"], every=0.1, finish="fail")},
        {"prompt": query(show="inputs"), "system": "Be brief."},
    ]
    outcome = await run(items, out, space=scripted.url, system="Be long.", progress=False)
    assert outcome == Outcome(items=3, answered=2, failed=1)
    found = {row["id"]: row for row in rows(out)}
    complete, failed, third = found["complete"], found[7], found[3]
    assert (complete["reply"], complete["error"], complete["characters"]) == ("ab", None, 2)
    assert (complete["space"], complete["model"]) == (scripted.url, "qwen-qwen2-5-max")
    assert complete["attempts"] == 1
    assert 0 < complete["first_fragment_seconds"] <= complete["seconds"]
    assert (failed["reply"], failed["error"]) == (None, "GenerationError")
    assert (failed["why"], failed["partial"]) == ("the model is out of words", "so far")
    assert json.loads(third["reply"])[2] == "Be brief."


def test_a_second_run_asks_only_what_has_no_row(scripted: ScriptedSpace, out: Path) -> None:
    with Front(lambda request: Forward(), scripted.url) as front:
        run_sync(["a", "b"], out, space=front.url)
        assert run_sync(["a", "b", "c"], out, space=front.url) == Outcome(3, 3, 0)
        assert joins(front) == 3
    assert sorted(row["reply"] for row in rows(out)) == ["a", "b", "c"]


def test_failed_items_are_asked_again_only_with_retry_errors(
    scripted: ScriptedSpace, out: Path
) -> None:
    fails, works = query(finish="fail"), query(say=["x"])
    others = {"id": "another batch's", "reply": None, "error": "GenerationError"}
    out.write_text(json.dumps(others) + "\n")
    options: Any = {"space": scripted.url}
    assert run_sync(["a", fails], out, **options) == Outcome(2, 1, 1)
    assert run_sync(["a", works], out, **options) == Outcome(2, 1, 1)
    assert run_sync(["a", works], out, retry_errors=True, **options) == Outcome(2, 2, 0)
    assert [row["id"] for row in rows(out)] == ["another batch's", 1, 2]
    assert rows(out)[-1]["reply"] == "x"


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_kill_while_failed_rows_are_removed_leaves_all_or_none_of_them(
    scripted: ScriptedSpace, out: Path, moment: str
) -> None:
    asked = ["plain", query(say=["x"], finish="fail")]
    assert run_sync(asked, out, space=scripted.url) == Outcome(2, 1, 1)
    before = rows(out)
    code = f"""
import os, pathlib, signal, sys
from qwen_gradio.batch import run_sync
replace = pathlib.Path.replace
def killed(*paths):
    if {moment == "after"}:
        replace(*paths)
    os.kill(os.getpid(), signal.SIGKILL)
pathlib.Path.replace = killed
run_sync(sys.argv[2:], {str(out)!r}, retry_errors=True, space=sys.argv[1])
"""
    command = [sys.executable, "-c", code, scripted.url, *asked]
    assert subprocess.run(command, capture_output=True).returncode == -signal.SIGKILL
    kept = [row for row in before if moment == "before" or row["error"] is None]
    assert rows(out) == kept
    again = run_sync(asked, out, retry_errors=True, space=scripted.url)
    assert (again, len(rows(out))) == (Outcome(2, 1, 1), 2)
    assert {path.name for path in out.parent.iterdir()} <= {out.name, f".{out.name}.lock"}


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no /proc")
def test_rows_are_synced_to_disk_and_so_is_their_directory(
    scripted: ScriptedSpace, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    lines: list[int] = []

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        lines.append(len(rows(out)))

    monkeypatch.setattr("os.fsync", fsync)
    run_sync(["a", "b", "c"], out, concurrency=1, space=scripted.url)
    assert synced[0] == out.parent
    assert (set(synced[1:]), lines[-1]) == ({out}, 3)


def test_a_row_is_not_taken_for_the_reply_to_another_question(
    scripted: ScriptedSpace, out: Path
) -> None:
    run_sync(["a", "b"], out, concurrency=1, space=scripted.url)
    with pytest.raises(OutputError, match="the row of item 1 is the reply to another question"):
        run_sync(["new", "a", "b"], out, space=scripted.url)
    assert [row["reply"] for row in rows(out)] in (["a", "b"], ["b", "a"])


def test_a_link_to_an_output_and_its_permissions_are_kept(
    scripted: ScriptedSpace, tmp_path: Path, out: Path
) -> None:
    link = tmp_path / "link.jsonl"
    link.symlink_to(out)
    out.touch(mode=0o600)
    run_sync([query(finish="fail")], link, space=scripted.url)
    assert run_sync(["x"], link, space=scripted.url, retry_errors=True) == Outcome(1, 1, 0)
    assert link.is_symlink()
    assert out.stat().st_mode & 0o777 == 0o600
    assert [row["reply"] for row in rows(out)] == ["x"]


def test_a_last_line_that_was_cut_off_is_asked_again(scripted: ScriptedSpace, out: Path) -> None:
    run_sync(["a"], out, space=scripted.url)
    line = out.read_bytes()
    run_sync(["a", "b"], out, space=scripted.url)
    second = out.read_bytes()[len(line) :]
    for begun in (*(second[:end] for end in range(0, len(second), 20)), second[:-1], b"\0\0\0"):
        out.write_bytes(line + begun)
        assert run_sync(["a", "b"], out, space=scripted.url) == Outcome(2, 2, 0)
        assert sorted(row["id"] for row in rows(out)) == [1, 2]


@pytest.mark.parametrize(
    "content",
    [
        "notes of mine",
        '{"id": 1}\n',
        '{"id": 1, "mine": true}',
        '{"prompt": "x"}\n',
        '{"id": 1\n{"id": 2\n',
        "[" * 100_000,
    ],
    ids=lambda content: content[:20],
)
def test_a_file_that_is_not_an_output_is_not_changed(out: Path, content: str) -> None:
    out.write_text(content)
    with pytest.raises(OutputError, match="line 1, is not a row"):
        run_sync(["a"], out, space=NOBODY)
    assert out.read_text() == content


@pytest.mark.parametrize("where", ["missing/replies.jsonl", ".", "/dev/full"])
def test_an_output_that_cannot_be_used_is_an_error(tmp_path: Path, where: str) -> None:
    with pytest.raises(OutputError):
        run_sync(["a"], tmp_path / where, space=NOBODY)
    assert list(tmp_path.iterdir()) == []


def test_the_input_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("a")
    with pytest.raises(OutputError, match="both"):
        run_sync(path, path)


def test_a_second_run_on_the_same_output_is_rejected(
    scripted: ScriptedSpace, tmp_path: Path, out: Path
) -> None:
    link = tmp_path / "link.jsonl"
    link.symlink_to(out)
    question = script(log=["begun"], say=["x"], every=1)
    first = threading.Thread(
        target=run_sync, args=([question["content"]], out), kwargs={"space": scripted.url}
    )
    first.start()
    scripted.wait_for("started", tag_of(question))
    for name in (out, link):
        with pytest.raises(OutputError, match="Another run"):
            run_sync(["a"], name, space=scripted.url)
    first.join()
    assert len(rows(out)) == 1


@pytest.mark.anyio
async def test_when_the_space_is_full_all_items_pause_together(scripted: ScriptedSpace) -> None:
    pauses: list[float] = []
    asked: list[float] = []
    done: Counter[Any] = Counter()

    def behave(request: Request) -> bytes | Forward:
        if request.path != JOIN:
            return Forward()
        asked.append(time.monotonic())
        full = len(asked) in (10, 30)
        return answer("503 Full", Retry_After="1") if full else Forward()

    async def put(row: Any) -> None:
        done[row["id"], row["reply"], row["attempts"]] += 1

    with Front(behave, scripted.url) as front:
        asker = Asker(Qwen_Qwen_2_5_Max, None, {"space": front.url}, 1, concurrency=4)
        asker.on_wait = lambda error, seconds: pauses.append(time.monotonic())
        items = Items([f"number {number}" for number in range(50)], None, "flat")
        await asker.ask_all(items, put)
    assert len(pauses) == 2
    for pause in pauses:
        meanwhile = [moment for moment in asked if pause + 0.01 < moment < pause + 0.99]
        assert len(meanwhile) < 4  # those that were already running
    assert sum(done.values()) == 50
    assert sorted(attempts for _, _, attempts in done)[-3:] == [1, 2, 2]


@pytest.mark.anyio
@pytest.mark.parametrize(
    "response",
    [
        answer("429 Slow down", Retry_After="0"),
        answer("401 Who?"),
        answer("502 Bad Gateway"),
        answer("404 Not Found"),
    ],
    ids=["429", "401", "502", "another app"],
)
async def test_items_survive_a_space_that_is_gone_for_a_while(
    scripted: ScriptedSpace, out: Path, response: bytes
) -> None:
    gone_from = float("inf")

    def behave(request: Request) -> bytes | Forward:
        nonlocal gone_from
        if request.path == JOIN and request.seen == 8:
            gone_from = time.monotonic()  # one of the first eight has its reply by then
        if not 0 <= time.monotonic() - gone_from < 1:
            return Forward()
        if request.path == "/config" and b"404" in response:  # an app without a chat
            return answer(
                "200 OK", '{"api_prefix": "/gradio_api", "dependencies": [], "components": []}'
            )
        return response if request.path == JOIN else Forward()

    with Front(behave, scripted.url) as front:
        prompts = [f"number {number}" for number in range(20)]
        assert await run(prompts, out, space=front.url) == Outcome(20, 20, 0)
        assert joins(front) < 80  # retries are not as frequent as the network allows


@pytest.mark.anyio
async def test_api_name_chooses_the_endpoint_for_all_items(
    scripted: ScriptedSpace, out: Path
) -> None:
    options: Any = {"space": scripted.url, "api_name": "model_chat"}
    assert await run(["a", "b"], out, **options) == Outcome(2, 2, 0)
    with pytest.raises(SpaceInterfaceError, match="nowhere"):
        await run(["a", "b", "c"], out, **{**options, "api_name": "nowhere"})


@pytest.mark.anyio
async def test_a_space_that_cannot_be_asked_at_all_ends_the_run(out: Path) -> None:
    prompts = [f"{number}" for number in range(100)]
    with pytest.raises(SpaceUnavailableError, match=r"nobody\.invalid"):
        await run(prompts, out, space="http://nobody.invalid")
    assert rows(out) == []
    with Front(lambda request: answer("404 Not Found")) as front:
        with pytest.raises(SpaceUnavailableError):
            await run(prompts, out, space=front.url)
        assert len(front.requests) <= 8
    with pytest.raises(SpaceUnavailableError, match="refused"):
        await run(prompts, out, space=NOBODY)
    assert rows(out) == []


@pytest.mark.anyio
async def test_cancelling_a_batch_stops_the_space_and_keeps_the_replies(
    scripted: ScriptedSpace, out: Path
) -> None:
    hangs = script(say=["x"], finish="hang")
    async with anyio.create_task_group() as tasks:
        prompts = [query(say=["kept"]), hangs["content"]]
        tasks.start_soon(lambda: run(prompts, out, space=scripted.url, concurrency=2))
        await anyio.to_thread.run_sync(scripted.wait_for, "started", tag_of(hangs))
        while not rows(out):  # noqa: ASYNC110  # a file says nothing when it grows
            await anyio.sleep(0.01)
        tasks.cancel_scope.cancel()
    await anyio.to_thread.run_sync(scripted.wait_for, "stopped", tag_of(hangs))
    assert [row["reply"] for row in rows(out)] == ["kept"]


@pytest.mark.anyio
async def test_a_batch_runs_inside_an_event_loop_without_awaiting(
    scripted: ScriptedSpace, out: Path
) -> None:
    assert run_sync(["a"], out, space=scripted.url) == Outcome(1, 1, 0)


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "qwen_gradio", "batch", *map(str, arguments)]


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(f'{{"prompt": "number {number}"}}\n' for number in range(60)))
    return path


def test_a_batch_that_is_killed_repeatedly_completes(
    scripted: ScriptedSpace, prompts: Path, out: Path
) -> None:
    reached = threading.Event()
    kill_at: list[int] = []
    arrived = 0

    def behave(request: Request) -> Forward:
        nonlocal arrived
        if request.path == JOIN:
            arrived += 1
            if arrived in kill_at:
                reached.set()
        return Forward()

    with Front(behave, scripted.url) as front:
        for further in (1, 2, 9, 14, 20):
            kill_at[:] = [arrived + further]
            reached.clear()
            with subprocess.Popen(command(prompts, out, "--space", front.url)) as process:
                assert reached.wait(PATIENCE)
                process.kill()
        kill_at.clear()
        done = subprocess.run(
            command(prompts, out, "--space", front.url), capture_output=True, text=True
        )
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr == "qwen-gradio: 60 of 60 items answered, 0 failed\n"
    assert {row["id"]: row["reply"] for row in rows(out)} == {
        number + 1: f"number {number}" for number in range(60)
    }
    assert len(rows(out)) == 60


def test_ctrl_c_stops_the_space_and_says_how_to_continue(
    scripted: ScriptedSpace, tmp_path: Path, out: Path
) -> None:
    path = tmp_path / "prompts.txt"
    hangs = script(say=["x"], finish="hang")
    path.write_text(hangs["content"])
    arguments = command(path, out, "--space", scripted.url)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        scripted.wait_for("started", tag_of(hangs))
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 130
        assert process.stderr is not None
        written = process.stderr.read()
    assert written == "qwen-gradio: stopped. Run the same command again to continue.\n"
    scripted.wait_for("stopped", tag_of(hangs))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs")
def test_ctrl_c_stops_a_batch_that_is_still_reading_its_items(tmp_path: Path, out: Path) -> None:
    import os

    path = tmp_path / "prompts.txt"
    os.mkfifo(path)
    arguments = command(path, out, "--space", NOBODY)
    with subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True) as process:
        with path.open("w") as prompts:  # returns when the command has opened it as well
            prompts.write("first\n")
            prompts.flush()
            process.send_signal(signal.SIGINT)
            assert process.wait(PATIENCE) == 130


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
def test_a_full_disk_is_reported_and_the_batch_can_be_resumed(
    scripted: ScriptedSpace, prompts: Path, out: Path
) -> None:
    import resource

    def little_space() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    arguments = command(prompts, out, "--space", scripted.url)
    full = subprocess.run(arguments, capture_output=True, text=True, preexec_fn=little_space)
    assert full.returncode == 1
    assert "File too large" in full.stderr
    assert "Traceback" not in full.stderr
    assert subprocess.run(arguments, capture_output=True).returncode == 0
    assert len(rows(out)) == len({row["id"] for row in rows(out)}) == 60


@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
def test_after_a_full_disk_the_same_process_can_resume(
    scripted: ScriptedSpace, prompts: Path, out: Path
) -> None:
    code = """
import resource, signal, sys
from qwen_gradio.batch import run_sync
_, prompts, out, space = sys.argv
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, unlimited[1]))
try:
    run_sync(prompts, out, space=space)
except OSError as error:
    print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
print(run_sync(prompts, out, space=space).answered)
"""
    arguments = [sys.executable, "-c", code, str(prompts), str(out), scripted.url]
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("OSError\n60\n", "")


def test_a_batch_runs_without_standard_error(
    scripted: ScriptedSpace, prompts: Path, out: Path
) -> None:
    code = "import sys; sys.stderr = None; from qwen_gradio.cli import main; main()"
    arguments = [sys.executable, "-c", code, "batch", str(prompts), str(out)]
    subprocess.run([*arguments, "--space", scripted.url], timeout=2 * PATIENCE)
    assert len(rows(out)) == 60


def test_the_command_reports_failures(scripted: ScriptedSpace, tmp_path: Path, out: Path) -> None:
    path = tmp_path / "prompts.txt"
    path.write_text(f"right\n{query(finish='fail')}")
    arguments = command(path, out, "--space", scripted.url)
    done = subprocess.run(arguments, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (1, "")
    assert "1 of 2 items answered, 1 failed" in done.stderr
    assert "--retry-errors" in done.stderr
    path.write_text("right\nright, too")
    assert subprocess.run([*arguments, "--retry-errors"], capture_output=True).returncode == 0


def test_the_command_lists_invalid_lines(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "x"}\n{}\n{"prompt": 7}\n')
    done = subprocess.run(command(path, out), capture_output=True, text=True)
    assert done.returncode == 1
    assert [line[:2] for line in done.stderr.splitlines()[1:]] == ["2:", "3:"]
    missing = subprocess.run(command("missing.txt", out), capture_output=True, text=True)
    assert missing.returncode == 2


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no pseudo-terminals")
def test_a_terminal_shows_the_progress(scripted: ScriptedSpace, prompts: Path, out: Path) -> None:
    import fcntl
    import os
    import pty
    import struct
    import termios

    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    arguments = command(prompts, out, "--space", scripted.url)
    with subprocess.Popen(arguments, stderr=its, stdout=subprocess.DEVNULL) as process:
        os.close(its)
        shown = ""
        while "60/60" not in shown:
            shown += os.read(ours, 1000).decode(errors="replace")
        assert process.wait(PATIENCE) == 0
    os.close(ours)
    assert "item/s" in shown
    assert "0 failed" in shown
