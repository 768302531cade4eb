"""The options that commands share, and the arguments that they stand for."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from .._messages import History
from ..errors import ModelNotFoundError
from ..provider import Provider, provider_of
from .terminal import fail, notes

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
        given |= {
            "auth": login_from(self.auth),
            "inputs": dict(map(_named_value, self.inputs or [])),
        }
        return {
            "provider": _provider_of(self.model),
            **{name: value for name, value in given.items() if value is not None},
        }


def with_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the fields of `Options` as options of its own, after those it declares."""
    parameters = inspect.signature(command, eval_str=True).parameters.values()
    own = [parameter for parameter in parameters if parameter.name != "options"]
    shared = inspect.signature(Options, eval_str=True).parameters

    def run(**given: Any) -> None:
        options = Options(**{name: given.pop(name) for name in shared})
        command(options=options, **given)

    signature = inspect.Signature([*own, *shared.values()])
    run.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__name__, run.__doc__ = command.__name__, command.__doc__
    return run


def _provider_of(model: str | None) -> type[Provider]:
    try:
        return provider_of(model)
    except ModelNotFoundError as error:
        raise typer.BadParameter(str(error), param_hint="--model") from None


def login_from(auth: str | None) -> tuple[str, str] | None:
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


@contextmanager
def arguments_to_ask(options: Options) -> Iterator[dict[str, Any]]:
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
    with embedded_space(
        gguf=options.gguf, context=options.context, max_tokens=options.max_tokens
    ) as url:
        yield {**arguments, "space": url}


@contextmanager
def embedded_space(**options: Any) -> Iterator[str]:
    """Run the embedded Space. If it cannot start, exit with code 1 and one line of explanation."""
    from ..local import running

    with ExitStack() as stack:
        try:
            with notes.status("Starting the embedded Space"):
                url = stack.enter_context(running(**options))
        except (ModuleNotFoundError, OSError, ValueError) as error:
            fail(str(error))
        yield url
