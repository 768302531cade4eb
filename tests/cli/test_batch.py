"""The command `qwen-gradio batch` can be stopped, killed and resumed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from ..support.batches import command, rows
from ..support.commands import Terminal, interrupt, on_terminals, run, started
from ..support.fronts import JOIN, Forward, Front, Request
from ..support.servers import NOBODY, PATIENCE, UNTRACED, ScriptedSpace, query, script, tag_of

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_text("".join(f'{{"prompt": "number {number}"}}\n' for number in range(60)))
    return path


@pytest.mark.slow
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
            with started("batch", prompts, out, "--space", front.url) as process:
                assert reached.wait(PATIENCE)
                process.kill()
        kill_at.clear()
        done = run("batch", prompts, out, "--space", front.url)
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
    with started("batch", path, out, "--space", scripted.url) as process:
        scripted.wait_for("started", tag_of(hangs))
        interrupt(process)
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
    with started("batch", path, out, "--space", NOBODY) as process:
        with path.open("w") as prompts:  # returns when the command has opened it as well
            prompts.write("first\n")
            prompts.flush()
            interrupt(process)
            assert process.wait(PATIENCE) == 130


@pytest.mark.slow
def test_prompts_are_read_from_standard_input_as_from_a_file(
    scripted: ScriptedSpace, tmp_path: Path, out: Path
) -> None:
    text = "one\n\nthree\n"
    path = tmp_path / "prompts.txt"
    path.write_text(text)
    for prompts, piped in (("-", "one\n"), ("-", text), (path, "")):
        done = run("batch", prompts, out, "--space", scripted.url, stdin=piped)
        assert (done.returncode, done.stdout) == (0, "")
    assert [(row["id"], row["reply"]) for row in rows(out)] == [(1, "one"), (3, "three")]


def test_replies_cannot_be_written_to_standard_output(tmp_path: Path) -> None:
    done = run("batch", "-", "-", "--space", NOBODY, stdin="one", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "must be a file" in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize(
    "piped",
    [
        '\ufeff\n{"prompt": "one", "id": 1}\n{"prompt": "two", "id": 2}\n',
        '[\n  {"prompt": "one"},\n  {"prompt": "two"}\n]\n',
    ],
    ids=["lines", "array"],
)
def test_json_is_recognised_on_standard_input(
    scripted: ScriptedSpace, out: Path, piped: str
) -> None:
    assert run("batch", "-", out, "--space", scripted.url, stdin=piped).returncode == 0
    assert {row["id"]: row["reply"] for row in rows(out)} == {1: "one", 2: "two"}


@pytest.mark.parametrize(
    ("piped", "complaint"),
    [
        ('{"prompt"', "standard input, which begins with { as JSON does: 1 item cannot be asked"),
        ("[INST]", "standard input, which begins with [ as JSON does: The array is not JSON"),
        ("caf\udce9", "standard input: 1 item cannot be asked"),
    ],
)
def test_standard_input_that_cannot_be_asked_is_named(
    piped: str, complaint: str, out: Path
) -> None:
    done = run("batch", "-", out, "--space", NOBODY, stdin=piped)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"qwen-gradio: {complaint}")


def test_ctrl_c_stops_a_batch_that_waits_for_its_input(out: Path) -> None:
    with started("batch", "-", out, "--space", NOBODY, stdin=subprocess.PIPE) as process:
        assert process.stdin is not None
        process.stdin.write("x" * 1_000_000)  # returns when the command has begun to read
        interrupt(process)
        assert process.wait(PATIENCE) == 130
        assert process.stderr is not None
        assert process.stderr.read().endswith("Run the same command again to continue.\n")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="Windows limits no file sizes")
def test_a_full_disk_is_reported_and_the_batch_can_be_resumed(
    scripted: ScriptedSpace, prompts: Path, out: Path
) -> None:
    import resource

    def little_space() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    arguments = command(prompts, out, "--space", scripted.url)
    # Without coverage, whose own file has no space either.
    full = subprocess.run(
        arguments, env=UNTRACED, capture_output=True, text=True, preexec_fn=little_space
    )
    assert full.returncode == 1
    assert "File too large" in full.stderr
    assert "Traceback" not in full.stderr
    assert subprocess.run(arguments, capture_output=True).returncode == 0
    assert len(rows(out)) == len({row["id"] for row in rows(out)}) == 60


@pytest.mark.slow
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


@pytest.mark.slow
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
    arguments = ("batch", path, out, "--space", scripted.url)
    done = run(*arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert "1 of 2 items answered, 1 failed" in done.stderr
    assert "--retry-errors" in done.stderr
    path.write_text("right\nright, too")
    assert run(*arguments, "--retry-errors").returncode == 0


def test_the_command_lists_invalid_lines(tmp_path: Path, out: Path) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "x"}\n{}\n{"prompt": 7}\n')
    done = run("batch", path, out)
    assert done.returncode == 1
    assert [line[:2] for line in done.stderr.splitlines()[1:]] == ["2:", "3:"]
    assert run("batch", "missing.txt", out).returncode == 2


@on_terminals
def test_a_terminal_shows_the_progress(
    scripted: ScriptedSpace, prompts: Path, out: Path, terminal: Terminal
) -> None:
    arguments = ("batch", prompts, out, "--space", scripted.url)
    with started(*arguments, stderr=terminal.its) as process:
        terminal.wait_for("60/60")
        assert process.wait(PATIENCE) == 0
    assert "item/s" in terminal.shown
    assert "8 at once" in terminal.shown
    assert "0 failed" in terminal.shown
