"""A batch's output holds one complete row for each item, also after failures and kills."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from qwen_gradio import OutputError, SpaceUnavailableError, StreamStatus
from qwen_gradio.batch import Outcome, run_sync
from qwen_gradio.batch._rows import Row, Rows

from ..support.batches import joins, rows
from ..support.fronts import Forward, Front, answer
from ..support.servers import NOBODY, PATIENCE, ScriptedSpace, query, script, tag_of


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
def test_a_kill_while_replaced_rows_are_removed_leaves_all_or_none_of_them(
    scripted: ScriptedSpace, out: Path, moment: str
) -> None:
    asked = ["plain", query(say=["x"], finish="fail")]
    assert run_sync(asked, out, concurrency=1, space=scripted.url) == Outcome(2, 1, 1)
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
    both = rows(out) if moment == "before" else [*before, *rows(out)[-1:]]
    assert both[:2] == before
    assert (both[2]["id"], both[2]["partial"]) == (2, "x")
    again = run_sync(asked, out, space=scripted.url)
    assert (again, rows(out)) == (Outcome(2, 1, 1), [before[0], both[2]])
    again = run_sync(asked, out, retry_errors=True, space=scripted.url)
    assert (again, len(rows(out))) == (Outcome(2, 1, 1), 2)
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system has no /proc")
def test_rows_are_synced_to_disk(
    scripted: ScriptedSpace, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    lines: list[int] = []

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        lines.append(len(rows(out)))

    monkeypatch.setattr("os.fsync", fsync)
    run_sync(["a", "b", "c"], out, concurrency=1, space=scripted.url)
    assert (set(synced), lines[-1]) == ({out}, 3)


def test_a_row_is_not_taken_for_the_reply_to_another_question(
    scripted: ScriptedSpace, out: Path
) -> None:
    run_sync(["a", "b"], out, concurrency=1, space=scripted.url)
    with pytest.raises(OutputError, match="the row of item 1 is a reply to another question"):
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
    for begun in (*(second[:end] for end in range(0, len(second), 20)), second[:-1]):
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


@pytest.mark.parametrize("row_id", ['"\\ud800"', "[1]", "null", "1e999"])
def test_a_row_of_no_item_stays(scripted: ScriptedSpace, out: Path, row_id: str) -> None:
    row = f'{{"id": {row_id}, "reply": "x", "error": null}}\n'
    out.write_text(row)
    assert run_sync(["a"], out, space=scripted.url) == Outcome(1, 1, 0)
    assert out.read_text().startswith(row)


@pytest.mark.parametrize("where", ["missing/replies.jsonl", ".", "/dev/full"])
def test_an_output_that_cannot_be_used_is_an_error(tmp_path: Path, where: str) -> None:
    with pytest.raises(OutputError):
        run_sync(["a"], tmp_path / where, space=NOBODY)
    assert list(tmp_path.iterdir()) == []


def test_the_input_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('{"id": "a')  # as a row that was cut off begins
    with pytest.raises(OutputError, match="both"):
        run_sync(path, path, space=NOBODY)
    assert path.read_text() == '{"id": "a'


def test_a_second_run_on_the_same_output_is_rejected(
    scripted: ScriptedSpace, tmp_path: Path, out: Path
) -> None:
    link, hard_link = tmp_path / "link.jsonl", tmp_path / "hard_link.jsonl"
    link.symlink_to(out)
    question = script(log=["begun"], say=["x"], every=1)
    first = threading.Thread(
        target=run_sync, args=([question["content"]], out), kwargs={"space": scripted.url}
    )
    first.start()
    scripted.wait_for("started", tag_of(question))
    hard_link.hardlink_to(out)
    for name in (out, link, hard_link):
        with pytest.raises(OutputError, match="Another run"):
            run_sync(["a"], name, space=scripted.url)
    first.join()
    assert len(rows(out)) == 1


def test_failed_rows_stay_while_the_space_is_down(scripted: ScriptedSpace, out: Path) -> None:
    prompts = [query(say=["so far"], finish="fail"), "b"]
    run_sync(prompts, out, space=scripted.url)
    before = rows(out)
    with Front(lambda request: answer("404 Not Found")) as front:
        with pytest.raises(SpaceUnavailableError):
            run_sync(prompts, out, space=front.url, retry_errors=True, keep=True)
    assert rows(out) == before
    assert {row["partial"] for row in before} == {"so far", None}


def test_a_failed_row_stays_until_its_item_has_another(scripted: ScriptedSpace, out: Path) -> None:
    fails = query(say=["so far"], finish="fail")
    hangs = script(finish="hang", say=["x"])
    run_sync(["a", fails], out, space=scripted.url)
    before = rows(out)
    code = "import sys; from qwen_gradio.batch import run_sync; "
    code += "run_sync(sys.argv[3:], sys.argv[1], space=sys.argv[2], retry_errors=True)"
    arguments = [sys.executable, "-c", code, str(out), scripted.url, "a", hangs["content"]]
    with subprocess.Popen(arguments) as process:
        scripted.wait_for("started", tag_of(hangs))
        process.kill()
    assert rows(out) == before
    assert run_sync(["a", "b"], out, space=scripted.url, retry_errors=True) == Outcome(2, 2, 0)
    assert [row["reply"] for row in rows(out)] == ["a", "b"]


OTHERS: dict[str, dict[str, Any]] = {
    "sampling": {"temperature": 0},
    "tags": {"reasoning_tags": True},
    "inputs": {"inputs": {"system": "Be brief."}},
    "history": {"history": "native"},
    "endpoint": {"api_name": "/model_chat"},
    "system prompt": {"system": "Be brief."},
    "model": {"model": "qwen-2-72b"},
    "Space": {},
}


@pytest.mark.parametrize("name", OTHERS)
def test_replies_to_other_settings_are_kept_or_asked_again_by_choice(
    scripted: ScriptedSpace, out: Path, name: str
) -> None:
    run_sync(["a", "b"], out, space=scripted.url)
    before = rows(out)
    with Front(lambda request: Forward(), scripted.url) as front:
        options = {"space": front.url if name == "Space" else scripted.url, **OTHERS[name]}
        with pytest.raises(OutputError, match=r"is a reply .*--keep.*--ask-again"):
            run_sync(["a", "b"], out, **options)
        assert run_sync(["a", "b"], out, keep=True, **options) == Outcome(2, 2, 0)
        assert rows(out) == before
        assert run_sync(["a", "b"], out, keep=False, **options) == Outcome(2, 2, 0)
        after = rows(out)
        assert sorted(row["id"] for row in after) == [1, 2]
        assert not [row for row in after if row in before]
        assert run_sync(["a", "b"], out, **options) == Outcome(2, 2, 0)


def test_rows_of_earlier_versions_are_read(out: Path) -> None:
    messages = b'[{"content": "a", "role": "user"}]'
    row = {"id": 1, "reply": "x", "error": None, "space": NOBODY, "model": "qwen-qwen2-5-max"}
    for digest in ({}, {"digest": sha256(messages).hexdigest()[:16]}):
        out.write_text(json.dumps({**row, **digest}) + "\n")
        assert run_sync(["a"], out, space=NOBODY) == Outcome(1, 1, 0)


@pytest.mark.parametrize("end", ["", "\n\n", "\r\n", "\n  \n\n", "\n \n  "])
def test_a_last_row_may_end_in_blank_lines_or_without_one(
    scripted: ScriptedSpace, out: Path, end: str
) -> None:
    run_sync(["a"], out, space=scripted.url)
    before = rows(out)
    out.write_bytes(out.read_bytes().rstrip() + end.encode())
    with Front(lambda request: Forward(), scripted.url) as front:
        assert run_sync(["a", "b"], out, space=front.url, keep=True) == Outcome(2, 2, 0)
        assert joins(front) == 1
    assert rows(out)[:1] == before
    assert [row["reply"] for row in rows(out)] == ["a", "b"]


@pytest.mark.parametrize("name", ["replies.csv", "replies.TSV"])
def test_a_table_is_not_an_output(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutputError, match=r"JSON Lines.*replies\.jsonl"):
        run_sync(["a"], tmp_path / name, space=NOBODY)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no FIFOs")
def test_a_pipe_is_not_an_output(tmp_path: Path) -> None:
    import os

    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    reading, writing = os.pipe()
    for out in (fifo, Path(f"/dev/fd/{writing}")):
        with pytest.raises(OutputError, match="is not a file"):
            run_sync(unread(), out, space=NOBODY)
    os.close(reading)
    os.close(writing)


def unread() -> Iterator[str]:
    pytest.fail("The output is checked before the items are read")
    yield ""


def test_a_run_leaves_nothing_but_its_output(scripted: ScriptedSpace, out: Path) -> None:
    run_sync(["a"], out, space=scripted.url)
    assert list(out.parent.iterdir()) == [out]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps files that are open")
@pytest.mark.parametrize("how", ["moved", "replaced"])
def test_a_run_whose_output_is_gone_stops_and_can_be_resumed(
    scripted: ScriptedSpace, out: Path, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = out.with_name("elsewhere")
    written = threading.Event()
    append = Rows.append

    def announced(self: Rows, some: Iterable[Row]) -> None:
        append(self, some)
        written.set()

    def take_away(status: StreamStatus) -> None:
        if status.state == "log" and not elsewhere.exists():
            assert written.wait(PATIENCE)  # else it would be noticed with the first row
            out.rename(elsewhere)
            if how == "replaced":
                out.touch()

    monkeypatch.setattr(Rows, "append", announced)
    prompts = ["first", query(log=["now"], say=["second"]), "third"]
    options: Any = {"space": scripted.url, "concurrency": 1}
    with pytest.raises(OutputError, match="was moved, replaced or deleted"):
        run_sync(prompts, out, on_status=take_away, **options)
    assert [row["id"] for row in rows(elsewhere)] == [1, 2]
    assert run_sync(prompts, out, **options) == Outcome(3, 3, 0)
