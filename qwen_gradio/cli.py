"""The command `qwen-gradio`."""

from __future__ import annotations

import errno
import io
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, NoReturn

import anyio

from ._access import Access
from ._messages import as_question
from ._stream import FragmentStream
from ._updates import StreamStatus
from .chat import Chat
from .errors import InvalidItemsError, QwenGradioError
from .provider import Qwen_Qwen_2_5_Max

try:
    import typer
    from rich.console import Console
    from rich.markup import escape
except ModuleNotFoundError as missing:
    sys.exit(f"qwen-gradio: {missing.name} is not installed. Run: pip install 'qwen-gradio[cli]'")

CHAT_HELP = "/system TEXT  set the system prompt    /reset  forget the conversation    /quit  exit"

app = typer.Typer(
    help="Ask Qwen2.5-Max, or any chat behind a Gradio Space, and read the reply as it is written.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
notes = Console(stderr=True, highlight=False)

SpaceOption = Annotated[
    str | None,
    typer.Option(
        metavar="S",
        help="The Space: owner/name or URL. The default is $QWEN_GRADIO_SPACE or Qwen2.5-Max.",
    ),
]
LocalOption = Annotated[
    bool,
    typer.Option("--local", help="Start the embedded Space, ask it, and stop it. Works offline."),
]
SystemOption = Annotated[str | None, typer.Option(metavar="TEXT", help="The system prompt.")]
ApiKeyOption = Annotated[
    str | None,
    typer.Option(metavar="TOKEN", help="Hugging Face token for a Space that requires one."),
]
ProxyOption = Annotated[str | None, typer.Option(metavar="URL", help="Proxy for every request.")]
TimeoutOption = Annotated[
    float | None, typer.Option(metavar="SECONDS", min=0, help="Limit for the complete reply.")
]
GgufOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The model for the embedded Space, such as a Qwen2.5 Instruct GGUF. "
        "The default is a small stand-in, not Qwen.",
    ),
]


@app.command()
def ask(
    prompt: Annotated[str, typer.Argument(help="The question; - reads it from standard input.")],
    local: LocalOption = False,
    space: SpaceOption = None,
    system: SystemOption = None,
    gguf: GgufOption = None,
    api_key: ApiKeyOption = None,
    proxy: ProxyOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Ask one question, and write the reply as it arrives."""
    text = sys.stdin.read() if prompt == "-" else prompt
    if not text.strip():
        raise typer.BadParameter("the question is empty", param_hint="PROMPT")
    with _space_to_ask(space, local, gguf) as chosen, _reported_errors():
        stream = Qwen_Qwen_2_5_Max.create_async_generator(
            None,
            as_question(text, system),
            space=chosen,
            api_key=api_key,
            proxy=proxy,
            timeout=timeout,
        )
        anyio.run(_write_reply, stream)


@app.command()
def chat(
    local: LocalOption = False,
    space: SpaceOption = None,
    system: SystemOption = None,
    gguf: GgufOption = None,
    api_key: ApiKeyOption = None,
    proxy: ProxyOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Have a conversation, with the commands /system TEXT, /reset and /quit."""
    with suppress(ImportError):  # Windows has no readline
        import readline  # noqa: F401  # lets `input` edit lines
    with _space_to_ask(space, local, gguf) as chosen:
        conversation = Chat(system, chosen, api_key=api_key, proxy=proxy, timeout=timeout)
        if notes.is_terminal:
            notes.print(CHAT_HELP, style="dim")
        for line in _typed_lines():
            command, _, rest = line.partition(" ")
            if command == "/quit":
                break
            if command == "/reset":
                conversation.reset()
            elif command == "/system":
                conversation.system = rest.strip() or None
            elif command.startswith("/"):
                notes.print(
                    f"Unknown command: {command}. {CHAT_HELP}", markup=False, soft_wrap=True
                )
            else:
                with suppress(typer.Exit), _reported_errors():
                    anyio.run(_write_reply, conversation.stream(line))


@app.command()
def batch(
    prompts: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            exists=True,
            dir_okay=False,
            help="JSON Lines (.jsonl), CSV (.csv, .tsv), or text with one prompt per line.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", dir_okay=False, help="JSON Lines, with a row for each item."),
    ],
    concurrency: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many items are asked at once.")
    ] = 8,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Ask failed items again.")
    ] = False,
    local: LocalOption = False,
    space: SpaceOption = None,
    system: SystemOption = None,
    gguf: GgufOption = None,
    api_key: ApiKeyOption = None,
    proxy: ProxyOption = None,
    timeout: TimeoutOption = None,
) -> None:
    """Ask every prompt in a file. If it is stopped, the same command resumes it."""
    from .batch import run_sync

    with _space_to_ask(space, local, gguf) as chosen, _reported_errors():
        try:
            outcome = run_sync(
                prompts,
                out,
                concurrency=concurrency,
                retry_errors=retry_errors,
                system=system,
                space=chosen,
                api_key=api_key,
                proxy=proxy,
                timeout=timeout,
            )
        except InvalidItemsError as error:
            _note(f"{prompts}: {error}")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            _note("stopped. Run the same command again to continue.")
            raise typer.Exit(130) from None
    _note(f"{outcome.answered} of {outcome.items} items answered, {outcome.failed} failed")
    if outcome.failed:
        _fail(f"{out} has the errors; --retry-errors asks the failed items again")


