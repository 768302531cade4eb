"""The command `qwen-gradio`."""

from __future__ import annotations

import io
import sys
import threading
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import anyio

from . import __version__
from ._extras import require_extra
from ._models import list_models
from .chat import Chat
from .errors import InvalidItemsError
from .sync import inspect as inspect_space

try:
    with require_extra("cli"):
        import typer

        from ._cli.dialogue import hold_dialogue
        from ._cli.options import (
            FilesOption,
            JsonOption,
            Options,
            SaveOption,
            arguments_to_ask,
            embedded_space,
            option,
            with_options,
        )
        from ._cli.replies import to_json, write_as_json, write_reply
        from ._cli.stdin import STANDARD_INPUT, items_file, with_piped_text
        from ._cli.terminal import fail, note, report_errors, write
except ModuleNotFoundError as missing:
    sys.exit(f"qwen-gradio: {missing}")

app = typer.Typer(no_args_is_help=True, pretty_exceptions_enable=False)


TOKEN_PREFIXES = ("hf_", "api_")
"""The prefixes of Hugging Face tokens, including old ones."""
LOCAL_MAX_TOKENS = 512
"""The default limit for the embedded Space behind the endpoint. It writes two replies at a time."""


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"qwen-gradio {__version__}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        option(
            "Show the version, and exit.", None, "--version", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Ask Qwen3, or any chat behind a Gradio Space, and stream the reply."""


@app.command()
@with_options()
def ask(
    options: Options,
    prompt: Annotated[
        str | None,
        typer.Argument(
            metavar="PROMPT",
            help="The question. Piped input is appended. With no PROMPT, or -, the piped input is "
            "the question.",
        ),
    ] = None,
    as_json: JsonOption = False,
    files: FilesOption = None,
    folder: SaveOption = None,
) -> None:
    """Ask one question, and write the reply as it arrives."""
    text = with_piped_text(prompt)
    if not text.strip():
        raise typer.BadParameter("there is no question", param_hint="PROMPT")
    with arguments_to_ask(options) as arguments, report_errors():
        stream = Chat(**arguments).stream(text, files=files)
        anyio.run(write_as_json if as_json else write_reply, stream, folder)


@app.command()
@with_options()
def chat(options: Options, folder: SaveOption = None) -> None:
    """Have a conversation. Type /help for its commands."""
    hold_dialogue(options, folder)


@app.command()
@with_options()
def batch(
    prompts: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            dir_okay=False,
            help="JSON Lines or an array (.jsonl, .json), CSV (.csv, .tsv), or text with one "
            "prompt per line. - reads standard input: JSON if it begins with { or [, else text.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", dir_okay=False, help="JSON Lines, with a row for each item."),
    ],
    options: Options,
    concurrency: Annotated[int, option("Maximum items to ask at once.", "N", min=1)] = 8,
    retry_errors: Annotated[
        bool, option("Ask failed items again.", None, "--retry-errors")
    ] = False,
    keep: Annotated[
        bool | None,
        option(
            "If OUT has replies with other settings: keep them, or ask again. The default is to "
            "stop.",
            None,
            "--keep/--ask-again",
        ),
    ] = None,
    give_up_after: Annotated[
        float, option("Stop after this long without any answer; inf for never.", "SECONDS", min=0)
    ] = 300.0,
) -> None:
    """Ask every prompt in a file. If stopped, run the same command to resume."""
    from .batch import run_sync

    if str(out) == "-":
        raise typer.BadParameter("must be a file: a run resumes from it", param_hint="OUT")
    if prompts != STANDARD_INPUT and not prompts.exists():  # Typer's own check fails for -
        raise typer.BadParameter(f"file {str(prompts)!r} does not exist", param_hint="IN")
    with arguments_to_ask(options) as arguments, report_errors():
        try:
            with items_file(prompts) as file:
                outcome = run_sync(
                    file,
                    out,
                    concurrency=concurrency,
                    retry_errors=retry_errors,
                    keep=keep,
                    give_up_after=give_up_after,
                    **arguments,
                )
        except InvalidItemsError as error:
            note(str(error))
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            note("stopped. Run the same command again to continue.")
            raise typer.Exit(130) from None
    note(f"{outcome.answered} of {outcome.items} items answered, {outcome.failed} failed")
    if outcome.failed:
        fail(f"{out} has the errors. Use --retry-errors to ask the failed items again")


@app.command()
@with_options("api_name", "api_key", "auth", "headers", "proxy", "verbose")
def inspect(
    options: Options,
    space: Annotated[
        str | None,
        typer.Argument(
            envvar="QWEN_GRADIO_SPACE", metavar="SPACE", help="The Space: owner/name or URL."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show what a Space offers, and how a question would be asked."""
    if not space:
        raise typer.BadParameter("name a Space, or set $QWEN_GRADIO_SPACE", param_hint="SPACE")
    with report_errors():
        found = inspect_space(space, api_name=options.api_name, **options.to_access())
        write(to_json(asdict(found)) if as_json else f"{found}\n")


