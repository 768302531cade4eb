"""The command, as a new user runs it, on Spaces that are not just there, with a stand-in hub."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from ..support.batches import rows
from ..support.commands import Terminal, on_terminals, run
from ..support.fronts import Front, answer
from ..support.hubs import Hub
from ..support.servers import PATIENCE, ScriptedSpace, query

pytestmark = pytest.mark.usefixtures("server")


@pytest.fixture
def serve(scripted: ScriptedSpace, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Hub]]:
    """Serve a hub, and make it the one that huggingface_hub is configured for."""
    with ExitStack() as opened:

        def served(hub: Hub) -> Hub:
            hub.host = opened.enter_context(Front(hub, scripted.url)).url
            monkeypatch.setenv("HF_ENDPOINT", hub.host)
            return hub

        yield served


@pytest.fixture
def prompts(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.txt"
    path.write_text("".join(f"number {number}\n" for number in range(50)))
    return path


@on_terminals
def test_ask_shows_that_a_space_is_being_woken_and_answers(
    serve: Callable[..., Hub], terminal: Terminal
) -> None:
    serve(Hub(*["SLEEPING"] * 3, "APP_STARTING", "RUNNING"))
    with terminal.started("ask", "--space", "owner/asleep", "Who goes there?") as process:
        terminal.wait_for("The Space is asleep and is being woken")
        terminal.wait_for("Who goes there?\r\n")
        assert process.wait(PATIENCE) == 0


def test_ask_answers_without_a_terminal(serve: Callable[..., Hub]) -> None:
    serve(Hub(*["SLEEPING"] * 2, "RUNNING"))
    done = run("ask", "--space", "owner/asleep", "Who goes there?")
    assert (done.returncode, done.stdout, done.stderr) == (0, "Who goes there?\n", "")


@pytest.mark.slow
@on_terminals
def test_a_batch_shows_that_a_space_is_being_woken_and_answers_every_item(
    serve: Callable[..., Hub], terminal: Terminal, prompts: Path, out: Path
) -> None:
    hub = serve(Hub(*["SLEEPING"] * 4, "APP_STARTING", "RUNNING"))
    arguments = ("batch", "--space", "owner/asleep", str(prompts), str(out))
    with terminal.started(*arguments) as process:
        terminal.wait_for("The Space is asleep and is being woken]")
        terminal.wait_for("8 at once, 0 failed")
        terminal.wait_for("50 of 50 items answered, 0 failed")
        assert process.wait(PATIENCE) == 0
    assert sorted(row["reply"] for row in rows(out)) == sorted(prompts.read_text().splitlines())
    assert {row["attempts"] for row in rows(out)} == {1}
    assert len(hub.looked_up) < 20


def test_a_private_space_is_asked_by_name_with_the_token_in_the_environment(
    serve: Callable[..., Hub], monkeypatch: pytest.MonkeyPatch
) -> None:
    serve(Hub("RUNNING", token="hf_secret"))
    without = run("ask", "--space", "owner/private", "hi")
    assert (without.returncode, without.stdout) == (1, "")
    assert "If the Space is private, pass a token that can read it as api_key" in without.stderr
    monkeypatch.setenv("QWEN_GRADIO_API_KEY", "hf_secret")
    assert run("ask", "--space", "owner/private", "hi").stdout == "hi\n"


@pytest.mark.slow
@on_terminals
def test_a_spent_quota_pauses_a_batch_which_then_continues(
    scripted: ScriptedSpace, terminal: Terminal, tmp_path: Path, out: Path
) -> None:
    prompts = tmp_path / "prompts.txt"
    quota = (tmp_path.name, 4)
    lines = [query(say=[f"number {number}"], quota=quota) for number in range(50)]
    prompts.write_text("\n".join(lines))
    arguments = ("batch", "--space", scripted.url, str(prompts), str(out))
    with terminal.started(*arguments) as process:
        terminal.wait_for("paused until ")
        terminal.wait_for(": limit reached")
        terminal.wait_for("50 of 50 items answered, 0 failed")
        assert process.wait(PATIENCE) == 0
    assert sum(row["attempts"] for row in rows(out)) < 50 + 3 * 8


@pytest.mark.slow
def test_a_spent_quota_stops_a_batch_if_it_lasts_for_more_than_an_hour(
    scripted: ScriptedSpace, tmp_path: Path, out: Path
) -> None:
    prompts = tmp_path / "prompts.txt"
    spent = query(say=["later"], quota=(tmp_path.name, 7200))
    prompts.write_text(f"{query(say=['being', ' asked'], every=0.5)}\n{spent}\nnever asked\n")
    done = run("batch", prompts, out, "--space", scripted.url, "--concurrency", 2)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("\n") == 1
    later = [time.localtime(time.time() + 7200 - ago) for ago in range(120)]
    named = {f"can be asked again only at {time.strftime('%Y-%m-%d %H:%M', at)}" for at in later}
    assert [text in done.stderr for text in named].count(True) == 1
    assert "Run it again then to resume" in done.stderr
    assert "The last error: You have exceeded your GPU quota. Try again in " in done.stderr
    assert [row["reply"] for row in rows(out)] == ["being asked"]


@pytest.mark.slow
@on_terminals
def test_a_hostile_space_cannot_give_commands_to_the_terminal_of_a_batch(
    scripted: ScriptedSpace, terminal: Terminal, tmp_path: Path, out: Path
) -> None:
    title = "\x1b]0;owned\x07"
    message = f"{title} GPU quota. Try again in"
    prompts = tmp_path / "prompts.txt"
    lines = [
        query(say=[title], finish="fail", error=[f"{title}failed", title]),
        query(finish="fail", error=[f"{message} 9:00:00", title]),
    ]
    prompts.write_text("\n".join(lines))
    arguments = ("batch", "--space", scripted.url, "--concurrency", "1", str(prompts), str(out))
    with terminal.started(*arguments) as process:
        terminal.wait_for("Try again in 9:00:00")
        assert process.wait(PATIENCE) == 1
    assert "\x1b]" not in terminal.shown
    assert "\x07" not in terminal.shown


@pytest.mark.parametrize(
    ("current", "requested", "line"),
    [
        ("zero-a10g", "zero-a10g", "On the Hub: RUNNING on zero-a10g"),
        ("cpu-basic", "t4-small", "On the Hub: RUNNING on cpu-basic (t4-small is requested)"),
        (None, "t4-small", "On the Hub: RUNNING on t4-small"),
        (None, None, "On the Hub: RUNNING on unknown hardware"),
    ],
)
def test_inspect_shows_the_stage_and_the_hardware(
    serve: Callable[..., Hub], current: str | None, requested: str | None, line: str
) -> None:
    hub = serve(Hub("RUNNING"))
    hub.hardware = {"current": current, "requested": requested}
    done = run("inspect", "owner/name")
    assert done.stdout.splitlines()[1:3] == [line, ""]
    assert "/model_chat(query=<query>" in done.stdout


def test_inspect_of_a_space_that_does_not_run_says_why(serve: Callable[..., Hub]) -> None:
    serve(Hub("PAUSED"))
    done = run("inspect", "owner/name")
    assert (done.returncode, done.stdout) == (1, "")
    assert "owner/name is paused, and only its owner can restart it (PAUSED)" in done.stderr


def test_inspect_needs_no_hub_for_a_space_elsewhere(serve: Callable[..., Hub]) -> None:
    hub = serve(Hub("RUNNING"))
    assert run("inspect", hub.host).stdout.splitlines()[1] == ""
    assert hub.looked_up == []


def test_inspect_works_without_the_hub(serve: Callable[..., Hub]) -> None:
    hub = serve(Hub("RUNNING"))
    hub.outage = answer("500 Internal Server Error")
    done = run("inspect", "http://owner-name.hf.space", "--proxy", hub.host)
    assert done.stdout.splitlines()[1] == ""
    assert len(hub.looked_up) == 1


def test_inspect_shows_the_new_name_of_a_space_that_was_renamed(serve: Callable[..., Hub]) -> None:
    hub = serve(Hub("RUNNING"))
    hub.moved = f"{hub.host}/api/spaces/ada/chat"
    printed = run("inspect", "owner/old").stdout
    assert "owner/old is now ada/chat\n" in printed
    assert "ada/chat is asked in 1 step:" in printed


def test_verbose_says_that_a_space_is_being_woken(serve: Callable[..., Hub]) -> None:
    serve(Hub("SLEEPING", "SLEEPING", "RUNNING"))
    done = run("ask", "-v", "--space", "owner/asleep", "hi")
    assert done.stdout == "hi\n"
    assert " owner/asleep is asleep and is being woken\n" in done.stderr