@app.command()
def inspect(
    space: Annotated[str, typer.Argument(metavar="SPACE", help="The Space: owner/name or URL.")],
    api_key: ApiKeyOption = None,
    proxy: ProxyOption = None,
) -> None:
    """Show what a Space offers, and how it would be asked."""
    with _reported_errors():
        from ._gradio.space import describe

        found = describe(Access.to(space, api_key, proxy))
        typer.echo(f"{found.client.src} runs Gradio {found.client.config.get('version')}\n")
        typer.echo(str(found.plan(api_name=None)))


@app.command()
def serve(
    port: Annotated[
        int | None,
        typer.Option(metavar="N", help="The port. The default is the first free one from 7860."),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on. 0.0.0.0 opens it to the network.")
    ] = "127.0.0.1",
    gguf: GgufOption = None,
) -> None:
    """Run the embedded Space: a chat page, with the API of Qwen2.5-Max's Space."""
    with _embedded_space(host=host, port=port, gguf=gguf) as url:
        typer.echo(f"The embedded Space is at {url}\nAsk it: qwen-gradio ask --space {url} ...")
        typer.echo("Press Ctrl-C to stop it.")
        threading.Event().wait()


async def _write_reply(stream: FragmentStream) -> None:
    """Write the fragments of a reply as they arrive."""
    spinner = notes.status("Connecting")  # shows nothing unless standard error is a terminal

    def show(status: StreamStatus) -> None:
        spinner.update(escape(str(status)))

    stream.on_status = show
    is_line_open = False
    spinner.start()
    try:
        async for fragment in stream:
            spinner.stop()
            sys.stdout.write(fragment)
            sys.stdout.flush()
            is_line_open = not fragment.endswith("\n")
    finally:
        spinner.stop()
        if is_line_open:
            sys.stdout.write("\n")


def _typed_lines() -> Iterator[str]:
    """Yield the lines that the user types, until the input ends."""
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            line = input(prompt).strip()
        except EOFError:
            return
        if line:
            yield line


@contextmanager
def _space_to_ask(space: str | None, local: bool, gguf: Path | None) -> Iterator[str | None]:
    """Give the Space to ask; the embedded one runs during the block."""
    if local and space is not None:
        raise typer.BadParameter("--local and --space cannot be used together")
    if gguf is not None and not local:
        raise typer.BadParameter("--gguf requires --local")
    if not local:
        yield space
        return
    with _embedded_space(gguf=gguf) as url:
        yield url


@contextmanager
def _embedded_space(**options: Any) -> Iterator[str]:
    """Run the embedded Space. If it cannot start, exit with code 1 and one line of explanation."""
    with ExitStack() as stack:
        try:
            with notes.status("Starting the embedded Space"):
                from .local import running

                url = stack.enter_context(running(**options))
        except ModuleNotFoundError as missing:
            _fail(f"{missing.name} is not installed. Run: pip install 'qwen-gradio[local]'")
        except (OSError, ValueError) as error:
            _fail(str(error))
        yield url


@contextmanager
def _reported_errors() -> Iterator[None]:
    """Turn errors of ours and of files into exit code 1 and one line of explanation."""
    try:
        yield
    except QwenGradioError as error:
        _fail(str(error))
    except OSError as error:
        if error.errno == errno.EPIPE:  # the reader has closed the pipe
            raise
        _fail(str(error))


def _fail(why: str) -> NoReturn:
    _note(" ".join(why.split()))
    raise typer.Exit(1)


def _note(text: str) -> None:
    notes.print(f"qwen-gradio: {text}", markup=False, soft_wrap=True)


def main() -> None:
    """Run the command, and exit."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # replies may not fit its encoding
            stream.reconfigure(errors="replace")
    app()
