"""The command `qwen-gradio`."""

from __future__ import annotations

import errno
import inspect as introspection
import io
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, fields
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import Annotated, Any, NoReturn

import anyio

from ._access import Access
from ._messages import History, as_question
from ._stream import FragmentStream
from ._updates import StreamStatus
from .chat import Chat
from .errors import InvalidItemsError, ModelNotFoundError, QwenGradioError
from .provider import Provider, provider_of, providers

try:
    import typer
    from rich.console import Console
    from rich.markup import escape
except ModuleNotFoundError as missing:
    sys.exit(f"qwen-gradio: {missing.name} is not installed. Run: pip install 'qwen-gradio[cli]'")

CHAT_HELP = "/system TEXT  set the system prompt    /reset  forget the conversation    /quit  exit"
CONTROL_CHARACTERS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but newline and tab. A terminal takes commands in them, which a Space must not give."""

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
notes = Console(stderr=True, highlight=False)

ApiNameOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The Space's endpoint, by name or number, where several could be meant.",
    ),
]
ApiKeyOption = Annotated[
    str | None,
    typer.Option(
        metavar="TOKEN",
        envvar="QWEN_GRADIO_API_KEY",
        help="Hugging Face token for a Space that requires one. Other users of this computer can "
        "see it, unless it is in the environment variable.",
    ),
]
AuthOption = Annotated[
    str | None,
    typer.Option(metavar="USER:PASSWORD", help="For a Gradio app that asks for a login."),
]
ProxyOption = Annotated[str | None, typer.Option(metavar="URL", help="Proxy for every request.")]
GgufOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="The model for the embedded Space, such as a Qwen2.5 Instruct GGUF. "
        "The default is a small stand-in, not Qwen.",
    ),
]
ContextOption = Annotated[
    int | None,
    typer.Option(
        metavar="TOKENS",
        help="Limit for a conversation with the embedded Space, replies included. The default is "
        "half of the model's own, as two replies are written at once.",
    ),
]


@dataclass(frozen=True)
class Options:
    """The options of all commands that ask."""

    model: Annotated[
        str | None,
        typer.Option("--model", "-m", metavar="NAME", help="The model; `models` lists them."),
    ] = None
    space: Annotated[
        str | None,
        typer.Option(
            metavar="S",
            help="The Space: owner/name or URL. The default is $QWEN_GRADIO_SPACE or the model's.",
        ),
    ] = None
    local: Annotated[
        bool,
        typer.Option(
            "--local", help="Start the embedded Space, ask it, and stop it. Works offline."
        ),
    ] = False
    gguf: GgufOption = None
    context: ContextOption = None
    system: Annotated[str | None, typer.Option(metavar="TEXT", help="The system prompt.")] = None
    history: Annotated[
        History | None,
        typer.Option(help="How earlier turns are sent: in the question, or as the Space's own."),
    ] = None
    temperature: Annotated[
        float | None, typer.Option(metavar="T", help="Given to a Space that has such an input.")
    ] = None
    max_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            help="Limit for a reply. Given to a Space that has such an input; the embedded one "
            "always keeps it.",
        ),
    ] = None
    inputs: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="NAME=VALUE",
            help="The value, as JSON or else text, of another input that `inspect` lists. "
            "Repeatable.",
        ),
    ] = None
    api_name: ApiNameOption = None
    api_key: ApiKeyOption = None
    auth: AuthOption = None
    proxy: ProxyOption = None
    timeout: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0, help="Limit for the complete reply.")
    ] = None
    stream_timeout: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0, help="Limit for the wait until the next update."),
    ] = None
    max_retries: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=0,
            help="How often to ask again if the Space did not accept a question.",
        ),
    ] = None

    def to_arguments(self) -> dict[str, Any]:
        """Return the arguments of `Chat` and `batch.run`, as far as they were given."""
        names = {field.name for field in fields(self)} - {"local", "gguf", "context"}
        given = {name: getattr(self, name) for name in names}
        given |= {"auth": _login(self.auth), "inputs": dict(map(_named_value, self.inputs or []))}
        return {
            "provider": _provider_of(self.model),
            **{name: value for name, value in given.items() if value is not None},
        }


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the fields of `Options` as options of its own, after those it declares."""
    parameters = introspection.signature(command, eval_str=True).parameters.values()
    own = [parameter for parameter in parameters if parameter.name != "options"]
    shared = introspection.signature(Options, eval_str=True).parameters

    def run(**given: Any) -> None:
        options = Options(**{name: given.pop(name) for name in shared})
        command(options=options, **given)

    signature = introspection.Signature([*own, *shared.values()])
    run.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def _show_version(is_wanted: bool) -> None:
    if is_wanted:
        typer.echo(f"qwen-gradio {installed_version('qwen-gradio')}")
        raise typer.Exit