@app.command()
def models() -> None:
    """List the models, each with its Space."""
    for model, provider in list_models().items():
        typer.echo(f"{model:24}{provider.url}")


@app.command()
@with_options("gguf", "context")
def serve(
    options: Options,
    port: Annotated[
        int | None,
        option("The port. The default is the first free one from 7860.", "N", min=1, max=65535),
    ] = None,
    host: Annotated[
        str, option("The address to listen on. 0.0.0.0 opens it to the network.", "ADDRESS")
    ] = "127.0.0.1",
    max_tokens: Annotated[
        int | None,
        option("Limit for a reply. The default is the rest of the context.", "N", min=1),
    ] = None,
) -> None:
    """Run the embedded Space: a chat page, with the API of Qwen2.5-Max's Space."""
    with embedded_space(
        host=host, port=port, gguf=options.gguf, context=options.context, max_tokens=max_tokens
    ) as url:
        typer.echo(f"The embedded Space is at {url}\nAsk it: qwen-gradio ask --space {url} ...")
        typer.echo("Press Ctrl-C to stop it.")
        threading.Event().wait()


@app.command()
@with_options("local", "api_key", "history", "stream_timeout", "verbose")
def api(
    options: Options,
    spaces: Annotated[
        list[str] | None,
        option(
            "Also serve this Space (owner/name or URL), as a model of that name. NAME=owner/name "
            "gives it another name, and owner/name?api_name=/chat&inputs.Style=brief an endpoint "
            "and values of inputs. Repeatable.",
            "SPACE",
            "--space",
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        option(
            "Limit for a reply whose request sets none. The default is none, and "
            f"{LOCAL_MAX_TOKENS} with --local: tools also ask it for titles and suggestions.",
            "N",
            min=1,
        ),
    ] = None,
    host: Annotated[
        str, option("The address to listen on. Any other address requires --server-key.", "ADDRESS")
    ] = "127.0.0.1",
    port: Annotated[int, option("The port.", "N", min=1, max=65535)] = 8000,
    server_key: Annotated[
        str | None,
        option(
            "The key that clients must send. Visible in the process list; prefer the environment "
            "variable.",
            "KEY",
            envvar="QWEN_GRADIO_SERVER_KEY",
        ),
    ] = None,
    allow_origins: Annotated[
        list[str] | None,
        option(
            "Let web pages of this origin, such as https://chat.example, use the endpoint; * "
            "allows every page. Repeatable.",
            "ORIGIN",
            "--allow-origin",
        ),
    ] = None,
    max_concurrency: Annotated[
        int | None, option("Maximum requests at once; the others wait.", "N", min=1)
    ] = None,
) -> None:
    """Serve the models to tools that use OpenAI's API, at http://127.0.0.1:8000/v1."""
    try:
        from .api import serve as serve_api
    except ModuleNotFoundError as missing:
        fail(str(missing))
    if options.api_key and not options.api_key.startswith(TOKEN_PREFIXES):
        raise typer.BadParameter(
            "not a Hugging Face token, which begins with hf_. To set the key that clients must "
            "send, use --server-key",
            param_hint="--api-key",
        )
    chosen = {"history": options.history, "stream_timeout": options.stream_timeout}
    given: Any = {name: value for name, value in chosen.items() if value is not None}
    with embedded_space() if options.local else nullcontext(None) as space, report_errors():
        try:
            serve_api(
                host,
                port,
                spaces=spaces or [],
                space=space,
                token=options.api_key,
                max_tokens=max_tokens or (LOCAL_MAX_TOKENS if options.local else None),
                server_key=server_key,
                max_concurrency=max_concurrency,
                allow_origins=allow_origins or [],
                on_start=lambda url: typer.echo(
                    f"The endpoint is at {url}\nPress Ctrl-C to stop it."
                ),
                **given,
            )
        except ValueError as error:
            raise typer.BadParameter(str(error)) from None


def main() -> None:
    """Run the command, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # its encoding may lack characters of a reply
            stream.reconfigure(errors="replace")
    if isinstance(sys.stdin, io.TextIOWrapper):  # some locales accept undecodable bytes
        sys.stdin.reconfigure(errors="strict")
    try:
        app()
    except OSError as error:  # outside of `report_errors`, such as a full disk
        sys.exit(f"qwen-gradio: {error}")