@app.callback()
def about(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version, and exit."
        ),
    ] = False,
) -> None:
    """Ask Qwen2.5-Max, or any chat behind a Gradio Space, and read the reply as it is written."""


@app.command()
@with_options
def ask(
    prompt: Annotated[
        str,
        typer.Argument(help="The question, followed by what is piped in; - is the latter alone."),
    ],
    options: Options,
) -> None:
    """Ask one question, and write the reply as it arrives."""
    text = _with_piped_text(prompt)
    if not text.strip():
        raise typer.BadParameter("the question is empty", param_hint="PROMPT")
    with _arguments_to_ask(options) as arguments, _reported_errors():
        provider, system = arguments.pop("provider"), arguments.pop("system", None)
        stream = provider.create_async_generator(
            arguments.pop("model", None), as_question(text, system), **arguments
        )
        anyio.run(_write_reply, stream)


@app.command()
@with_options
def chat(options: Options) -> None:
    """Have a conversation, with the commands /system TEXT, /reset and /quit."""
    with suppress(ImportError):  # Windows has no readline
        import readline  # noqa: F401  # lets `input` edit lines
    is_dialogue = sys.stdin.isatty()
    has_failed = False
    with _arguments_to_ask(options) as arguments:
        conversation = Chat(**arguments)
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
                _note(f"Unknown command: {command}. {CHAT_HELP}")
            else:
                try:
                    with _reported_errors():
                        anyio.run(_write_reply, conversation.stream(line))
                except typer.Exit:
                    has_failed = True
                except KeyboardInterrupt:  # stops the reply, not the conversation
                    if not is_dialogue:
                        raise
    if has_failed and not is_dialogue:
        raise typer.Exit(1)


@app.command()
@with_options
def batch(
    prompts: Annotated[
        Path,
        typer.Argument(
            metavar="IN",
            exists=True,
            dir_okay=False,
            help="JSON Lines or an array (.jsonl, .json), CSV (.csv, .tsv), or text with one "
            "prompt per line.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Argument(metavar="OUT", dir_okay=False, help="JSON Lines, with a row for each item."),
    ],
    options: Options,
    concurrency: Annotated[
        int, typer.Option(metavar="N", min=1, help="How many items are asked at once.")
    ] = 8,
    retry_errors: Annotated[
        bool, typer.Option("--retry-errors", help="Ask failed items again.")
    ] = False,
    keep: Annotated[
        bool | None,
        typer.Option(
            "--keep/--ask-again",
            help="Keep replies to other settings in OUT, or ask again. The default is to stop.",
        ),
    ] = None,
    give_up_after: Annotated[
        float,
        typer.Option(
            metavar="SECONDS", min=0, help="Stop after so long without any answer; inf never does."
        ),
    ] = 300.0,
) -> None:
    """Ask every prompt in a file. If it is stopped, the same command resumes it."""
    from .batch import run_sync

    with _arguments_to_ask(options) as arguments, _reported_errors():
        try:
            outcome = run_sync(
                prompts,
                out,
                concurrency=concurrency,
                retry_errors=retry_errors,
                keep=keep,
                give_up_after=give_up_after,
                **arguments,
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
    api_name: ApiNameOption = None,
    api_key: ApiKeyOption = None,
    auth: AuthOption = None,
    proxy: ProxyOption = None,
) -> None:
    """Show what a Space offers, and how it would be asked."""
    login = _login(auth)
    with _reported_errors():
        from ._gradio.space import describe

        found = describe(Access.to(space, api_key, proxy, login))
        plan = found.plan(api_name)
        gradio = found.client.config.get("version")
        _write(f"{found.client.src} runs Gradio {gradio}\n\n{plan}\n")


@app.command()
def models() -> None:
    """List the models, each with its Space."""
    for provider in providers().values():
        for model in provider.get_models():
            typer.echo(f"{model:24}{provider.url}")


@app.command()
def serve(
    port: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            min=1,
            max=65535,
            help="The port. The default is the first free one from 7860.",
        ),
    ] = None,
    host: Annotated[
        str, typer.Option(help="The address to listen on. 0.0.0.0 opens it to the network.")
    ] = "127.0.0.1",
    gguf: GgufOption = None,
    context: ContextOption = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Limit for a reply. The default is what the context has left."
        ),
    ] = None,
) -> None:
    """Run the embedded Space: a chat page, with the API of Qwen2.5-Max's Space."""
    with _embedded_space(
        host=host, port=port, gguf=gguf, context=context, max_tokens=max_tokens
    ) as url:
        typer.echo(f"The embedded Space is at {url}\nAsk it: qwen-gradio ask --space {url} ...")
        typer.echo("Press Ctrl-C to stop it.")
        threading.Event().wait()


def _provider_of(model: str | None) -> type[Provider]:
    try:
        return provider_of(model)
    except ModelNotFoundError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from None


def _login(auth: str | None) -> tuple[str, str] | None:
    if auth is None:
        return None
    user, colon, password = auth.partition(":")
    if not colon:
        raise typer.BadParameter("must be USER:PASSWORD", param_hint="--auth")
    return user, password


def _named_value(given: str) -> tuple[str, Any]:
    name, equals, value = given.partition("=")
    if not equals:
        raise typer.BadParameter("must be NAME=VALUE", param_hint="--input")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


class _Lines:
    """Text that is written piece by piece, and whose last line can be ended."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self._write = write
        self._is_open = False

    def add(self, text: str) -> None:
        if text:
            self._write(text)
            self._is_open = not text.endswith("\n")

    def end(self) -> None:
        if self._is_open:
            self.add("\n")


async def _write_reply(stream: FragmentStream) -> None:
    """Write the fragments of a reply as they arrive, and on a terminal the reasoning before it."""
    spinner = notes.status("Connecting")  # shows nothing unless standard error is a terminal
    reply, reasoning = _Lines(_write), _Lines(_write_reasoning)

    def show(status: StreamStatus) -> None:
        spinner.update(escape(_without_controls(str(status))))

    def think(text: str) -> None:
        spinner.stop()
        reasoning.add(text)

    stream.on_status = show
    if notes.is_terminal:
        stream.on_reasoning = think
    spinner.start()
    try:
        async for fragment in stream:
            spinner.stop()
            reasoning.end()
            reply.add(fragment)
    finally:
        spinner.stop()
        reasoning.end()
        reply.end()


def _write(text: str) -> None:
    sys.stdout.write(_without_controls(text) if sys.stdout.isatty() else text)
    sys.stdout.flush()


def _write_reasoning(text: str) -> None:
    notes.out(_without_controls(text), style="dim", end="", highlight=False)


def _without_controls(text: str) -> str:
    return CONTROL_CHARACTERS.sub("", text)


def _with_piped_text(prompt: str) -> str:
    """Return the prompt, followed by what is piped to standard input; "-" is the latter alone."""
    if prompt == "-":
        return _read(sys.stdin.read)
    piped = "" if sys.stdin.isatty() else _read(sys.stdin.read)
    return f"{prompt}\n\n{piped}" if piped.strip() else prompt


def _typed_lines() -> Iterator[str]:
    """Yield the lines that the user types, until the input ends."""
    is_dialogue = sys.stdin.isatty()
    while True:
        try:
            line = _read(lambda: input("> " if is_dialogue else "")).strip()
        except (EOFError, KeyboardInterrupt) as end:
            if is_dialogue:  # the shell's own prompt starts on a line of its own
                typer.echo()
            if isinstance(end, EOFError):
                return
            raise
        if line:
            yield line


def _read(read: Callable[[], str]) -> str:
    """Read from standard input."""
    try:
        return read()
    except UnicodeDecodeError as error:
        _fail(f"standard input is not {error.encoding} text: {error.reason}")


@contextmanager
def _arguments_to_ask(options: Options) -> Iterator[dict[str, Any]]:
    """Give the arguments to ask with; the embedded Space, if it is to be asked, runs meanwhile."""
    arguments = options.to_arguments()
    if options.local and options.space is not None:
        raise typer.BadParameter("--local and --space cannot be used together")
    for name in ("gguf", "context"):
        if getattr(options, name) is not None and not options.local:
            raise typer.BadParameter(f"--{name} requires --local")
    if not options.local:
        yield arguments
        return
    with _embedded_space(
        gguf=options.gguf, context=options.context, max_tokens=options.max_tokens
    ) as url:
        yield {**arguments, "space": url}


@contextmanager
def _embedded_space(**options: Any) -> Iterator[str]:
    """Run the embedded Space. If it cannot start, exit with code 1 and one line of explanation."""
    from .local import running

    with ExitStack() as stack:
        try:
            with notes.status("Starting the embedded Space"):
                url = stack.enter_context(running(**options))
        except (ModuleNotFoundError, OSError, ValueError) as error:
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
    notes.print(f"qwen-gradio: {_without_controls(text)}", markup=False, soft_wrap=True)


@app.command()
def api(
    spaces: Annotated[
        list[str] | None,
        typer.Option(
            "--space",
            metavar="S",
            help="A Space, as owner/name or URL, that is offered as a model of that name, besides "
            "the models that `models` lists. Repeatable.",
        ),
    ] = None,
    local: Annotated[
        bool,
        typer.Option(
            "--local", help="Start the embedded Space, and ask it for all models. Works offline."
        ),
    ] = False,
    host: Annotated[
        str, typer.Option(help="The address to listen on. Others than this need --api-key.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=1, max=65535)] = 8000,
    api_key: Annotated[
        str | None,
        typer.Option(
            metavar="KEY",
            envvar="QWEN_GRADIO_SERVER_KEY",
            help="The key that clients have to send. Not a Hugging Face token: see --token.",
        ),
    ] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="TOKEN",
            envvar="QWEN_GRADIO_API_KEY",
            help="Hugging Face token, sent to every Space.",
        ),
    ] = None,
    max_concurrency: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="How many requests are asked at once; the others wait."
        ),
    ] = None,
) -> None:
    """Serve the models to tools that ask OpenAI's API, at http://127.0.0.1:8000/v1."""
    try:
        from .api import serve
    except ModuleNotFoundError as missing:
        _fail(f"{missing.name} is not installed. Run: pip install 'qwen-gradio[api]'")
    with ExitStack() as stack, _reported_errors():
        space = stack.enter_context(_embedded_space()) if local else None
        try:
            serve(
                host,
                port,
                spaces=spaces or [],
                space=space,
                token=token,
                server_key=api_key,
                max_concurrency=max_concurrency,
                on_start=_announce_endpoint,
            )
        except ValueError as error:
            raise typer.BadParameter(str(error), param_hint="--api-key") from None


def _announce_endpoint(url: str) -> None:
    typer.echo(f"The endpoint is at {url}\nPress Ctrl-C to stop it.")


def main() -> None:
    """Run the command, and exit."""
    is_output_closed = sys.stdout is None
    # Python has None for a stream that is closed, and gives its number to the next file it opens.
    sys.stdin = sys.stdin or Path(os.devnull).open()  # noqa: SIM115
    sys.stdout = sys.stdout or Path(os.devnull).open("w")  # noqa: SIM115
    sys.stderr = sys.stderr or Path(os.devnull).open("w")  # noqa: SIM115
    if is_output_closed:
        sys.exit("qwen-gradio: standard output is closed")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # replies may not fit its encoding
            stream.reconfigure(errors="replace")
    if isinstance(sys.stdin, io.TextIOWrapper):  # in some locales, it lets pass what is no text
        sys.stdin.reconfigure(errors="strict")
    app()
